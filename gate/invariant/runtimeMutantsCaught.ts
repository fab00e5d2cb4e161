/**
 * The checker is checked on the product: with one guard taken out of the built image, the seeds turn red the measures that keep this guard.
 *
 * Unit: a mutant of the product.
 */
import type { Measure } from "../Verdict.ts"
import { countMutants } from "./Mutations.ts"

export const runtimeMutantsCaught: Measure = (history) => countMutants(history, ["runtime"])
