/** The dead letter and bulk commands as people and programs see them. */
import type { Bulk, BulkCounts, BulkItem } from "../domain/Bulk.ts"
import { bulkAnswerFor } from "../domain/Bulk.ts"
import type { Task } from "../domain/Task.ts"
import { shortId } from "../domain/TaskState.ts"

/** A row of `dead --json`. */
export const deadOf = (task: Task) => ({
  id: task.id,
  short: shortId(task.id),
  kind: task.kind,
  class: task.class,
  since: task.updatedAtMs,
  attempt: task.attempt,
  losses: task.losses,
  code: task.failure?.code ?? null,
  error: task.failure?.error ?? null,
  next: [`opsgate redrive --task ${shortId(task.id)} --reason <text>`, `opsgate dead dismiss ${shortId(task.id)} --reason <text>`]
})

/** `bulk list --json`, and the head of `bulk show --json`. */
export const bulkRowOf = (bulk: Bulk, counts: BulkCounts) => ({
  ...bulkAnswerFor(bulk, counts),
  short: shortId(bulk.id),
  reason: bulk.reason,
  actor: bulk.actor,
  rate_per_s: bulk.ratePerS,
  filter: { states: bulk.matching.states, kind: bulk.matching.kind, code: bulk.matching.code, before: bulk.matching.beforeMs, dead: bulk.matching.dead, named: bulk.matching.tasks },
  requested_at: bulk.requestedAtMs,
  ended_at: bulk.endedAtMs
})

/** What came of one task of a bulk command. */
export const itemRowOf = ({ atMs, code, number, outcome, task }: BulkItem) => ({ number, task, outcome, code, at: atMs })

export type DeadRow = ReturnType<typeof deadOf>
export type BulkRow = ReturnType<typeof bulkRowOf>
export type ItemRow = ReturnType<typeof itemRowOf>
