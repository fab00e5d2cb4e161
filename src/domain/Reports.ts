/** What the verbs of upkeep report, as people and programs see it. */
import type { Fate } from "./Restore.ts"

export interface BackupReport {
  readonly file: string
  readonly stream: string
  readonly head: { readonly seq: number; readonly hash: string }
  readonly bytes: number
  readonly sha256: string
  readonly at_ms: number
  readonly counts: Readonly<Record<string, number>>
}

export interface RestoreReport {
  readonly v: 1
  readonly file: string
  readonly backup: string
  readonly stream: string
  readonly head: { readonly seq: number; readonly hash: string }
  /** Where the file that bore the name is now. */
  readonly set_aside: string | null
  /** How many events were acknowledged after the backup and are not in it, as far as anybody knows. */
  readonly events_lost: number | null
  readonly tasks: Readonly<Record<Exclude<Fate, "kept">, number>>
  /** Schedules that may do something dangerous: their ticks up to the restore are missed. */
  readonly schedules_passed: number
  /** Bulk commands that were under way. */
  readonly bulks_stopped: number
  /** Kinds of open tasks that the configuration does not declare as they were: they are taken for dangerous. */
  readonly kinds_unknown: ReadonlyArray<string>
  readonly held: true
}

/** `damage`: something is not as it must be. `warning`: it works, and should not stay so. */
export type Severity = "damage" | "warning"

export interface Finding {
  readonly code: string
  readonly severity: Severity
  /** One sentence: what was found, and where. */
  readonly found: string
  /** Since when, Unix ms, where it is known. */
  readonly since_ms: number | null
  /** What to type. */
  readonly remedy: string
}

export interface DoctorReport {
  readonly v: 1
  readonly file: string
  readonly status: "ok" | "degraded" | "damaged"
  readonly findings: ReadonlyArray<Finding>
  /** Checks that could not be made, and why. */
  readonly unchecked: ReadonlyArray<{ readonly check: string; readonly why: string }>
  /** How many checks were made. */
  readonly checks: number
}

export const statusOf = ({ findings, unchecked }: Pick<DoctorReport, "findings" | "unchecked">): DoctorReport["status"] =>
  unchecked.length > 0 || findings.some(({ severity }) => severity === "damage") ? "damaged" : findings.length > 0 ? "degraded" : "ok"
