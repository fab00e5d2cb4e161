/**
 * The one handler of commands: whatever the channel, an ask becomes one decision in one transaction.
 * Who asks comes from authentication; the ask itself names no actor.
 */
import { Effect, Schema } from "effect"
import type { Json } from "../domain/Canonical.ts"
import { type Ask, type AskTo, type Channel, type Command, needsReason, type QueueAsk, type StoreAsk, type TaskAsk } from "../domain/Command.ts"
import { type Answer, type Decision, type QueueAnswer, refuseCommand } from "../domain/Decision.ts"
import { dismiss } from "../domain/DeadLetter.ts"
import { resume } from "../domain/Dispatch.ts"
import { fork } from "../domain/Fork.ts"
import { oncePerKey, oncePerKeyOnQueue } from "../domain/Idempotency.ts"
import { taskIdFrom, traceFrom } from "../domain/Ids.ts"
import type { Kind, KindUnknown, PayloadRefused } from "../domain/Kind.ts"
import type { Now } from "../domain/Now.ts"
import { onTask } from "../domain/OnTask.ts"
import { ownName, uniqueNameOf, type Wish } from "../domain/Placement.ts"
import { cancel, kill, reconcile, recover } from "../domain/Recovery.ts"
import { release as releaseRule } from "../domain/Restore.ts"
import { ReasonMissing, type Refusal, TaskNotFound } from "../domain/Refusal.ts"
import { approve, reject, submit } from "../domain/Request.ts"
import { signal } from "../domain/Signal.ts"
import { steer } from "../domain/Steering.ts"
import type { Step } from "../domain/Step.ts"
import { type Task, TaskId } from "../domain/Task.ts"
import { Chance, type Change, Engine, EngineReader, type EngineUnavailable, type Found, Instants } from "../engine/Engine.ts"
import { Kinds } from "./Kinds.ts"

/** The text fits several tasks. Nothing was stored. */
export class TaskAmbiguous extends Schema.TaggedError<TaskAmbiguous>()("TaskAmbiguous", {
  text: Schema.String,
  candidates: Schema.Array(Schema.String)
}) {
  override get message() {
    return `${this.text} fits several tasks: ${this.candidates.join(", ")}`
  }
}

export interface Asked<A extends Ask = TaskAsk> {
  readonly ask: A
  readonly actor: string
  readonly channel: Channel
  readonly key: string | null
}

export type CommandFailed = Refusal | KindUnknown | PayloadRefused | TaskAmbiguous | EngineUnavailable

const drawTrace = ({ next }: Chance["Type"]): string => traceFrom([next(), next(), next(), next()])
const drawId = ({ next }: Chance["Type"], wallMs: number): TaskId => taskIdFrom(wallMs, [next(), next()])

/** Decides and stores one command. The answer comes after the commit; a refusal has left its event. */
export const handle = Effect.fn("Commands.handle")(function*({ actor, ask, channel, key }: Asked) {
  const command: Command = { ask, actor, channel, key, trace: drawTrace(yield* Chance) }
  return yield* ask.op === "submit" ? submitNew({ ...command, ask }) : onOne({ ...command, ask })
})

/** The same for a command about a queue. */
export const handleQueue = Effect.fn("Commands.handleQueue")(function*({ actor, ask, channel, key }: Asked<QueueAsk>) {
  const command = { ask, actor, channel, key, trace: drawTrace(yield* Chance) }
  const engine = yield* Engine
  return yield* engine.commit({
    tasks: [],
    queue: ask.queue,
    key,
    rule: ({ queue, stored }, now) => oncePerKeyOnQueue(command, stored, () => steer(queue, command, now))
  })
})

export const isAboutQueue = (ask: Ask): ask is QueueAsk => ask.op === "pause_queue" || ask.op === "resume_queue"

/** A command about a task or a queue. */
export const handleEither = ({ ask, ...asked }: Asked<Ask>): Effect.Effect<Answer | QueueAnswer, CommandFailed, Engine | EngineReader | Kinds | Instants> =>
  isAboutQueue(ask) ? handleQueue({ ...asked, ask }) : handle({ ...asked, ask })

const submitNew = (command: Command<AskTo<"submit">>) =>
  Effect.gen(function*() {
    const engine = yield* Engine
    return yield* engine.commit(yield* changeFor(command))
  })

type Submit = AskTo<"submit">

const changeFor = (command: Command<Submit>) =>
  Effect.gen(function*() {
    const kinds = yield* Kinds
    const kind = yield* kinds.check(command.ask.kind, command.ask.payload)
    const { wallMs } = yield* Instants
    return submitting(command, kind, drawId(yield* Chance, wallMs()))
  })

const submitting = (command: Command<Submit>, kind: Kind, id: TaskId) => ({
  tasks: [],
  key: command.key,
  ...holding(uniqueNameOf(kind.name, command.ask)),
  rule: ({ holder, stored }: Found, now: Now) => oncePerKey(command, stored, () => submit(command, kind, id, now, holder))
})

