/**
 * Every claim counts as the attempt that it is, and none comes after the last: a task is tried as often as its kind declares, more often
 * only for what was lost with its worker, parked, or granted by a person, and no task loses more than so many runs in a row.
 *
 * Unit: a claim of a task whose kind the scenario declares.
 */
import type { Measure } from "../Verdict.ts"
import { budgetsIn, type Claim, lossesMax } from "./Budget.ts"
import { overFolds } from "./Units.ts"

export const attemptsCapped: Measure = (history) =>
  overFolds(history, ({ events, id, journal }, _log, units) => {
    for (const claim of budgetsIn(events, journal.kinds).claims) {
      const problem = problemOf(claim)
      if (problem !== null) units.bad(`${id}, seq ${claim.seq}, task ${claim.task}: ${problem}`)
      else if (claim.left === null) units.excluded("its kind is not declared")
      else units.good()
    }
  })

const problemOf = ({ attempt, due, left, losses }: Claim): string | null => {
  if (attempt !== due) return `it was claimed as attempt ${attempt ?? "(none)"}, and ${due} was due`
  if (left !== null && left <= 0) return `it was claimed as attempt ${attempt}, and no try was left`
  return losses < lossesMax ? null : `it was claimed after ${losses} runs in a row were lost`
}
