/**
 * On a full disk nothing begins, reads are answered, changes are refused in words, and work goes on by itself when there is room.
 *
 * Unit: a trial that struck (`Trials.ts`).
 */
import type { Measure } from "../Verdict.ts"
import { countTrials } from "./Trials.ts"

export const fullDiskSurvived: Measure = (history) => countTrials(history, "full_disk")
