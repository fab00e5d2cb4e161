/**
 * An intent: the record, stored before an effect starts, that it is about to. After a crash it tells "never begun" from
 * "begun, outcome not known", and where to look for the command that may still run.
 */
import { Schema } from "effect"

/** What a repeat of an effect would do: nothing worse, or harm. */
export const EffectClass = Schema.Literal("idempotent", "dangerous")
export type EffectClass = typeof EffectClass.Type

/** The process that watches over the command, told apart from a later one with the same pid by its start time. */
export interface Supervisor {
  readonly pid: number
  /** Clock ticks after boot, field 22 of /proc/<pid>/stat. */
  readonly startTicks: number
  /** Folder of its job: logs and the exit record. */
  readonly dir: string
  /** Value of OPSGATE_RUN in the command's environment. */
  readonly marker: string
}

export interface Intent {
  /** Counts from 1. */
  readonly step: number
  readonly effect: EffectClass
  readonly attempt: number
  /** The generation the effect was begun under. */
  readonly generation: number
  readonly supervisor: Supervisor
  readonly atMs: number
}
