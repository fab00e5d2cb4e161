/** Tasks as people and programs see them. Member names are the public ones; payloads and errors are shown as stored: redacted. */
import { isBlocked, type Attempt, type Task } from "../domain/Task.ts"
import { shortId } from "../domain/TaskState.ts"
import { nextFor } from "../domain/Request.ts"
import type { Json } from "../domain/Canonical.ts"

/** A row of `task list --json`. */
export const rowOf = (task: Task) => ({
  id: task.id,
  short: shortId(task.id),
  kind: task.kind,
  class: task.class,
  risk: task.risk,
  state: task.state,
  blocked: isBlocked(task),
  holds: task.holds,
  outcome_unknown: task.unknown !== null,
  cancel_requested: task.cancel !== null,
  attempt: task.attempt,
  generation: task.generation,
  lease: task.lease,
  intent_generation: task.intent?.generation ?? null,
  failure: task.failure,
  created_at: task.createdAtMs,
  updated_at: task.updatedAtMs
})

/** `task show --json`. */
export const detailOf = (task: Task, attempts: ReadonlyArray<Attempt>) => ({
  ...rowOf(task),
  requester: task.requester,
  trace: task.trace,
  kind_version: task.kindVersion,
  payload: parsed(task.payload),
  payload_sha256: task.payloadSha256,
  dispatch_key: task.dispatchKey,
  effect: task.intent === null ? null : { ...task.intent },
  unknown: task.unknown,
  cancel: task.cancel,
  result: task.result === null ? null : parsed(task.result),
  attempts: attempts.map(({ code, endedAtMs, error, generation, number, startedAtMs }) => ({
    number,
    generation,
    code,
    error,
    started_at: startedAtMs,
    ended_at: endedAtMs
  })),
  next: nextFor(task)
})

const parsed = (text: string): Json => JSON.parse(text)

export type Row = ReturnType<typeof rowOf>
export type Detail = ReturnType<typeof detailOf>
