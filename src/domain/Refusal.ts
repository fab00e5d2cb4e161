/**
 * Why a request was not granted. A refusal is an answer, not a failure: it is recorded as an event, it may be stored
 * under an idempotency key, and it changed nothing unless its docstring says so.
 */
import { Schema } from "effect"
import { Hold } from "./Hold.ts"
import { KindUnknown, PayloadRefused } from "./Kind.ts"
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
const wordsOf = (op: string): string => op.replace("break_glass", "break the glass").replace(/^(pause|resume)_queue$/, "queue $1").replace(/^schedule-/, "schedule ")

/** Whatever stops, recovers or settles something needs a reason. */
export class ReasonMissing extends Schema.TaggedError<ReasonMissing>()("ReasonMissing", { op: Schema.String }) {
  override get message() {
    return `${wordsOf(this.op)} needs a reason`
  }
}

/** The requester may not approve his own task. */
export class SelfApproval extends Schema.TaggedError<SelfApproval>()("SelfApproval", { task: Schema.String, actor: Schema.String }) {
  override get message() {
    return `${oneLine(this.actor)} asked for the task, or wrote part of it, and may not decide about it; somebody else must, or, for an approval, the policy must allow it`
  }
}

/** The actor has no role that may ask for this. Nothing was stored but the denial. */
export class NotAllowed extends Schema.TaggedError<NotAllowed>()("NotAllowed", { op: Schema.String, actor: Schema.String, needs: Schema.Array(Schema.String) }) {
  override get message() {
    return `${oneLine(this.actor)} may not ${wordsOf(this.op)}: that takes the role ${this.needs.join(" or ")}`
  }
}

/** The policy does not let such work be asked for. Nothing was stored but the refusal. */
export class PolicyDenied extends Schema.TaggedError<PolicyDenied>()("PolicyDenied", { kind: Schema.String, rule: Schema.String, why: Schema.String }) {
  override get message() {
    return `the policy refuses this ${oneLine(this.kind)} (${oneLine(this.rule)}): ${oneLine(this.why)}`
  }
}

/** The same person has said yes to it already. */
export class AlreadyApproved extends Schema.TaggedError<AlreadyApproved>()("AlreadyApproved", { task: Schema.String, actor: Schema.String }) {
  override get message() {
    return `${oneLine(this.actor)} has approved it already; every approval is another person's`
  }
}

/** What was shown to the approver is not what would run. Nothing was approved. */
export class ApprovalStale extends Schema.TaggedError<ApprovalStale>()("ApprovalStale", { task: Schema.String }) {
  override get message() {
    return "it is not what was shown any more: look at it again, then approve"
  }
}

/** The review says too little, or nobody asked for one. */
export class ReviewRefused extends Schema.TaggedError<ReviewRefused>()("ReviewRefused", { task: Schema.String, why: Schema.Literal("not_asked", "checklist", "code") }) {
  override get message() {
    return reviewSentences[this.why]
  }
}

const reviewSentences = {
  not_asked: "nobody asks for a review of this task",
  checklist: "a review passes only when everything on its checklist is fine",
  code: "a review that fails says why: policy_conflict, missing_tests, insufficient_plan, high_risk_unmitigated, artifact_incomplete or other"
} as const

/** What was approved is not what would run now. The task was sent back to REQUESTED and asks anew. */
export class ApprovalVoid extends Schema.TaggedError<ApprovalVoid>()("ApprovalVoid", { task: Schema.String, kind: Schema.String }) {
  override get message() {
    return `the kind ${this.kind} or the policy was changed since people were asked; the task asks anew`
  }
}

/**
 * Nobody's word counts for it any more: its time has run out, and it has expired with this very command; or the clock was set back
 * behind what was said, so that nobody can tell whether it has, and nothing was changed.
 */
export class ApprovalLapsed extends Schema.TaggedError<ApprovalLapsed>()("ApprovalLapsed", { task: Schema.String, why: Schema.Literal("late", "clock") }) {
  override get message() {
    return this.why === "late"
      ? "the time in which people may say yes has run out; recover asks anew"
      : "the clock was set back since people were asked, so nobody can tell whether their time has run out: set the clock right, or cancel the task and recover it, which asks anew"
  }
}

/** The key was used for another request, or the request that it was used for first is still being decided. */
export class KeyConflict extends Schema.TaggedError<KeyConflict>()("KeyConflict", {
  key: Schema.String,
  code: Schema.Literal("idempotency_payload_mismatch", "in_progress")
}) {
  override get message() {
    return this.code === "in_progress"
      ? "the request with this idempotency key is still being decided; ask again in a moment"
      : "the idempotency key was used before, with another request"
  }
}

/** The text fits several tasks. Nothing was stored but the refusal. */
export class TaskAmbiguous extends Schema.TaggedError<TaskAmbiguous>()("TaskAmbiguous", {
  text: Schema.String,
  candidates: Schema.Array(Schema.String)
}) {
  override get message() {
    return `${this.text} fits several tasks: ${this.candidates.join(", ")}`
  }
}

/** What reached the door is no command, or its words are not taken. `issue` repeats nothing of it. */
export class AskMalformed extends Schema.TaggedError<AskMalformed>()("AskMalformed", { op: Schema.NullOr(Schema.String), issue: Schema.String }) {
  override get message() {
    return this.issue
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

/** What the command would do is not what was planned any more. Nothing was stored but the refusal. */
export class PlanStale extends Schema.TaggedError<PlanStale>()("PlanStale", { planned: Schema.String, current: Schema.String }) {
  override get message() {
    return "something that matters has changed since the plan, so nothing was done; look again with --plan"
  }
}

/** There is no update of this number that was given up: it waits, was worked off, or never came. Nothing was changed. */
export class UpdateNotDead extends Schema.TaggedError<UpdateNotDead>()("UpdateNotDead", { update: Schema.Int }) {
  override get message() {
    return `no update ${this.update} was given up; opsgate telegram dead lists those that were`
  }
}

export const Refusal = Schema.Union(
  TaskNotFound,
  TransitionRefused,
  HoldsOpen,
  OutcomeUnknown,
  LeaseLost,
  LeaseInForce,
  ReasonMissing,
  SelfApproval,
  NotAllowed,
  PolicyDenied,
  AlreadyApproved,
  ApprovalStale,
  ReviewRefused,
  ApprovalVoid,
  ApprovalLapsed,
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
  ScheduleRefused,
  PlanStale,
  UpdateNotDead,
  KindUnknown,
  PayloadRefused,
  TaskAmbiguous,
  AskMalformed
)
export type Refusal = typeof Refusal.Type
