/** The verbs of upkeep: their words, and what people read of their reports. */
import { type Command, Option } from "commander"
import { DateTime } from "effect"
import { reasonMax } from "../../domain/AskLimits.ts"
import type { How } from "../../domain/Plan.ts"
import { oneLine } from "../../domain/Redaction.ts"
import type { BackupReport, DoctorReport, RestoreReport } from "../../domain/Reports.ts"
import { exitCode } from "./ExitCode.ts"
import { howOf, planning, type PlanOptions } from "./PlanWords.ts"

export type FileAction =
  | { readonly _tag: "Backup"; readonly target: string; readonly force: boolean }
  | { readonly _tag: "Restore"; readonly backup: string; readonly to: string | null; readonly old: string | null; readonly force: boolean }
  | { readonly _tag: "Release"; readonly reason: string | null; readonly key: string | null; readonly how: How }
  | { readonly _tag: "Doctor" }

type Run = (action: FileAction, command: Command) => Promise<void>

/** Adds the verbs; `looking` and `changing` give a verb the options that all such verbs have. */
export const addFileVerbs = (program: Command, looking: (command: Command) => Command, changing: (command: Command) => Command, run: Run): void => {
  looking(program.command("backup <file>"))
    .description("write a verified copy of the database as one file, with the server up or down")
    .option("--force", "replace a backup of that name")
    .action((target: string, { force }: { readonly force?: boolean }, command: Command) => run({ _tag: "Backup", target, force: force ?? false }, command))

  changing(program.command("restore <backup>"))
    .description("make the database anew from a backup; it begins nothing until it is released")
    .option("--to <file>", "restore to this file instead of the configured database")
    .option("--old <file>", "the lost database, if it can still be read: what began after the backup is looked up there")
    .option("--force", "set aside what bears the name; nothing is deleted")
    .action((backup: string, { force, old, to }: { readonly force?: boolean; readonly old?: string; readonly to?: string }, command: Command) =>
      run({ _tag: "Restore", backup, to: to ?? null, old: old ?? null, force: force ?? false }, command))

  planning(looking(program.command("release")))
    .description("let a restored database begin to work again; needs --reason")
    .addOption(new Option("--reason <text>", `why, at most ${reasonMax} characters; on record for ever`))
    .option("--key <key>", "on record with the command")
    .action(({ key, reason, ...how }: { readonly reason?: string; readonly key?: string } & PlanOptions, command: Command) =>
      run({ _tag: "Release", reason: reason ?? null, key: key ?? null, how: howOf(how) }, command))

  looking(program.command("doctor"))
    .description("look for everything that may be wrong, change nothing, and name what to type")
    .action((_options: unknown, command: Command) => run({ _tag: "Doctor" }, command))
}

const when = (atMs: number): string => DateTime.formatIso(DateTime.unsafeMake(atMs))

export const backupText = ({ bytes, counts, file, head }: BackupReport): string =>
  `${oneLine(file)}: ${bytes} bytes, ${counts["tasks"] ?? 0} tasks, ${head.seq} events, verified\nhead ${head.hash}`

export const restoreText = ({ backup, bulks_stopped, events_lost, file, head, kinds_unknown, schedules_passed, set_aside, tasks }: RestoreReport): string =>
  [
    `${oneLine(file)} restored from ${oneLine(backup)}, up to event ${head.seq}`,
    ...(set_aside === null ? [] : [`what bore the name is kept as ${oneLine(set_aside)}`]),
    ...(events_lost === null ? [] : [`${events_lost} events were acknowledged after the backup and are not in it`]),
    `runs taken back: ${tasks.requeued}, parked with an unknown outcome: ${tasks.parked}, asked anew: ${tasks.asks_anew}, canceled: ${tasks.canceled}`,
    ...(schedules_passed === 0 ? [] : [`schedules whose ticks since the backup are missed: ${schedules_passed} (run them by: opsgate schedule backfill)`]),
    ...(bulks_stopped === 0 ? [] : [`bulk commands stopped: ${bulks_stopped}`]),
    ...(kinds_unknown.length === 0 ? [] : [`not declared as they were, so taken for dangerous: ${kinds_unknown.map(oneLine).join(", ")}`]),
    "it begins nothing until: opsgate release --reason \"<why>\""
  ].join("\n")

export const doctorText = ({ checks, file, findings, status, unchecked }: DoctorReport): string =>
  [
    `${oneLine(file)}: ${status}, ${checks} checks, ${findings.length} findings`,
    ...findings.flatMap(({ code, found, remedy, severity, since_ms }) => [
      `${severity === "damage" ? "DAMAGE " : "warning"} ${code}: ${oneLine(found)}${since_ms === null ? "" : ` (since ${when(since_ms)})`}`,
      `        ${oneLine(remedy)}`
    ]),
    ...unchecked.map(({ check, why }) => `not checked: ${check} (${oneLine(why)})`)
  ].join("\n")

const doctorCodes = { ok: exitCode.ok, degraded: exitCode.degraded, damaged: exitCode.failure } as const satisfies Record<DoctorReport["status"], number>

export const doctorCode = ({ status }: DoctorReport): number => doctorCodes[status]
