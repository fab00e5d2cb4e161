/**
 * Every seed of the simulation kept what it had to keep: no measure that judged it found something bad or could not be taken, and
 * something happened in it.
 *
 * Unit: a seed. A seed that is listed twice, or whose history is that of another seed, is no further sample.
 */
import type { Simulation } from "../History.ts"
import { counted, type Units } from "../invariant/Units.ts"
import type { Measure } from "../Verdict.ts"

export const seedsHold: Measure = ({ simulation = null }) =>
  overSeeds(simulation, ({ declared, seeds }, units) => {
    if (declared.measures.length === 0) units.missing("no measure judged the seeds")
    for (const { events, failed, seed } of seeds) {
      if (failed.length > 0) units.bad(`seed ${seed}: ${failed.join(", ")}`)
      else if (events === 0) units.bad(`seed ${seed}: nothing happened`)
      else units.good()
    }
  })

/** Counts over a simulation of which nothing is missing: as many seeds as declared, each of its own. */
export const overSeeds = (simulation: Simulation | null, count: (simulation: Simulation, units: Units) => void) =>
  counted((units) => {
    if (simulation === null) return units.missing("the seeds of the simulation are not there")
    const { declared, seeds } = simulation
    if (seeds.length < declared.seeds) units.missing(`${declared.seeds} seeds were declared, and ${seeds.length} are there`)
    const known = new Set<number>()
    const digests = new Map<string, number>()
    for (const { digest, seed } of seeds) {
      if (known.has(seed)) units.missing(`seed ${seed} is listed twice`)
      known.add(seed)
      const same = digests.get(digest)
      if (same !== undefined) units.missing(`the seeds ${same} and ${seed} have one history`)
      digests.set(digest, seed)
    }
    count(simulation, units)
  })
