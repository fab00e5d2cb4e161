/**
 * What /ops counts: which counters a task stands in, and which events of a window are tallied. Engines keep the
 * counts up to date in the transaction of each change, so that reading them costs the same at any size.
 */
import type { Json } from "./Canonical.ts"
import { type Hold, holds } from "./Hold.ts"
import type { ScheduleChange } from "./Schedule.ts"
import { isBlocked, isDead, type Task } from "./Task.ts"
import type { EventDraft, EventType } from "./TaskEvent.ts"
import { timeoutCode } from "./Timeout.ts"

export const counters = ["blocked", "running", "queued", "leased", "dead"] as const
/** What blocks a task: an open hold, or an unknown outcome. */
export type BlockedBy = Hold | "outcome_unknown"
export const blockedBy: ReadonlyArray<BlockedBy> = [...holds, "outcome_unknown"]
export type Counter = (typeof counters)[number] | `state.${Task["state"]}` | `blocked.${BlockedBy}`

/**
 * Calls `count` with each counter in which a task stands now. Blocked tasks count as blocked and nowhere else, and under each of their
 * reasons: a task with two open holds counts under both.
 */
export const countersOf = (task: Task, count: (name: Counter) => void): void => {
  count(`state.${task.state}`)
  if (task.lease !== null) count("leased")
  if (isDead(task)) count("dead")
  if (isBlocked(task)) countBlocked(task, count)
  else if (task.state === "RUNNING") count("running")
  else if (task.state === "QUEUED") count("queued")
}

const countBlocked = ({ holds: open, unknown }: Task, count: (name: Counter) => void): void => {
  count("blocked")
  for (const hold of open) count(`blocked.${hold}`)
  if (unknown !== null) count("blocked.outcome_unknown")
}

export const tallies = [
  "failed",
  "replay",
  "conflict",
  "in_progress",
  "dispatch_keys",
  "telegram_keys",
  "command_timeouts",
  "dispatch_timeouts",
  "fenced",
  "recovered",
  "schedules_missed",
  "break_glass"
] as const
export type Tally = (typeof tallies)[number]

/** Tallies are kept by the minute: a window starts at a whole one. */
export const tallyMinuteMs = 60_000

/** Calls `count` with each tally that an event adds one to. */
export const talliesOf = ({ payload, type }: EventDraft, count: (name: Tally) => void): void => {
  if (type === "task.failed") count("failed")
  if (type === "idempotency.replayed") count("replay")
  if (type === "idempotency.conflict") count("conflict")
  if (type === "idempotency.in_progress") count("in_progress")
  if (type === "write.fenced") count("fenced")
  if (type === "effect.adopted" || payload["by"] === "lease_lost") count("recovered")
  if (type === "schedule.missed") count("schedules_missed")
  if (type === "hold.broken") count("break_glass")
  if (type === "command.timed_out") count("command_timeouts")
  if (type === "task.running" && payload["generation"] === 1) count("dispatch_keys")
  if (payload["code"] === timeoutCode.startToClose || payload["code"] === timeoutCode.scheduleToStart) count("dispatch_timeouts")
  if (isKeyedOnTelegram(payload["command"])) count("telegram_keys")
}

const isKeyedOnTelegram = (command: Json | undefined): boolean =>
  typeof command === "object" && command !== null && "channel" in command && command.channel === "telegram" && command.key !== null

/** Every counter at zero. */
export const noCounts = (): Record<Counter, number> => ({
  "blocked": 0,
  "running": 0,
  "queued": 0,
  "leased": 0,
  "dead": 0,
  "blocked.plan": 0,
  "blocked.review": 0,
  "blocked.approval": 0,
  "blocked.policy": 0,
  "blocked.outcome_unknown": 0,
  "state.REQUESTED": 0,
  "state.APPROVED": 0,
  "state.QUEUED": 0,
  "state.RUNNING": 0,
  "state.SUCCEEDED": 0,
  "state.FAILED": 0,
  "state.CANCELED": 0,
  "state.EXPIRED": 0
})

/** Every tally at zero. */
export const noTallies = (): Record<Tally, number> => ({
  failed: 0,
  replay: 0,
  conflict: 0,
  in_progress: 0,
  dispatch_keys: 0,
  telegram_keys: 0,
  command_timeouts: 0,
  dispatch_timeouts: 0,
  fenced: 0,
  recovered: 0,
  schedules_missed: 0,
  break_glass: 0
})

/**
 * Conditions of /ops that leave an instant behind when they end, so that whoever reads the file later still sees that they ended just now.
 * The engine keeps the last one of each, in the transaction of the change that ended it.
 */
export const marks = ["restore_hold", "events_lost", "queue_age", "schedules_overdue"] as const
export type Mark = (typeof marks)[number]

/** How long a reason of /ops stays after its condition has ended, but for those of seed S0. */
export const lingerMs = 60_000

/** A task that is due for longer than this waits too long for its turn, in a queue that is not paused. */
export const queueAgeMaxMs = 3_600_000
/** A tick that is due for longer than this is overdue: the scheduler looks every minute at least. */
export const overdueMaxMs = 300_000

const endedBy: Partial<Record<EventType, Mark>> = { "store.released": "restore_hold", "loss.accepted": "events_lost" }

/** The condition that an event ends. */
export const endedByEvent = ({ type }: EventDraft): Mark | undefined => endedBy[type]

/** Whether a task left the queue that was due for too long. The decision's instant is that of its end. */
export const leftLate = (before: Task | undefined, after: Task, atMs: number): boolean =>
  before?.state === "QUEUED" && after.state !== "QUEUED" && atMs - before.availableAtMs > queueAgeMaxMs

/** Whether ticks were decided that had been overdue; those that a restore or a loss gave up were not. */
export const decidedLate = (change: ScheduleChange): boolean => {
  if (change._tag === "Put") return false
  if (change._tag === "Range") {
    const { atMs, fromMs, outcome, reason } = change.range
    return outcome === "missed" && reason !== "restored" && reason !== "loss_accepted" && atMs - fromMs > overdueMaxMs
  }
  return change.tick.outcome === "late" && change.tick.lateMs > overdueMaxMs
}
