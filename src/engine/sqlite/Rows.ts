/** How tasks, attempts and events stand in rows. Written by hand: decoding by schema costs more than the disk does. */
import { Schema } from "effect"
import { ApprovedRun } from "../../domain/LastApproved.ts"
import { type Attempt, type Task, TaskId, type TaskProgress, type TaskSpec } from "../../domain/Task.ts"
import { taskStates } from "../../domain/TaskState.ts"
import { type Step, type StepState, stepStates } from "../../domain/Step.ts"
import type { Restored } from "../../domain/Restored.ts"
import type { TaskEvent } from "../../domain/TaskEvent.ts"

const decodeApproved = Schema.decodeUnknownSync(Schema.parseJson(ApprovedRun))

export interface TaskRow {
  readonly id: string
  readonly spec: string
  readonly progress: string
}

/**
 * What most tasks have, and what a row therefore leaves out: a member that is not written has this value. That makes a row a third
 * of its size, and lets a newer program read the rows of an older one.
 */
const nothing: ReadonlyArray<never> = []
const specDefaults = { authors: nothing, risk: "none", tenant: "default", priority: 0, concurrencyKey: null, unique: null, key: null, parent: null, forkedFrom: null, schedule: null } as const satisfies Partial<TaskSpec>
/** As it is written. Besides these the queue of its class and its own id as dispatch key are left out. */
type StoredSpec = Omit<TaskSpec, "id" | keyof typeof specDefaults | "queue" | "dispatchKey">

const progressDefaults = {
  held: false,
  holds: nothing,
  governance: null,
  attempt: 0,
  losses: 0,
  generation: 0,
  lease: null,
  intents: nothing,
  steps: 0,
  waits: nothing,
  signals: nothing,
  unknown: null,
  cancel: null,
  expiresAtMs: null,
  queuedAtMs: null,
  startedAtMs: null,
  failure: null,
  result: null,
  dismissed: null,
  prunedAtMs: null
} as const satisfies Partial<TaskProgress>

const written = (name: string, value: unknown, usual: unknown): string =>
  value === usual || (Array.isArray(value) && value.length === 0) ? "" : `,"${name}":${typeof value === "number" ? value : JSON.stringify(value)}`

/** The JSON of what was asked for. */
export const specText = (task: Task): string => {
  const {
    authors,
    class: taskClass,
    concurrencyKey,
    createdAtMs,
    dispatchKey,
    forkedFrom,
    id,
    key,
    kind,
    limits,
    parent,
    payload,
    payloadSha256,
    priority,
    queue,
    requester,
    retry,
    risk,
    schedule,
    sensitive,
    tenant,
    trace,
    unique
  } = task
  const spec: StoredSpec = { kind, class: taskClass, payload, payloadSha256, requester, trace, limits, retry, createdAtMs }
  const rest = written("authors", authors, nothing) + written("risk", risk, specDefaults.risk) + written("tenant", tenant, specDefaults.tenant) + written("queue", queue, taskClass) + written("priority", priority, 0) +
    written("concurrencyKey", concurrencyKey, null) + written("unique", unique, null) + written("key", key, null) + written("parent", parent, null) +
    written("forkedFrom", forkedFrom, null) + written("schedule", schedule, null) + written("dispatchKey", dispatchKey, id) + written("sensitive", sensitive, undefined)
  return `${JSON.stringify(spec).slice(0, -1)}${rest}}`
}

// Written piece by piece, since every change of a task passes through here. `rows.test.ts` reads it back.
/** The JSON of where a task stands. */
export const progressText = (task: Task): string => {
  const { attempt, availableAtMs, budget, cancel, dismissed, expiresAtMs, failure, generation, governance, held, holds, intents, kindVersion, lease, losses, prunedAtMs, queuedAtMs, result, signals, startedAtMs, state, steps, unknown, updatedAtMs, waits } = task
  return `{"state":"${state}","kindVersion":${JSON.stringify(kindVersion)},"budget":${budget},"availableAtMs":${availableAtMs},"updatedAtMs":${updatedAtMs}${
    written("held", held, false) + written("holds", holds, nothing) + written("governance", governance, null) + written("attempt", attempt, 0) + written("losses", losses, 0) + written("generation", generation, 0) +
    written("lease", lease, null) + written("intents", intents, nothing) + written("steps", steps, 0) + written("waits", waits, nothing) + written("signals", signals, nothing) +
    written("unknown", unknown, null) + written("cancel", cancel, null) + written("expiresAtMs", expiresAtMs, null) + written("queuedAtMs", queuedAtMs, null) +
    written("startedAtMs", startedAtMs, null) + written("failure", failure, null) + written("result", result, null) +
    written("dismissed", dismissed, null) + written("prunedAtMs", prunedAtMs, null)
  }}`
}

