/**
 * Why a request was not granted. A refusal is an answer, not a failure: it is recorded as an event, it may be stored
 * under an idempotency key, and it changed nothing unless its docstring says so.
 */
import { Schema } from "effect"
import { Hold } from "./Hold.ts"
import { oneLine } from "./Redaction.ts"
import { TaskState } from "./Task.ts"

/** There is no such task. */
export class TaskNotFound extends Schema.TaggedError<TaskNotFound>()("TaskNotFound", { task: Schema.String }) {
  override get message() {
    return `there is no task ${this.task}`
  }
}

/** The state machine has no such transition. `next` names the commands that would be accepted. */
export class TransitionRefused extends Schema.TaggedError<TransitionRefused>()("TransitionRefused", {
  task: Schema.String,
  state: TaskState,
  wanted: Schema.String,
  next: Schema.Array(Schema.String)
}) {
  override get message() {
    const hint = this.next.length === 0 ? "" : `; possible now: ${this.next.join(", ")}`
    return `a task that is ${this.state} cannot be asked to ${this.wanted}${hint}`
  }
}

/** People have to say yes first. */
export class HoldsOpen extends Schema.TaggedError<HoldsOpen>()("HoldsOpen", { task: Schema.String, holds: Schema.Array(Hold) }) {
  override get message() {
    return `the task waits for ${this.holds.join(", ")}`
  }
}

/** A dangerous step may or may not have happened; only `reconcile` moves the task. */
export class OutcomeUnknown extends Schema.TaggedError<OutcomeUnknown>()("OutcomeUnknown", { task: Schema.String }) {
  override get message() {
    return "its last step may or may not have happened: look, then settle it with reconcile"
  }
}

/** The writer does not hold the task any more. The write was counted and changed nothing. */
export class LeaseLost extends Schema.TaggedError<LeaseLost>()("LeaseLost", {
  task: Schema.String,
  write: Schema.String,
  generation: Schema.Int,
  current: Schema.Int
}) {
  override get message() {
    return `${this.write} under generation ${this.generation} came too late; the current one is ${this.current}`
  }
}

/** The lease is still in force, so the task is not to be taken back. */
export class LeaseInForce extends Schema.TaggedError<LeaseInForce>()("LeaseInForce", { task: Schema.String }) {
  override get message() {
    return "the lease is still in force"
  }
}

// As the command line has it.
const wordsOf = (op: string): string => op.replace(/^(pause|resume)_queue$/, "queue $1").replace(/^schedule-/, "schedule ")

/** Whatever stops, recovers or settles something needs a reason. */
export class ReasonMissing extends Schema.TaggedError<ReasonMissing>()("ReasonMissing", { op: Schema.String }) {
  override get message() {
    return `${wordsOf(this.op)} needs a reason`
  }
}

/** The requester may not approve his own task. */
export class SelfApproval extends Schema.TaggedError<SelfApproval>()("SelfApproval", { task: Schema.String, actor: Schema.String }) {
  override get message() {
    return `${this.actor} asked for the task and may not approve it; somebody else must, or approvals.self must be allowed in the configuration`
  }
}

/** What was approved is not what would run now. The task was sent back to REQUESTED and asks anew. */
export class ApprovalVoid extends Schema.TaggedError<ApprovalVoid>()("ApprovalVoid", { task: Schema.String, kind: Schema.String }) {
  override get message() {
    return `the kind ${this.kind} was changed after the approval; the task asks for approval again`
  }
}

/** The key was used for another request. */
export class KeyConflict extends Schema.TaggedError<KeyConflict>()("KeyConflict", { key: Schema.String, code: Schema.Literal("idempotency_payload_mismatch") }) {
  override get message() {
    return "the idempotency key was used before, with another request"
  }
}

/** The task cannot be forked there. Nothing was stored but the refusal. */
export class ForkRefused extends Schema.TaggedError<ForkRefused>()("ForkRefused", {
  task: Schema.String,
  why: Schema.Literal("running", "unknown", "no_steps", "beyond", "not_ended"),
  /** The cut, or the step that stands in its way. */
  step: Schema.Int,
  /** The highest step that ever began. */
  max: Schema.Int
}) {
  override get message() {
    return forkSentences[this.why](this.step, this.max)
  }
}

const forkSentences = {
  running: () => "the task is running; cancel it first, or wait for its end",
  unknown: (step) => `step ${step} may or may not have happened: look, then settle it with reconcile`,
  no_steps: () => "no step of the task ever began, so there is nothing to take over; submit it anew",
  beyond: (step, max) => `there is no step ${step}; the highest that began is ${max}`,
  not_ended: (step) => `step ${step} has not ended, so it cannot be taken over; fork at ${step} or before`
} as const satisfies Record<string, (step: number, max: number) => string>

/** The kind of the task is not declared any more. */
export class KindGone extends Schema.TaggedError<KindGone>()("KindGone", { task: Schema.String, kind: Schema.String }) {
  override get message() {
    return `the kind ${this.kind} is not declared any more`
  }
}

