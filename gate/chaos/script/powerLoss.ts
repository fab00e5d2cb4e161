/**
 * A server under load is put on record, call by call; then its files are made again as a power cut would have left them, at syncs and between
 * them, and the product looks at each: `opsgate events`, `opsgate doctor`, and now and then a whole start. The same is done with a disk that
 * ignores syncs: there a loss must be found, or the looking is worth nothing.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import type { Look, Trial } from "../../History.ts"
import { isObject } from "../../Json.ts"
import { dataDir } from "../Mounts.ts"
import { eventsText, opsgate, serve, type Workspace } from "../Product.ts"
import { digestOf, Disk, type Fate } from "../power/Disk.ts"
import { type Step, stepsOf } from "../power/Trace.ts"
import { between } from "../Seed.ts"
import { watchRows } from "../Sampler.ts"
import { settled, type Stage, until } from "../Stage.ts"
import { needStrace } from "../Tools.ts"
import { type Traced, traced } from "../Traced.ts"
import { askFor, look, plainTask } from "../Trying.ts"
import { prepare } from "../Workload.ts"

const calls = "openat,pwrite64,write,writev,sendto,sendmsg,ftruncate,fsync,fdatasync,unlink,unlinkat,rename,renameat,renameat2"
const clients = 3
const workMs = 20
/** Every so many-th state is also given to a server that starts. */
const startEvery = 20
/** How many cuts of a disk that lies, for one of an honest one. */
const liePart = 0.1
const readers = 3
const patienceMs = 60_000

export const powerLoss = (stage: Stage) =>
  Effect.gen(function*() {
    const { scenario: { limits: { trials = 0 }, workload: { tasks } }, workspace } = stage
    yield* needStrace(workspace.env)
    const trace = yield* Effect.scoped(recordLoad(stage, tasks))
    const steps = stepsOf(trace, dataDir(workspace))
    const acknowledged = acknowledgedBy(steps, seqsOf(yield* eventsText(workspace)))
    const honest = statesOf(steps, acknowledged, trials, true, stage.chance)
    const lying = statesOf(steps, acknowledged, Math.ceil(trials * liePart), false, stage.chance)
    // On record one by one: what was found stays, should the time run out.
    const keep = (trial: Trial) => Effect.sync(() => void stage.trials.push(trial))
    yield* Effect.forEach([...honest, ...lying], (state, index) => Effect.flatMap(examined(stage, state, index), keep), { concurrency: readers, discard: true })
  })

const recordLoad = (stage: Stage, tasks: number) =>
  Effect.gen(function*() {
    const server: Traced = yield* traced(stage.workspace, "trace", ["-xx", "-s", "1000000", "-e", `trace=${calls}`])
    yield* until("a server under strace that is ready", Effect.sync(() => (server.stderr().includes("the runtime is ready") ? true : null)), 20, patienceMs)
    const latest = yield* watchRows(stage.workspace)
    yield* Effect.forEach(Array.from({ length: tasks }), (_, index) => askFor(stage, plainTask(stage, index % 3 === 0 ? "heavy.git" : "light.sh", workMs)), { concurrency: clients, discard: true })
    yield* settled(stage, latest)
    server.signal("SIGKILL")
    yield* until("the server to be gone", Effect.sync(() => server.ended()), 20, patienceMs)
    return server.trace()
  })

/** By task, the event with which it was asked for. */
const seqsOf = (events: string): ReadonlyMap<string, number> =>
  new Map(events.split("\n").filter((line) => line !== "").map((line): unknown => JSON.parse(line)).filter(isObject).flatMap(({ seq, task, type }) => (type === "task.requested" ? [[String(task), Number(seq)] as const] : [])))

