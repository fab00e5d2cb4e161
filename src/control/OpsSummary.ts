/**
 * `/ops`: is the system healthy right now, and if not, what to type. Seed S0 is the contract of its JSON and of its six lines;
 * `src/ops-summary.schema.json` is the contract of the rest.
 */
import { DateTime, Effect } from "effect"
import { blockedBy, type BlockedBy } from "../domain/Census.ts"
import { epochFacts } from "../domain/Lease.ts"
import { printable } from "../domain/Redaction.ts"
import { EngineReader, type FileSizes, Instants, RunsStorage, Storage, type Summary } from "../engine/Engine.ts"
import { ChatTrouble } from "../engine/ChatTrouble.ts"
import { chatReason } from "./ChatReasons.ts"
import { inOrder, noticesOf, overReason, type ReasonDetail, reasonsOf, staleOf } from "./OpsReasons.ts"
import { runsReason, troubleReason } from "./StorageReasons.ts"

export type { ReasonDetail } from "./OpsReasons.ts"

/** Ages are milliseconds, and null where there is nothing that has one. */
export interface OpsSummary {
  readonly v: 1
  readonly window_hours: number
  readonly generated_at: string
  /** Start of the window, Unix ms, a whole minute. */
  readonly since_ms: number
  /** When the figures begin, if that is later: the store is younger than the window. */
  readonly window_truncated_at: string | null
  /** The last event that is counted. */
  readonly as_of_seq: number
  readonly tasks: {
    readonly blocked: number
    readonly running: number
    readonly queued: number
    readonly failed_window: number
    /** A task with two open holds counts under both. Null: not known of a file of an earlier version. */
    readonly blocked_by: Readonly<Record<BlockedBy, number>> | null
    /** Since it was asked for, or since its outcome is unknown. */
    readonly blocked_oldest_ms: number | null
    /** Since it was claimed. */
    readonly running_oldest_ms: number | null
    /** Since it is due; a task that waits for a later instant has no age yet. */
    readonly queued_oldest_ms: number | null
    /** Since the last failure in the window, to the minute. */
    readonly failed_newest_ms: number | null
  }
  readonly leases: {
    readonly active: number
    readonly stale: number
    readonly stale_oldest_ms: number | null
    /** Late writes that were refused. */
    readonly fenced_window: number
    /** Runs that were taken back from a lost worker. */
    readonly recovered_window: number
  }
  readonly idempotency: {
    readonly replay_window: number
    readonly conflict_window: number
    /** The same key while the original was still being decided. It never degrades. */
    readonly in_progress_window: number
    readonly dispatch_keys_window: number
    readonly telegram_keys_window: number
  }
  readonly timeouts: { readonly command_window: number; readonly dispatch_window: number }
  /** Tasks that failed and that nobody has redriven or dismissed. */
  readonly dead_letter: { readonly tasks: number; readonly oldest_ms: number | null }
  readonly queues: { readonly paused: number }
  readonly schedules: { readonly overdue: number; readonly paused: number; readonly missed_window: number }
  /** Tasks that somebody let go without what they ask for. */
  readonly break_glass: { readonly used_window: number }
  /** Sizes of the database file and its write-ahead log; null without files. */
  readonly storage: { readonly file_bytes: number; readonly free_bytes: number; readonly wal_bytes: number } | null
  /** The last epoch, and until when it was renewed; null: no server has run yet. */
  readonly epoch: { readonly epoch: number; readonly lease_until_ms: number } | null
  readonly status: "healthy" | "degraded"
  readonly reasons: ReadonlyArray<string>
  readonly reason_details: ReadonlyArray<ReasonDetail>
  /** What is worth knowing and does not degrade. */
  readonly notices: ReadonlyArray<ReasonDetail>
}

const hourMs = 3_600_000

/** Counts now, and over the last `hours`. */
export const opsSummary = (hours: number) =>
  Effect.gen(function*() {
    const reader = yield* EngineReader
    const instants = yield* Instants
    const nowMs = instants.wallMs()
    return withReasons(summarise(yield* reader.summary(nowMs - hours * hourMs, nowMs), hours, nowMs), yield* storageReasons)
  })

/** What the writer of this process says of its storage and of the way to the chats, also of trouble that is over since less than a minute; nothing in a process that only reads. */
export const storageReasons = Effect.gen(function*() {
  const [store, runs, { wallMs }] = [yield* Storage, yield* RunsStorage, yield* Instants]
  const nowMs = wallMs()
  const [found, over] = [store.trouble(), store.over()]
  const [ofRuns, runsOver] = [runs.trouble(), runs.over()]
  const chat = yield* ChatTrouble
  const [ofChat, chatOver] = [chat.trouble(), chat.over()]
  return inOrder([
    ...(found === null ? [] : [troubleReason(store.file, found)]),
    ...(ofRuns === null ? [] : [runsReason(runs.dir, ofRuns)]),
    ...(ofChat === null ? [] : chatReason(ofChat, nowMs)),
    ...(chatOver === null ? [] : chatReason(chatOver.trouble, chatOver.endedMs).flatMap((reason) => overReason(reason, chatOver.endedMs, nowMs))),
    ...(over === null ? [] : overReason(troubleReason(store.file, over.trouble), over.endedMs, nowMs)),
    ...(runsOver === null ? [] : overReason(runsReason(runs.dir, runsOver.trouble), runsOver.endedMs, nowMs))
  ])
})

