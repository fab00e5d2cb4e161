/**
 * A jump of the wall clock ends no lease, no run and no epoch.
 *
 * Unit: a trial that struck (`Trials.ts`).
 */
import type { Measure } from "../Verdict.ts"
import { countTrials } from "./Trials.ts"

export const clockSurvived: Measure = (history) => countTrials(history, "clock")
