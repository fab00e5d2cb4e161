/** What `/ops` says of the storage: a code, since when, what was observed, and the next command to type. */
import { DateTime } from "effect"
import type { RunsTrouble, StorageTrouble } from "../engine/Engine.ts"

/** A reason of `/ops` that is about the storage. */
export interface StorageReason {
  readonly code: string
  readonly threshold: number
  readonly observed: number
  /** ISO 8601, where it is known. */
  readonly since?: string
  readonly next: string
}

const iso = (atMs: number): string => DateTime.formatIso(DateTime.unsafeMake(atMs))

// Words of a shell line. Its own quotes end before each quote of the text, and begin again behind it.
const quoted = (path: string): string => (/^[A-Za-z0-9/._-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`)

const nextFor = {
  full: (file) => `df -h ${quoted(file)}`,
  read_only: (file) => `findmnt -T ${quoted(file)}`,
  io: () => "dmesg --level err,warn",
  busy: (file) => `fuser -v ${quoted(file)}`,
  damaged: () => "opsgate doctor"
} as const satisfies Record<StorageTrouble["why"], (file: string) => string>

/** Changes cannot be stored: `observed` counts those that were not, since the first of them. */
export const troubleReason = (file: string, { failures, sinceMs, why }: StorageTrouble): StorageReason => ({
  code: `storage_${why}`,
  threshold: 0,
  observed: failures,
  since: iso(sinceMs),
  next: nextFor[why](file)
})

// Names run out before bytes do where there are many small files.
const nextForRuns = {
  full: (dir) => `df -h ${quoted(dir)}; df -i ${quoted(dir)}`,
  read_only: nextFor.read_only,
  io: nextFor.io,
  no_handles: () => "cat /proc/sys/fs/file-nr; ulimit -n"
} as const satisfies Record<RunsTrouble["why"], (dir: string) => string>

/** Commands cannot be prepared, since their folders cannot be made: `observed` counts the runs that were handed back. */
export const runsReason = (dir: string, { failures, sinceMs, why }: RunsTrouble): StorageReason => ({
  code: `storage_${why}`,
  threshold: 0,
  observed: failures,
  since: iso(sinceMs),
  next: nextForRuns[why](dir)
})

/** Fewer free bytes than a commit may need. */
export const freeBytesMin = 65_536

/** What somebody sees of the disk who cannot ask a server. Nobody knows since when. */
export const diskReasons = (file: string, disk: { readonly isReadOnly: boolean; readonly freeBytes: number | null }): ReadonlyArray<StorageReason> => [
  ...(disk.isReadOnly ? [{ code: "storage_read_only", threshold: 0, observed: 1, next: nextFor.read_only(file) }] : []),
  ...(disk.freeBytes !== null && disk.freeBytes < freeBytesMin && !disk.isReadOnly
    ? [{ code: "storage_full", threshold: freeBytesMin, observed: disk.freeBytes, next: nextFor.full(file) }]
    : [])
]

/** The file is behind its watermark: `observed` counts the events that are missing at least. */
export const lossReason = ({ atMs, fuller, missing }: { readonly atMs: number | null; readonly missing: number; readonly fuller: { readonly next: string } | null }): StorageReason => ({
  code: "events_lost",
  threshold: 0,
  observed: Math.max(1, missing),
  ...(atMs === null ? {} : { since: iso(atMs) }),
  next: fuller?.next ?? "opsgate accept-loss --reason <why>"
})
