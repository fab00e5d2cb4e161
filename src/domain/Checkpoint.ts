/**
 * What a run keeps of its steps: the outcome of one that ended, and what a parked run waits for. Every write names the generation
 * it holds, as those of `Execution.ts` do.
 */
import { Either } from "effect"
import { canonical, type Json, sha256 } from "./Canonical.ts"
import { withoutSecretsOf } from "./TaskSecrets.ts"
import { about, type Decision, entered, granted } from "./Decision.ts"
import { atBoundary, type Begun, fenced, opened, requeued, rested, unanswered } from "./Execution.ts"
import type { Kind } from "./Kind.ts"
import { type Held, isHeldBy } from "./Lease.ts"
import type { Now } from "./Now.ts"
import { placedBy } from "./Placement.ts"
import { approvalNeeded, arrived, newTask, passThrough } from "./Request.ts"
import { highestNumber, type Step, type StepChange, type StepDraft } from "./Step.ts"
import { isIn, type Task, TaskId } from "./Task.ts"
import { isTerminal } from "./TaskState.ts"
import { neverMs } from "./Timeout.ts"
import { move } from "./Transition.ts"

const actor = "system:runtime"

/** How a step ended, as far as it is known. What is not known ends the run instead, see `settle`. */
export type StepEnd =
  | { readonly _tag: "Succeeded"; readonly result: Json }
  | { readonly _tag: "Failed"; readonly code: string; readonly error: string }
  /** It certainly did not happen. */
  | { readonly _tag: "Cleared"; readonly code: string }

/** Stores how a step ended. `more` are changes of other steps that are stored along. */
export const endStep = (
  task: Task,
  held: Held,
  step: Pick<Step, "number" | "name">,
  reported: StepEnd,
  now: Now,
  more: ReadonlyArray<StepChange> = []
): Decision<null> => {
  const end = reported._tag === "Failed" && task.sensitive !== undefined ? { ...reported, error: withoutSecretsOf(task, reported.error) } : reported
  if (!isIn(task, "RUNNING") || !isHeldBy(task, held)) return fenced(task, held, "checkpoint")
  const intents = task.intents.filter((intent) => intent.step !== step.number)
  // A run that gets on does not lose its worker by its own doing.
  const losses = end._tag === "Succeeded" ? 0 : task.losses
  const after: Task = { ...task, intents, losses, steps: highestNumber(task.steps, more), updatedAtMs: now.wallMs }
  const change = ended(task.id, step.number, end, now)
  const facts = { step: step.number, name: step.name, attempt: task.attempt, generation: held.generation }
  const event = end._tag === "Succeeded"
    ? about(after, "step.succeeded", actor, { ...facts, result_sha256: sha256(change.result ?? "null") })
    : about(after, end._tag === "Failed" ? "step.failed" : "step.settled", actor, { ...facts, code: change.code, error: change.error })
  return granted(null, { tasks: [after], steps: [...more, change], events: [event] })
}

/** The change that ends a step. */
export const ended = (task: TaskId, number: number, end: StepEnd, now: Now) =>
  ({
    _tag: "End",
    task,
    number,
    state: ({ Succeeded: "succeeded", Failed: "failed", Cleared: "cleared" } as const)[end._tag],
    result: end._tag === "Succeeded" ? canonical(end.result) : null,
    code: end._tag === "Succeeded" ? null : end.code,
    error: end._tag === "Failed" ? end.error : null,
    endedAtMs: now.wallMs
  }) as const

/** What a parked run waits for. The first that comes wakes it. */
export interface Wait {
  /** Unix time; null: no time. */
  readonly untilMs: number | null
  /** `signal:<name>`, `child:<id>`. */
  readonly waits: ReadonlyArray<string>
}

export const signalWait = (name: string): string => `signal:${name}`
const childPrefix = "child:"
export const childWait = (id: TaskId): string => `${childPrefix}${id}`
/** The children among what a run waits for. */
export const childrenIn = ({ waits }: Wait): ReadonlyArray<TaskId> =>
  waits.flatMap((wait) => (wait.startsWith(childPrefix) ? [TaskId.make(wait.slice(childPrefix.length))] : []))