/** Throws a `SyntaxError` when the row is damaged. */
export const taskOf = (row: TaskRow): Task => {
  const spec: StoredSpec = JSON.parse(row.spec)
  const progress: Omit<TaskProgress, keyof typeof progressDefaults> = JSON.parse(row.progress)
  const task: Task = { id: TaskId.make(row.id), dispatchKey: row.id, queue: spec.class, ...specDefaults, ...spec, ...progressDefaults, ...progress }
  if (!taskStates.includes(task.state) || !Number.isSafeInteger(task.budget)) throw new SyntaxError(`task ${row.id} is damaged`)
  return task
}

/** Throws when the row is damaged. */
export const approvedOf = ({ facts }: { readonly facts: string }): ApprovedRun => decodeApproved(facts)

export interface StepRow {
  readonly task: string
  readonly number: number
  readonly name: string
  readonly state: string
  readonly place: string
  readonly result: string | null
  readonly code: string | null
  readonly error: string | null
  readonly started_at_ms: number
  readonly ended_at_ms: number | null
}

type Place = Omit<Step, "task" | "number" | "name" | "state" | "result" | "code" | "error" | "startedAtMs" | "endedAtMs">

export const placeText = (step: Step): string => {
  const { answers, attempt, child, copiedFrom, dispatchKey, drawn, effect, generation, index, inputSha256, scope, sensitive, sort, supervisor, wakeAtMs } = step
  const place: Place = { scope, index, sort, effect, dispatchKey, inputSha256, drawn, answers, supervisor, attempt, generation, wakeAtMs, child, copiedFrom, ...(sensitive === undefined ? {} : { sensitive }) }
  return JSON.stringify(place)
}

const isStepState = (state: string): state is StepState => stepStates.some((known) => known === state)

/** Throws a `SyntaxError` when the row is damaged. */
export const stepOf = ({ code, ended_at_ms, error, name, number, place: text, result, started_at_ms, state, task }: StepRow): Step => {
  const place: Place = JSON.parse(text)
  if (!isStepState(state)) throw new SyntaxError(`step ${number} of task ${task} is damaged`)
  return { ...place, task: TaskId.make(task), number, name, state, result, code, error, startedAtMs: started_at_ms, endedAtMs: ended_at_ms }
}

export interface AttemptRow {
  readonly task: string
  readonly number: number
  readonly generation: number
  readonly code: string
  readonly error: string
  readonly started_at_ms: number | null
  readonly ended_at_ms: number
}

export const attemptOf = (row: AttemptRow): Attempt => ({
  task: TaskId.make(row.task),
  number: row.number,
  generation: row.generation,
  code: row.code,
  error: row.error,
  startedAtMs: row.started_at_ms,
  endedAtMs: row.ended_at_ms
})

export interface EventRow {
  readonly seq: number
  readonly v: number
  readonly at: number
  readonly type: string
  readonly task: string | null
  readonly trace: string | null
  readonly actor: string
  readonly payload: string | null
  readonly payload_sha256: string
  readonly hash: string
}

export const eventOf = (row: EventRow, stream: string, prev: string): TaskEvent => ({
  v: row.v,
  stream,
  seq: row.seq,
  at: row.at,
  type: row.type,
  task: row.task,
  trace: row.trace,
  actor: row.actor,
  payload: row.payload,
  payloadSha256: row.payload_sha256,
  prev,
  hash: row.hash
})

export interface RestoredRow {
  readonly number: number
  readonly at_ms: number
  readonly actor: string
  readonly backup_seq: number
  readonly backup_hash: string
  readonly generation_floor: number
  readonly released_at_ms: number | null
}

export const restoredOf = (row: RestoredRow | undefined): Restored | null =>
  row === undefined ? null : {
    number: row.number,
    atMs: row.at_ms,
    actor: row.actor,
    backupSeq: row.backup_seq,
    backupHash: row.backup_hash,
    generationFloor: row.generation_floor,
    releasedAtMs: row.released_at_ms
  }
