/**
 * A task fails for good when its tries are spent, and not before: a dead task had as many as its kind declares, or lost as many runs in a
 * row as end one, or a person said so. A runtime that gives everything up would be quiet, fast and safe.
 *
 * Unit: a task that failed for good, of a kind that the scenario declares.
 */
import type { Measure } from "../Verdict.ts"
import { budgetsIn, type Death, lossesMax } from "./Budget.ts"
import { overFolds } from "./Units.ts"

/** Codes after which another try could do no better: the code of the task is not that of its record, or was used wrongly. */
const finals: ReadonlySet<string | null> = new Set(["replay_mismatch", "step_not_awaited", "undo_failed", "kind_gone"])

export const failuresEarned: Measure = (history) =>
  overFolds(history, ({ events, id, journal }, _log, units) => {
    for (const death of budgetsIn(events, journal.kinds).deaths) {
      const problem = problemOf(death)
      if (problem !== null) units.bad(`${id}, seq ${death.seq}, task ${death.task}: ${problem}`)
      else if (death.left === null) units.excluded("its kind is not declared")
      else units.good()
    }
  })

const problemOf = ({ by, code, left, losses }: Death): string | null => {
  if (by === "reconcile") return null
  if (by === "lease_lost") return losses === lossesMax ? null : `it was given up after ${losses} runs in a row were lost, and ${lossesMax} end a task`
  return left === null || left <= 0 || finals.has(code) ? null : `it was given up with ${left} tries left (${code ?? "no code"})`
}
