/**
 * The event log: every change, every refusal, in order, chained by hash. Summary, feed, reports and evidence are
 * read from it. `docs/event-log.md` is its public description; `eventVersion` changes when that does.
 */
import { canonical, type Json, sha256 } from "./Canonical.ts"
import type { TaskState } from "./TaskState.ts"

export const eventVersion = 1

/** `prev` of the first event of a stream. */
export const chainStart = "0".repeat(64)

export const enteredType = {
  REQUESTED: "task.requested",
  APPROVED: "task.approved",
  QUEUED: "task.queued",
  RUNNING: "task.running",
  SUCCEEDED: "task.succeeded",
  FAILED: "task.failed",
  CANCELED: "task.canceled",
  EXPIRED: "task.expired"
} as const satisfies Record<TaskState, string>

export type EventType =
  | (typeof enteredType)[TaskState]
  | "hold.released"
  | "hold.opened"
  | "hold.broken"
  | "approval.given"
  | "approval.voided"
  | "plan.filed"
  | "review.passed"
  | "review.failed"
  | "task.cancel_requested"
  | "task.outcome_unknown"
  | "effect.intent"
  | "step.succeeded"
  | "step.failed"
  | "step.settled"
  | "run.progress"
  | "signal.received"
  | "child.ended"
  | "effect.adopted"
  | "write.fenced"
  | "schedule.declared"
  | "schedule.gone"
  | "schedule.paused"
  | "schedule.resumed"
  | "schedule.waits"
  | "schedule.skipped"
  | "schedule.missed"
  | "schedule.backfilled"
  | "clock.stepped"
  | "epoch.started"
  | "epoch.ended"
  | "task.debounced"
  | "queue.paused"
  | "queue.resumed"
  | "command.accepted"
  | "command.refused"
  | "command.denied"
  | "command.timed_out"
  | "idempotency.replayed"
  | "idempotency.conflict"
  | "idempotency.in_progress"
  | "audit.read"
  | "chat.denied"
  | "dead.dismissed"
  | "bulk.requested"
  | "bulk.skipped"
  | "bulk.ended"
  | "retention.requested"
  | "retention.pruned"
  | "retention.ended"
  | "store.restored"
  | "store.released"
  | "loss.accepted"
  | "chat.undeliverable"
  | "chat.replayed"

/** An event as a rule writes it; the engine adds its place in the chain. */
export interface EventDraft {
  readonly type: EventType
  readonly task: string | null
  readonly trace: string | null
  readonly actor: string
  readonly payload: { readonly [key: string]: Json }
}

export interface TaskEvent {
  readonly v: number
  readonly stream: string
  readonly seq: number
  readonly at: number
  readonly type: string
  readonly task: string | null
  readonly trace: string | null
  readonly actor: string
  /** Canonical JSON, or null after pruning. */
  readonly payload: string | null
  readonly payloadSha256: string
  readonly prev: string
  readonly hash: string
}

/** Gives a draft its place: behind `prev`, in `stream`. */
export const chained = (draft: EventDraft, place: { readonly stream: string; readonly seq: number; readonly at: number; readonly prev: string }): TaskEvent => {
  const payload = canonical(draft.payload)
  const payloadSha256 = sha256(payload)
  const { actor, task, trace, type } = draft
  const { at, prev, seq, stream } = place
  const hash = hashOf({ actor, at, prev, payloadSha256, seq, stream, task, trace, type })
  return { v: eventVersion, stream, seq, at, type, task, trace, actor, payload, payloadSha256, prev, hash }
}

/** The hash of an event: over the hash before it, its header and the digest of its payload, so that pruning a payload changes nothing. */
export const hashOf = ({ payloadSha256, prev, ...event }: Omit<TaskEvent, "v" | "payload" | "hash">): string => sha256(`${prev}\n${header(event)}\n${payloadSha256}`)

// Canonical JSON of the header, its members written in sorted order. Of these only the actor could need escapes; ids, trace,
// stream and type are drawn from alphabets that do not.
const header = (event: Omit<TaskEvent, "v" | "payload" | "payloadSha256" | "prev" | "hash">): string =>
  `{"actor":${JSON.stringify(event.actor)},"at":${event.at},"seq":${event.seq},"stream":"${event.stream}","task":${
    bare(event.task)
  },"trace":${bare(event.trace)},"type":"${event.type}","v":${eventVersion}}`

const bare = (text: string | null): string => (text === null ? "null" : `"${text}"`)

const quoted = (text: string | null): string => (text === null ? "null" : JSON.stringify(text))

/** One line of the exported log. */
export const toLine = (event: TaskEvent): string =>
  `{"v":${event.v},"stream":${JSON.stringify(event.stream)},"seq":${event.seq},"at":${event.at},"type":${JSON.stringify(event.type)},"task":${
    quoted(event.task)
  },"trace":${quoted(event.trace)},"actor":${JSON.stringify(event.actor)},"payload":${event.payload ?? "null"},"payload_sha256":"${event.payloadSha256}","prev":"${event.prev}","hash":"${event.hash}"}`
