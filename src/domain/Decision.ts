/**
 * What a rule answers: rows, events and messages that an engine stores in one transaction, and the answer to whoever asked.
 * A refusal is a decision too; it usually stores nothing but its event.
 */
import { Either, Schema } from "effect"
import type { BulkChange } from "./Bulk.ts"
import type { DeadUpdate } from "./Chat.ts"
import { type AnyAsk, type Command, commandFacts, namedBy } from "./Command.ts"
import { Hold } from "./Hold.ts"
import type { Message } from "./Message.ts"
import { Refusal } from "./Refusal.ts"
import type { Restored } from "./Restored.ts"
import { type Attempt, type Task, TaskState } from "./Task.ts"
import type { TaskState as State } from "./TaskState.ts"
import { enteredType, type EventDraft } from "./TaskEvent.ts"
import type { QueueState } from "./Queue.ts"
import type { ScheduleChange } from "./Schedule.ts"
import type { StepChange } from "./Step.ts"
import type { Trigger } from "./Transition.ts"

/** An answer that is given again under the same key. */
export interface StoredAnswer {
  /** With its owner, see `ownedKey` in `Idempotency.ts`. */
  readonly key: string
  readonly op: string
  readonly fingerprint: string
  readonly channel: string
  /** JSON, see `Idempotency.ts`. */
  readonly answer: string
}

export interface Decision<A> {
  readonly answer: Either.Either<A, Refusal>
  readonly tasks: ReadonlyArray<Task>
  readonly steps: ReadonlyArray<StepChange>
  readonly attempts: ReadonlyArray<Attempt>
  readonly events: ReadonlyArray<EventDraft>
  readonly messages: ReadonlyArray<Message>
  readonly queues: ReadonlyArray<QueueState>
  readonly bulks: ReadonlyArray<BulkChange>
  readonly schedules: ReadonlyArray<ScheduleChange>
  /** The answer to be given again under the same key. */
  readonly remember: StoredAnswer | null
  /** The restore of the file: a new one, or its release. */
  readonly restored: Restored | null
  /** Updates of chats that are worked off once more. */
  readonly replays?: ReadonlyArray<DeadUpdate>
}

/** The answer to a command about one task. */
export const Answer = Schema.Struct({
  task: Schema.String,
  state: TaskState,
  holds: Schema.Array(Hold),
  dispatch_key: Schema.String,
  /** Whether this very command moved the task; false for a repeat that found the work done. */
  moved: Schema.Boolean,
  /** Set when a submit answers a task that was there already, under its unique or debounce key. */
  existing: Schema.optionalWith(Schema.Literal(true), { exact: true }),
  /** Set when it was one's own work that one said yes to, as the policy of a sole operator allows. */
  self: Schema.optionalWith(Schema.Literal(true), { exact: true })
})
export type Answer = typeof Answer.Type

/** The answer to a command about a queue. */
export const QueueAnswer = Schema.Struct({
  queue: Schema.String,
  paused: Schema.Boolean,
  /** Unix time. */
  since_ms: Schema.Int,
  moved: Schema.Boolean
})
export type QueueAnswer = typeof QueueAnswer.Type

export const answerFor = (task: Task, moved: boolean): Answer => ({
  task: task.id,
  state: task.state,
  holds: task.holds,
  dispatch_key: task.dispatchKey,
  moved
})

type Stored = Partial<Omit<Decision<never>, "answer">>

const none: ReadonlyArray<never> = []

const decision = <A>(answer: Either.Either<A, Refusal>, { attempts, bulks, events, messages, queues, remember, replays, restored, schedules, steps, tasks }: Stored): Decision<A> => ({
  answer,
  tasks: tasks ?? none,
  steps: steps ?? none,
  attempts: attempts ?? none,
  events: events ?? none,
  messages: messages ?? none,
  queues: queues ?? none,
  bulks: bulks ?? none,
  schedules: schedules ?? none,
  remember: remember ?? null,
  restored: restored ?? null,
  ...(replays === undefined ? {} : { replays })
})

export const granted = <A>(answer: A, stored: Stored): Decision<A> => decision(Either.right(answer), stored)

export const refused = (refusal: Refusal, stored: Stored): Decision<never> => decision(Either.left(refusal), stored)

/** The event of a task that entered its state. */
export const entered = (
  task: Task,
  from: State | null,
  by: Trigger,
  actor: string,
  facts: EventDraft["payload"] = {}
): EventDraft => about(task, enteredType[task.state], actor, { from, by, ...facts })

/** An event about a task. */
export const about = (task: Task, type: EventDraft["type"], actor: string, payload: EventDraft["payload"]): EventDraft => ({
  type,
  task: task.id,
  trace: task.trace,
  actor,
  payload
})

/** The event of a decision by a person, with the command that caused it. */
export const byCommand = (event: EventDraft, command: Command<AnyAsk>): EventDraft => ({
  ...event,
  actor: command.actor,
  payload: { ...event.payload, command: commandFacts(command) }
})

const encodeRefusal = Schema.encodeSync(Refusal)

/** Denies a command to whoever may not ask for it. */
export const denyCommand = (command: Command<AnyAsk>, task: Task | null, refusal: Refusal): Decision<never> => {
  const { answer, events } = refuseCommand(command, task, refusal)
  return { ...refused(refusal, { events: events.map((event) => ({ ...event, type: "command.denied" })) }), answer }
}

/** Refuses a command, on the record. `task` is null when there is none to speak of. */
export const refuseCommand = (command: Command<AnyAsk>, task: Task | null, refusal: Refusal): Decision<never> =>
  refused(refusal, {
    events: [{
      type: "command.refused",
      task: task?.id ?? null,
      trace: task?.trace ?? command.trace,
      actor: command.actor,
      payload: { ...(task === null ? namedBy(command.ask) : {}), refusal: encodeRefusal(refusal), state: task?.state ?? null, command: commandFacts(command) }
    }]
  })
