/**
 * The one handler of commands: whatever the channel, an ask becomes one decision in one transaction.
 * Who asks comes from authentication; the ask itself names no actor.
 */
import { Effect, Either, Schema } from "effect"
import { isBlank } from "../domain/AskLimits.ts"
import { approve, breakGlass, plan, review } from "../domain/Approval.ts"
import { authorized, type Caller } from "../domain/Authorization.ts"
import type { Json } from "../domain/Canonical.ts"
import { type Ask, type AskTo, type Channel, type Command, needsReason, type QueueAsk, type StoreAsk, type TaskAsk } from "../domain/Command.ts"
import { type Answer, type Decision, type QueueAnswer, refuseCommand } from "../domain/Decision.ts"
import { dismiss } from "../domain/DeadLetter.ts"
import { resume } from "../domain/Dispatch.ts"
import { fork } from "../domain/Fork.ts"
import { oncePerKey, oncePerKeyFor, oncePerKeyOnQueue, ownedKey } from "../domain/Idempotency.ts"
import { taskIdFrom } from "../domain/Ids.ts"
import type { Kind } from "../domain/Kind.ts"
import type { Now } from "../domain/Now.ts"
import { onTask } from "../domain/OnTask.ts"
import { ownName, uniqueNameOf, type Wish } from "../domain/Placement.ts"
import { cancel, kill, reconcile, recover } from "../domain/Recovery.ts"
import { release as releaseRule, Released } from "../domain/Restore.ts"
import { ReasonMissing, type Refusal, TaskAmbiguous, TaskNotFound } from "../domain/Refusal.ts"
import { reject, submit } from "../domain/Request.ts"
import { cleaned } from "../domain/TaskSecrets.ts"
import { signal } from "../domain/Signal.ts"
import { steer } from "../domain/Steering.ts"
import type { Step } from "../domain/Step.ts"
import { type Task, TaskId } from "../domain/Task.ts"
import { Chance, type Change, Engine, EngineReader, type EngineUnavailable, type Found, Instants } from "../engine/Engine.ts"
import type { CommandTimedOut } from "./Deadline.ts"
import { refuseEarly } from "./EarlyRefusal.ts"
import { Kinds } from "./Kinds.ts"
import { drawTrace, newTrace } from "./NewTrace.ts"

export interface Asked<A extends Ask = TaskAsk> extends Caller {
  readonly ask: A
  readonly channel: Channel
  readonly key: string | null
  /** The W3C trace id that the caller goes by; without one a new one is drawn. */
  readonly trace?: string
}

export type CommandFailed = Refusal | CommandTimedOut | EngineUnavailable

const drawId = ({ next }: Chance["Type"], wallMs: number): TaskId => taskIdFrom(wallMs, [next(), next()])

/** Decides and stores one command. The answer comes after the commit; a refusal has left its event. */
export const handle = Effect.fn("Commands.handle")(function*({ actor, ask: asked, channel, identities, key, roles, trace }: Asked) {
  const ask = cleaned(asked)
  const command: Command = { ask, actor, ...(identities === undefined ? {} : { identities }), roles, channel, key, trace: trace ?? (yield* newTrace) }
  return yield* ask.op === "submit" ? submitNew({ ...command, ask }) : onOne({ ...command, ask })
})

/** The same for a command about a queue. */
export const handleQueue = Effect.fn("Commands.handleQueue")(function*({ actor, ask: asked, channel, key, roles, trace }: Asked<QueueAsk>) {
  const ask = cleaned(asked)
  const command = { ask, actor, roles, channel, key, trace: trace ?? (yield* newTrace) }
  const engine = yield* Engine
  return yield* engine.commit({
    tasks: [],
    queue: ask.queue,
    key: ownedKey(command),
    rule: ({ queue, stored }, now) => authorized(command, null, () => oncePerKeyOnQueue(command, stored, () => steer(queue, command, now)))
  })
})

export const isAboutQueue = (ask: Ask): ask is QueueAsk => ask.op === "pause_queue" || ask.op === "resume_queue"

/** A command about a task or a queue. */
export const handleEither = ({ ask, ...asked }: Asked<Ask>): Effect.Effect<Answer | QueueAnswer, CommandFailed, Engine | EngineReader | Kinds | Instants> =>
  isAboutQueue(ask) ? handleQueue({ ...asked, ask }) : handle({ ...asked, ask })

