/**
 * What a report says about the simulation: how much was simulated, what struck, what failed and how each failing seed is run
 * again. It counts what is there and what was declared; a class that struck nothing is named and not left out.
 */
import type { SeedRun, Simulation } from "../History.ts"

export interface Simulated {
  /** One sentence. */
  readonly line: string
  /** By class, the most frequent first; a declared one that struck nothing has 0. */
  readonly faults: ReadonlyArray<{ readonly name: string; readonly hits: number; readonly seeds: number }>
  /** At most `seedsShown` of the seeds in which something failed. */
  readonly failing: ReadonlyArray<{ readonly seed: number; readonly failed: string; readonly found: string; readonly faults: string; readonly repeat: string }>
  readonly failingTotal: number
}

export const seedsShown = 20

/** A seed that failed, with the fewest faults that make it fail. */
export interface ShrunkSeed {
  readonly seed: number
  readonly problems: ReadonlyArray<string>
  readonly faults: ReadonlyArray<string>
}

export interface AboutSeeds {
  /** The command that runs one seed again. */
  readonly repeat: (seed: number) => string
  /** How long it took, milliseconds; null where nobody measured that. */
  readonly ms: number | null
  /** Of the seeds that failed, those whose faults were shrunk. */
  readonly shrunk: ReadonlyArray<ShrunkSeed>
}

export const simulated = ({ declared, seeds }: Simulation, { ms, repeat, shrunk }: AboutSeeds): Simulated => {
  const failing = seeds.filter(failedIn)
  const hours = sum(seeds, ({ virtual_ms }) => virtual_ms) / 3_600_000
  const twice = seeds.filter((seed) => seed.twice !== null)
  const differ = twice.filter((seed) => seed.twice === false).length
  const classes = [...new Set([...declared.fault_classes, ...seeds.flatMap(({ hits }) => Object.keys(hits))])]
  const pace = ms === null || ms === 0 ? "" : ` at ${Math.round(hours / (ms / 3_600_000)).toLocaleString("en")} times real time, ${((hours / ms) * 1000).toFixed(1)} hours a second`
  return {
    line: `${seeds.length} of ${declared.seeds} seeds, ${hours.toFixed(1)} virtual hours${pace}; ${failing.length === 0 ? "none failed" : `${failing.length} failed`}; ${twice.length} run twice, ${differ === 0 ? "all with the same digest" : `${differ} with another digest`}.`,
    faults: classes
      .map((name) => ({ name, hits: sum(seeds, ({ hits }) => hits[name] ?? 0), seeds: seeds.filter(({ hits }) => (hits[name] ?? 0) > 0).length }))
      .sort((a, b) => b.hits - a.hits || (a.name < b.name ? -1 : 1)),
    failing: failing.slice(0, seedsShown).map((run) => {
      const found = shrunk.find(({ seed }) => seed === run.seed)
      return { seed: run.seed, failed: wordsOf(run), found: found?.problems[0] ?? "–", faults: found === undefined ? "not tried" : found.faults.join(", ") || "none", repeat: repeat(run.seed) }
    }),
    failingTotal: failing.length
  }
}

const failedIn = ({ failed, twice }: SeedRun): boolean => failed.length > 0 || twice === false

const wordsOf = ({ failed, twice }: SeedRun): string => [...failed, ...(twice === false ? ["another digest the second time"] : [])].join(", ")

/** The seeds in which this measure found something bad. */
export const seedsOf = (measure: string, { seeds }: Simulation): ReadonlyArray<number> => seeds.filter(({ failed }) => failed.includes(measure)).map(({ seed }) => seed)

const sum = (seeds: ReadonlyArray<SeedRun>, of: (seed: SeedRun) => number): number => seeds.reduce((total, seed) => total + of(seed), 0)
