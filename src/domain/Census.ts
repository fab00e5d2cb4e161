/**
 * What /ops counts: which counters a task stands in, and which events of a window are tallied. Engines keep the
 * counts up to date in the transaction of each change, so that reading them costs the same at any size.
 */
import type { Json } from "./Canonical.ts"
import { isBlocked, isDead, type Task } from "./Task.ts"
import type { EventDraft } from "./TaskEvent.ts"
import { timeoutCode } from "./Timeout.ts"

export const counters = ["blocked", "running", "queued", "leased", "dead"] as const
export type Counter = (typeof counters)[number] | `state.${Task["state"]}`

/** Calls `count` with each counter in which a task stands now. Blocked tasks count as blocked and nowhere else. */
export const countersOf = (task: Task, count: (name: Counter) => void): void => {
  count(`state.${task.state}`)
  if (task.lease !== null) count("leased")
  if (isDead(task)) count("dead")
  if (isBlocked(task)) count("blocked")
  else if (task.state === "RUNNING") count("running")
  else if (task.state === "QUEUED") count("queued")
}

export const tallies = ["failed", "replay", "conflict", "dispatch_keys", "telegram_keys", "command_timeouts", "dispatch_timeouts"] as const
export type Tally = (typeof tallies)[number]

/** Tallies are kept by the minute: a window starts at a whole one. */
export const tallyMinuteMs = 60_000

/** Calls `count` with each tally that an event adds one to. */
export const talliesOf = ({ payload, type }: EventDraft, count: (name: Tally) => void): void => {
  if (type === "task.failed") count("failed")
  if (type === "idempotency.replayed") count("replay")
  if (type === "idempotency.conflict") count("conflict")
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
  dispatch_keys: 0,
  telegram_keys: 0,
  command_timeouts: 0,
  dispatch_timeouts: 0
})
