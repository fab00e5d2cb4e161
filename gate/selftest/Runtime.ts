/**
 * The self-test of the product: takes one guard at a time out of the built image and plays seeds with it, until the measures that keep
 * this guard have turned red. The seeds are those of the run itself, in the same order, so what the product does unbroken is known.
 */
import { readFileSync } from "node:fs"
import { Effect, Either } from "effect"
import { sha256 } from "../evidence/Canonical.ts"
import { clip } from "../evidence/Plain.ts"
import type { Mutation, SeedRun, SelfTest, VerdictMap } from "../History.ts"
import type { Stage } from "../Progress.ts"
import type { Patch, RuntimeMutant } from "./RuntimeMutants.ts"

/** Plays seeds in their order with a patched image, and tells of each which measures it failed. It ends early when the signal says so. */
export type Play = (patches: ReadonlyArray<Patch>, seeds: ReadonlyArray<number>, told: (failed: ReadonlyArray<string>) => void, signal: AbortSignal) => Promise<void>

export interface RuntimeOptions {
  /** `dist/image.js`. */
  readonly image: string
  readonly play: Play
  /** Seeds as the unbroken product played them, in order; what they failed. */
  readonly seeds: ReadonlyArray<Pick<SeedRun, "seed" | "failed" | "seen" | "hits">>
  /** Names of the measures by which seeds are judged. */
  readonly measures: ReadonlyArray<string>
  /** How many mutants are played at a time. */
  readonly atOnce: number
  readonly stage: Stage
}

/** A mutant that is not caught by so many seeds is not caught. */
export const seedsMax = 120
/** One whose seeds take longer, in milliseconds, could not be executed. */
const patienceMs = 120_000

const baselineName = "runtime"

/** Answers the records of all mutants, in their order, with the baseline that they are compared with. */
export const runtimeSelfTest = (options: RuntimeOptions, mutants: ReadonlyArray<RuntimeMutant>): Effect.Effect<Pick<SelfTest, "baselines" | "mutations">> =>
  Effect.gen(function*() {
    const text = readFileSync(options.image, "utf8")
    const failed = new Set(mutants.flatMap((mutant) => seedsFor(mutant, options.seeds)).flatMap((seed) => seed.failed))
    const before = mapOf(options.measures, failed)
    let done = 0
    const mutations = yield* Effect.forEach(mutants, (mutant) =>
      Effect.tap(run(mutant, text, { ...options, seeds: seedsFor(mutant, options.seeds) }), () => Effect.sync(() => options.stage.step(done += 1, mutant.id))), { concurrency: options.atOnce })
    return { baselines: { [baselineName]: { digest: sha256(text), verdicts: before } }, mutations }
  })

// Those first in which the unbroken product went through what the mutant breaks; where it is caught earlier, fewer are played.
const seedsFor = ({ where = [] }: RuntimeMutant, seeds: RuntimeOptions["seeds"]): RuntimeOptions["seeds"] => {
  const fits = ({ hits, seen }: RuntimeOptions["seeds"][number]) => where.every((name) => (seen[name] ?? hits[name] ?? 0) > 0)
  return [...seeds.filter(fits), ...seeds.filter((seed) => !fits(seed))].slice(0, seedsMax)
}

const mapOf = (measures: ReadonlyArray<string>, failed: ReadonlySet<string>): VerdictMap => Object.fromEntries(measures.map((name) => [name, failed.has(name) ? "FAIL" : "PASS"]))

const run = (mutant: RuntimeMutant, text: string, { measures, play, seeds }: RuntimeOptions): Effect.Effect<Mutation> => {
  const record = { id: mutant.id, family: "runtime" as const, what: mutant.what, baseline: baselineName, must_flip: mutant.must_flip, may_flip: mutant.may_flip ?? {} }
  const broken = (error: string): Mutation => ({ ...record, digest: null, after: {}, error: clip(error, 200) })
  const patched = patchedText(text, mutant.patches)
  if (Either.isLeft(patched)) return Effect.succeed(broken(patched.left))
  const unasked = mutant.must_flip.find((name) => !measures.includes(name))
  if (unasked !== undefined) return Effect.succeed(broken(`no seed is judged by ${unasked}`))
  if (seeds.length === 0) return Effect.succeed(broken("no seed was played"))
  const failed = new Set<string>()
  const isCaught = () => mutant.must_flip.every((name) => failed.has(name))
  let played = 0
  return Effect.tryPromise({
    try: (signal) => {
      const enough = new AbortController()
      signal.addEventListener("abort", () => enough.abort())
      return play(mutant.patches, seeds.map(({ seed }) => seed), (found) => {
        // What comes after it was caught was under way already, and would make the record depend on how fast the machine is.
        if (isCaught()) return
        played += 1
        for (const name of found) failed.add(name)
        if (isCaught()) enough.abort()
      }, enough.signal)
    },
    catch: (cause) => (cause instanceof Error ? cause.message : String(cause))
  }).pipe(
    Effect.timeoutFail({ duration: patienceMs, onTimeout: () => `after ${patienceMs} ms and ${played} seeds it was not over` }),
    Effect.match({
      onFailure: broken,
      onSuccess: (): Mutation => ({ ...record, what: `${mutant.what} (${played} ${played === 1 ? "seed" : "seeds"}.)`, digest: sha256(patched.right), after: mapOf(measures, failed), error: null })
    })
  )
}

/** The text with its patches; a sentence when one of them does not fit exactly once. */
export const patchedText = (text: string, patches: ReadonlyArray<Patch>): Either.Either<string, string> => {
  let patched = text
  for (const { find, replace } of patches) {
    const fits = patched.split(find).length - 1
    if (fits !== 1) return Either.left(`its patch fits ${fits} times in the built product: ${find.trim()}`)
    patched = patched.replace(find, () => replace)
  }
  return patched === text ? Either.left("it changed no byte") : Either.right(patched)
}