/**
 * Parks a run: its row waits in the queue without lease and fiber until it is due, and no attempt is spent. What it waits for may
 * have come in the meantime; `children` are those that it waits for.
 */
export const suspend = (
  task: Task,
  held: Held,
  { untilMs, waits }: Wait,
  children: ReadonlyArray<Task | undefined>,
  steps: ReadonlyArray<StepChange>,
  now: Now
): Decision<null> => {
  // Nobody could tell later what became of a dangerous step in its middle, so a run does not park there.
  if (!isIn(task, "RUNNING") || !isHeldBy(task, held) || unanswered(task) !== undefined) return fenced(task, held, "suspend")
  const come = task.cancel !== null ||
    task.signals.some(({ name }) => waits.includes(signalWait(name))) ||
    children.some((child) => child === undefined || isTerminal[child.state])
  const dueMs = come ? now.wallMs : untilMs ?? neverMs
  const parked = { ...requeued(task, dueMs), waits: come ? [] : waits }
  const queued: Task = {
    ...move(rested(task, now), "QUEUED", "suspend"),
    ...parked,
    attempt: task.attempt - 1,
    budget: task.budget + 1,
    steps: highestNumber(task.steps, steps)
  }
  const { attempt, generation } = task
  const facts = { attempt, generation, available_at_ms: dueMs === neverMs ? null : dueMs, waits: parked.waits, code: "suspended", error: null }
  return granted(null, { tasks: [queued], steps, events: [entered(queued, "RUNNING", "suspend", actor, facts)] })
}

/** Answers a step that waits: it ended, or there is nothing yet, or the run was asked to end. */
export type Waited =
  | { readonly _tag: "Ended"; readonly end: StepEnd }
  | { readonly _tag: "Waits" }
  | { readonly _tag: "Stopped"; readonly compensate: boolean }

const stoppedAt = (decision: Decision<Begun>): Decision<Waited> => ({
  ...decision,
  answer: Either.map(decision.answer, ({ compensate }) => ({ _tag: "Stopped", compensate }) as const)
})

/** Takes the oldest signal of this name, if there is one. */
export const takeSignal = (task: Task, held: Held, draft: StepDraft, name: string, wakeAtMs: number | null, more: ReadonlyArray<StepChange>, now: Now): Decision<Waited> => {
  const boundary = atBoundary(task, held, draft, "signal", now)
  if (boundary._tag === "Stop") return stoppedAt(boundary.decision)
  const signal = task.signals.find((one) => one.name === name)
  if (signal !== undefined) {
    const rest = { ...task, signals: task.signals.filter((one) => one !== signal) }
    return endedWait(rest, draft, { _tag: "Succeeded", result: JSON.parse(signal.payload) }, more, now)
  }
  if (wakeAtMs !== null && now.wallMs >= wakeAtMs) {
    return endedWait(task, draft, { _tag: "Failed", code: "signal_timeout", error: `no signal ${name} came in time` }, more, now)
  }
  return nothingYet(task, more)
}

/** Reads how a child ended, if it has. */
export const takeChild = (task: Task, held: Held, draft: StepDraft, child: Task | undefined, more: ReadonlyArray<StepChange>, now: Now): Decision<Waited> => {
  const boundary = atBoundary(task, held, draft, "child", now)
  if (boundary._tag === "Stop") return stoppedAt(boundary.decision)
  if (child === undefined) return endedWait(task, draft, { _tag: "Failed", code: "child_gone", error: "there is no such task any more" }, more, now)
  if (!isTerminal[child.state]) return nothingYet(task, more)
  const end: StepEnd = child.state === "SUCCEEDED"
    ? { _tag: "Succeeded", result: child.result === null ? null : JSON.parse(child.result) }
    : { _tag: "Failed", code: `child_${child.state.toLowerCase()}`, error: `${child.kind} ${child.id} ended ${child.state}${child.failure === null ? "" : `: ${child.failure.error}`}` }
  return endedWait(task, child.sensitive === undefined ? draft : { ...draft, sensitive: child.sensitive.result }, end, more, now)
}

