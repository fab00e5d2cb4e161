/**
 * `opsgate accept-loss`: goes on with a file that is behind its watermark. It works where no server runs, since none starts on such a
 * file: parks what may have run in the lost part, and puts on record what is missing, who accepted it and why.
 */
import { existsSync } from "node:fs"
import { Effect, Schema } from "effect"
import { allowedCaller } from "./Ask.ts"
import * as Config from "./Config.ts"
import { databaseFile } from "./DataDir.ts"
import { traceFrom } from "./domain/Ids.ts"
import { acceptLoss, afterLoss, lossCode, type Parked, type Sort } from "./domain/Loss.ts"
import { onTask } from "./domain/OnTask.ts"
import type { Refusal } from "./domain/Refusal.ts"
import type { Task, TaskId } from "./domain/Task.ts"
import type { TaskState } from "./domain/TaskState.ts"
import { Chance, Engine, EngineReader, type EngineUnavailable, Instants } from "./engine/Engine.ts"
import * as Live from "./engine/Live.ts"
import { setAsideLog } from "./engine/sqlite/OpenFile.ts"
import { orUnavailable } from "./engine/sqlite/SqliteError.ts"
import { type EventsLost, examine } from "./engine/sqlite/Watermark.ts"
import * as Layers from "./Layers.ts"
import { passLostPart } from "./LostPart.ts"

/** The file holds all that its watermark knows of, or has none. Nothing was stored. */
export class NothingLost extends Schema.TaggedError<NothingLost>()("NothingLost", { file: Schema.String }) {
  override get message() {
    return `${this.file} is not behind its watermark: there is no loss to accept`
  }
}

/** What is missing is there, in a file beside it: there is no need to give it up. Nothing was stored. */
export class LossRefused extends Schema.TaggedError<LossRefused>()("LossRefused", { file: Schema.String, fuller: Schema.String, seq: Schema.Int, next: Schema.String }) {
  override get message() {
    return `${this.fuller} holds more of the log than ${this.file}, up to event ${this.seq}: put it in its place with the server stopped: ${this.next}. To give it up all the same, move it to another folder first`
  }
}

/** How many tasks are parked in one go. */
const page = 500

/** States of tasks that may have begun something that the file does not know of. */
const states: ReadonlyArray<TaskState> = ["RUNNING", "QUEUED", "APPROVED"]

// A kind that is declared no more may have been anything.
const sortIn = ({ kinds }: Config.Config, { class: taskClass, kind: name }: Task): Sort => {
  const declared = kinds.get(name)
  if (declared === undefined) return taskClass === "heavy" ? "command" : "code"
  if (declared._tag === "Code") return "code"
  return declared.kind.effect === "dangerous" ? "command" : "harmless"
}

// `before`: what was lost before the file was opened, which makes a new one, with a name of its own, where there is none.
const lostIn = (file: string, before?: EventsLost) =>
  Effect.flatMap(examine(file), (found) => {
    if (found._tag === "Behind") return Effect.succeed(found.lost)
    return found._tag === "Foreign" && before !== undefined ? Effect.succeed(before) : new NothingLost({ file })
  })

// Parked tasks leave the state that is looked through, or stay in it as they are: ids lead on in both cases.
const parkAll = (config: Config.Config, state: TaskState, before: TaskId | undefined, count: (parked: Parked) => void): Effect.Effect<void, Refusal | EngineUnavailable, Engine | EngineReader> =>
  Effect.gen(function*() {
    const reader = yield* EngineReader
    const engine = yield* Engine
    const tasks = yield* reader.list({ state, limit: page, ...(before === undefined ? {} : { before }) })
    const answers = yield* engine.commitAll(tasks.map((task) => onTask(task.id, (current, now) => afterLoss(current, sortIn(config, current), now))))
    for (const answer of answers) count(yield* answer)
    const last = tasks.at(-1)
    if (last !== undefined && tasks.length === page) yield* parkAll(config, state, last.id, count)
  })

const record = ({ atMs, hash, marked, missing, seq }: EventsLost) => ({
  missing,
  head: { seq, hash, at: atMs },
  marked: { stream: marked.stream, seq: marked.seq, hash: marked.hash, at: marked.atMs }
})

/** What was accepted, as it is printed. */
export interface Accepted {
  readonly missing: number
  readonly from_seq: number
  readonly to_seq: number
  readonly unknown: number
  readonly held: number
}

/** Fails with `NotAllowed` for whoever is no admin, with `NothingLost`, with `LossRefused` where a file beside it holds more, with `InstanceLocked` while another process writes, and as opening a file fails. */
export const acceptLossOf = (reason: string, configFile: string | undefined) =>
  Effect.gen(function*() {
    const config = yield* Config.load(configFile)
    const { actor } = yield* allowedCaller("accept_loss", config)
    const file = databaseFile(config.dataDir)
    const before = yield* lostIn(file)
    if (before.fuller !== null) return yield* new LossRefused({ file, fuller: before.fuller.file, seq: before.fuller.seq, next: before.fuller.next })
    const { wallMs } = yield* Instants
    // SQLite would delete the log of a file that is gone as soon as a new one is made.
    if (!existsSync(file)) yield* orUnavailable("set the old log aside", () => setAsideLog(file, wallMs()))
    return yield* Effect.gen(function*() {
      const lost = yield* lostIn(file, before)
      const { next } = yield* Chance
      const parked = { unknown: 0, held: 0, left: 0 }
      for (const state of states) yield* parkAll(config, state, undefined, (how) => void (parked[how] += 1))
      yield* passLostPart(config, lossCode, "system:runtime")
      const engine = yield* Engine
      const by = { actor, reason, trace: traceFrom([next(), next(), next(), next()]) }
      // Last: until it is stored the file is still behind, and a program that died before is begun anew.
      yield* engine.commit({ tasks: [], key: null, rule: () => acceptLoss(record(lost), parked, by) })
      const accepted: Accepted = { missing: lost.missing, from_seq: lost.seq + 1, to_seq: lost.marked.seq, unknown: parked.unknown, held: parked.held }
      return accepted
    }).pipe(Effect.provide(Layers.engineBehind(file)))
  }).pipe(Effect.provide(Live.instants))

export const acceptedText = ({ from_seq: from, held, missing, to_seq: to, unknown }: Accepted): string =>
  `on record: ${missing} event${missing === 1 ? "" : "s"} missing (${from} to ${to}); ${unknown} task${unknown === 1 ? " waits" : "s wait"} for reconcile, ${held} for approval`
