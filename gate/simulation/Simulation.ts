/** The simulated part of a run of the gate: the seeds, some of them twice, and the soak. */
import { Data, Effect } from "effect"
import { existsSync } from "node:fs"
import { join } from "node:path"
import type { Journal, SeedRun, Simulation } from "../History.ts"
import type { Progress } from "../Progress.ts"
import { ImageRefused } from "./Loader.ts"
import { playAll, type PoolOptions, ThreadBroken } from "./Pool.ts"
import { type SameProduct, sameProduct } from "./Product.ts"
import type { Kept, Told, Wanted } from "./Protocol.ts"
import { readSetting, type Setting } from "./Setting.ts"
import { shrunk } from "./Shrink.ts"
import { configurationOf } from "./Workspace.ts"

/** Nothing could be simulated. */
export class SimulationBroken extends Data.TaggedError("SimulationBroken")<{ readonly why: string }> {
  override get message() {
    return this.why
  }
}

export interface SimulationOptions {
  /** The folder that holds `dist` and `scenarios`. */
  readonly root: string
  readonly progress: Progress
}

/** The texts of a scenario that was simulated, for the bundle. */
export interface Texts {
  readonly id: string
  readonly journal: Journal
  readonly eventsText: string
  readonly effectsText: string
  readonly configuration: unknown
}

/** A seed that failed, with the fewest faults that make it fail. */
export interface Failure {
  readonly seed: number
  readonly problems: ReadonlyArray<string>
  readonly faults: ReadonlyArray<string>
}

export interface Simulated {
  readonly simulation: Simulation
  readonly product: SameProduct
  /** Of the first seeds that failed. */
  readonly failures: ReadonlyArray<Failure>
  readonly texts: ReadonlyArray<Texts>
}

/** Every so many seeds one is run twice. */
const twiceEvery = 20
/** Failures that are shrunk, whose logs are kept, and how often each is tried. */
const shrunkMax = 3
const triesMax = 40

const filesOf = (root: string, name: string): Pick<PoolOptions, "thread" | "image" | "fake" | "setting" | "patches"> => ({
  thread: join(root, "dist", "simulation.js"),
  image: join(root, "dist", "image.js"),
  fake: join(root, "dist", "telegram-world.js"),
  setting: join(root, "scenarios", "simulated", `${name}.json`),
  patches: []
})

// What is missing would otherwise be told by each thread, in words of its own.
const played = (options: PoolOptions, wanted: ReadonlyArray<Wanted>, told: (told: Told) => void): Effect.Effect<void, SimulationBroken> => {
  const missing = [options.thread, options.image, options.fake].find((file) => !existsSync(file))
  return missing === undefined ? playing(options, wanted, told) : new SimulationBroken({ why: `${missing} is not built: npm run build` })
}

const playing = (options: PoolOptions, wanted: ReadonlyArray<Wanted>, told: (told: Told) => void): Effect.Effect<void, SimulationBroken> =>
  Effect.tryPromise({
    try: (signal) => playAll(options, wanted, told, signal),
    catch: (cause) => new SimulationBroken({ why: cause instanceof ThreadBroken || cause instanceof ImageRefused ? cause.message : String(cause) })
  })

const orBroken = <A>(attempt: () => A): Effect.Effect<A, SimulationBroken> =>
  Effect.try({ try: attempt, catch: (cause) => new SimulationBroken({ why: cause instanceof Error ? cause.message : String(cause) }) })

const textsOf = ({ effectsText, eventsText, journalText }: Kept, setting: Setting): Texts => {
  const journal: Journal = JSON.parse(journalText)
  return { id: journal.scenario.id, journal, eventsText, effectsText, configuration: configurationOf(setting) }
}