/** The same with more reasons, each code once. */
export const withReasons = (summary: OpsSummary, more: ReadonlyArray<ReasonDetail>): OpsSummary => {
  if (more.length === 0) return summary
  const details = inOrder([...summary.reason_details, ...more])
  return { ...summary, status: "degraded", reasons: details.map(({ code }) => code), reason_details: details }
}

const iso = (atMs: number): string => DateTime.formatIso(DateTime.unsafeMake(atMs))

const sizesOf = ({ fileBytes, freeBytes, walBytes }: FileSizes) => ({ file_bytes: fileBytes, free_bytes: freeBytes, wal_bytes: walBytes })

const byReason = (summary: Summary): OpsSummary["tasks"]["blocked_by"] => {
  if (summary.standing === null) return null
  const by: Record<BlockedBy, number> = { plan: 0, review: 0, approval: 0, policy: 0, outcome_unknown: 0 }
  for (const reason of blockedBy) by[reason] = summary.counts[`blocked.${reason}`]
  return by
}

export const summarise = (summary: Summary, hours: number, nowMs: number): OpsSummary => {
  const { counts, standing, tallies } = summary
  // Whoever set the clock back makes nothing younger than now.
  const age = (sinceMs: number | null | undefined): number | null => (sinceMs === null || sinceMs === undefined ? null : Math.max(0, nowMs - sinceMs))
  const dueMs = standing?.dueSinceMs ?? null
  const { sinceMs: staleSinceMs, stale } = staleOf(summary, nowMs)
  const details = reasonsOf(summary, nowMs)
  return {
    v: 1,
    window_hours: hours,
    generated_at: iso(nowMs),
    since_ms: summary.sinceMs,
    window_truncated_at: standing !== null && standing.madeAtMs > summary.sinceMs ? iso(standing.madeAtMs) : null,
    as_of_seq: summary.asOfSeq,
    tasks: {
      blocked: counts.blocked,
      running: counts.running,
      queued: counts.queued,
      failed_window: tallies.failed,
      blocked_by: byReason(summary),
      blocked_oldest_ms: age(standing?.blockedSinceMs),
      running_oldest_ms: age(standing?.leasedSinceMs),
      queued_oldest_ms: dueMs !== null && dueMs <= nowMs ? age(dueMs) : null,
      failed_newest_ms: age(standing?.lastMs.failed)
    },
    leases: { active: counts.leased, stale, stale_oldest_ms: age(staleSinceMs), fenced_window: tallies.fenced, recovered_window: tallies.recovered },
    idempotency: {
      replay_window: tallies.replay,
      conflict_window: tallies.conflict,
      in_progress_window: tallies.in_progress,
      dispatch_keys_window: tallies.dispatch_keys,
      telegram_keys_window: tallies.telegram_keys
    },
    timeouts: { command_window: tallies.command_timeouts, dispatch_window: tallies.dispatch_timeouts },
    dead_letter: { tasks: counts.dead, oldest_ms: age(standing?.deadSinceMs) },
    queues: { paused: standing?.queuesPaused ?? 0 },
    schedules: { overdue: standing?.schedulesOverdue ?? 0, paused: standing?.schedulesPaused ?? 0, missed_window: tallies.schedules_missed },
    break_glass: { used_window: tallies.break_glass },
    storage: summary.sizes === null ? null : sizesOf(summary.sizes),
    epoch: epochFacts(summary.epoch),
    status: details.length === 0 ? "healthy" : "degraded",
    reasons: details.map(({ code }) => code),
    reason_details: details,
    notices: noticesOf(summary, nowMs)
  }
}

const reasonText = ({ code, ended, next, observed, since }: ReasonDetail): string => {
  const found = ended === undefined ? `observed ${observed}${since === undefined ? "" : ` since ${since}`}` : `over since ${ended}`
  return printable(`why: ${code}: ${found}; next: ${next}`)
}

/** The most reasons that are told in words; the JSON has all. */
const reasonsMax = 4

/** The six lines of seed S0, and the first reasons with what to type. */
export const opsText = (summary: OpsSummary): string => {
  const { idempotency, leases, reason_details: details, status, tasks, timeouts, window_hours: hours } = summary
  return [
    "OPS",
    `tasks: blocked=${tasks.blocked} running=${tasks.running} queued=${tasks.queued} failed_${hours}h=${tasks.failed_window}`,
    `leases: active=${leases.active} stale=${leases.stale}`,
    `idempotency(${hours}h): replay=${idempotency.replay_window} conflict=${idempotency.conflict_window}`,
    `timeouts(${hours}h): command=${timeouts.command_window} dispatch=${timeouts.dispatch_window}`,
    `status: ${status}`,
    ...details.slice(0, reasonsMax).map(reasonText)
  ].join("\n")
}
