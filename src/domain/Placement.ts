/**
 * Where a task that is asked for stands: its queue, tenant, priority and keys, and when it is due. A kind has defaults, a request may
 * say otherwise.
 */
import { Schema } from "effect"
import { Priority, priorityByDefault, QueueKey, QueueName, tenantByDefault, TenantName } from "./Queue.ts"
import type { Kind } from "./Kind.ts"
import { isIn, type Task, type Unique } from "./Task.ts"
import { isTerminal } from "./TaskState.ts"

/** Ten years: the longest delay. */
export const delayMaxMs = 315_576_000_000
/** The last instant that may be asked for: the end of the year 9999. */
export const atMaxMs = 253_402_300_799_999

export const Delay = Schema.Int.pipe(Schema.between(0, delayMaxMs))

/**
 * - `queued`: nobody else gets the key before the task has started for the first time.
 * - `active`: nor before it has ended.
 */
export const UniqueScope = Schema.Literal("queued", "active")
export type UniqueScope = typeof UniqueScope.Type

const optional = { exact: true } as const

/** What a request may say beside kind and payload. */
export const placementFields = {
  queue: Schema.optionalWith(QueueName, optional),
  tenant: Schema.optionalWith(TenantName, optional),
  priority: Schema.optionalWith(Priority, optional),
  /** Tasks of one queue that share it run one after the other, or as many at once as the queue says. */
  concurrency_key: Schema.optionalWith(QueueKey, optional),
  /** Not before so many milliseconds have passed; or not before this instant, Unix time. One of the two. */
  delay_ms: Schema.optionalWith(Delay, optional),
  at_ms: Schema.optionalWith(Schema.Int.pipe(Schema.between(0, atMaxMs)), optional),
  /** At most one task of this kind and tenant under the key: a further request answers that one. */
  unique: Schema.optionalWith(Schema.Struct({ key: QueueKey, scope: UniqueScope }), optional),
  /** A further request under the key, before the task has started, replaces its payload and postpones it. */
  debounce: Schema.optionalWith(Schema.Struct({ key: QueueKey, delay_ms: Delay, max_wait_ms: Schema.optionalWith(Delay, optional) }), optional)
}

const Fields = Schema.Struct(placementFields)
export type Wish = typeof Fields.Type

export interface Placement {
  readonly queue: string
  readonly tenant: string
  readonly priority: number
  readonly concurrencyKey: string | null
  readonly unique: Unique | null
  /** Not before this instant. */
  readonly dueMs: number
}

/** A task that nobody said anything about. */
export const placedBy = (kind: Kind, nowMs: number, tenant = tenantByDefault): Placement => ({
  queue: kind.queue ?? kind.class,
  tenant,
  priority: kind.priority ?? priorityByDefault,
  concurrencyKey: kind.concurrencyKey ?? null,
  unique: null,
  dueMs: nowMs
})

const hasWishes = ({ at_ms, concurrency_key, debounce, delay_ms, priority, queue, tenant, unique }: Wish): boolean =>
  (at_ms ?? concurrency_key ?? debounce ?? delay_ms ?? priority ?? queue ?? tenant ?? unique) !== undefined

export const placed = (kind: Kind, wish: Wish, nowMs: number): Placement => {
  const own = placedBy(kind, nowMs)
  if (!hasWishes(wish)) return own
  return {
    queue: wish.queue ?? own.queue,
    tenant: wish.tenant ?? own.tenant,
    priority: wish.priority ?? own.priority,
    concurrencyKey: wish.concurrency_key ?? own.concurrencyKey,
    unique: uniqueOf(wish),
    dueMs: Math.max(nowMs, wish.at_ms ?? nowMs + (wish.delay_ms ?? wish.debounce?.delay_ms ?? 0))
  }
}

const uniqueOf = ({ debounce, unique }: Wish): Unique | null =>
  debounce === undefined ? unique ?? null : { key: debounce.key, scope: "queued" }

/** What a unique key stands for in the whole store: keys of other kinds and tenants are others. */
export const uniqueName = (tenant: string, kind: string, key: string): string => `${tenant}\n${kind}\n${key}`

/** The name that a recovery of the first task would take back, or null. */
export const ownName = ([task]: ReadonlyArray<Task | undefined>): string | null =>
  task === undefined || task.unique === null ? null : uniqueName(task.tenant, task.kind, task.unique.key)

/** The name under which a request asks to be the only one, or null. */
export const uniqueNameOf = (kind: string, wish: Wish): string | null => {
  const unique = uniqueOf(wish)
  return unique === null ? null : uniqueName(wish.tenant ?? tenantByDefault, kind, unique.key)
}

/** The name that a task keeps others from, or null: the store has at most one task for each. */
export const heldName = (task: Task): string | null => {
  const { unique } = task
  if (unique === null || isTerminal[task.state]) return null
  const waits = isIn(task, "REQUESTED", "APPROVED", "QUEUED") && task.startedAtMs === null
  return unique.scope === "active" || waits ? uniqueName(task.tenant, task.kind, unique.key) : null
}