/** The signal is not kept. */
export class SignalRefused extends Schema.TaggedError<SignalRefused>()("SignalRefused", {
  task: Schema.String,
  why: Schema.Literal("too_long", "too_many"),
  max: Schema.Int
}) {
  override get message() {
    return this.why === "too_long"
      ? `a signal has at most ${this.max} characters of JSON`
      : `${this.max} signals wait for the task already, and it has taken none of them`
  }
}

/** Another task has the unique key that this one would take back. */
export class UniqueTaken extends Schema.TaggedError<UniqueTaken>()("UniqueTaken", { task: Schema.String, key: Schema.String, holder: Schema.String }) {
  override get message() {
    return `its unique key belongs to task ${this.holder} by now; cancel that one, or let it end`
  }
}

/** The task that waits under the debounce key needs people: what they look at, or have approved, is not changed behind them. */
export class DebounceRefused extends Schema.TaggedError<DebounceRefused>()("DebounceRefused", { task: Schema.String, key: Schema.String }) {
  override get message() {
    return `task ${this.task} under the key needs an approval of exactly what it is; cancel it first, then ask anew`
  }
}

/** Its payload and its results were given up when its retention ended: nothing can be run from what is left. */
export class TaskPruned extends Schema.TaggedError<TaskPruned>()("TaskPruned", { task: Schema.String }) {
  override get message() {
    return "its payload and results were pruned when their retention ended; submit it anew"
  }
}

/** Nothing fits the filter of a bulk command, so there is nothing to carry out. */
export class NothingMatched extends Schema.TaggedError<NothingMatched>()("NothingMatched", { verb: Schema.String }) {
  override get message() {
    return `no task fits the filter, so there is nothing to ${this.verb}`
  }
}

/** More tasks fit the filter than one bulk command takes. */
export class TooManyMatched extends Schema.TaggedError<TooManyMatched>()("TooManyMatched", { max: Schema.Int }) {
  override get message() {
    return `more than ${this.max} tasks fit the filter, and one bulk command takes no more: narrow it with --kind, --code or --older, or repeat it`
  }
}

/** There is no such bulk command. */
export class BulkNotFound extends Schema.TaggedError<BulkNotFound>()("BulkNotFound", { bulk: Schema.String }) {
  override get message() {
    return `there is no bulk command ${this.bulk}`
  }
}

/** The store takes no change of this task, while it takes others. The item of the bulk command is given up, the task is as it was. */
export class ItemNotStored extends Schema.TaggedError<ItemNotStored>()("ItemNotStored", { task: Schema.String }) {
  override get message() {
    return `no change of task ${this.task} can be stored; opsgate doctor looks for the cause`
  }
}

/** Nobody knows which step it was: the backup that the task was restored from does not know it. */
export class StepNotRecorded extends Schema.TaggedError<StepNotRecorded>()("StepNotRecorded", { task: Schema.String, step: Schema.Int }) {
  override get message() {
    return `the backup does not know what came after step ${this.step - 1}, so it cannot be settled as succeeded: settle it as failed and ask anew for what is left to do, or as retry if nothing happened`
  }
}

/** There is no such schedule. */
export class ScheduleNotFound extends Schema.TaggedError<ScheduleNotFound>()("ScheduleNotFound", { schedule: Schema.String }) {
  override get message() {
    return `there is no schedule ${oneLine(this.schedule)}`
  }
}

/** What was asked of the schedule cannot be done. Nothing was stored but the refusal. */
export class ScheduleRefused extends Schema.TaggedError<ScheduleRefused>()("ScheduleRefused", {
  schedule: Schema.String,
  why: Schema.Literal("gone", "kind_gone", "no_range", "future", "too_many"),
  count: Schema.Int,
  max: Schema.Int
}) {
  override get message() {
    return scheduleSentences[this.why](this.schedule, this.count, this.max)
  }
}

const scheduleSentences = {
  gone: (name) => `the schedule ${name} is not declared any more`,
  kind_gone: (name) => `the kind that the schedule ${name} runs is not declared any more`,
  no_range: () => "a backfill goes from an instant to a later one",
  future: () => "a backfill ends now at the latest",
  too_many: (_name, count, max) => `the range has ${count} ticks; a backfill takes at most ${max}`
} as const satisfies Record<string, (name: string, count: number, max: number) => string>

export const Refusal = Schema.Union(
  TaskNotFound,
  TransitionRefused,
  HoldsOpen,
  OutcomeUnknown,
  LeaseLost,
  LeaseInForce,
  ReasonMissing,
  SelfApproval,
  ApprovalVoid,
  KeyConflict,
  ForkRefused,
  KindGone,
  SignalRefused,
  UniqueTaken,
  DebounceRefused,
  TaskPruned,
  NothingMatched,
  TooManyMatched,
  BulkNotFound,
  ItemNotStored,
  StepNotRecorded,
  ScheduleNotFound,
  ScheduleRefused
)
export type Refusal = typeof Refusal.Type
