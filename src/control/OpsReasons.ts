/**
 * Why /ops says that the system is degraded, and what it says besides. Each reason has a code, since when, what was observed against which
 * threshold, and the next command to type.
 *
 * The four conditions of seed S0 set and clear at once. The others stay for a minute after they have ended, so that a condition that
 * comes and goes does not make the status flutter. When one ended stands in the file, or is known to the writer of this process: a
 * look without a server, or at a backup, says the same.
 */
import { DateTime } from "effect"
import { lingerMs, type Mark, overdueMaxMs, queueAgeMaxMs, type Tally } from "../domain/Census.ts"
import type { Standing, Summary } from "../engine/Engine.ts"

export interface ReasonDetail {
  readonly code: string
  readonly threshold: number
  readonly observed: number
  /** ISO 8601, where it is known. */
  readonly since?: string
  /** The condition ended at this instant; the reason goes a minute later. */
  readonly ended?: string
  /** The command to type. */
  readonly next: string
}

export interface CodeInfo {
  /** `at once`, or a minute after its condition has ended. */
  readonly clears: "at once" | "after 60 s"
  readonly meaning: string
}

const storage = (meaning: string): CodeInfo => ({ clears: "after 60 s", meaning: `changes cannot be stored, or commands not prepared: ${meaning}` })

/** Every code that makes the status `degraded`, the most urgent first: in this order they are told. */
export const degradingCodes = {
  events_lost: { clears: "after 60 s", meaning: "the file is behind its watermark: acknowledged events are missing" },
  storage_damaged: storage("the file is damaged"),
  storage_full: storage("the disk is full"),
  storage_read_only: storage("the file or its folder is read-only"),
  storage_io: storage("the disk reports errors"),
  storage_no_handles: storage("the system has no file handles left"),
  storage_busy: storage("another program holds its lock"),
  telegram_stopped: { clears: "after 60 s", meaning: "the bot receives and sends nothing until the server is started anew: the token is wrong, or a setting" },
  telegram_conflict: { clears: "after 60 s", meaning: "somebody else polls with the same token for more than 2 minutes; observed and threshold are milliseconds" },
  telegram_unreachable: { clears: "after 60 s", meaning: "no poll was answered for more than 2 minutes; observed and threshold are milliseconds" },
  restore_hold: { clears: "after 60 s", meaning: "a restored file waits for its release" },
  stale_leases: { clears: "at once", meaning: "leases have run out, and nobody has taken the runs back" },
  running_with_stale_leases: { clears: "at once", meaning: "the same, while tasks are RUNNING" },
  idempotency_conflicts: { clears: "at once", meaning: "a key came back with another payload, within the window" },
  dispatch_timeouts: { clears: "at once", meaning: "a task waited or ran for too long, within the window" },
  schedules_overdue: { clears: "after 60 s", meaning: `a tick is due for more than ${overdueMaxMs / 60_000} minutes` },
  queue_age: { clears: "after 60 s", meaning: `a task is due for more than ${queueAgeMaxMs / 60_000} minutes in a queue that is not paused; observed and threshold are milliseconds` }
} as const satisfies Readonly<Record<string, CodeInfo>>

/** Every code that only informs. */
export const noticeCodes = {
  break_glass: "somebody let a task go without what it asks for, within the window",
  not_served: "tasks are queued, and no server has a lease",
  dead_letter: "tasks failed for good, and nobody has redriven or dismissed them",
  queues_paused: "somebody paused queues",
  schedules_paused: "somebody paused schedules",
  chat_dead: "updates of chats were given up, and nobody has replayed them",
  chat_outbox_stuck: "the oldest message to a chat waits for more than 10 minutes; observed and threshold are milliseconds",
  wal_large: "the write-ahead log is larger than 256 MB: a program that reads for long keeps it from being emptied; observed and threshold are bytes"
} as const satisfies Readonly<Record<string, string>>

