/**
 * The server is killed, and its write-ahead log is damaged behind what it had acknowledged: cut inside a frame, zeroed, scribbled over,
 * gone. The whole log is then put back, as the documentation has it; the last time it is not, and the loss is accepted.
 */
import { closeSync, copyFileSync, openSync, readFileSync, renameSync, rmSync, statSync, truncateSync, writeSync } from "node:fs"
import { Clock, Effect, type Scope } from "effect"
import { demand, job, quiet, tell } from "../Door.ts"
import { begun, databaseOf, digestOf, meet, type Met, recordMet } from "../Encounters.ts"
import { type ProductFailed, type Server, serve } from "../Product.ts"
import { between } from "../Seed.ts"
import { effectsInProgress, type ScenarioStuck, type Stage, type StageFailed, until } from "../Stage.ts"

/** The log has a header; a frame is a header of 24 bytes and a page (sqlite.org/fileformat2.html, "The WAL File Format"). */
const headerBytes = 32
const frameBytes = 24 + 4096
const workMs = 1200
/** Few, so that the whole round has fewer commits than make a checkpoint worth it: after one the log begins anew. */
const leftToPeople = 2

interface Damage {
  readonly name: string
  /** Makes everything unreadable that the file has from `at` on, the beginning of a frame. */
  readonly apply: (file: string, at: number, chance: () => number) => void
}

const overwrite = (file: string, at: number, bytes: Uint8Array): void => {
  const descriptor = openSync(file, "r+")
  writeSync(descriptor, bytes, 0, bytes.length, at)
  closeSync(descriptor)
}

const damages: ReadonlyArray<Damage> = [
  { name: "cut inside a frame", apply: (file, at, chance) => truncateSync(file, at + between(chance, 1, frameBytes - 1)) },
  { name: "the frames at its end are zeros", apply: (file, at) => overwrite(file, at, Buffer.alloc(statSync(file).size - at)) },
  { name: "garbage in a frame", apply: (file, at, chance) => overwrite(file, at + 24 + between(chance, 0, 4000), Buffer.from(Array.from({ length: 64 }, () => between(chance, 0, 255)))) },
  { name: "gone", apply: (file) => rmSync(file) }
]

export const damage = (stage: Stage): Effect.Effect<void, StageFailed, Scope.Scope> =>
  Effect.gen(function*() {
    const { scenario } = stage
    const count = scenario.faults.reduce((sum, fault) => sum + fault.count, 0)
    for (let n = 0; n < count - 1; n++) {
      const kind = damages[n % damages.length]
      if (kind !== undefined) yield* putBack(stage, kind, n)
    }
    yield* accepted(stage)
  })

/** The log is damaged, whoever starts on it is refused, and the whole log comes back. */
const putBack = (stage: Stage, kind: Damage, n: number): Effect.Effect<void, StageFailed, Scope.Scope> =>
  Effect.gen(function*() {
    const { workspace } = stage
    const wal = `${databaseOf(workspace)}-wal`
    const server = yield* serve(workspace)
    yield* quiet(stage)
    const task = yield* demand(stage, job(stage, "heavy.node", workMs))
    yield* begun(stage, task)
    const size = endOfLog(wal)
    const lost = [yield* demand(stage, job(stage, "light.sh", 0))]
    for (let index = 0; index < leftToPeople; index++) lost.push(yield* requestFor(stage))
    const at = yield* killed(server)
    copyFileSync(wal, `${wal}.whole`)
    kind.apply(wal, size, stage.chance)
    const met = [yield* refused(stage), ...(n === 0 ? [yield* meet(stage, "doctor")] : [])]
    renameSync(`${wal}.whole`, wal)
    yield* onRecord(stage, kind.name, at, lost, met)
  })

/** The end of a dangerous command is lost, and nobody has it: somebody accepts that, and says what became of it. */
const accepted = (stage: Stage): Effect.Effect<void, StageFailed, Scope.Scope> =>
  Effect.gen(function*() {
    const { chance, workspace } = stage
    const wal = `${databaseOf(workspace)}-wal`
    const before = yield* serve(workspace)
    yield* quiet(stage)
    const task = yield* demand(stage, job(stage, "heavy.node", workMs))
    yield* begun(stage, task)
    const size = endOfLog(wal)
    yield* until("the command to be done", Effect.sync(() => (effectsInProgress(stage).has(task) ? null : true)), 20, 15_000)
    yield* quiet(stage)
    const at = yield* killed(before)
    damages[0]?.apply(wal, size, chance)
    const met = [yield* refused(stage), yield* meet(stage, "accept-loss", "--reason", "the disk was swapped")]
    yield* onRecord(stage, "cut inside a frame, and accepted", at, [task], met)
    yield* serve(workspace)
    yield* tell(stage, "reconcile", null, { task, outcome: "succeeded", reason: "the ledger has it" })
    yield* quiet(stage)
  })

/** Asks for something that nobody approves. */
const requestFor = (stage: Stage): Effect.Effect<string, ProductFailed> => demand(stage, { ...job(stage, "heavy.sh", 0), handling: "leave", expect: { states: ["REQUESTED"], done_min: 0, done_max: 0 } })

// Frames of an earlier round of the log carry another salt than its header (sqlite.org/fileformat2.html, "The WAL File Format").
const endOfLog = (file: string): number => {
  const bytes = readFileSync(file)
  let at = headerBytes
  while (at + frameBytes <= bytes.length && bytes.subarray(at + 8, at + 16).equals(bytes.subarray(16, 24))) at += frameBytes
  return at
}

const killed = (server: Server): Effect.Effect<number, ProductFailed | ScenarioStuck> =>
  Effect.gen(function*() {
    yield* server.signal("SIGKILL")
    yield* server.ended
    return yield* Clock.currentTimeMillis
  })

/** Nobody else has the file, so nothing in it may change. */
const refused = (stage: Stage): Effect.Effect<Met> =>
  Effect.gen(function*() {
    const before = digestOf(stage.workspace)
    const met = yield* meet(stage, "serve")
    return { ...met, files: { before, after: digestOf(stage.workspace) } }
  })

const onRecord = (stage: Stage, name: string, at: number, lost: ReadonlyArray<string>, met: ReadonlyArray<Met>): Effect.Effect<void> =>
  Effect.flatMap(Clock.currentTimeMillis, (until) =>
    recordMet(stage, {
      class: "wal_damage",
      must_hit: "stored",
      at,
      hit: lost,
      witness: { kind: "answer", detail: `opsgate.db-wal: ${name}; opsgate ${met[0]?.asked ?? ""} ended with code ${met[0]?.code ?? "none"}` },
      until
    }, met))