/** The last event that had been acknowledged, by the line of the trace from which on a client may have had the answer. */
const acknowledgedBy = (steps: ReadonlyArray<Step>, seqs: ReadonlyMap<string, number>): ReadonlyArray<{ readonly line: number; readonly seq: number }> =>
  steps.flatMap((step) => {
    const task = step.op === "answer" ? /^\{"ok":\{"task":"(\w+)"/.exec(step.text)?.[1] : undefined
    const seq = task === undefined ? undefined : seqs.get(task)
    return seq === undefined ? [] : [{ line: step.line, seq }]
  })

interface State {
  readonly files: ReadonlyMap<string, Buffer>
  readonly digest: string
  /** The step before the cut, in words. */
  readonly after: string
  readonly line: number
  readonly acknowledged: number
  readonly fate: Fate
  readonly honest: boolean
}

const fates: ReadonlyArray<Fate> = ["cut", "none", "all", "cut"]

/** So many different states, from cuts spread over the whole trace: behind every so many-th change, and behind syncs. */
const statesOf = (steps: ReadonlyArray<Step>, acknowledged: ReadonlyArray<{ readonly line: number; readonly seq: number }>, wanted: number, honest: boolean, chance: () => number): ReadonlyArray<State> => {
  const [states, known] = [new Map<string, State>(), new Set<string>()]
  const changes = steps.filter(({ op }) => op !== "answer").length
  // More instants than states are wanted: where nothing was unsynced, two cuts leave the same.
  const share = Math.min(1, (1.6 * wanted) / changes)
  const disk = new Disk(honest)
  for (const step of steps) {
    disk.apply(step)
    if (step.op === "answer" || states.size >= wanted || chance() > share) continue
    const fate = fates[between(chance, 0, fates.length - 1)] ?? "cut"
    const files = disk.cut(fate, chance)
    const digest = digestOf(files)
    if (known.has(digest)) continue
    known.add(digest)
    const seq = acknowledged.reduce((last, one) => (one.line < step.line ? Math.max(last, one.seq) : last), 0)
    states.set(digest, { files, digest, after: `${step.op} ${step.file}`, line: step.line, acknowledged: seq, fate, honest })
  }
  return [...states.values()]
}

const examined = (stage: Stage, state: State, index: number): Effect.Effect<Trial, never> => {
  const { acknowledged, after, digest, fate, files, honest, line } = state
  const workspace: Workspace = { ...stage.workspace, dir: join(stage.workspace.dir, `cut-${index}`) }
  const written = Effect.sync(() => {
    mkdirSync(dataDir(workspace), { recursive: true, mode: 0o700 })
    mkdirSync(join(dataDir(workspace), "runs"), { mode: 0o700 })
    // Nothing is run there: its tasks belong to the run that was put on record.
    prepare(workspace.dir, stage.scenario, { workers: 0 })
    for (const [name, content] of files) if (!name.endsWith(".sock")) writeFileSync(join(dataDir(workspace), name), content, { mode: 0o600 })
  })
  const looked = Effect.gen(function*() {
    yield* written
    const events = yield* opsgate(workspace, "events")
    const found = events.code === 0 ? headOf(events.stdout) : null
    const looks: Array<Look> = []
    if (acknowledged > 0 || found !== null) {
      looks.push(look("events", `exit ${events.code}${events.stderr === "" ? "" : `: ${events.stderr.trim().slice(0, 160).replaceAll(workspace.dir, "")}`}`, "exit 0"))
      // A power cut takes nobody's lease back: that is for the next start.
      looks.push(look("doctor", yield* doctorOf(workspace), "exit 0: ok", "exit 7: degraded (lease_not_taken_back)"))
    }
    // Where there was nothing to read yet, the next start makes it.
    if (honest && (index % startEvery === 0 || looks.length === 0)) looks.push(look("a server that starts", yield* startOf(workspace, found?.seq ?? 0), "ready, and its log goes on"))
    return { found, looks }
  }).pipe(Effect.orElseSucceed(() => ({ found: null, looks: [look("the product", "did not answer", "answers")] })), Effect.ensuring(Effect.sync(() => rmSync(workspace.dir, { recursive: true, force: true }))))
  return Effect.map(looked, ({ found, looks }): Trial => ({
    id: `${honest ? "cut" : "lie"}/${index + 1}`,
    kind: "power_loss",
    sort: { cut: "some unsynced writes survive", none: "no unsynced write survives", all: "all unsynced writes survive" }[fate],
    digest,
    witness: { kind: "record", detail: `line ${line} of the trace, ${after}` },
    looks,
    log: { acknowledged, found },
    ...(honest ? {} : { lie: true as const })
  }))
}

const headOf = (text: string): { readonly seq: number; readonly hash: string } | null => {
  const last: unknown = JSON.parse(text.trimEnd().split("\n").at(-1) || "null")
  return isObject(last) && typeof last["seq"] === "number" && typeof last["hash"] === "string" ? { seq: last["seq"], hash: last["hash"] } : null
}

const doctorOf = (workspace: Workspace) =>
  Effect.map(opsgate(workspace, "doctor", "--json"), ({ code, stderr, stdout }) => {
    const codes = [...stdout.matchAll(/"code":"(\w+)"/g)].map(([, name]) => name)
    return `exit ${code}: ${/"status":"(\w+)"/.exec(stdout)?.[1] ?? stderr.trim().slice(0, 160).replaceAll(workspace.dir, "")}${codes.length === 0 ? "" : ` (${codes.join(", ")})`}`
  })

const startOf = (workspace: Workspace, seq: number) =>
  Effect.scoped(serve(workspace)).pipe(
    Effect.zipRight(eventsText(workspace)),
    Effect.match({
      onSuccess: (text) => (text.split("\n").slice(seq).some((line) => line.includes("\"epoch.started\"")) ? "ready, and its log goes on" : "ready, and its log does not go on"),
      onFailure: ({ message }) => message.slice(0, 200).replaceAll(workspace.dir, "")
    })
  )
