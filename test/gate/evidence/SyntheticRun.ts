/**
 * A run that never happened: three scenarios with two tasks each, valid chains, and everything in its place, so
 * that the gate says GO. Tests break one thing of it at a time.
 */
import { createHash, generateKeyPairSync, type KeyObject } from "node:crypto"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { Either } from "effect"
import { type BundleInput, bundleFiles, writeBundle } from "../../../gate/evidence/Bundle.ts"
import { canonical, sha256 } from "../../../gate/evidence/Canonical.ts"
import { type PinnedKey, publicKeyOf, publicPem } from "../../../gate/evidence/Keys.ts"
import type { Release } from "../../../gate/evidence/Release.ts"
import type { Product } from "../../../gate/evidence/Sbom.ts"
import { readRun } from "../../../gate/evidence/Reader.ts"
import type { Effect, Journal, LogEvent } from "../../../gate/History.ts"
import { renderJunit } from "../../../gate/report/Junit.ts"
import { renderSarif } from "../../../gate/report/Sarif.ts"
import { renderReport } from "../../../gate/report/Report.ts"
import { parseScorecard } from "../../../gate/scorecard/Decode.ts"
import { judge } from "../../../gate/scorecard/Judge.ts"
import type { Result } from "../../../gate/scorecard/Scorecard.ts"

export const scenarioIds = ["calm", "kill-server", "stop-worker"] as const

const startedAt = 1_795_250_000_000
const sha = (text: string) => createHash("sha256").update(text).digest("hex")

type Draft = Pick<LogEvent, "type" | "task" | "payload">

/** Hashes drafts into a chain, by the words of docs/event-log.md and not by the code under test. */
export const chained = (stream: string, drafts: ReadonlyArray<Draft>): ReadonlyArray<LogEvent> => {
  let prev = "0".repeat(64)
  return drafts.map(({ payload, task, type }, index) => {
    const header = { actor: "system:runtime", at: startedAt + index, seq: index + 1, stream, task, trace: null, type, v: 1 }
    const payload_sha256 = sha(Either.getOrThrow(canonical(payload)))
    const hash = sha(`${prev}\n${JSON.stringify(header)}\n${payload_sha256}`)
    const event = { ...header, payload, payload_sha256, prev, hash }
    prev = hash
    return event
  })
}

export const lines = (records: ReadonlyArray<unknown>): string => records.map((record) => `${JSON.stringify(record)}\n`).join("")

const taskDrafts = (scenario: string, task: string): ReadonlyArray<Draft> => {
  const dispatch_key = `${task}-dispatch`
  const payload_sha256 = sha(task)
  const payloads = [
    ["task.requested", { from: null, by: "submit", kind: "note", kind_version: 1, class: "heavy", risk: "low", tenant: "t", payload_sha256, dispatch_key, holds: [], key: `${scenario}:${task}` }],
    ["task.approved", { from: "REQUESTED", by: "release" }],
    ["task.queued", { from: "APPROVED", by: "resume", available_at_ms: startedAt }],
    ["task.running", { from: "QUEUED", by: "claim", attempt: 1, generation: 1, epoch: 1, worker: "w" }],
    ["effect.intent", { step: "exec", effect: "dangerous", attempt: 1, generation: 1, dispatch_key, payload_sha256, pid: 4711, start_ticks: 1, mono_ms: 1000, start_before_mono_ms: 9000 }],
    ["task.succeeded", { from: "RUNNING", by: "settle", attempt: 1, generation: 1, result: { exit_code: 0, note: "żółw 🐢" } }]
  ] as const
  return payloads.map(([type, payload]) => ({ type, task, payload }))
}

export const tasksOf = (scenario: string): ReadonlyArray<string> => [`${scenario}-1`, `${scenario}-2`]

export const eventsOf = (scenario: string): ReadonlyArray<LogEvent> =>
  chained(`stream-${scenario}`, [
    { type: "epoch.started", task: null, payload: { epoch: 1, why: "boot", pid: 4710, mono_ms: 10 } },
    ...tasksOf(scenario).flatMap((task) => taskDrafts(scenario, task)),
    { type: "epoch.ended", task: null, payload: { epoch: 1 } }
  ])

const effectsOf = (scenario: string): ReadonlyArray<Effect> =>
  tasksOf(scenario).flatMap((task) =>
    (["start", "done"] as const).map((phase, index) => ({
      phase, task, dispatch_key: `${task}-dispatch`, attempt: 1, generation: 1, pid: 4712, mono_ms: 2000 + index
    }))
  )

export const journalOf = (scenario: string, seed: number): Journal => ({
  v: 1,
  scenario: {
    v: 1,
    id: scenario,
    title: `The ${scenario} scenario`,
    hypothesis: "Every task ends once | whatever <b>breaks</b>.",
    traffic_class: "fault",
    seed,
    workload: { script: "restart", tasks: 2, heavy_ppm: 1_000_000, concurrency: 2 },
    faults: [{ class: "sigkill", must_hit: "running", count: 1 }],
    limits: { wall_ms: 60_000, lease_ms: 5_000, summaries: 1 }
  },
  seed,
  started_at: startedAt,
  ended_at: startedAt + 60_000,
  status: "completed",
  note: null,
  requests: tasksOf(scenario).map((task) => ({
    key: `${scenario}:${task}`, kind: "note", class: "heavy", task, expect: { states: ["SUCCEEDED"], done_min: 1, done_max: 1 }
  })),
  replays: [],
  faults: [{
    id: `${scenario}/1`, class: "sigkill", must_hit: "running", at: startedAt + 5, seed, hit: [`${scenario}-1`],
    witness: { kind: "exit", detail: "signal 9" }
  }],
  summaries: [{ at: startedAt + 6, summary: { status: "ok", as_of_seq: 3 } }],
  restarts: [{ before: [{ id: `${scenario}-1`, state: "RUNNING", kind: "note" }], after: [{ id: `${scenario}-1`, state: "RUNNING", kind: "note" }] }]
})

