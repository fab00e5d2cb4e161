/** `/ops`: is the system healthy right now, and if not, what to type. Seed S0 is the contract of its JSON and of its six lines. */
import { DateTime, Effect } from "effect"
import { printable } from "../domain/Redaction.ts"
import { EngineReader, type FileSizes, Instants, RunsStorage, Storage, type Summary } from "../engine/Engine.ts"
import { runsReason, troubleReason } from "./StorageReasons.ts"

export interface ReasonDetail {
  readonly code: string
  readonly threshold: number
  readonly observed: number
  /** ISO 8601, where it is known. */
  readonly since?: string
  readonly next: string
}

export interface OpsSummary {
  readonly v: 1
  readonly window_hours: number
  readonly generated_at: string
  /** Start of the window, Unix ms, a whole minute. */
  readonly since_ms: number
  /** The last event that is counted. */
  readonly as_of_seq: number
  readonly tasks: { readonly blocked: number; readonly running: number; readonly queued: number; readonly failed_window: number }
  readonly leases: { readonly active: number; readonly stale: number }
  readonly idempotency: {
    readonly replay_window: number
    readonly conflict_window: number
    readonly dispatch_keys_window: number
    readonly telegram_keys_window: number
  }
  readonly timeouts: { readonly command_window: number; readonly dispatch_window: number }
  /** Tasks that failed and that nobody has redriven or dismissed. */
  readonly dead_letter: { readonly tasks: number }
  /** Sizes of the database file and its write-ahead log; null without files. */
  readonly storage: { readonly file_bytes: number; readonly free_bytes: number; readonly wal_bytes: number } | null
  readonly status: "healthy" | "degraded"
  readonly reasons: ReadonlyArray<string>
  readonly reason_details: ReadonlyArray<ReasonDetail>
}

const hourMs = 3_600_000

/** Counts now, and over the last `hours`. */
export const opsSummary = (hours: number) =>
  Effect.gen(function*() {
    const reader = yield* EngineReader
    const instants = yield* Instants
    const nowMs = instants.wallMs()
    return withReasons(summarise(yield* reader.summary(nowMs - hours * hourMs), hours, nowMs, yield* reader.storage), yield* storageReasons)
  })

/** What the writer of this process says of its storage; nothing in a process that only reads. */
export const storageReasons = Effect.map(Effect.all([Storage, RunsStorage]), ([{ file, trouble }, runs]) => {
  const [found, ofRuns] = [trouble(), runs.trouble()]
  const reason = found === null ? null : troubleReason(file, found)
  const reasonOfRuns = ofRuns === null ? null : runsReason(runs.dir, ofRuns)
  // The same trouble of both is told once, by its first word.
  return [reason, reasonOfRuns?.code === reason?.code ? null : reasonOfRuns].filter((one) => one !== null)
})

/** The same with more reasons, each code once. */
export const withReasons = (summary: OpsSummary, more: ReadonlyArray<ReasonDetail>): OpsSummary => {
  const details = [...summary.reason_details]
  for (const reason of more) if (!details.some(({ code }) => code === reason.code)) details.push(reason)
  return details.length === summary.reason_details.length
    ? summary
    : { ...summary, status: "degraded", reasons: details.map(({ code }) => code), reason_details: details }
}

export const summarise = (summary: Summary, hours: number, nowMs: number, storage: FileSizes | null = null): OpsSummary => {
  const { counts, tallies } = summary
  const stale = summary.epoch === null || summary.epoch.leaseUntilMs <= nowMs ? counts.leased : summary.leasedEarlier
  const details = [...held(summary.heldSinceMs), ...reasonsFor(stale, counts.running, tallies.conflict, tallies.dispatch_timeouts)]
  return {
    v: 1,
    window_hours: hours,
    generated_at: DateTime.formatIso(DateTime.unsafeMake(nowMs)),
    since_ms: summary.sinceMs,
    as_of_seq: summary.asOfSeq,
    tasks: { blocked: counts.blocked, running: counts.running, queued: counts.queued, failed_window: tallies.failed },
    leases: { active: counts.leased, stale },
    idempotency: {
      replay_window: tallies.replay,
      conflict_window: tallies.conflict,
      dispatch_keys_window: tallies.dispatch_keys,
      telegram_keys_window: tallies.telegram_keys
    },
    timeouts: { command_window: tallies.command_timeouts, dispatch_window: tallies.dispatch_timeouts },
    dead_letter: { tasks: counts.dead },
    storage: storage === null ? null : { file_bytes: storage.fileBytes, free_bytes: storage.freeBytes, wal_bytes: storage.walBytes },
    status: details.length === 0 ? "healthy" : "degraded",
    reasons: details.map(({ code }) => code),
    reason_details: details
  }
}

// A restored file does nothing by itself until somebody says so.
const held = (sinceMs: number | null): ReadonlyArray<ReasonDetail> =>
  sinceMs === null ? [] : [{ code: "restore_hold", threshold: 0, observed: 1, since: DateTime.formatIso(DateTime.unsafeMake(sinceMs)), next: "opsgate release --reason \"<why>\"" }]

const reasonsFor = (stale: number, running: number, conflicts: number, timeouts: number): ReadonlyArray<ReasonDetail> =>
  [
    { code: "stale_leases", observed: stale, next: "opsgate serve" },
    { code: "running_with_stale_leases", observed: running > 0 ? stale : 0, next: "opsgate task list --state RUNNING" },
    { code: "idempotency_conflicts", observed: conflicts, next: "opsgate events --type idempotency.conflict" },
    { code: "dispatch_timeouts", observed: timeouts, next: "opsgate task list --state FAILED" }
  ].filter(({ observed }) => observed > 0).map((reason) => ({ ...reason, threshold: 0 }))

const reasonText = ({ code, next, observed, since }: ReasonDetail): string =>
  printable(`${code}: observed ${observed}${since === undefined ? "" : ` since ${since}`}; next: ${next}`)

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
