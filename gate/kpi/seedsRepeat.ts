/**
 * The same seed gives the same log, byte for byte.
 *
 * Unit: a seed that was run twice.
 */
import type { Measure } from "../Verdict.ts"
import { overSeeds } from "./seedsHold.ts"

export const seedsRepeat: Measure = ({ simulation = null }) =>
  overSeeds(simulation, ({ declared, seeds }, units) => {
    const twice = seeds.filter((one) => one.twice !== null)
    if (twice.length < declared.twice) units.missing(`${declared.twice} seeds were to be run twice, and ${twice.length} were`)
    for (const one of twice) {
      if (one.twice === true) units.good()
      else units.bad(`seed ${one.seed}: its second run gave another log`)
    }
  })
