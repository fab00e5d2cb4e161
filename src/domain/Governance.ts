/**
 * What people have to do, and have done, before a task may be dispatched. Holds follow from it: a hold is open as long as what it asks
 * for is missing, or was given to something else than what would run now.
 */
import { canonical, sha256 } from "./Canonical.ts"
import type { Hold } from "./Hold.ts"
import { type Demand, type Denial, policyByDefault } from "./Policy.ts"
import type { Limits } from "./Timeout.ts"

/** One person's yes, to exactly this. */
export interface Approval {
  readonly actor: string
  /** By which he may come besides; see `Caller`. */
  readonly identities?: ReadonlyArray<string>
  readonly channel: string
  /** The roles with which it was given. */
  readonly roles: ReadonlyArray<string>
  readonly atMs: number
  readonly note: string | null
  /** What was approved, see `digestOf`. */
  readonly digest: string
  /** Given by somebody whose own work it is, as the policy of a sole operator allows. */
  readonly self: boolean
}

/** How it is to be done. */
export interface Plan {
  readonly actor: string
  readonly atMs: number
  /** Canonical JSON of its parts. */
  readonly text: string
}

/** Somebody else's look at it. */
export interface Review {
  readonly actor: string
  readonly atMs: number
  readonly verdict: "pass" | "fail"
  /** Why it failed. */
  readonly code: string | null
  readonly notes: string | null
  readonly digest: string
}

/** Somebody let it go without what it asks for. */
export interface BrokenGlass {
  readonly actor: string
  readonly reason: string
  readonly atMs: number
  readonly digest: string
}

export interface Governance {
  readonly policyVersion: string
  readonly demand: Demand
  readonly risks: ReadonlyArray<string>
  /** Whether the requester may approve it himself. */
  readonly self: boolean
  readonly denied: Denial | null
  /** Since when people are asked. */
  readonly askedAtMs: number
  readonly ttlMs: number
  readonly approvals: ReadonlyArray<Approval>
  readonly plan: Plan | null
  readonly review: Review | null
  readonly broken: BrokenGlass | null
  /** People are asked whatever the policy says: what they had said yes to is not what would run, or may have run already. */
  readonly anyway: boolean
}

interface Governed {
  readonly kind: string
  readonly kindVersion: string
  readonly payloadSha256: string
}

/**
 * Digest of what people say yes to: the payload, the version of the kind, the version of the policy and the plan. With any change of
 * them it is another one, and what was said to the old one counts no more.
 */
export const digestOf = ({ kind, kindVersion, payloadSha256 }: Governed, { plan, policyVersion }: Pick<Governance, "plan" | "policyVersion">): string =>
  sha256(canonical({ kind, kind_version: kindVersion, payload_sha256: payloadSha256, plan_sha256: plan === null ? null : sha256(plan.text), policy_version: policyVersion }))

/** The approvals that count: of distinct people, for what it is now. */
export const counted = ({ approvals }: Governance, digest: string): ReadonlyArray<Approval> =>
  approvals.filter((approval, index) => approval.digest === digest && approvals.findIndex((other) => other.digest === digest && other.actor === approval.actor) === index)

/** The holds that are open, in the order in which people go about them. */
export const openHolds = (task: Governed, governance: Governance): ReadonlyArray<Hold> => {
  const { broken, demand, denied, plan, review } = governance
  const digest = digestOf(task, governance)
  if (broken !== null && broken.digest === digest) return []
  const open: Array<Hold> = []
  if (demand.plan && plan === null) open.push("plan")
  if (demand.review && !(review?.verdict === "pass" && review.digest === digest)) open.push("review")
  if (counted(governance, digest).length < demand.approvals) open.push("approval")
  if (denied !== null) open.push("policy")
  return open
}

/** The same with one yes at least. */
export const atLeastOne = (demand: Demand): Demand => (demand.approvals > 0 ? demand : { ...demand, approvals: 1 })

/** The same with nothing said yet, and at least one yes needed. The kind is not known to whoever asks anew so. */
export const askedAnew = (governance: Governance | null, limits: Limits, nowMs: number): Governance => ({
  policyVersion: policyByDefault.version,
  risks: [],
  self: false,
  denied: null,
  ttlMs: limits.approvalTtlMs,
  plan: null,
  ...governance,
  demand: atLeastOne(governance?.demand ?? policyByDefault.heavy),
  askedAtMs: nowMs,
  approvals: [],
  review: null,
  broken: null,
  anyway: true
})
