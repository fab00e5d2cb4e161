/** A task: one durable piece of work, from request to its final state. */
import { Schema } from "effect"
import type { Governance } from "./Governance.ts"
import type { Hold } from "./Hold.ts"
import type { Intent } from "./Intent.ts"
import type { Lease } from "./Lease.ts"
import type { RetryPolicy } from "./RetryPolicy.ts"
import type { SensitivePaths } from "./Sensitive.ts"
import { isTerminal, type TaskState as State, taskStates } from "./TaskState.ts"
import type { Limits } from "./Timeout.ts"

export const TaskState = Schema.Literal(...taskStates)

/** 26 characters of Crockford base 32: 10 of time, 16 of chance. Ids sort by the instant they were drawn. */
export const TaskId = Schema.String.pipe(Schema.pattern(/^[0-9A-HJKMNP-TV-Z]{26}$/), Schema.brand("TaskId"))
export type TaskId = typeof TaskId.Type

export const TaskClass = Schema.Literal("light", "heavy")
export type TaskClass = typeof TaskClass.Type

/** A key that at most one task of a kind and tenant has: until it first starts, or until it has ended. */
export interface Unique {
  readonly key: string
  readonly scope: "queued" | "active"
}

/** What was asked for; it never changes, but for the payload of a task that is debounced before it starts. */
export interface TaskSpec {
  readonly id: TaskId
  readonly kind: string
  readonly class: TaskClass
  readonly risk: string
  readonly tenant: string
  readonly queue: string
  /** The highest first. */
  readonly priority: number
  /** What it shares with tasks that it must not run beside. */
  readonly concurrencyKey: string | null
  readonly unique: Unique | null
  /** Canonical JSON. */
  readonly payload: string
  readonly payloadSha256: string
  readonly requester: string
  /** Who else had a hand in what is asked for: the requester of the task that was forked, or of the run that asked. None of them counts as an approver. */
  readonly authors: ReadonlyArray<string>
  /** Idempotency key of the request. */
  readonly key: string | null
  /** W3C trace id, 32 hex digits. */
  readonly trace: string
  /** Handed to every attempt, so that outside systems can tell a repeat. */
  readonly dispatchKey: string
  readonly limits: Limits
  readonly retry: RetryPolicy
  readonly createdAtMs: number
  /** The step that waits for this task. */
  readonly parent: StepRef | null
  /** The first step that was not taken over. */
  readonly forkedFrom: StepRef | null
  /** The schedule that asked for it. */
  readonly schedule: TickRef | null
  /** What the schemas of its kind marked as sensitive when it was asked for; absent when that is nothing. */
  readonly sensitive?: SensitivePaths
}

/** What a schedule asked for a run for: one of its ticks, or a command of an operator. */
export interface TickRef {
  readonly name: string
  /** The nominal instant; of a manual run the one at which it was asked for. */
  readonly atMs: number
  readonly by: "tick" | "backfill" | "manual"
}

/** A request to end that waits for the step boundary. */
export interface PendingCancel {
  readonly actor: string
  readonly reason: string
  readonly atMs: number
  /** The step that runs is ended too, also one that is not declared interruptible. */
  readonly kill: boolean
  /** What was done is undone first, as far as its steps say how. */
  readonly compensate: boolean
}

/** A word from outside that a run waits for, or will. */
export interface Signal {
  readonly name: string
  /** Canonical JSON. */
  readonly payload: string
  readonly actor: string
  readonly atMs: number
}

/** A step of another task: the one that asked for this task, or that this task was forked at. */
export interface StepRef {
  readonly task: TaskId
  readonly step: number
}

/** A dangerous step that may or may not have happened. */
export interface UnknownOutcome {
  readonly step: number
  readonly code: string
  readonly attempt: number
  readonly generation: number
  readonly sinceMs: number
}

export interface Failure {
  readonly code: string
  /** Redacted, at most 2 kB. */
  readonly error: string
}

/** A run that was compensated has this failure: its steps are undone, so it is forked, never recovered. */
export const compensatedCode = "compensated"

/** A person who looked at a task of the dead letter and decided that nothing is to be done about it. */
export interface Dismissal {
  readonly actor: string
  readonly reason: string
  readonly atMs: number
}

/** Where it stands; every change of it has an event. */
export interface TaskProgress {
  readonly state: State
  /** Digest of the kind's definition that was asked for. An approval holds for this version only. */
  readonly kindVersion: string
  /** Whether it ever needed people. Only a task that never did is queued by itself. */
  readonly held: boolean
  /** Open holds. Empty: nothing but a resume stands between the task and the queue. */
  readonly holds: ReadonlyArray<Hold>
  /** What people have to do, and did. Null for a task that never needed any. */
  readonly governance: Governance | null
  /** Claims so far. */
  readonly attempt: number
  /** Attempts left before a failure is final. */
  readonly budget: number
  /** Runs that were lost with their worker. They spend no attempt; too many of them end the task. */
  readonly losses: number
  /** The fencing token: one higher with every claim and every adoption. */
  readonly generation: number
  readonly lease: Lease | null
  /** The effects that were begun and are not yet settled. */
  readonly intents: ReadonlyArray<Intent>
  /** The highest number of a step that ever began or waited. */
  readonly steps: number
  /** What a parked run waits for besides its time: `signal:<name>`, `child:<id>`. */
  readonly waits: ReadonlyArray<string>
  /** Signals that no step has taken yet, oldest first. */
  readonly signals: ReadonlyArray<Signal>
  readonly unknown: UnknownOutcome | null
  readonly cancel: PendingCancel | null
  /** Earliest instant of the next claim. */
  readonly availableAtMs: number
  /** The next instant at which time alone changes this task, if there is one. */
  readonly expiresAtMs: number | null
  readonly queuedAtMs: number | null
  readonly startedAtMs: number | null
  readonly updatedAtMs: number
  readonly failure: Failure | null
  /** Canonical JSON of the outcome of the last step. */
  readonly result: string | null
  /** Set when it failed and was taken out of the dead letter. */
  readonly dismissed: Dismissal | null
  /** When its payload and its results were given up; what is left of it is for the record. */
  readonly prunedAtMs: number | null
}

export interface Task extends TaskSpec, TaskProgress {}

/** A task known to be in one of the states `S`. */
export type TaskIn<S extends State> = Task & { readonly state: S }

export const isIn = <const S extends State>(task: Task, ...states: ReadonlyArray<S>): task is TaskIn<S> =>
  states.some((state) => state === task.state)

/** An open hold or an unknown outcome. Such a task counts as blocked and nowhere else. */
export const isBlocked = (task: Task): boolean =>
  task.unknown !== null || (task.holds.length > 0 && !isTerminal[task.state])

/** Since when it is blocked: its outcome is unknown, or people are asked. Null unless it is. */
export const blockedSinceMs = (task: Task): number | null => (isBlocked(task) ? task.unknown?.sinceMs ?? task.governance?.askedAtMs ?? task.createdAtMs : null)

/** Since when its lease is held: the start of this run. Null without a lease. */
export const leasedSinceMs = ({ lease, startedAtMs }: Task): number | null => (lease === null ? null : startedAtMs)

/** In the dead letter: it failed, and nobody has brought it back or dismissed it. */
export const isDead = (task: Pick<Task, "state" | "dismissed">): boolean => task.state === "FAILED" && task.dismissed === null

/** One try under one lease that did not succeed. */
export interface Attempt {
  readonly task: TaskId
  readonly number: number
  readonly generation: number
  readonly code: string
  readonly error: string
  readonly startedAtMs: number | null
  readonly endedAtMs: number
}