/** Plays the seeds from `first` on. The same seeds always give the same digests. */
export const simulateSeeds = ({ progress, root }: SimulationOptions, first: number, count: number): Effect.Effect<Simulated, SimulationBroken> =>
  Effect.gen(function*() {
    const product = yield* orBroken(() => sameProduct(join(root, "dist", "modules.json")))
    const files = filesOf(root, "seeds")
    const setting = yield* orBroken(() => readSetting(files.setting))
    const options: PoolOptions = { ...files, measures: setting.measures }
    const seeds = Array.from({ length: count }, (_, n) => first + n)
    const again = seeds.filter((_, n) => n % twiceEvery === 0)
    const all = [...seeds, ...again].map((seed): Wanted => ({ seed, only: null, keep: false }))
    const stage = progress.stage("simulation", all.length, "seeds")
    const runs = new Map<number, Array<Told>>()
    let done = 0
    yield* played(options, all, (told) => {
      runs.set(told.run.seed, [...(runs.get(told.run.seed) ?? []), told])
      stage.step(done += 1)
    })
    stage.done()
    const seedRuns = seeds.flatMap((seed): ReadonlyArray<SeedRun> => {
      const [one, other] = runs.get(seed) ?? []
      return one === undefined ? [] : [{ ...one.run, twice: again.includes(seed) ? other?.run.digest === one.run.digest : null }]
    })
    const failed = seeds.flatMap((seed) => (runs.get(seed) ?? []).filter(({ run }) => run.failed.length > 0).slice(0, 1)).slice(0, shrunkMax)
    const failures = yield* Effect.forEach(failed, (told) => smallest(options, told))
    return {
      simulation: { v: 1, declared: { seeds: count, twice: again.length, fault_classes: classesIn(setting), measures: setting.measures }, seeds: seedRuns },
      product,
      failures,
      texts: failed.flatMap(({ kept }) => (kept === null ? [] : [textsOf(kept, setting)]))
    }
  })

/** A soak keeps days of calls and events in memory, MiB. */
const worldMb = 512

/** One seed, with the faults of these names alone; null for all that it draws. `activeMs`: for so long, and not as the setting has it. */
export const simulateOne = (root: string, name: string, seed: number, only: ReadonlyArray<string> | null, activeMs?: number): Effect.Effect<Told, SimulationBroken> =>
  Effect.gen(function*() {
    const files = filesOf(root, name)
    const { measures } = yield* orBroken(() => readSetting(files.setting))
    const told: Array<Told> = []
    yield* played({ ...files, measures, threads: 1, heapMb: worldMb, ...(activeMs === undefined ? {} : { active_ms: activeMs }) }, [{ seed, only, keep: true }], (one) => void told.push(one))
    const [one] = told
    return one ?? (yield* new SimulationBroken({ why: `seed ${seed} was not played` }))
  })

/** Plays seeds with a patched product, one after the other, and tells of each what it failed. */
export const patchedSeeds = (root: string, measures: ReadonlyArray<string>) => (patches: PoolOptions["patches"], seeds: ReadonlyArray<number>, told: (failed: ReadonlyArray<string>) => void, signal: AbortSignal): Promise<void> =>
  playAll({ ...filesOf(root, "seeds"), patches, measures, threads: 1 }, seeds.map((seed) => ({ seed, only: null, keep: false })), ({ run }) => told(run.failed), signal)

export const hourMs = 3_600_000

/** The soak: one long run with the work of people, as a scenario of its own. */
export const simulateSoak = ({ progress, root }: SimulationOptions, seed: number, hours: number): Effect.Effect<Texts, SimulationBroken> =>
  Effect.gen(function*() {
    const stage = progress.stage("soak", hours, "h")
    const told = yield* simulateOne(root, "soak", seed, null, hours * hourMs)
    stage.done()
    const setting = yield* orBroken(() => readSetting(filesOf(root, "soak").setting))
    return told.kept === null ? yield* new SimulationBroken({ why: told.problems.join("; ") }) : textsOf(told.kept, setting)
  })

// What the classes of the setting are called in a journal.
const journalNames: Readonly<Record<string, string>> = { kill: "sigkill", kill_at_commit: "sigkill", pause: "sigstop", polls: "poll_fault", sends: "send_fault" }
const classesIn = ({ faults, people: { double_ppm } }: Setting): ReadonlyArray<string> =>
  [...new Set(Object.entries({ ...faults, replay: double_ppm }).flatMap(([name, perHour]) => (perHour > 0 ? [journalNames[name] ?? name] : [])))].sort()

const smallest = (options: PoolOptions, { problems, run, strikes }: Told): Effect.Effect<Failure, SimulationBroken> =>
  Effect.map(
    Effect.tryPromise({
      try: (signal) =>
        shrunk(strikes, async (only) => {
          const again: Array<Told> = []
          await playAll({ ...options, threads: 1 }, [{ seed: run.seed, only, keep: false }], (told) => void again.push(told), signal)
          return again.some((told) => told.run.failed.some((name) => run.failed.includes(name)))
        }, triesMax),
      catch: (cause) => new SimulationBroken({ why: String(cause) })
    }),
    (faults) => ({ seed: run.seed, problems: problems.slice(0, 5), faults })
  )
