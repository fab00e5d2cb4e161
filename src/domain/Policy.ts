/**
 * The policy: which tasks may run at all, and which need people first. It is data, read from a versioned file (`PolicyFile.ts`), and
 * changes nothing by itself: the rules ask it when a task is asked for, when people decide about it, and when it is dispatched.
 */
import type { Pattern } from "./Pattern.ts"

/**
 * - `readonly`: nothing is dispatched.
 * - `supervised`: heavy work needs people, and so do the risks that the policy names.
 * - `auto`: only the risks that the policy names, and what a kind itself asks for.
 */
export const modes = ["readonly", "supervised", "auto"] as const
export type Mode = (typeof modes)[number]

/** What people have to do before a task may run. */
export interface Demand {
  /** How many distinct people have to say yes; 0: nobody. */
  readonly approvals: number
  /** The role that each of them needs, or several, see `approverRoles`. */
  readonly approver: string
  readonly plan: boolean
  readonly review: boolean
  /** How long a request waits for people and an approval stays good, in milliseconds; null: as the kind says. */
  readonly ttlMs: number | null
}

/** Stands between the roles of a demand that comes from several rules: no name of a role has it. */
export const approverSeparator = "+"
/** The roles of which everybody who approves needs each one. */
export const approverRoles = (approver: string): ReadonlyArray<string> => approver.split(approverSeparator)

/** Words and paths that are looked for in the payload and in the fixed words of a kind. */
export interface Matcher {
  readonly words: ReadonlyArray<Pattern>
  readonly paths: ReadonlyArray<Pattern>
}

/** Work that fits is refused. */
export interface DenyRule extends Matcher {
  readonly name: string
  readonly why: string
}

/** A sort of risk, found by its name in the risk of a kind or by what the payload says. */
export interface RiskRule extends Matcher {
  readonly name: string
  readonly demand: Demand
}

export interface Policy {
  /** Digest of the whole policy: with every change of it the approvals given under it become void. */
  readonly version: string
  readonly mode: Mode
  /** The kinds that each class may run; null: all. */
  readonly allow: Readonly<Record<"light" | "heavy", ReadonlyArray<Pattern> | null>>
  readonly deny: ReadonlyArray<DenyRule>
  readonly risks: ReadonlyArray<RiskRule>
  /** What single kinds need, instead of what their class needs. */
  readonly kinds: ReadonlyMap<string, Demand>
  /** What heavy work needs under `supervised`, and a kind that asks for approval. */
  readonly heavy: Demand
  /** The risks that a requester may approve himself; every approval of that sort is marked. */
  readonly selfApproval: ReadonlySet<string>
}

/** Risks that need people, by the names under which kinds declare them. */
export const riskCategories = ["git_push", "deploy_restart", "delete", "schedule_change", "compliance", "customer_outbound", "browser"] as const

export const oneApproval: Demand = { approvals: 1, approver: "approver", plan: false, review: false, ttlMs: null }
export const noDemand: Demand = { approvals: 0, approver: "approver", plan: false, review: false, ttlMs: null }

/** What holds without a policy file: heavy work, and kinds that declare a risk of the list, need one approval by somebody else. */
export const policyByDefault: Policy = {
  version: "default",
  mode: "supervised",
  allow: { light: null, heavy: null },
  deny: [],
  risks: riskCategories.map((name) => ({ name, words: [], paths: [], demand: oneApproval })),
  kinds: new Map(),
  heavy: oneApproval,
  selfApproval: new Set()
}

/** Why work may not run at all. */
export interface Denial {
  readonly rule: string
  readonly why: string
}

/** Whether people are asked at all. */
export const needsPeople = ({ approvals, plan, review }: Demand): boolean => approvals > 0 || plan || review