const nothingYet = (task: Task, more: ReadonlyArray<StepChange>): Decision<Waited> =>
  granted({ _tag: "Waits" }, { tasks: more.length === 0 ? [] : [{ ...task, steps: highestNumber(task.steps, more) }], steps: more })

const endedWait = (task: Task, draft: StepDraft, end: StepEnd, more: ReadonlyArray<StepChange>, now: Now): Decision<Waited> => {
  const after: Task = { ...task, steps: highestNumber(Math.max(task.steps, draft.number), more), updatedAtMs: now.wallMs }
  const { code, error, result, state } = ended(task.id, draft.number, end, now)
  const step: Step = { ...opened(task, draft, now), startedAtMs: draft.sinceMs ?? now.wallMs, state, result, code, error, endedAtMs: now.wallMs }
  const facts = { step: draft.number, name: draft.name, attempt: task.attempt, generation: task.generation }
  const event = end._tag === "Succeeded"
    ? about(after, "step.succeeded", actor, { ...facts, result_sha256: sha256(result ?? "null") })
    : about(after, "step.failed", actor, { ...facts, code, error })
  return granted({ _tag: "Ended", end }, { tasks: [after], steps: [...more, { _tag: "Put", step }], events: [event] })
}

/** Asks for a child: a task of its own, that its parent waits for. */
export const spawn = (
  task: Task,
  held: Held,
  draft: StepDraft,
  wanted: { readonly id: TaskId; readonly kind: Kind; readonly payload: Json },
  more: ReadonlyArray<StepChange>,
  now: Now
): Decision<Waited> => {
  const boundary = atBoundary(task, held, draft, "spawn", now)
  if (boundary._tag === "Stop") return stoppedAt(boundary.decision)
  const requested = newTask({
    ...wanted,
    requester: task.requester,
    authors: task.authors,
    key: null,
    trace: task.trace,
    parent: { task: task.id, step: draft.number },
    forkedFrom: null,
    placement: placedBy(wanted.kind, now.wallMs, task.tenant)
  }, now)
  const blocked = requested.holds.length > 0
  const through = blocked ? { task: requested, events: [] } : passThrough(requested, now)
  const after: Task = { ...task, steps: highestNumber(Math.max(task.steps, draft.number), more), updatedAtMs: now.wallMs }
  const step: Step = { ...opened(task, draft, now), state: "waiting", child: wanted.id }
  return granted({ _tag: "Waits" }, {
    tasks: [after, through.task],
    steps: [...more, { _tag: "Put", step }],
    events: [arrived(requested, "child"), ...through.events],
    messages: blocked ? [approvalNeeded(requested)] : []
  })
}

/** Adds to a decision that ended a child the word that wakes its parent. */
export const wakingParent = <A>(decision: Decision<A>, parent: Task | undefined, now: Now): Decision<A> => {
  const child = decision.tasks.find((task) => isTerminal[task.state] && task.parent !== null && task.parent.task === parent?.id)
  if (child === undefined || parent === undefined || !isIn(parent, "QUEUED") || !parent.waits.includes(childWait(child.id))) return decision
  const woken: Task = { ...parent, waits: [], ...requeued(parent, now.wallMs), updatedAtMs: now.wallMs }
  const event = about(woken, "child.ended", actor, { child: child.id, state: child.state, available_at_ms: now.wallMs })
  return { ...decision, tasks: [...decision.tasks, woken], events: [...decision.events, event] }
}

/** What a run says of how far it is. The latest word is kept in the log only. */
export const progress = (task: Task, held: Held, words: { readonly percent: number | null; readonly note: string }): Decision<null> =>
  isIn(task, "RUNNING") && isHeldBy(task, held)
    ? granted(null, { events: [about(task, "run.progress", actor, { attempt: task.attempt, generation: held.generation, ...words, note: withoutSecretsOf(task, words.note) })] })
    : fenced(task, held, "progress")
