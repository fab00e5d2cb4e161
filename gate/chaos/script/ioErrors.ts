/**
 * Writes and syncs of the database and its log fail from the n-th on, for many n: each is a life of its own of a server on one file, with a
 * few commands, and ends by itself or by SIGKILL. A last life without a fault brings everything to its end.
 */
import { Clock, Effect } from "effect"
import type { Row } from "../../History.ts"
import { askAgain, askFor, endWords, look, plainTask, tried } from "../Trying.ts"
import type { Planned } from "../Workload.ts"
import { ledgerText, opsgate, serve } from "../Product.ts"
import { settled, type Stage, until } from "../Stage.ts"
import { watchRows } from "../Sampler.ts"
import { needStrace } from "../Tools.ts"
import { injectedLine, type Traced, traced } from "../Traced.ts"

interface Point {
  readonly call: "pwrite64" | "fsync,fdatasync"
  readonly error: "EIO" | "ENOSPC"
  readonly from: number
}

/** Writes are many: every so many-th is where they begin to fail. */
const writeStride = 6

// Writes and syncs by turns, with both errors each.
const pointOf = (index: number): Point => {
  const turn = Math.floor(index / 2)
  const error = turn % 2 === 0 ? "EIO" : "ENOSPC"
  return index % 2 === 0 ? { call: "pwrite64", error, from: 1 + turn * writeStride } : { call: "fsync,fdatasync", error, from: 1 + turn }
}

const commandsMax = 14
const workMs = 40
/** How long a server may take to come up, to end, or to get to the call that fails. */
const patienceMs = 8000
const settleMs = 300_000

export const ioErrors = (stage: Stage) =>
  Effect.gen(function*() {
    const { limits: { trials = 0 } } = stage.scenario
    yield* needStrace(stage.workspace.env)
    const asked: Array<Planned> = []
    for (let index = 0; index < trials; index++) yield* Effect.scoped(onePoint(stage, pointOf(index), index, asked))
    yield* serve(stage.workspace)
    const latest = yield* watchRows(stage.workspace)
    yield* askAgain(stage, asked)
    yield* reconciled(stage, latest)
    yield* settled(stage, latest)
  })

// Where the sync of an intent failed, nobody knows whether it is stored, and the server ended without a word to the command. A person looks at
// what the command did, and says so: that is what an unknown outcome is for.
const reconciled = (stage: Stage, latest: () => ReadonlyArray<Row>) =>
  Effect.gen(function*() {
    const open = (row: Row) => row.state === "QUEUED" || (row.state === "RUNNING" && row["blocked"] !== true)
    yield* until("all that can run to have run", Effect.sync(() => (latest().length > 0 && !latest().some(open) ? true : null)), 50, settleMs)
    const ledger = ledgerText(stage.workspace)
    for (const { id } of latest().filter((row) => row.state === "RUNNING")) {
      const outcome = ledger.includes(`{"phase":"done","task":"${id}"`) ? "succeeded" : ledger.includes(`"task":"${id}"`) ? "failed" : "retry"
      yield* opsgate(stage.workspace, "task", "reconcile", id, "--outcome", outcome, "--reason", "the ledger of effects says so", "--key", `${id}:reconcile`)
    }
  })

const onePoint = (stage: Stage, point: Point, index: number, asked: Array<Planned>) =>
  Effect.gen(function*() {
    const { call, error, from } = point
    const files = ["opsgate.db", "opsgate.db-wal"].flatMap((name) => ["-P", `${stage.workspace.dir}/.opsgate/${name}`])
    const server = yield* traced(stage.workspace, `trace-${index}`, [...files, "-e", `trace=${call}`, "-e", `inject=${call}:error=${error}:when=${from}+`, "-s", "0"])
    const isStruck = () => injectedLine(server.trace()) !== null
    yield* load(stage, server, isStruck, asked)
    yield* Effect.ignore(until("the call that fails", Effect.sync(() => (isStruck() || server.ended() !== null ? true : null)), 20, patienceMs))
    const witness = injectedLine(server.trace())
    // A sync of the log decides about a commit. Pages that a checkpoint could not sync are in the log as well.
    const decides = call !== "pwrite64" && witness !== null && witness.includes("opsgate.db-wal")
    if (decides) yield* Effect.ignore(until("the server to end", Effect.sync(() => server.ended()), 10, patienceMs))
    const isUp = server.stderr().includes("the runtime is ready")
    const later = server.ended() === null && witness !== null && isUp ? yield* askOne(stage, "light.sh", asked) : null
    const ended = server.ended()
    const reason = error === "EIO" ? "error" : "full"
    const promised = decides ? ["exited with 1: in doubt"] : call === "pwrite64" ? ["goes on", `exited with 1: ${reason}`] : ["goes on", "exited with 1: in doubt"]
    const looks = [look("the server", ended === null ? "goes on" : endWords(ended, server.stderr()), ...promised)]
    if (call === "pwrite64" && later !== null && ended === null) looks.push(look("a change while nothing can be written", later.word, "refused: EngineUnavailable"))
    tried(stage, { kind: "io_error", sort: `${call} ${error}`, witness: witness === null ? null : { kind: "record", detail: witness }, looks }, String(from))
    server.signal("SIGKILL")
    yield* until("the server to be gone", Effect.sync(() => server.ended()), 10, patienceMs)
  })

// Commands one after the other, until the call has failed that had to, or the server has ended.
const load = (stage: Stage, server: Traced, isOver: () => boolean, asked: Array<Planned>) =>
  Effect.gen(function*() {
    const deadline = (yield* Clock.currentTimeMillis) + patienceMs
    for (let sent = 0; sent < commandsMax && !isOver() && server.ended() === null && (yield* Clock.currentTimeMillis) < deadline;) {
      if (!server.stderr().includes("the runtime is ready")) {
        yield* Effect.sleep(20)
        continue
      }
      yield* askOne(stage, sent % 2 === 0 ? "heavy.git" : "light.sh", asked)
      sent += 1
    }
  })


const askOne = (stage: Stage, kind: "heavy.git" | "light.sh", asked: Array<Planned>) => {
  const planned = plainTask(stage, kind, workMs)
  asked.push(planned)
  return askFor(stage, planned)
}
