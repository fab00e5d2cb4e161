/** `opsgate evidence inspect`: what is in a bundle, without trusting any of it. */
import { resolve } from "node:path"
import { DateTime, Effect, Either } from "effect"
import { digestOf } from "../evidence/Canonical.ts"
import { inOrder } from "../evidence/Files.ts"
import type { PinnedKey } from "../evidence/Keys.ts"
import { roleOf } from "../evidence/Manifest.ts"
import { openBundle, type Opened, verificationExit, verifyOpened } from "../evidence/Verifier.ts"
import type { Fault, ScenarioHistory, SeedRun, Simulation } from "../History.ts"
import { percent, worstFirst } from "../report/Wording.ts"
import { type ClaimedCheck, claimsOf, verifyLine } from "./Claims.ts"
import { type House, pinnedOf, places, printJson, printLine, quoted, refused, words, type WordsRefused } from "./House.ts"
import { table } from "./Table.ts"

export const inspectUsage = "opsgate evidence inspect BUNDLE [--key PUBLIC_KEY]… [--json]"

export const inspectVerb = (given: ReadonlyArray<string>, house: House): Effect.Effect<number, WordsRefused> =>
  Effect.gen(function*() {
    const { positionals, values } = yield* words({ args: [...given], allowPositionals: true, options: { key: { type: "string", multiple: true, default: [] }, json: { type: "boolean", default: false } } })
    const [dir] = yield* places(positionals, ["BUNDLE"], `usage: ${inspectUsage}`)
    const pinned = yield* pinnedOf(house, values.key)
    const found = inspection(yield* opened(dir), pinned)
    if (values.json) printJson(house, found)
    else linesOf(found, dir).forEach((line) => printLine(house, line))
    return 0
  })

/** The files in a folder that is a bundle; refused where it is none, or cannot be read. */
export const opened = (dir: string): Effect.Effect<Opened, WordsRefused> =>
  Either.match(openBundle(resolve(dir)), {
    onLeft: (found) => refused(found._tag === "NotABundle" ? found.why : found.problems[0] ?? `${dir} cannot be read`),
    onRight: Effect.succeed
  })

/** Which seed of which scenario, what broke in it, and whether it hit. */
interface SeenScenario {
  readonly id: string
  readonly seed: number | null
  /** Null: its journal cannot be read. */
  readonly status: string | null
  readonly faults: ReadonlyArray<{ readonly class: string; readonly must_hit: string; readonly injected: number; readonly hit: number }>
  readonly events: number | null
}

export interface Inspected {
  /** What this is worth. */
  readonly trust: "nothing here is verified: it is what the bundle says of itself"
  readonly verify: { readonly exit: number; readonly says: string }
  readonly decision: string | null
  readonly run: string | null
  readonly profile: string | null
  readonly commit: string | null
  readonly version: string | null
  readonly window: { readonly start_ms: number; readonly end_ms: number } | null
  readonly signer: { readonly keyid: string | null; readonly pinned_as: string | null }
  readonly scorecard: string | null
  /** Worst first. */
  readonly checks: ReadonlyArray<ClaimedCheck>
  readonly scenarios: ReadonlyArray<SeenScenario>
  readonly simulation: { readonly declared: number; readonly played: number; readonly failed: ReadonlyArray<{ readonly seed: number; readonly failed: ReadonlyArray<string>; readonly again: string }> } | null
  readonly files: ReadonlyArray<{ readonly path: string; readonly role: string; readonly bytes: number; readonly sha256: string }>
}

export const inspection = (bundle: Opened, pinned: ReadonlyArray<PinnedKey>): Inspected => {
  const { about, decided, history, scorecard, signer, version } = claimsOf(bundle.files)
  const verification = verifyOpened(bundle, { pinned })
  return {
    trust: "nothing here is verified: it is what the bundle says of itself",
    verify: { exit: verificationExit(verification), says: verifyLine(verification) },
    decision: decided?.decision ?? null,
    run: about?.run ?? null,
    profile: about?.profile ?? null,
    commit: about?.commit ?? null,
    version,
    window: about?.window ?? null,
    signer: { keyid: signer, pinned_as: pinned.find(({ fingerprint }) => fingerprint === signer)?.name ?? null },
    scorecard: scorecard?.name ?? null,
    checks: worstFirst(decided?.lines ?? []),
    scenarios: history.scenarios.map(seenIn),
    simulation: history.simulation === null || history.simulation === undefined ? null : simulationIn(history.simulation),
    files: inOrder(bundle.files.keys()).map((path) => {
      const content = bundle.files.get(path) ?? new Uint8Array()
      return { path, role: roleOf(path), bytes: content.byteLength, sha256: digestOf(content) }
    })
  }
}

