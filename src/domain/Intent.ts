/**
 * An intent: the record, stored before an effect starts, that it is about to. After a crash it tells "never begun" from
 * "begun, outcome not known", and where to look for the command that may still run.
 */
import type { EffectClass } from "./EffectClass.ts"
import type { Supervisor } from "./Supervisor.ts"

export interface Intent {
  /** Counts from 1. */
  readonly step: number
  readonly name: string
  readonly effect: EffectClass
  /** Whether a later run can find out by itself what became of it. */
  readonly answers: boolean
  readonly attempt: number
  /** The generation the effect was begun under. */
  readonly generation: number
  readonly supervisor: Supervisor | null
  readonly atMs: number
}
