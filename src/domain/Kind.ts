/** A task kind: what the operator declared about a sort of work. Rules see this part of it; how it runs is the runtime's. */
import { Schema } from "effect"
import { canonical, type Json, sha256 } from "./Canonical.ts"
import { EffectClass } from "./EffectClass.ts"
import type { SensitivePaths } from "./Sensitive.ts"
import type { RetryPolicy } from "./RetryPolicy.ts"
import type { Policy } from "./Policy.ts"
import { TaskClass } from "./Task.ts"
import type { Limits } from "./Timeout.ts"

export interface Kind {
  readonly name: string
  /** Digest of the whole definition: a changed command line is another version. */
  readonly version: string
  readonly class: TaskClass
  readonly risk: string
  readonly effect: EffectClass
  readonly needsApproval: boolean
  /** Whether its own definition asks for approval, and not only its class. */
  readonly asksForApproval?: boolean
  /** Whether the requester may approve his own task; it is recorded as self-approval. */
  readonly selfApproval: boolean
  readonly limits: Limits
  readonly retry: RetryPolicy
  /** Where its tasks stand if nobody says otherwise. Default: the queue named as their class, priority 0, no key. */
  readonly queue?: string
  readonly priority?: number
  readonly concurrencyKey?: string
  /** What its schemas mark as sensitive; absent when that is nothing. */
  readonly sensitive?: SensitivePaths
  /** Fixed words of its definition that a policy looks at beside the payload: a command line. */
  readonly words?: string
  /** The policy under which it is declared. Default: `policyByDefault`. */
  readonly policy?: Policy
}

/** Heavy work is dangerous unless its kind says otherwise. */
export const effectOf = { light: "idempotent", heavy: "dangerous" } as const satisfies Record<TaskClass, EffectClass>

export const kindVersion = (definition: Json): string => sha256(canonical(definition)).slice(0, 12)

/** The payload does not fit the kind's schema. Nothing was stored. */
export class PayloadRefused extends Schema.TaggedError<PayloadRefused>()("PayloadRefused", {
  kind: Schema.String,
  issue: Schema.String
}) {
  override get message() {
    return `the payload does not fit the kind ${this.kind}: ${this.issue}`
  }
}

/** No such kind is declared. Nothing was stored. */
export class KindUnknown extends Schema.TaggedError<KindUnknown>()("KindUnknown", {
  kind: Schema.String,
  known: Schema.Array(Schema.String)
}) {
  override get message() {
    return `there is no task kind ${JSON.stringify(this.kind)}; declared are: ${this.known.join(", ") || "none"}`
  }
}
