/**
 * Whoever wrote held the lease: every intent, outcome and return to the queue carries the highest generation granted so far,
 * and the task was RUNNING. No intent comes after its lease has run out. Nothing begins, and nothing becomes unknown, while an outcome is unknown.
 *
 * Unit: such a write.
 */
import type { Measure } from "../Verdict.ts"
import type { Write } from "./Fold.ts"
import { overFolds } from "./Units.ts"

export const writesFenced: Measure = (history) =>
  overFolds(history, ({ id }, { writes }, units) => {
    for (const write of writes) {
      const problem = problemOf(write)
      if (problem === null) units.good()
      else units.bad(`${id}, seq ${write.seq}, task ${write.task}: ${write.type} ${problem}`)
    }
  })

const problemOf = ({ expired, generation, highest, running, type, unknown }: Write): string | null => {
  if (!running) return "was written while the task was not RUNNING"
  if (generation !== highest) return `was written under generation ${generation}, and ${highest} was the highest granted`
  if (expired) return "was written after its lease had run out"
  return unknown && needsKnownOutcome.has(type) ? "was written while the outcome was unknown" : null
}

const needsKnownOutcome: ReadonlySet<string> = new Set(["effect.intent", "task.outcome_unknown"])