const seenIn = ({ events, id, journal }: ScenarioHistory): SeenScenario => ({
  id,
  seed: journal?.seed ?? null,
  status: journal?.status ?? null,
  faults: journal === null ? [] : faultsIn(journal.faults),
  events: events?.length ?? null
})

const faultsIn = (faults: ReadonlyArray<Fault>): SeenScenario["faults"] => {
  const kinds = new Map(faults.map((fault) => [`${fault.class}/${fault.must_hit}`, fault]))
  return [...kinds.values()].map(({ class: name, must_hit }) => {
    const alike = faults.filter((fault) => fault.class === name && fault.must_hit === must_hit)
    return { class: name, must_hit, injected: alike.length, hit: alike.filter(({ hit, witness }) => hit.length > 0 && witness !== null).length }
  })
}

const simulationIn = ({ declared, seeds }: Simulation): Inspected["simulation"] => ({
  declared: declared.seeds,
  played: seeds.length,
  failed: seeds.filter(failedIn).map(({ failed, seed, twice }) => ({ seed, failed: [...failed, ...(twice === false ? ["another digest the second time"] : [])], again: `opsgate evidence replay seeds-${seed}` }))
})

const failedIn = ({ failed, twice }: SeedRun): boolean => failed.length > 0 || twice === false

const seedsShown = 20

const linesOf = (found: Inspected, dir: string): ReadonlyArray<string> => {
  const { checks, commit, decision, files, profile, run, scenarios, scorecard, signer, simulation, verify, version, window } = found
  const instant = (ms: number): string => DateTime.make(ms).pipe((at) => (at._tag === "Some" ? DateTime.formatIso(at.value) : `${ms} ms`))
  return [
    "NOT VERIFIED: what follows is what the bundle says of itself.",
    `opsgate verify would say: ${verify.says}`,
    "",
    `claims     ${decision ?? "no decision that can be read"}`,
    `run        ${run ?? "?"}, profile ${profile ?? "?"}, commit ${commit ?? "?"}${version === null ? "" : `, version ${version}`}`,
    `window     ${window === null ? "?" : `${instant(window.start_ms)} to ${instant(window.end_ms)}`}`,
    `signer     ${signer.keyid ?? "none is named"} (${signer.pinned_as === null ? "NOT PINNED here" : `pinned as ${signer.pinned_as}`})`,
    `scorecard  ${scorecard ?? "none that can be read"}`,
    "",
    `${checks.length} checks, failures first`,
    ...table(checks.map(({ bound_ppm, good, id, total, verdict }) => [verdict, id, `${good ?? "?"}/${total ?? "?"}`, bound_ppm === null || bound_ppm === undefined ? "–" : percent(bound_ppm)])),
    "",
    `${scenarios.length} scenarios`,
    ...table(scenarios.map(({ events, faults, id, seed, status }) => [id, `seed ${seed ?? "?"}`, status ?? "its journal cannot be read", `${events ?? "no"} events`, faultWords(faults)])),
    ...(simulation === null ? [] : simulationLines(simulation, dir)),
    "",
    `${files.length} files, ${files.reduce((sum, { bytes }) => sum + bytes, 0)} bytes`,
    ...table(files.map(({ bytes, path, role }) => [String(bytes), role, path]), 200)
  ]
}

const faultWords = (faults: SeenScenario["faults"]): string =>
  faults.length === 0 ? "no fault" : faults.map((fault) => `${fault.class} at ${fault.must_hit} ${fault.injected} (${fault.hit} hit)`).join(", ")

const simulationLines = ({ declared, failed, played }: NonNullable<Inspected["simulation"]>, dir: string): ReadonlyArray<string> => [
  "",
  `${played} of ${declared} seeds simulated, ${failed.length === 0 ? "none failed" : `${failed.length} failed`}`,
  ...failed.slice(0, seedsShown).map(({ again, failed: what, seed }) => `  seed ${seed}: ${what.join(", ")}; again: ${again} --bundle ${quoted(dir)}`),
  ...(failed.length > seedsShown ? [`  … and ${failed.length - seedsShown} more`] : [])
]
