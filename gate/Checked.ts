/**
 * `opsgate gate --self-test`: the checker is checked and nothing else. The evidence is that of the newest bundle of this machine that
 * verifies; the product is the one that is built.
 */
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { Data, Effect } from "effect"
import { readFiles } from "./evidence/Files.ts"
import type { PinnedKey } from "./evidence/Keys.ts"
import { verify } from "./evidence/Verifier.ts"
import type { SelfTest } from "./History.ts"
import { escapeOf } from "./invariant/Mutations.ts"
import { mutantsCaught } from "./invariant/mutantsCaught.ts"
import { runtimeMutantsCaught } from "./invariant/runtimeMutantsCaught.ts"
import type { Progress } from "./Progress.ts"
import { evidenceMutants } from "./selftest/all.ts"
import { seedsMax } from "./selftest/Runtime.ts"
import { selfTest } from "./selftest/SelfTest.ts"
import { mutantsOfProduct } from "./Simulated.ts"
import { simulateSeeds, type SimulationBroken } from "./simulation/Simulation.ts"
import type { Measurement } from "./Verdict.ts"

/** There is no bundle to break. Nothing was checked. */
export class NothingToBreak extends Data.TaggedError("NothingToBreak")<{ readonly dir: string }> {
  override get message() {
    return `${this.dir} has no bundle that verifies: run the gate first (npm run gate -- --profile quick)`
  }
}

export interface Checked {
  /** The bundle that was broken. */
  readonly bundle: string
  readonly selfTest: SelfTest
  readonly evidence: Measurement
  readonly product: Measurement
}

/** `root` holds `dist`, `scenarios` and `evidence`. */
export const checkTheChecker = (root: string, pinned: ReadonlyArray<PinnedKey>, progress: Progress): Effect.Effect<Checked, NothingToBreak | SimulationBroken> =>
  Effect.gen(function*() {
    const runs = join(root, "evidence", "runs")
    const bundle = newestIn(runs, pinned)
    if (bundle === null) return yield* new NothingToBreak({ dir: runs })
    const stage = progress.stage("self-test", evidenceMutants.length, "mutants")
    const evidence = selfTest(readFiles(bundle).files, evidenceMutants, stage)
    stage.done()
    const { simulation } = yield* simulateSeeds({ root, progress }, 1, seedsMax)
    const product = yield* mutantsOfProduct(simulation, root, progress)
    const tested: SelfTest = { ...evidence, baselines: { ...evidence.baselines, ...product?.baselines }, mutations: [...evidence.mutations, ...(product?.mutations ?? [])] }
    return { bundle, selfTest: tested, evidence: mutantsCaught({ scenarios: [], selfTest: tested }), product: runtimeMutantsCaught({ scenarios: [], selfTest: tested }) }
  })

const newestIn = (runs: string, pinned: ReadonlyArray<PinnedKey>): string | null => {
  const names = namesIn(runs).toSorted().reverse()
  const found = names.find((name) => verify(join(runs, name), { pinned })._tag === "Verified")
  return found === undefined ? null : join(runs, found)
}

const namesIn = (dir: string): ReadonlyArray<string> => {
  try {
    return readdirSync(dir)
  } catch {
    return []
  }
}

/** 0 when every mutant was caught, 1 when one was not, 2 when evidence is missing. */
export const checkedExit = ({ evidence, product }: Checked): 0 | 1 | 2 => {
  const all = [evidence, product]
  if (all.some((measured) => measured._tag === "Counted" && measured.good < measured.total)) return 1
  return all.every((measured) => measured._tag === "Counted" && measured.total > 0) ? 0 : 2
}

/** What became of each family, and of every mutant that was not caught, in a line each. */
export const checkedLines = ({ bundle, evidence, product, selfTest: { baselines, mutations } }: Checked): ReadonlyArray<string> => {
  const families = [...new Set(mutations.map(({ family }) => family))]
  return [
    `checked on ${bundle} and on the product as it is built`,
    ...families.map((family) => {
      const executed = mutations.filter((mutation) => mutation.family === family && mutation.digest !== null)
      const caught = executed.filter((mutation) => escapeOf(mutation, baselines[mutation.baseline]?.verdicts ?? {}) === null)
      return `${family}: ${executed.length} mutations, ${caught.length} caught`
    }),
    ...[evidence, product].flatMap((measured) => (measured._tag === "Missing" ? [`nothing is credited: ${measured.why}`] : measured.offenders.map((offender) => `not caught: ${offender}`)))
  ]
}
