/**
 * No run begins with an open hold: whoever had to say yes has said it, to this and not to something else, and nobody to his own work
 * unless that is marked. Told from what people said, not from what the product says about its holds.
 *
 * Unit: a run that began of a task about which people were asked.
 */
import type { Measure } from "../Verdict.ts"
import { overFolds } from "./Units.ts"
import { beginsIn } from "./Words.ts"

export const runsApproved: Measure = (history) =>
  overFolds(history, ({ events, id }, _log, units) => {
    for (const { asked, ending, missing, seq, task } of beginsIn(events)) {
      if (!asked) units.excluded("nobody had to be asked")
      else if (ending) units.excluded("it was asked to end and begins nothing")
      else if (missing === null) units.good()
      else units.bad(`${id}, seq ${seq}, task ${task}: it began although ${missing}`)
    }
  })
