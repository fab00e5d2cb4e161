/** Queues as people and programs see them. Member names are the public ones. */
import { heavySlots, limitFacts, noLimits, type QueueLimits } from "../domain/Queue.ts"
import type { QueueView } from "../engine/Engine.ts"

/** What the configuration says. It is what the server goes by if it was started since. */
export interface LimitsInForce {
  readonly workers: number
  readonly queues: ReadonlyMap<string, QueueLimits>
  /** The kinds that it declares; null or left out: that is not known without its modules. */
  readonly kinds?: ReadonlySet<string> | null
}

/** A row of `queues --json`. `limits` is null where no configuration was asked: a file by itself does not know them. */
export const queueRowOf = ({ depth, due, oldestDueMs, queue, running, state }: QueueView, limits: LimitsInForce | null) => {
  const own = limits === null ? null : limits.queues.get(queue) ?? noLimits
  const paused = state?.paused ?? own?.paused ?? false
  return {
    queue,
    depth,
    due,
    running,
    oldest_due_at: oldestDueMs,
    paused,
    paused_since: state !== null && paused ? state.sinceMs : null,
    paused_by: state !== null && paused ? state.actor : null,
    reason: state !== null && paused ? state.reason : null,
    limits: own === null ? null : limitFacts(own)
  }
}

export type QueueRow = ReturnType<typeof queueRowOf>

/** All queues that are known to the file or to the configuration, by name. */
export const queueRowsOf = (views: ReadonlyArray<QueueView>, limits: LimitsInForce | null): ReadonlyArray<QueueRow> => {
  const known = new Set(views.map(({ queue }) => queue))
  const unused = [...limits?.queues.keys() ?? []].filter((queue) => !known.has(queue))
    .map((queue): QueueView => ({ queue, depth: 0, due: 0, running: 0, oldestDueMs: null, state: null }))
  return [...views, ...unused].sort((a, b) => (a.queue < b.queue ? -1 : 1)).map((view) => queueRowOf(view, limits))
}

export const heavySlotsOf = (limits: LimitsInForce | null): number | null => (limits === null ? null : Math.min(limits.workers, heavySlots(limits.workers)))
