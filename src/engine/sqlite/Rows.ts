/** How tasks, attempts and events stand in rows. Written by hand: decoding by schema costs more than the disk does. */
import { type Attempt, type Task, TaskId, type TaskProgress, type TaskSpec } from "../../domain/Task.ts"
import { taskStates } from "../../domain/TaskState.ts"
import { type Step, type StepState, stepStates } from "../../domain/Step.ts"
import type { TaskEvent } from "../../domain/TaskEvent.ts"

export interface TaskRow {
  readonly id: string
  readonly spec: string
  readonly progress: string
}

/** Columns of a task in the order of the statements that write it. */
export const specText = (task: Task): string => {
  const { class: taskClass, createdAtMs, dispatchKey, forkedFrom, key, kind, limits, parent, payload, payloadSha256, requester, retry, risk, tenant, trace } = task
  const spec: Omit<TaskSpec, "id"> = { kind, class: taskClass, risk, tenant, payload, payloadSha256, requester, key, trace, dispatchKey, limits, retry, createdAtMs, parent, forkedFrom }
  return JSON.stringify(spec)
}

// Written piece by piece: most members are numbers or null, and every change of a task passes through here. The members are
// those of `TaskProgress`; `rows.test.ts` reads them back.
export const progressText = (task: Task): string =>
  `{"state":"${task.state}","kindVersion":${JSON.stringify(task.kindVersion)},"held":${task.held},"holds":${list(task.holds)},"attempt":${task.attempt},"budget":${task.budget},"losses":${task.losses},"generation":${task.generation},"lease":${json(task.lease)},"intents":${
    list(task.intents)
  },"steps":${task.steps},"waits":${list(task.waits)},"signals":${list(task.signals)},"unknown":${json(task.unknown)},"cancel":${json(task.cancel)},"availableAtMs":${task.availableAtMs},"expiresAtMs":${
    task.expiresAtMs
  },"queuedAtMs":${task.queuedAtMs},"startedAtMs":${task.startedAtMs},"updatedAtMs":${task.updatedAtMs},"failure":${json(task.failure)},"result":${
    json(task.result)
  }}`

const list = (items: ReadonlyArray<unknown>): string => (items.length === 0 ? "[]" : JSON.stringify(items))

const json = (value: object | string | null): string => (value === null ? "null" : JSON.stringify(value))

/** Throws a `SyntaxError` when the row is damaged. */
export const taskOf = (row: TaskRow): Task => {
  const spec: Omit<TaskSpec, "id"> = JSON.parse(row.spec)
  const progress: TaskProgress = JSON.parse(row.progress)
  if (!taskStates.includes(progress.state) || !Number.isSafeInteger(progress.generation)) throw new SyntaxError(`task ${row.id} is damaged`)
  return { id: TaskId.make(row.id), ...spec, ...progress }
}

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
  const { answers, attempt, child, copiedFrom, dispatchKey, drawn, effect, generation, index, inputSha256, scope, sort, supervisor, wakeAtMs } = step
  const place: Place = { scope, index, sort, effect, dispatchKey, inputSha256, drawn, answers, supervisor, attempt, generation, wakeAtMs, child, copiedFrom }
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
