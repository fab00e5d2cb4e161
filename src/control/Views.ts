/**
 * Tasks as people and programs see them. Member names are the public ones; payloads, results and errors
 * are shown redacted: `redactor` has the key of the data folder, if there is one.
 */
import { governanceOf } from "./Card.ts"
import type { Step } from "../domain/Step.ts"
import { isBlocked, isIn, type Attempt, type Task } from "../domain/Task.ts"
import { neverMs } from "../domain/Timeout.ts"
import { shortId } from "../domain/TaskState.ts"
import { nextFor } from "../domain/Request.ts"
import type { Json } from "../domain/Canonical.ts"
import { plainly, type Redactor } from "../domain/Redaction.ts"
import type { Paths } from "../domain/Sensitive.ts"
import { secretsOf } from "../domain/TaskSecrets.ts"

/** A row of `task list --json`. */
export const rowOf = (task: Task, redactor: Redactor = plainly) => rowWith(task, forTask(task, redactor))

/** Also takes out what the payload of the task has that its schema marks. */
const forTask = (task: Task, redactor: Redactor): Redactor => redactor.knowing(secretsOf(task))

const rowWith = (task: Task, { text }: Redactor) => ({
  id: task.id,
  short: shortId(task.id),
  kind: task.kind,
  class: task.class,
  risk: task.risk,
  tenant: task.tenant,
  queue: task.queue,
  priority: task.priority,
  concurrency_key: task.concurrencyKey === null ? null : text(task.concurrencyKey),
  unique: task.unique === null ? null : { ...task.unique, key: text(task.unique.key) },
  available_at: task.state === "QUEUED" && task.availableAtMs < neverMs ? task.availableAtMs : null,
  state: task.state,
  blocked: isBlocked(task),
  holds: task.holds,
  outcome_unknown: task.unknown !== null,
  cancel_requested: task.cancel !== null,
  attempt: task.attempt,
  generation: task.generation,
  lease: task.lease,
  intent_generation: task.intents[0]?.generation ?? null,
  failure: task.failure === null ? null : { ...task.failure, error: text(task.failure.error) },
  created_at: task.createdAtMs,
  updated_at: task.updatedAtMs
})

/** The rows of `task steps --json`. */
export const stepsOf = (task: Task | undefined, steps: ReadonlyArray<Step>, redactor: Redactor = plainly) => {
  const known = task === undefined ? redactor : forTask(task, redactor)
  return steps.map((step) => stepOf(step, known))
}

/** A row of `task steps --json`. */
export const stepOf = (step: Step, redactor: Redactor = plainly) => ({
  number: step.number,
  name: step.name,
  sort: step.sort,
  effect: step.effect,
  state: step.state,
  attempt: step.attempt,
  generation: step.generation,
  scope: step.scope,
  dispatch_key: step.dispatchKey,
  result: shown(step.result, redactor, step.sensitive),
  code: step.code,
  error: step.error === null ? null : redactor.text(step.error),
  wake_at: step.wakeAtMs,
  child: step.child,
  copied_from: step.copiedFrom,
  started_at: step.startedAtMs,
  ended_at: step.endedAtMs
})

/** What a parked run waits for, and since when. Null unless it is parked: a task that is queued for another attempt is not. */
const waitsOf = (task: Task, steps: ReadonlyArray<Step>) => {
  const waiting = steps.filter(({ state }) => state === "waiting")
  const [first] = waiting
  const isParked = isIn(task, "QUEUED") && (task.waits.length > 0 || waiting.some(({ wakeAtMs }) => wakeAtMs === task.availableAtMs))
  if (first === undefined || !isParked) return null
  const untilMs = Math.min(...waiting.map(({ wakeAtMs }) => wakeAtMs ?? neverMs))
  return {
    for: task.waits,
    until: untilMs === neverMs ? null : untilMs,
    since: waiting.reduce((earliest, { startedAtMs }) => Math.min(earliest, startedAtMs), first.startedAtMs),
    steps: waiting.map(({ name, number }) => ({ number, name }))
  }
}

/** What is around a task: its steps and attempts, and the tasks that came of it. */
export interface Around {
  readonly steps: ReadonlyArray<Step>
  readonly attempts: ReadonlyArray<Attempt>
  readonly children: ReadonlyArray<Task>
  readonly forks: ReadonlyArray<Task>
}

const relativeOf = ({ id, kind, state }: Task, step: number | null) => ({ task: id, short: shortId(id), kind, state, step })

/** `task show --json`. */
export const detailOf = (task: Task, around: Around, redactor: Redactor = plainly) => detailWith(task, around, forTask(task, redactor))

const detailWith = (task: Task, { attempts, children, forks, steps }: Around, redactor: Redactor) => ({
  ...rowWith(task, redactor),
  requester: task.requester,
  authors: task.authors,
  /** What people have to do and have done; null for a task that needs none. */
  governance: governanceOf(task, redactor),
  trace: task.trace,
  kind_version: task.kindVersion,
  payload: shown(task.payload, redactor, task.sensitive?.payload),
  payload_sha256: task.payloadSha256,
  dispatch_key: task.dispatchKey,
  effects: task.intents,
  unknown: task.unknown,
  cancel: task.cancel === null ? null : { ...task.cancel, reason: redactor.text(task.cancel.reason) },
  result: shown(task.result, redactor, task.sensitive?.result),
  /** Since when payload, results and errors are not there any more. */
  pruned_at: task.prunedAtMs,
  dismissed: task.dismissed === null ? null : { actor: task.dismissed.actor, reason: redactor.text(task.dismissed.reason), at: task.dismissed.atMs },
  parent: task.parent,
  forked_from: task.forkedFrom,
  children: children.map((child) => relativeOf(child, child.parent?.step ?? null)),
  forks: forks.map((fork) => relativeOf(fork, fork.forkedFrom?.step ?? null)),
  waits: waitsOf(task, steps),
  signals: task.signals.map(({ actor, atMs, name, payload }) => ({ name, payload: shown(payload, redactor), actor, at: atMs })),
  steps: steps.map((step) => stepOf(step, redactor)),
  attempts: attempts.map(({ code, endedAtMs, error, generation, number, startedAtMs }) => ({
    number,
    generation,
    code,
    error: redactor.text(error),
    started_at: startedAtMs,
    ended_at: endedAtMs
  })),
  next: nextFor(task)
})

const parsed = (text: string): Json => JSON.parse(text)

const shown = (text: string | null, { json }: Redactor, sensitive: Paths = []): Json => (text === null ? null : json(parsed(text), sensitive))

/** The payload of a task as it is stored. To look at it is a sensitive read. */
export const rawPayloadOf = ({ payload }: Task): Json => parsed(payload)

export type Row = ReturnType<typeof rowOf>
export type StepRow = ReturnType<typeof stepOf>
export type Detail = ReturnType<typeof detailOf>
