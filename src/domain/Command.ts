/**
 * Anything an operator asks for, whatever the channel. Actor and roles come from authentication, never from the request.
 */
import { Schema } from "effect"
import { planPartMax, reasonMax, taskNameMax } from "./AskLimits.ts"
import { canonical, Json, sha256 } from "./Canonical.ts"
import { placementFields } from "./Placement.ts"
import { QueueName } from "./Queue.ts"

const Reason = Schema.String.pipe(Schema.maxLength(reasonMax))
const OnTask = { task: Schema.NonEmptyString.pipe(Schema.maxLength(taskNameMax)), reason: Schema.NullOr(Reason) }

/** What a run waits for by name. */
export const SignalName = Schema.String.pipe(Schema.pattern(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/))

const Part = Schema.String.pipe(Schema.minLength(1), Schema.maxLength(planPartMax))
/** How a task is to be done, as seed S1 has it. */
export const PlanParts = Schema.Struct({ scope: Part, risks: Part, test_plan: Part, rollback_plan: Part, approval_impact: Part })
/** What a reviewer has looked at. A review passes with all of them only. */
export const Checklist = Schema.Struct({
  policy_safety: Schema.Boolean,
  correctness: Schema.Boolean,
  tests: Schema.Boolean,
  rollback: Schema.Boolean,
  approval_constraints: Schema.Boolean
})
export const ReviewCode = Schema.Literal("policy_conflict", "missing_tests", "insufficient_plan", "high_risk_unmitigated", "artifact_incomplete", "other")

export const Verdict = Schema.Literal("succeeded", "failed", "retry")

/** What is asked. The wire form of a request; unknown members are refused when it is decoded. */
export const Ask = Schema.Union(
  Schema.Struct({ op: Schema.Literal("submit"), kind: Schema.NonEmptyString, payload: Json, reason: Schema.NullOr(Reason), ...placementFields }),
  Schema.Struct({ op: Schema.Literal("pause_queue"), queue: QueueName, reason: Schema.NullOr(Reason) }),
  Schema.Struct({ op: Schema.Literal("resume_queue"), queue: QueueName, reason: Schema.NullOr(Reason) }),
  Schema.Struct({
    op: Schema.Literal("approve"),
    ...OnTask,
    /** Of what was shown to whoever approves, see `digestOf`, or how it begins: an approval of something else is refused. */
    digest: Schema.optionalWith(Schema.String.pipe(Schema.pattern(/^[0-9a-f]{8,64}$/)), { exact: true })
  }),
  Schema.Struct({ op: Schema.Literal("plan"), ...OnTask, plan: PlanParts }),
  Schema.Struct({
    op: Schema.Literal("review"),
    ...OnTask,
    verdict: Schema.Literal("pass", "fail"),
    checklist: Checklist,
    /** Why it failed. */
    code: Schema.optionalWith(ReviewCode, { exact: true })
  }),
  Schema.Struct({ op: Schema.Literal("break_glass"), ...OnTask }),
  Schema.Struct({ op: Schema.Literal("reject"), ...OnTask }),
  Schema.Struct({ op: Schema.Literal("resume"), ...OnTask }),
  Schema.Struct({ op: Schema.Literal("cancel"), ...OnTask, compensate: Schema.optionalWith(Schema.Boolean, { exact: true }) }),
  Schema.Struct({ op: Schema.Literal("kill"), ...OnTask }),
  Schema.Struct({ op: Schema.Literal("recover"), ...OnTask }),
  Schema.Struct({ op: Schema.Literal("dismiss"), ...OnTask }),
  Schema.Struct({
    op: Schema.Literal("reconcile"),
    ...OnTask,
    outcome: Verdict,
    /** What was looked at: an address, an id of the outside system. */
    evidence: Schema.optionalWith(Reason, { exact: true }),
    /** The outcome of the step, if it succeeded and the run needs it. */
    result: Schema.optionalWith(Json, { exact: true })
  }),
  Schema.Struct({
    op: Schema.Literal("fork"),
    ...OnTask,
    /** The first step that is not taken over; counts from 1. */
    step: Schema.Int.pipe(Schema.positive()),
    /** Instead of the payload of the task that is forked. */
    payload: Schema.optionalWith(Json, { exact: true })
  }),
  Schema.Struct({ op: Schema.Literal("signal"), ...OnTask, name: SignalName, payload: Json })
)
export type Ask = typeof Ask.Type

/** What is asked of the file as a whole: after a restore, to let work begin again. */
export const StoreAsk = Schema.Struct({ op: Schema.Literal("release"), reason: Schema.NullOr(Reason) })
export type StoreAsk = typeof StoreAsk.Type

export type Op = Ask["op"]
/** The ask that carries this op. */
export type AskTo<O extends Op> = Extract<Ask, { readonly op: O }>
/** What is asked about a queue; everything else is about a task. */
export type QueueAsk = AskTo<"pause_queue" | "resume_queue">
export type TaskAsk = Exclude<Ask, QueueAsk>

/** Whether a command is refused without a reason. */
export const needsReason = {
  submit: false,
  pause_queue: true,
  resume_queue: true,
  approve: false,
  plan: false,
  review: false,
  break_glass: true,
  reject: true,
  resume: false,
  cancel: true,
  kill: true,
  recover: true,
  dismiss: true,
  reconcile: true,
  fork: true,
  signal: false
} as const satisfies Record<Op, boolean>

export const Channel = Schema.Literal("cli", "telegram", "http", "schedule", "code")
export type Channel = typeof Channel.Type

/** What every ask has, also those that are about more than one task. */
export interface AnyAsk {
  readonly op: string
  readonly reason: string | null
}

export interface Command<A extends AnyAsk = Ask> {
  readonly ask: A
  readonly actor: string
  /** The ways by which the actor comes, see `Caller`. */
  readonly identities?: ReadonlyArray<string>
  /** What the actor may do, see `Role.ts`. From authentication, as the actor is. */
  readonly roles: ReadonlyArray<string>
  readonly channel: Channel
  /** Idempotency key; the same key and the same ask give the same answer. */
  readonly key: string | null
  /** W3C trace id of the request, 32 hex digits. */
  readonly trace: string
  /** The bulk command that this one is an item of. */
  readonly bulk?: string
}

/** What a key stands for: the whole ask, without who asked or when. */
export const fingerprint = (ask: Json): string => sha256(canonical(ask))

const wordIn = (ask: AnyAsk, name: string): string | null => {
  const value: unknown = Object.entries(ask).find(([key]) => key === name)?.[1]
  return typeof value === "string" ? value : null
}

/** What a command is about, as it named it, for events that are about no task: those of its refusal before a task was found. */
export const namedBy = (ask: AnyAsk): { readonly [key: string]: string } => {
  if (ask.op === "submit") return {}
  const [queue, schedule, named] = [wordIn(ask, "queue"), wordIn(ask, "schedule"), wordIn(ask, "task") ?? wordIn(ask, "bulk")]
  return { ...(queue === null ? {} : { queue }), ...(schedule === null ? {} : { schedule }), ...(named === null ? {} : { named }) }
}

/** How a command appears in the first event of its decision. */
export const commandFacts = (
  { ask, bulk, channel, key }: Pick<Command<AnyAsk>, "bulk" | "channel" | "key"> & { readonly ask: { readonly op: string; readonly reason: string | null } }
) => ({ op: ask.op, channel, key, reason: ask.reason, ...(bulk === undefined ? {} : { bulk }) })
