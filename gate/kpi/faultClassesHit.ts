/**
 * Every class of faults that the simulation declared struck what it had to strike. A class without a hit shows nothing: it is missing
 * evidence, and so is a class that nobody declared.
 *
 * Unit: a seed with an instant at which a fault struck; by class.
 */
import type { Measure } from "../Verdict.ts"
import { overSeeds } from "./seedsHold.ts"

export const faultClassesHit: Measure = ({ simulation = null }) =>
  overSeeds(simulation, ({ declared, seeds }, units) => {
    if (declared.fault_classes.length === 0) units.missing("the simulation declares no class of faults")
    for (const name of declared.fault_classes) {
      const hits = seeds.reduce((sum, one) => sum + (one.hits[name] ?? 0), 0)
      if (hits === 0) units.missing(`no ${name} struck anything in ${seeds.length} seeds`)
      else units.good(hits, name)
    }
    const strange = seeds.flatMap(({ hits, seed }) => Object.keys(hits).filter((name) => !declared.fault_classes.includes(name)).map((name) => `seed ${seed} has faults of the class ${name}, which nobody declared`))
    if (strange[0] !== undefined) units.missing(strange[0])
  })
