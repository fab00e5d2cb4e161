/** The simulated part of a run: the seeds and the soak of a profile, beside each other, and what is said of them. */
import { availableParallelism } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import type { SelfTest, Simulation } from "./History.ts"
import { runtimeMutants } from "./selftest/RuntimeMutants.ts"
import { runtimeSelfTest } from "./selftest/Runtime.ts"
import type { Profile } from "./Profiles.ts"
import type { Progress } from "./Progress.ts"
import type { SameProduct } from "./simulation/Product.ts"
import { type Failure, hourMs, patchedSeeds, simulateOne, simulateSeeds, simulateSoak, SimulationBroken, type Texts } from "./simulation/Simulation.ts"

/** The first seed of a profile. A run is always of the same seeds, so that two runs can be compared. */
const firstSeed = 1
/** The seed of the soak. */
export const soakSeed = 72

export interface SimulatedPart {
  readonly simulation: Simulation | null
  readonly product: SameProduct | null
  readonly failures: ReadonlyArray<Failure>
  /** Scenarios for the bundle: the soak, and the seeds that failed. */
  readonly texts: ReadonlyArray<Texts>
  readonly ms: number
}

/** The command that plays a seed again: with all that it draws, or with these faults alone. */
export const replayOf = (seed: number, faults?: ReadonlyArray<string>): string => `npm run gate -- --simulate ${seed}${faults === undefined ? "" : ` --only ${faults.join(",") || nothing}`}`

/** What `--only` is told to play no fault at all. */
export const nothing = "none"

const sayFailure = ({ faults, problems, seed }: Failure): string =>
  `seed ${seed} failed: ${problems[0] ?? ""}; it fails with ${faults.length === 0 ? "no fault at all" : `${faults.length} of its faults`}: ${replayOf(seed, faults)}`

export const simulateFor = ({ seeds, soak_hours }: Profile, root: string, progress: Progress, nowMs: () => number): Effect.Effect<SimulatedPart, SimulationBroken> =>
  Effect.gen(function*() {
    const startedMs = nowMs()
    const options = { root, progress }
    const [simulated, soak] = yield* Effect.all([
      seeds === 0 ? Effect.succeed(null) : simulateSeeds(options, firstSeed, seeds),
      soak_hours === 0 ? Effect.succeed(null) : simulateSoak(options, soakSeed, soak_hours)
    ], { concurrency: 2 })
    if (simulated !== null) {
      const { failures, product } = simulated
      progress.say(`simulated: ${product.modules} modules as they are shipped (${product.shipped.slice(0, 16)}, in the simulation ${product.image.slice(0, 16)})`)
      failures.forEach((failure) => progress.say(sayFailure(failure)))
    }
    return { simulation: simulated?.simulation ?? null, product: simulated?.product ?? null, failures: simulated?.failures ?? [], texts: [...(soak === null ? [] : [soak]), ...(simulated?.texts ?? [])], ms: nowMs() - startedMs }
  })

export const settings = ["seeds", "soak"] as const
export type SettingName = (typeof settings)[number]

/** The command that plays again what is in a bundle as a scenario: the soak and the seeds that failed have no file in `scenarios/`. */
export const repeatOf = (profile: string, scenario: string, seed: number): string => {
  const [, setting] = /^(seeds|soak)-\d+$/.exec(scenario) ?? []
  if (setting === undefined) return `npm run gate -- --profile ${profile} --scenario ${scenario} --seed ${seed}`
  return `${replayOf(seed)}${setting === "soak" ? " --setting soak" : ""}`
}

export interface Again {
  readonly setting: SettingName
  readonly seed: number
  /** Names of the faults that are played; null for all that the seed draws. */
  readonly only: ReadonlyArray<string> | null
  /** Of the soak: for how long people ask and faults strike, in virtual hours. */
  readonly hours?: number
}

/** One seed again, or with some of its faults only. Answers whether nothing failed. */
export const simulateAgain = (root: string, { hours, only, seed, setting }: Again, say: (text: string) => void): Effect.Effect<boolean, SimulationBroken> =>
  Effect.flatMap(simulateOne(root, setting, seed, only, hours === undefined ? undefined : hours * hourMs), ({ problems, run, strikes }) => {
    const unknown = only?.filter((name) => !strikes.includes(name)) ?? []
    if (unknown.length > 0) return new SimulationBroken({ why: `seed ${seed} draws no fault ${unknown.join(", ")}` })
    say(`${setting === "soak" ? "soak of " : ""}seed ${seed}: ${run.events} events in ${(run.virtual_ms / 60_000).toFixed(1)} virtual minutes, digest ${run.digest}`)
    say(`faults: ${strikes.join(" ") || "none"}; struck: ${Object.entries(run.hits).map(([name, count]) => `${name} ${count}`).join(", ") || "nothing"}`)
    problems.forEach(say)
    say(problems.length === 0 ? "nothing failed" : `failed: ${run.failed.join(", ")}`)
    return Effect.succeed(problems.length === 0)
  })

/** What seeds find when a guard is taken out of the product; null where no seeds were played. */
export const mutantsOfProduct = (simulation: Simulation | null, root: string, progress: Progress): Effect.Effect<Pick<SelfTest, "baselines" | "mutations"> | null> => {
  if (simulation === null) return Effect.succeed(null)
  const stage = progress.stage("mutants of the product", runtimeMutants.length, "mutants")
  const { declared: { measures }, seeds } = simulation
  const options = { image: join(root, "dist", "image.js"), play: patchedSeeds(root, measures), seeds, measures, atOnce: availableParallelism(), stage }
  return Effect.tap(runtimeSelfTest(options, runtimeMutants), () => Effect.sync(() => stage.done()))
}
