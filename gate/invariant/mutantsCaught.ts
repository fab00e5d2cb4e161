/**
 * The checker is checked: evidence that was tampered with, evidence that is not there, and what an ancestor of this gate once passed
 * turn red exactly the checks that they should.
 *
 * Unit: a mutant of the evidence.
 */
import type { Measure } from "../Verdict.ts"
import { countMutants } from "./Mutations.ts"

export const mutantsCaught: Measure = (history) => countMutants(history, ["tampering", "absence", "ancestor"])