const iso = (atMs: number): string => DateTime.formatIso(DateTime.unsafeMake(atMs))

const order = new Map(Object.keys(degradingCodes).map((code, place) => [code, place]))
const placeOf = ({ code }: ReasonDetail): number => order.get(code) ?? order.size

/** The most urgent first, each code once: a condition in force goes before one that has ended. */
export const inOrder = (reasons: ReadonlyArray<ReasonDetail>): ReadonlyArray<ReasonDetail> => {
  const known = new Map<string, ReasonDetail>()
  for (const reason of reasons) {
    const one = known.get(reason.code)
    if (one === undefined || (one.ended !== undefined && reason.ended === undefined)) known.set(reason.code, reason)
  }
  return [...known.values()].sort((a, b) => placeOf(a) - placeOf(b))
}

interface Condition {
  readonly code: keyof typeof degradingCodes | keyof typeof noticeCodes
  readonly observed: number
  readonly threshold?: number
  readonly sinceMs?: number | null
  readonly next: string
}

const inForce = ({ code, next, observed, sinceMs, threshold = 0 }: Condition): ReadonlyArray<ReasonDetail> =>
  observed <= threshold ? [] : [{ code, threshold, observed, ...(sinceMs === undefined || sinceMs === null ? {} : { since: iso(sinceMs) }), next }]

/** Whether a condition that ended then still counts. A clock that was set back does not bring it back. */
export const lingers = (endedMs: number | null | undefined, nowMs: number): endedMs is number =>
  endedMs !== null && endedMs !== undefined && endedMs <= nowMs && nowMs - endedMs < lingerMs

/** A reason whose condition ended then, as long as it still counts. */
export const overReason = (reason: ReasonDetail, endedMs: number, nowMs: number): ReadonlyArray<ReasonDetail> =>
  lingers(endedMs, nowMs) ? [{ ...reason, ended: iso(endedMs) }] : []

const lingering = (code: Mark, standing: Standing | null, nowMs: number, next: string): ReadonlyArray<ReasonDetail> => {
  const endedMs = standing?.marks[code]
  return lingers(endedMs, nowMs) ? [{ code, threshold: 0, observed: 0, ended: iso(endedMs), next }] : []
}

/** Whether somebody renews the leases. */
export const isServed = ({ epoch }: Summary, nowMs: number): boolean => epoch !== null && epoch.leaseUntilMs > nowMs

/** Leases that have run out, and since when the first of them has. */
export const staleOf = (summary: Summary, nowMs: number): { readonly stale: number; readonly sinceMs: number | null } => {
  const { counts, epoch, leasedEarlier, standing } = summary
  const stale = isServed(summary, nowMs) ? leasedEarlier : counts.leased
  if (stale === 0) return { stale, sinceMs: null }
  const earlierMs = leasedEarlier > 0 ? standing?.earlierUntilMs ?? null : null
  return { stale, sinceMs: earlierMs ?? epoch?.leaseUntilMs ?? null }
}

const lastingMs = (sinceMs: number | null | undefined, nowMs: number): number => (sinceMs === null || sinceMs === undefined ? 0 : Math.max(0, nowMs - sinceMs))

const ofSeed = (summary: Summary, nowMs: number): ReadonlyArray<ReasonDetail> => {
  const { counts, standing, tallies } = summary
  const { sinceMs, stale } = staleOf(summary, nowMs)
  const first = (name: Tally): number | null => standing?.firstMs[name] ?? null
  return [
    ...inForce({ code: "stale_leases", observed: stale, sinceMs, next: "opsgate serve" }),
    ...inForce({ code: "running_with_stale_leases", observed: counts.running > 0 ? stale : 0, sinceMs, next: "opsgate task list --state RUNNING" }),
    ...inForce({ code: "idempotency_conflicts", observed: tallies.conflict, sinceMs: first("conflict"), next: "opsgate events --type idempotency.conflict" }),
    ...inForce({ code: "dispatch_timeouts", observed: tallies.dispatch_timeouts, sinceMs: first("dispatch_timeouts"), next: "opsgate task list --state FAILED" })
  ]
}

