/**
 * Where a write or a sync fails, the server says so in the way that the docs promise, and nothing that was acknowledged is lost.
 *
 * Unit: a trial that struck (`Trials.ts`).
 */
import type { Measure } from "../Verdict.ts"
import { countTrials } from "./Trials.ts"

export const ioErrorsSurvived: Measure = (history) => countTrials(history, "io_error")
