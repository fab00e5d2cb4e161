/**
 * The last run of each kind that people let go: what an approver compares a request with. Engines keep one for each kind, from the tasks
 * that they store; rules do not ask for it.
 */
import { Schema } from "effect"
import { counted, digestOf } from "./Governance.ts"
import type { Task } from "./Task.ts"

/** What was let go. Its payload is that of its task, as long as that is kept. */
export const ApprovedRun = Schema.Struct({
  kind: Schema.String,
  task: Schema.String,
  kindVersion: Schema.String,
  policyVersion: Schema.String,
  payloadSha256: Schema.String,
  digest: Schema.String,
  /** Canonical JSON of the plan. */
  plan: Schema.NullOr(Schema.String),
  by: Schema.Array(Schema.String),
  /** Whether one of them approved his own work. */
  self: Schema.Boolean,
  /** Whether it went without what it asked for. */
  broken: Schema.Boolean,
  atMs: Schema.Int
})
export type ApprovedRun = typeof ApprovedRun.Type

/** What a change of a task means for that: a task that people had let go went to the queue. Null for every other change. */
export const approvedRun = (before: Task | undefined, after: Task): ApprovedRun | null => {
  const { governance, id, kind, kindVersion, payloadSha256, state, updatedAtMs: atMs } = after
  if (state !== "QUEUED" || before?.state !== "APPROVED" || governance === null) return null
  const digest = digestOf(after, governance)
  const approvals = counted(governance, digest)
  const { broken: glass, plan, policyVersion } = governance
  const broken = glass !== null && glass.digest === digest
  if (approvals.length === 0 && !broken) return null
  const by = broken ? [...approvals.map(({ actor }) => actor), glass.actor] : approvals.map(({ actor }) => actor)
  return { kind, task: id, kindVersion, policyVersion, payloadSha256, digest, plan: plan?.text ?? null, by, self: approvals.some(({ self }) => self), broken, atMs }
}
