/** How long a task may wait and run. `null` means no limit. */

export interface Limits {
  /** One attempt, from its start to its end. */
  readonly startToCloseMs: number
  /** A run that gives no sign of life for so long is ended; absent: it may be silent. What is parked is no run. */
  readonly heartbeatMs?: number
  /** In the queue, counted from the instant at which the task was due. */
  readonly scheduleToStartMs: number | null
  /** From the first enqueue to the end, over all attempts. */
  readonly scheduleToCloseMs: number | null
  /** How long people may take to release the holds, and an approval stays good before its first enqueue. */
  readonly approvalTtlMs: number
}

/** The codes under which a reached limit is recorded. */
export const timeoutCode = {
  startToClose: "start_to_close_timeout",
  heartbeat: "heartbeat_timeout",
  scheduleToStart: "schedule_to_start_timeout",
  scheduleToClose: "schedule_to_close_timeout",
  approval: "approval_expired"
} as const

/** The instant of what has no time: a run that waits for a signal or a child. The last one that a `Date` can hold. */
export const neverMs = 8_640_000_000_000_000

/** When a task that is due at `dueAtMs` leaves the queue unrun: the earlier of its two limits, if it has any. */
export const queueDeadlineMs = (limits: Limits, queuedAtMs: number | null, dueAtMs: number): number | null => {
  const toStart = limits.scheduleToStartMs === null || dueAtMs >= neverMs ? Infinity : dueAtMs + limits.scheduleToStartMs
  const deadline = Math.min(toStart, closeDeadlineMs(limits, queuedAtMs) ?? Infinity)
  return Number.isFinite(deadline) ? deadline : null
}

/** When the task must have ended, over all attempts, if it has such a limit and was ever queued. */
export const closeDeadlineMs = ({ scheduleToCloseMs }: Limits, queuedAtMs: number | null): number | null =>
  scheduleToCloseMs === null || queuedAtMs === null ? null : queuedAtMs + scheduleToCloseMs

export const isPastClose = (limits: Limits, queuedAtMs: number | null, nowMs: number): boolean => {
  const deadline = closeDeadlineMs(limits, queuedAtMs)
  return deadline !== null && nowMs >= deadline
}