const check = (id: string, measure: string | null, n_min: number) => ({
  id, title: `About ${id}`, measure, rule: "census", n_min, population: "All.", traffic_classes: ["fault"], worlds: ["machine"], exclusions: [], remedy: `Look at ${id}.`
})

export const scorecard = {
  v: 1,
  name: "synthetic",
  title: "A scorecard for tests",
  ceiling: "GO",
  censored_max_ppm: 50_000,
  checks: [
    check("chain", "chainIntact", 30),
    check("complete", "scenariosComplete", 3),
    check("faults", "faultsHit", 3),
    check("conserved", "jobsConserved", 6),
    check("ends", "tasksEndRight", 6)
  ]
}

const board = { ...scorecard, name: "board-v1.2", checks: [...scorecard.checks, check("unmeasured", null, 1)] }

const pretty = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`

export interface Run {
  readonly scenarios: BundleInput["scenarios"]
  readonly scorecardText: string
  readonly boardText: string
}

export const run: Run = {
  scenarios: scenarioIds.map((id, index) => ({
    id, journal: journalOf(id, index + 7), eventsText: lines(eventsOf(id)), effectsText: lines(effectsOf(id))
  })),
  scorecardText: pretty(scorecard),
  boardText: pretty(board)
}

/** A lock file with a direct dependency, one below it, and one that only builds. */
export const product: Product = {
  version: "0.1.0",
  committed_ms: startedAt - 3_600_000,
  lockfile: pretty({
    name: "opsgate", version: "0.1.0", lockfileVersion: 3, requires: true,
    packages: {
      "": { name: "opsgate", version: "0.1.0", license: "MIT", dependencies: { "@a/b": "1.0.0" }, devDependencies: { built: "2.0.0" } },
      "node_modules/@a/b": { version: "1.0.0", integrity: "sha512-AAECAw==", license: "(MIT OR Apache-2.0)", dependencies: { c: "^3.0.0" } },
      "node_modules/@a/b/node_modules/c": { version: "3.0.0", license: "ISC", optional: true },
      "node_modules/built": { version: "2.0.0", dev: true, license: "MIT" },
      "node_modules/c": { version: "9.0.0", dev: true, license: "ISC" }
    }
  })
}

const artifact = Buffer.from("what is released")
export const release: Release = { name: "opsgate-0.1.0.tgz", uri: "pkg:npm/opsgate@0.1.0", sha256: sha256(artifact), bytes: artifact.byteLength, tar_sha256: sha256("before compression"), content: artifact }

export const key: KeyObject = generateKeyPairSync("ed25519").privateKey

export const pin = (privateKey: KeyObject): PinnedKey => Either.getOrThrow(publicKeyOf("test.pub.pem", publicPem(privateKey)))

/** What `gate score` would hand to the bundle for a run; the result is the honest one. */
export const inputOf = (dir: string, { boardText, scenarios, scorecardText }: Run = run): BundleInput => {
  const { history } = readRun(scenarios)
  const judged = (text: string): Result => judge(Either.getOrThrow(parseScorecard(JSON.parse(text))), history)
  const [result, boardResult] = [judged(scorecardText), judged(boardText)]
  const about = { run: "20261120-1", commit: "0123456789abcdef0123456789abcdef01234567", profile: "full", window: { start_ms: startedAt, end_ms: startedAt + 60_000 } }
  const report = renderReport({ ...about, scenarios, result, boardResult, repeat: (id, seed) => `npm run gate -- --scenario ${id} --seed ${seed}` })
  return { dir, ...about, scenarios, scorecardText, boardText, result, boardResult, report, junit: renderJunit(result), sarif: renderSarif(result, "0.1.0"), key, product, release }
}

const root = mkdtempSync(join(tmpdir(), "opsgate-evidence-"))
process.once("exit", () => rmSync(root, { recursive: true, force: true }))

/** A directory name that does not exist yet, alone in its parent. */
export const freshDir = (): string => join(mkdtempSync(join(root, "run-")), "bundle")

export const written = (change: (input: BundleInput) => BundleInput = (input) => input, from: Run = run): string => {
  const dir = freshDir()
  Either.getOrThrow(writeBundle(change(inputOf(dir, from))))
  return dir
}

/** Writes files as they are, without any of the bundle's own rules: what a forger would do. */
export const forge = (files: ReadonlyMap<string, Uint8Array | string>): string => {
  const dir = freshDir()
  for (const [path, content] of files) {
    mkdirSync(dirname(join(dir, path)), { recursive: true })
    writeFileSync(join(dir, path), content)
  }
  return dir
}

export const filesOf = (input: BundleInput): Map<string, Uint8Array> => new Map(Either.getOrThrow(bundleFiles(input)))
export const text = (dir: string, path: string): string => readFileSync(join(dir, path), "utf8")