const submitNew = (command: Command<AskTo<"submit">>) =>
  Effect.gen(function*() {
    const engine = yield* Engine
    const change = yield* Effect.either(changeFor(command))
    return yield* Either.isRight(change) ? engine.commit(change.right) : refuseEarly(command, change.left)
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
  key: ownedKey(command),
  ...holding(uniqueNameOf(kind.name, command.ask)),
  rule: ({ holder, stored }: Found, now: Now) => authorized(command, null, () => oncePerKey(command, stored, () => submit(command, kind, id, now, holder)))
})

const holding = (name: string | null) => (name === null ? {} : { unique: () => name })

/** The change that a submit comes to, for callers who know the kind, and that the payload fits it. Nothing is stored yet. */
export const submission = (
  { actor, channel, key, kind, payload, roles, wish = {} }: Omit<Asked, "ask"> & { readonly kind: Kind; readonly payload: Json; readonly wish?: Wish },
  chance: Chance["Type"],
  wallMs: number
): Change<Answer> => submitting({ ask: { op: "submit", kind: kind.name, payload, reason: null, ...wish }, actor, roles, channel, key, trace: drawTrace(chance, wallMs) }, kind, drawId(chance, wallMs))

type AskOnTask = Exclude<TaskAsk, { op: "submit" }>

/** The command with the whole id of its task, and, of a fork, why its payload does not fit. */
const named = (asked: Command<AskOnTask>) =>
  Effect.gen(function*() {
    const kinds = yield* Kinds
    const id = yield* resolve(asked.ask.task)
    const command = { ...asked, ask: { ...asked.ask, task: id } }
    if (command.ask.op !== "fork" || command.ask.payload === undefined) return { command, id, unfit: null }
    const task = yield* Effect.flatMap(EngineReader, (reader) => reader.get(id))
    const fits = task === undefined ? Either.right(null) : yield* Effect.either(kinds.check(task.kind, command.ask.payload))
    return { command, id, unfit: Either.isLeft(fits) ? fits.left : null }
  })

const onOne = (asked: Command<AskOnTask>) =>
  Effect.gen(function*() {
    const engine = yield* Engine
    const kinds = yield* Kinds
    const found = yield* Effect.either(named(asked))
    if (Either.isLeft(found)) return yield* found.left._tag === "EngineUnavailable" ? found.left : refuseEarly(asked, found.left)
    const { command, id, unfit } = found.right
    if (unfit !== null) return yield* refuseEarly(command, unfit)
    const { wallMs } = yield* Instants
    const forkId = drawId(yield* Chance, wallMs())
    const change: Change<Answer> = onTask(id, (task, now, { holder, steps, stored }) =>
      authorized(command, task, () => oncePerKey(command, stored, () => decide(command, { task, steps, kind: kinds.get(task.kind), forkId, holder }, now))), ownedKey(command))
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
  if (needsReason[ask.op] && isBlank(ask.reason)) return refuseCommand(command, task, new ReasonMissing({ op: ask.op }))
  switch (ask.op) {
    case "approve":
      return approve(task, { ...command, ask }, kind, now)
    case "plan":
      return plan(task, { ...command, ask }, kind, now)
    case "review":
      return review(task, { ...command, ask }, kind, now)
    case "break_glass":
      return breakGlass(task, { ...command, ask }, kind, now)
    case "reject":
      return reject(task, { ...command, ask }, now)
    case "resume":
      return resume(task, { ...command, ask }, kind, now)
    case "cancel":
      return cancel(task, { ...command, ask }, now)
    case "kill":
      return kill(task, { ...command, ask }, now)
    case "fork":
      return fork(task, steps, { ...command, ask }, kind, forkId, now)
    case "signal":
      return signal(task, { ...command, ask }, now)
    case "recover":
      return recover(task, { ...command, ask }, kind, now, holder)
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

const releaseOncePerKey = oncePerKeyFor(Released)

/** Lets a restored file begin again. */
export const release = Effect.fn("Commands.release")(function*({ actor, ask: asked, channel, key, roles }: Omit<Asked, "ask"> & { readonly ask: StoreAsk }) {
  const ask = cleaned(asked)
  const command = { ask, actor, roles, channel, key, trace: yield* newTrace }
  const engine = yield* Engine
  return yield* engine.commit({ tasks: [], key: ownedKey(command), rule: ({ stored }, now) => authorized(command, null, () => releaseOncePerKey(command, stored, () => releaseRule(command, now))) })
})
