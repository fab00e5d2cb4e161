/**
 * A step: a named piece of a run whose outcome is kept, so that a later run under the same id does not do it again.
 *
 * Steps stand at places: the scope (the run itself, or one branch of `ctx.all`) and the index within it. A replay finds a
 * step by its place and checks its name there. Numbers count from 1 in the order in which steps first began; operators name
 * steps by number, and outside systems see it in the dispatch key.
 */
import type { Supervisor } from "./Supervisor.ts"
import type { Paths } from "./Sensitive.ts"
import type { EffectClass } from "./EffectClass.ts"
import type { TaskId } from "./Task.ts"

/** What a step does: runs code, runs a command, or waits for time, a signal or a child. */
export const stepSorts = ["code", "exec", "sleep", "signal", "child"] as const
export type StepSort = (typeof stepSorts)[number]

/**
 * - `open`: its intent is stored and its outcome is not.
 * - `cleared`: it was open, somebody looked, and it did not happen: it may begin again.
 * - `waiting`: it waits for time, a signal or a child.
 */
export const stepStates = ["open", "cleared", "waiting", "succeeded", "failed"] as const
export type StepState = (typeof stepStates)[number]

/** Where a step stands and what it is; known before it begins. */
export interface StepDraft {
  /** Counts from 1; a replay keeps the number of the first time. */
  readonly number: number
  /** `""` is the run itself; a branch of `ctx.all` is `<group>.<branch>` behind its parent's scope. */
  readonly scope: string
  /** Place within the scope, from 0. */
  readonly index: number
  readonly name: string
  readonly sort: StepSort
  readonly effect: EffectClass
  /** Handed to outside systems, the same for every try of this step. */
  readonly dispatchKey: string
  /** SHA-256 of what the step was given. */
  readonly inputSha256: string
  /** JSON of the values (now, random, uuid) that the code drew since the step before, each with the place at which it did: `[[place, value], …]`. */
  readonly drawn: string
  /** Whether a later run can find out by itself what became of it: by a probe, or in the exit record of its command. */
  readonly answers: boolean
  readonly supervisor: Supervisor | null
  /** When it began to wait, if it waits already. */
  readonly sinceMs?: number
  /** What the schema of its outcome marks as sensitive; absent when that is nothing. */
  readonly sensitive?: Paths
}

export interface Step extends Omit<StepDraft, "sinceMs"> {
  readonly task: TaskId
  readonly state: StepState
  /** The last attempt and generation that began it. */
  readonly attempt: number
  readonly generation: number
  /** Canonical JSON of its outcome. */
  readonly result: string | null
  readonly code: string | null
  /** Redacted, at most 2 kB. */
  readonly error: string | null
  /** When it is due at the latest, if it waits for time. */
  readonly wakeAtMs: number | null
  readonly child: TaskId | null
  /** The task whose outcome it is, when a fork took it over. */
  readonly copiedFrom: TaskId | null
  readonly startedAtMs: number
  readonly endedAtMs: number | null
}

/** What a decision does to the steps of a task: stores one whole, or ends one that is stored. */
export type StepChange =
  | { readonly _tag: "Put"; readonly step: Step }
  | {
    readonly _tag: "End"
    readonly task: TaskId
    readonly number: number
    readonly state: "succeeded" | "failed" | "cleared"
    readonly result: string | null
    readonly code: string | null
    readonly error: string | null
    readonly endedAtMs: number
  }

/** A step as it stands after a change. */
export const changed = (before: Step | undefined, change: StepChange): Step | undefined => {
  if (change._tag === "Put") return change.step
  if (before === undefined) return undefined
  const { code, endedAtMs, error, result, state } = change
  return { ...before, state, result, code, error, endedAtMs }
}

/** The highest number of a step: `from`, or one that is stored now. */
export const highestNumber = (from: number, changes: ReadonlyArray<StepChange>): number =>
  changes.reduce((highest, change) => (change._tag === "Put" ? Math.max(highest, change.step.number) : highest), from)

/** The key of a step for outside systems. */
export const stepKey = (dispatchKey: string, number: number): string => `${dispatchKey}:${number}`
