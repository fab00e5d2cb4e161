/**
 * Every `task.<state>` event fits the state that the log had the task in, and its trigger leads there by the table. An
 * approval needs every hold released first; an unknown outcome is moved by reconcile alone.
 *
 * Unit: a transition.
 */
import type { Measure } from "../Verdict.ts"
import { overFolds } from "./Units.ts"

export const legalTransitions: Measure = (history) =>
  overFolds(history, ({ id }, { moves }, units) => {
    for (const { by, from, refusal, seq, task, to } of moves) {
      if (refusal === null) units.good()
      else units.bad(`${id}, seq ${seq}, task ${task}: ${from} to ${to} by ${by} ${refusal}`)
    }
  })
