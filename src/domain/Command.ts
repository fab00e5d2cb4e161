/**
 * Anything an operator asks for, whatever the channel. Actor and roles come from authentication, never from the request.
 */
import { Schema } from "effect"
import { reasonMax, taskNameMax } from "./AskLimits.ts"
import { canonical, Json, sha256 } from "./Canonical.ts"

const Reason = Schema.String.pipe(Schema.maxLength(reasonMax))
const OnTask = { task: Schema.NonEmptyString.pipe(Schema.maxLength(taskNameMax)), reason: Schema.NullOr(Reason) }

export const Verdict = Schema.Literal("succeeded", "failed", "retry")

/** What is asked. The wire form of a request; unknown members are refused when it is decoded. */
export const Ask = Schema.Union(
  Schema.Struct({ op: Schema.Literal("submit"), kind: Schema.NonEmptyString, payload: Json, reason: Schema.NullOr(Reason) }),
  Schema.Struct({ op: Schema.Literal("approve"), ...OnTask }),
  Schema.Struct({ op: Schema.Literal("reject"), ...OnTask }),
  Schema.Struct({ op: Schema.Literal("resume"), ...OnTask }),
  Schema.Struct({ op: Schema.Literal("cancel"), ...OnTask }),
  Schema.Struct({ op: Schema.Literal("recover"), ...OnTask }),
  Schema.Struct({ op: Schema.Literal("reconcile"), ...OnTask, outcome: Verdict })
)
export type Ask = typeof Ask.Type
export type Op = Ask["op"]
/** The ask that carries this op. */
export type AskTo<O extends Op> = Extract<Ask, { readonly op: O }>

/** Whether a command is refused without a reason. */
export const needsReason = {
  submit: false,
  approve: false,
  reject: true,
  resume: false,
  cancel: true,
  recover: true,
  reconcile: true
} as const satisfies Record<Op, boolean>

export const Channel = Schema.Literal("cli", "telegram", "http", "schedule")
export type Channel = typeof Channel.Type

export interface Command<A extends Ask = Ask> {
  readonly ask: A
  readonly actor: string
  readonly channel: Channel
  /** Idempotency key; the same key and the same ask give the same answer. */
  readonly key: string | null
  /** W3C trace id of the request, 32 hex digits. */
  readonly trace: string
}

/** What a key stands for: the whole ask, without who asked or when. */
export const fingerprint = (ask: Ask): string => sha256(canonical(ask))

/** How a command appears in the first event of its decision. */
export const commandFacts = ({ ask, channel, key }: Command) => ({ op: ask.op, channel, key, reason: ask.reason })