const holding = (name: string | null) => (name === null ? {} : { unique: () => name })

/** The change that a submit comes to, for callers who know the kind, and that the payload fits it. Nothing is stored yet. */
export const submission = (
  { actor, channel, key, kind, payload, wish = {} }: Omit<Asked, "ask"> & { readonly kind: Kind; readonly payload: Json; readonly wish?: Wish },
  chance: Chance["Type"],
  wallMs: number
): Change<Answer> => submitting({ ask: { op: "submit", kind: kind.name, payload, reason: null, ...wish }, actor, channel, key, trace: drawTrace(chance) }, kind, drawId(chance, wallMs))

type AskOnTask = Exclude<TaskAsk, { op: "submit" }>

const onOne = (asked: Command<AskOnTask>) =>
  Effect.gen(function*() {
    const engine = yield* Engine
    const kinds = yield* Kinds
    const id = yield* resolve(asked.ask.task)
    const command = { ...asked, ask: { ...asked.ask, task: id } }
    if (command.ask.op === "fork" && command.ask.payload !== undefined) {
      const task = yield* Effect.flatMap(EngineReader, (reader) => reader.get(id))
      if (task !== undefined) yield* kinds.check(task.kind, command.ask.payload)
    }
    const { wallMs } = yield* Instants
    const forkId = drawId(yield* Chance, wallMs())
    const change: Change<Answer> = onTask(id, (task, now, { holder, steps, stored }) =>
      oncePerKey(command, stored, () => decide(command, { task, steps, kind: kinds.get(task.kind), forkId, holder }, now)), command.key)
    if (command.ask.op === "recover") return yield* engine.commit({ ...change, unique: ownName })
    return yield* engine.commit(command.ask.op === "fork" ? { ...change, stepsOf: id } : change)
  })

interface Known {
  readonly task: Task
  /** Loaded for a fork only. */
  readonly steps: ReadonlyArray<Step>
  readonly kind: Kind | undefined
  /** The id that a fork would get. */
  readonly forkId: TaskId
  /** The task that has the unique key of this one. Loaded for a recovery only. */
  readonly holder: Task | undefined
}

const decide = (command: Command<AskOnTask>, { forkId, holder, kind, steps, task }: Known, now: Now): Decision<Answer> => {
  const { ask } = command
  if (needsReason[ask.op] && (ask.reason ?? "").trim() === "") return refuseCommand(command, task, new ReasonMissing({ op: ask.op }))
  switch (ask.op) {
    case "approve":
      return approve(task, { ...command, ask }, kind, now)
    case "reject":
      return reject(task, { ...command, ask }, now)
    case "resume":
      return resume(task, { ...command, ask }, kind?.version, now)
    case "cancel":
      return cancel(task, { ...command, ask }, now)
    case "kill":
      return kill(task, { ...command, ask }, now)
    case "fork":
      return fork(task, steps, { ...command, ask }, kind, forkId, now)
    case "signal":
      return signal(task, { ...command, ask }, now)
    case "recover":
      return recover(task, { ...command, ask }, kind?.version, now, holder)
    case "dismiss":
      return dismiss(task, { ...command, ask }, now)
    case "reconcile":
      return reconcile(task, { ...command, ask }, now)
  }
}

/** The shortest text that is looked up as the end of an id. */
export const suffixMin = 4

/** The task that a whole id, or the end of one, names. */
export const resolve = (text: string): Effect.Effect<TaskId, TaskNotFound | TaskAmbiguous | EngineUnavailable, EngineReader> =>
  Effect.gen(function*() {
    const upper = text.toUpperCase()
    const isId = Schema.is(TaskId)
    const reader = yield* EngineReader
    if (isId(upper)) return (yield* reader.get(upper))?.id ?? (yield* new TaskNotFound({ task: upper }))
    if (upper.length < suffixMin || !/^[0-9A-HJKMNP-TV-Z]+$/.test(upper)) return yield* new TaskNotFound({ task: JSON.stringify(text.slice(0, 40)) })
    const found = yield* reader.list({ suffix: upper, limit: 5 })
    const [task] = found
    if (task === undefined) return yield* new TaskNotFound({ task: upper })
    return found.length === 1 ? task.id : yield* new TaskAmbiguous({ text: upper, candidates: found.map(({ id }) => id) })
  })

/** Lets a restored file begin again. A repeat finds it done; there is no key to remember it by, since nothing happens twice. */
export const release = Effect.fn("Commands.release")(function*({ actor, ask, channel, key }: Omit<Asked, "ask"> & { readonly ask: StoreAsk }) {
  const command = { ask, actor, channel, key, trace: drawTrace(yield* Chance) }
  const engine = yield* Engine
  return yield* engine.commit({ tasks: [], key: null, rule: (_found, now) => releaseRule(command, now) })
})