const release = "opsgate release --reason \"<why>\""

/** What makes the status degraded, as far as the file says it. */
export const reasonsOf = (summary: Summary, nowMs: number): ReadonlyArray<ReasonDetail> => {
  const { heldSinceMs, standing } = summary
  const isHeld = heldSinceMs !== null
  const damaged = inForce({ code: "storage_damaged", observed: summary.damaged === true ? 1 : 0, next: "opsgate doctor" })
  const look = (verb: string): string => (isServed(summary, nowMs) ? verb : "opsgate serve")
  const dueMs = standing?.openDueSinceMs ?? null
  // What waits in a restored file waits for its release, and for nothing else.
  const overdue = isHeld ? 0 : standing?.schedulesOverdue ?? 0
  const age = isHeld ? 0 : lastingMs(dueMs, nowMs)
  return inOrder([
    ...damaged,
    ...inForce({ code: "restore_hold", observed: isHeld ? 1 : 0, sinceMs: heldSinceMs, next: release }),
    ...ofSeed(summary, nowMs),
    ...inForce({ code: "schedules_overdue", observed: overdue, sinceMs: standing?.schedulesDueMs ?? null, next: look("opsgate schedules") }),
    ...inForce({ code: "queue_age", observed: age, threshold: queueAgeMaxMs, sinceMs: dueMs === null ? null : dueMs + queueAgeMaxMs, next: look("opsgate queues") }),
    ...lingering("events_lost", standing, nowMs, "opsgate doctor"),
    ...lingering("restore_hold", standing, nowMs, "opsgate doctor"),
    ...lingering("schedules_overdue", standing, nowMs, "opsgate schedules"),
    ...lingering("queue_age", standing, nowMs, "opsgate queues")
  ])
}

/** From this size on the write-ahead log is worth a word. */
export const walLargeBytes = 256 * 1024 * 1024

/** So long a message to a chat may wait before it is worth a word. */
export const outboxStuckMs = 600_000

/** What is worth knowing, and no reason to call the system degraded. */
export const noticesOf = (summary: Summary, nowMs: number): ReadonlyArray<ReasonDetail> => {
  const { chats, counts, epoch, sizes, standing, tallies } = summary
  return [
    ...inForce({ code: "break_glass", observed: tallies.break_glass, sinceMs: standing?.firstMs.break_glass ?? null, next: "opsgate events --type hold.broken" }),
    ...inForce({ code: "not_served", observed: isServed(summary, nowMs) ? 0 : counts.queued, sinceMs: epoch?.leaseUntilMs ?? null, next: "opsgate serve" }),
    ...inForce({ code: "dead_letter", observed: counts.dead, sinceMs: standing?.deadSinceMs ?? null, next: "opsgate dead" }),
    ...inForce({ code: "queues_paused", observed: standing?.queuesPaused ?? 0, sinceMs: standing?.queuesPausedSinceMs ?? null, next: "opsgate queues" }),
    ...inForce({ code: "schedules_paused", observed: standing?.schedulesPaused ?? 0, next: "opsgate schedules" }),
    ...inForce({ code: "chat_dead", observed: chats?.dead ?? 0, sinceMs: chats?.deadSinceMs ?? null, next: "opsgate telegram dead" }),
    ...inForce({ code: "chat_outbox_stuck", observed: lastingMs(chats?.unsentSinceMs, nowMs), threshold: outboxStuckMs, sinceMs: chats?.unsentSinceMs ?? null, next: "opsgate telegram status" }),
    ...inForce({ code: "wal_large", observed: sizes?.walBytes ?? 0, threshold: walLargeBytes, next: "opsgate doctor" })
  ]
}
