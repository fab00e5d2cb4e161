/**
 * On a disk that may only be read nothing begins and nothing is damaged, and work goes on when it may be written.
 *
 * Unit: a trial that struck (`Trials.ts`).
 */
import type { Measure } from "../Verdict.ts"
import { countTrials } from "./Trials.ts"

export const readOnlySurvived: Measure = (history) => countTrials(history, "read_only")
