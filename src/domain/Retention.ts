/**
 * Retention: what of a finished task is given up when it has become old, and what never is.
 *
 * Given up: payload, result, signals, the outcomes of its steps, the errors of its attempts, and the payloads of the events that the
 * runtime wrote about its runs. What stays: ids, states, instants, codes, digests and hashes, who asked for it and who decided, and
 * lineage. The chain of the log verifies as before, since an event's hash covers the digest of its payload.
 */
import type { TaskEvent } from "./TaskEvent.ts"
import { isDead, type Task } from "./Task.ts"
import { isTerminal, type TaskState } from "./TaskState.ts"

export const finalStates = ["SUCCEEDED", "CANCELED", "EXPIRED", "FAILED"] as const satisfies ReadonlyArray<TaskState>
export type FinalState = (typeof finalStates)[number]

/** How long each is kept, in milliseconds; null: for ever. */
export interface Retention {
  /** Counted from the end of the task; of one that failed, from its dismissal. */
  readonly tasks: Readonly<Record<FinalState, number | null>>
  /** Idempotency keys: counted from their first use, and never shorter than their task. */
  readonly keysMs: number
}

const dayMs = 86_400_000

/** The shortest that a key is kept: callers may repeat a request for so long. */
export const keysMinMs = dayMs

export const retentionByDefault: Retention = {
  tasks: { SUCCEEDED: 7 * dayMs, FAILED: 90 * dayMs, CANCELED: 30 * dayMs, EXPIRED: 30 * dayMs },
  keysMs: 7 * dayMs
}

/**
 * The events whose payloads go with their task: those that hold results, errors and words of a run. All others stay whole, since they
 * say who asked, who decided, what was refused, what nobody knew, and how the task went. An event that carries a command stays whole
 * whatever its type.
 */
export const prunableTypes = ["task.succeeded", "task.failed", "step.failed", "run.progress"] as const satisfies ReadonlyArray<TaskEvent["type"]>

const prunable: ReadonlySet<string> = new Set(prunableTypes)

/** A `task.queued` that is longer tells of a run that failed before, in characters. */
export const queuedMax = 100

/** Whether the payload of an event of a pruned task goes. Engines say the same in their own words. */
export const isPrunable = ({ payload, type }: Pick<TaskEvent, "payload" | "type">): boolean =>
  payload !== null && (prunable.has(type) || (type === "task.queued" && payload.length > queuedMax)) && !hasMember(payload, "command") && !hasMember(payload, "bulk")

const hasMember = (payload: string, name: string): boolean => {
  const json: unknown = JSON.parse(payload)
  return typeof json === "object" && json !== null && Object.hasOwn(json, name)
}

/** Whether there is something left to prune, once the task is old enough. Engines keep these in order of `updatedAtMs`. */
export const awaitsPruning = (task: Pick<Task, "state" | "dismissed" | "prunedAtMs">): boolean =>
  isTerminal[task.state] && task.prunedAtMs === null && !isDead(task)

/**
 * What is left of a task that is old enough; null while something needs it: the dead letter, a step that is not known to have
 * happened, or a parent that may still ask for its outcome. Forks have copies of their own and need nothing.
 */
export const pruned = (task: Task, parent: Task | undefined, nowMs: number): Task | null => {
  const needed = parent !== undefined && !isTerminal[parent.state]
  if (!awaitsPruning(task) || needed || task.unknown !== null || task.lease !== null || task.intents.length > 0) return null
  return {
    ...task,
    payload: "null",
    result: null,
    signals: [],
    failure: task.failure === null ? null : { code: task.failure.code, error: "" },
    prunedAtMs: nowMs
  }
}

/** What a batch of pruning gave up. */
export interface PrunedCounts {
  readonly tasks: number
  readonly events: number
  readonly steps: number
  readonly attempts: number
  readonly keys: number
  /** Characters of what was given up. */
  readonly bytes: number
}

export const nothingPruned: PrunedCounts = { tasks: 0, events: 0, steps: 0, attempts: 0, keys: 0, bytes: 0 }

export const plus = (one: PrunedCounts, other: PrunedCounts): PrunedCounts => ({
  tasks: one.tasks + other.tasks,
  events: one.events + other.events,
  steps: one.steps + other.steps,
  attempts: one.attempts + other.attempts,
  keys: one.keys + other.keys,
  bytes: one.bytes + other.bytes
})

/** The event of a batch that gave something up; it is stored with it. */
export const prunedEvent = (counts: PrunedCounts, facts: { readonly state: FinalState | null; readonly before_ms: number }) => ({
  type: "retention.pruned" as const,
  task: null,
  trace: null,
  actor: "system:retention",
  payload: { ...facts, ...counts }
})

const units = { second: 1000, minute: 60_000, hour: 3_600_000, day: dayMs } as const

/** Milliseconds of a text such as `7 days`; null of `never`. Undefined when it says neither. */
export const ageOf = (text: string): number | null | undefined => {
  if (text === "never") return null
  const [, count = "", unit = ""] = /^([1-9][0-9]{0,5}) (second|minute|hour|day)s?$/.exec(text) ?? []
  return unit === "second" || unit === "minute" || unit === "hour" || unit === "day" ? Number(count) * units[unit] : undefined
}
