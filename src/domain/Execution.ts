/**
 * A run under its lease: beginning an effect, settling it, and taking back what a dead or late worker left.
 * Every write names the generation it holds; under any other it is refused, counted, and changes nothing.
 */
import { Either } from "effect"
import { canonical, type Json } from "./Canonical.ts"
import { about, type Decision, entered, granted, refused } from "./Decision.ts"
import { type Held, isHeldBy, isInForce } from "./Lease.ts"
import { matrix } from "./Matrix.ts"
import type { Message } from "./Message.ts"
import type { Now } from "./Now.ts"
import { LeaseInForce, LeaseLost } from "./Refusal.ts"
import { delayAfterMs } from "./RetryPolicy.ts"
import { highestNumber, type Step, type StepChange, type StepDraft } from "./Step.ts"
import { type Attempt, compensatedCode, isIn, type Task, type TaskIn } from "./Task.ts"
import { loggedResult, withoutSecretsOf } from "./TaskSecrets.ts"
import { type TaskState } from "./TaskState.ts"
import { isPastClose, queueDeadlineMs, timeoutCode } from "./Timeout.ts"
import { move } from "./Transition.ts"

const actor = "system:runtime"

/** The most runs a task may lose with their worker: a task that kills its server ends here. */
export const lossesMax = matrix.prepare.retry.attemptsMax
/** From so many on a task may be what ends its server: it runs while no other such task does. */
const suspectFrom = 2
export const isSuspect = ({ losses }: Pick<Task, "losses">): boolean => losses >= suspectFrom
export const recoveryExceeded = "recovery_attempts_exceeded"

/** How a step ended, as far as anybody knows. */
export type Outcome =
  | { readonly _tag: "Succeeded"; readonly result: Json }
  | {
    readonly _tag: "Failed"
    readonly code: string
    readonly error: string
    /** Set when another attempt could not do better. */
    readonly final?: true
  }
  /** The effect was certainly not started. */
  | {
    readonly _tag: "NotStarted"
    readonly code: string
    readonly error: string
    /** Set when the machine kept every run from starting: it is handed back, and nothing is counted. */
    readonly spared?: true
  }
  /** It may or may not have happened. Only for dangerous effects. */
  | { readonly _tag: "Unknown"; readonly code: string; readonly error: string }
  /** It stopped because somebody asked it to; what was to be undone is undone. */
  | { readonly _tag: "Stopped"; readonly compensated: boolean }

/** Refuses a late write, on the record. */
export const fenced = (task: Task, held: Held, write: string): Decision<never> =>
  refused(new LeaseLost({ task: task.id, write, generation: held.generation, current: task.generation }), {
    events: [about(task, "write.fenced", actor, { write, generation: held.generation, current_generation: task.generation })]
  })

export interface Begun {
  /** The step as it is stored; null: the task was asked to end, and nothing is to be started. Its run is settled as stopped. */
  readonly step: Step | null
  /** Whether what was done is to be undone before that. */
  readonly compensate: boolean
  /** The effect may not start later than this instant of the machine's monotonic clock. */
  readonly startBeforeMonoMs: number
}

/**
 * Stores the intent to start an effect. The lease is checked here, once more, immediately before the effect: it must be
 * this holder's and still in force. A pending cancel takes effect here, since a step begins. `more` are changes of earlier
 * steps that are stored along.
 */
export const begin = (task: Task, held: Held, draft: StepDraft, now: Now, more: ReadonlyArray<StepChange> = []): Decision<Begun> => {
  const boundary = atBoundary(task, held, draft, "intent", now)
  if (boundary._tag === "Stop") return boundary.decision
  const { attempt, generation } = task
  const { answers, effect, name, number, supervisor } = draft
  const intent = { step: number, name, effect, answers, attempt, generation, supervisor, atMs: now.wallMs }
  const step = opened(task, draft, now)
  const begun: Task = {
    ...task,
    intents: task.intents.length === 0 ? [intent] : [...task.intents.filter((open) => open.step !== number), intent],
    steps: highestNumber(Math.max(task.steps, number), more),
    updatedAtMs: now.wallMs
  }
  const event = about(begun, "effect.intent", actor, {
    step: number,
    name,
    effect,
    attempt,
    generation: held.generation,
    dispatch_key: draft.dispatchKey,
    payload_sha256: draft.inputSha256,
    pid: supervisor?.pid ?? null,
    start_ticks: supervisor?.startTicks ?? null,
    mono_ms: now.monoMs,
    start_before_mono_ms: now.leaseUntilMonoMs
  })
  const answer = { step, compensate: false, startBeforeMonoMs: now.leaseUntilMonoMs }
  return granted(answer, { tasks: [begun], steps: [...more, { _tag: "Put", step }], events: [event] })
}

/** The scope of the steps that undo others. A pending cancel does not stop them. */
export const undoScope = "undo"
const isUndo = ({ scope }: StepDraft): boolean => scope.startsWith(undoScope)

type Boundary =
  | { readonly _tag: "Stop"; readonly decision: Decision<Begun> }
  | { readonly _tag: "Go"; readonly task: TaskIn<"RUNNING"> }

/** Where a run may be stopped: its lease is checked, and a pending cancel takes effect. */
export const atBoundary = (task: Task, held: Held, draft: StepDraft, write: string, now: Now): Boundary => {
  if (!isIn(task, "RUNNING") || !isHeldBy(task, held) || task.lease === null || !isInForce(task.lease, now)) {
    return { _tag: "Stop", decision: fenced(task, held, write) }
  }
  if (task.cancel === null || isUndo(draft)) return { _tag: "Go", task }
  return { _tag: "Stop", decision: granted({ step: null, compensate: task.cancel.compensate, startBeforeMonoMs: now.monoMs }, {}) }
}

/** A step that begins now. */
export const opened = (task: Task, draft: StepDraft, now: Now): Step => ({
  task: task.id,
  number: draft.number,
  scope: draft.scope,
  index: draft.index,
  name: draft.name,
  sort: draft.sort,
  effect: draft.effect,
  dispatchKey: draft.dispatchKey,
  inputSha256: draft.inputSha256,
  drawn: draft.drawn,
  answers: draft.answers,
  supervisor: draft.supervisor,
  state: "open",
  attempt: task.attempt,
  generation: task.generation,
  result: null,
  code: null,
  error: null,
  wakeAtMs: null,
  child: null,
  copiedFrom: null,
  ...(draft.sensitive === undefined ? {} : { sensitive: draft.sensitive }),
  startedAtMs: now.wallMs,
  endedAtMs: null
})

// The steps that end with their run: a command that is the whole of its task. What a later run has to ask about stays open.
const endsOf = (task: Task, state: "succeeded" | "failed" | "cleared", facts: Partial<Pick<Step, "result" | "code" | "error">>, now: Now): ReadonlyArray<StepChange> =>
  task.intents.filter((intent) => !intent.answers || intent.effect !== "dangerous").map(({ step }) => ({
    _tag: "End",
    task: task.id,
    number: step,
    state,
    result: facts.result ?? null,
    code: facts.code ?? null,
    error: facts.error ?? null,
    endedAtMs: now.wallMs
  }))

/** Ends a run with its outcome. `chance` in [0, 1) is the jitter of a retry; `more` are changes of its steps that are stored along. */
export const settle = (task: Task, held: Held, outcome: Outcome, now: Now, chance: number, more: ReadonlyArray<StepChange> = []): Decision<Task> => {
  if (!isIn(task, "RUNNING") || !isHeldBy(task, held)) return fenced(task, held, "settle")
  const decision = ended(task, held.generation, outcome, now, chance)
  return more.length === 0 ? decision : { ...decision, steps: [...more, ...decision.steps] }
}

// Precedence: an unknown outcome, then a success, then a pending cancel, then the close deadline, then a retry.
const ended = (task: TaskIn<"RUNNING">, generation: number, reported: Outcome, now: Now, chance: number): Decision<Task> => {
  const outcome = "error" in reported && task.sensitive !== undefined ? { ...reported, error: withoutSecretsOf(task, reported.error) } : reported
  if (outcome._tag === "Unknown") return unknown(task, generation, outcome, now)
  if (outcome._tag === "Succeeded") {
    const result = canonical(outcome.result)
    const succeeded = move(task, "SUCCEEDED", "settle", { ...unheld(now), result, cancel: null })
    const event = entered(succeeded, "RUNNING", "settle", actor, { attempt: task.attempt, generation, result: loggedResult(task, outcome.result, result) })
    return granted(succeeded, { tasks: [succeeded], steps: endsOf(task, "succeeded", { result }, now), events: [event], messages: [endedMessage(succeeded)] })
  }
  if (outcome._tag === "Stopped") {
    const open = dangerousIn(task)
    return open === undefined
      ? { ...canceled(task, [], now, outcome.compensated), steps: endsOf(task, "cleared", { code: "stopped" }, now) }
      : unknown(task, generation, { code: "stopped", error: `the run was stopped in the middle of step ${open.step}, which is dangerous` }, now)
  }
  const decision = outcome._tag === "NotStarted" ? notStarted(task, outcome, now, chance) : endedBadly(task, generation, outcome, now, chance)
  const steps = endsOf(task, outcome._tag === "NotStarted" ? "cleared" : "failed", outcome, now)
  return steps.length === 0 ? decision : { ...decision, steps }
}

const endedBadly = (task: TaskIn<"RUNNING">, generation: number, outcome: Extract<Outcome, { _tag: "Failed" }>, now: Now, chance: number): Decision<Task> => {
  const attempts = [failedAttempt(task, generation, outcome, now)]
  // What is to be undone is undone first, with as many attempts as the task has, and however late it is.
  if (task.cancel !== null && !task.cancel.compensate) return canceled(task, attempts, now)
  const failure = { code: outcome.code, error: outcome.error }
  if (task.cancel === null && isPastClose(task.limits, task.queuedAtMs, now.wallMs)) {
    const expired: Task = { ...move(rested(task, now), "EXPIRED", "expire"), failure }
    const facts = { attempt: task.attempt, generation, code: timeoutCode.scheduleToClose, error: outcome.error }
    return granted(expired, { tasks: [expired], attempts, events: [entered(expired, "RUNNING", "expire", actor, facts)], messages: [endedMessage(expired)] })
  }
  if (task.budget <= 0 || outcome.final === true) return failed(task, generation, failure, "settle", attempts, now)
  const waitMs = delayAfterMs(task.retry.attemptsMax - task.budget, task.retry, chance)
  return queuedAgain(task, generation, failure, "retry", now.wallMs + waitMs, attempts, now)
}

/** What is found of a run whose lease is void. */
export type Finding =
  | { readonly _tag: "NotBegun" }
  | { readonly _tag: "Finished"; readonly outcome: Outcome }
  | { readonly _tag: "Alive" }
  | { readonly _tag: "Gone"; readonly error: string }

export interface Reclaimed {
  readonly task: Task
  /** Set when the command is still running and is watched from here on under a new lease. */
  readonly adopted: Held | null
}

/**
 * Takes back a run of an earlier epoch: reads what finished, adopts what still runs, queues what never began, and never runs
 * a dangerous effect again whose outcome is not known. Refused while the lease is in force.
 */
export const reclaim = (task: Task, finding: Finding, worker: string, now: Now, chance: number): Decision<Reclaimed> => {
  if (!isIn(task, "RUNNING") || task.lease === null || task.lease.epoch === now.epoch) return refused(new LeaseInForce({ task: task.id }), {})
  if (finding._tag === "Alive") return adopted(task, worker, now)
  const decision = finding._tag === "Finished"
    ? ended(task, task.generation, finding.outcome, now, chance)
    : finding._tag === "Gone" && unanswered(task) !== undefined
    ? unknown(task, task.generation, { code: lostCode(task), error: finding.error }, now)
    : lost(task, { code: "lease_lost", error: finding._tag === "Gone" ? finding.error : "the worker was lost before it began" }, now, chance)
  return { ...decision, answer: Either.map(decision.answer, (after) => ({ task: after, adopted: null })) }
}

// Code has no supervisor: it was lost with its worker.
const lostCode = ({ intents }: Task): string => (intents.some(({ supervisor }) => supervisor !== null) ? "supervisor_gone" : "worker_lost")

/** The first effect in hand whose outcome nobody can tell by looking. */
export const unanswered = ({ intents }: Pick<Task, "intents">) => intents.find(({ answers, effect }) => effect === "dangerous" && !answers)
const dangerousIn = ({ intents }: Task) => intents.find(({ effect }) => effect === "dangerous")

const adopted = (task: TaskIn<"RUNNING">, worker: string, now: Now): Decision<Reclaimed> => {
  const generation = task.generation + 1
  const held = { generation, epoch: now.epoch }
  const watched: Task = { ...task, generation, lease: { epoch: now.epoch, worker }, updatedAtMs: now.wallMs }
  const event = about(watched, "effect.adopted", actor, {
    step: task.intents[0]?.step ?? 1,
    attempt: task.attempt,
    generation,
    from_generation: task.generation,
    epoch: now.epoch,
    dispatch_key: task.dispatchKey
  })
  return granted({ task: watched, adopted: held }, { tasks: [watched], events: [event] })
}

/** Pauses after losses, with full jitter, so that nothing is tried in a tight loop, and what was lost together is not claimed together. */
const lossPause = matrix.prepare.retry

const stopsNow = (task: Task): boolean => task.cancel !== null && !task.cancel.compensate && !task.intents.some(({ answers }) => answers)

const notStarted = (task: TaskIn<"RUNNING">, outcome: Extract<Outcome, { _tag: "NotStarted" }>, now: Now, chance: number): Decision<Task> => {
  const failure = { code: outcome.code, error: outcome.error }
  if (outcome.spared !== true) return lost(task, failure, now, chance)
  if (stopsNow(task)) return canceled(task, [], now)
  // It keeps its place too: it is due since it was.
  return queuedAgain({ ...task, budget: task.budget + 1 }, task.generation, failure, "hand_back", task.availableAtMs, [], now)
}

// The run is void and spends no attempt.
const lost = (task: TaskIn<"RUNNING">, failure: { readonly code: string; readonly error: string }, now: Now, chance: number): Decision<Task> => {
  const attempts = [failedAttempt(task, task.generation, failure, now)]
  if (stopsNow(task)) return canceled(task, attempts, now)
  const losses = task.losses + 1
  const again = { ...task, losses, budget: task.budget + 1 }
  return losses >= lossesMax
    ? failed(again, task.generation, { code: recoveryExceeded, error: failure.error }, "lease_lost", attempts, now)
    : queuedAgain(again, task.generation, failure, "lease_lost", now.wallMs + delayAfterMs(losses, lossPause, chance), attempts, now)
}

const failed = (
  task: TaskIn<"RUNNING">,
  generation: number,
  failure: { readonly code: string; readonly error: string },
  by: "settle" | "lease_lost",
  attempts: ReadonlyArray<Attempt>,
  now: Now
): Decision<Task> => {
  const after: Task = { ...move(rested(task, now), "FAILED", by), failure, cancel: leftToUndo(task) }
  const event = entered(after, "RUNNING", by, actor, { attempt: task.attempt, generation, ...failure })
  return granted(after, { tasks: [after], attempts, events: [event], messages: [deadNotice(after)] })
}

const queuedAgain = (
  task: TaskIn<"RUNNING">,
  generation: number,
  failure: { readonly code: string; readonly error: string },
  by: "retry" | "lease_lost" | "hand_back",
  availableAtMs: number,
  attempts: ReadonlyArray<Attempt>,
  now: Now
): Decision<Task> => {
  const after: Task = {
    ...move(rested(task, now), "QUEUED", by),
    ...requeued(task, availableAtMs),
    failure
  }
  const event = entered(after, "RUNNING", by, actor, { attempt: task.attempt, generation, available_at_ms: availableAtMs, ...failure })
  return granted(after, { tasks: [after], attempts, events: [event] })
}

/** The state stays RUNNING and the lease goes: nobody may act on the task but a person who looked. */
export const unknown = (
  task: TaskIn<"RUNNING">,
  generation: number,
  { code, error }: { readonly code: string; readonly error: string },
  now: Now
): Decision<Task> => {
  const { attempt } = task
  const step = (unanswered(task) ?? dangerousIn(task) ?? task.intents[0])?.step ?? 1
  const after: Task = {
    ...task,
    lease: null,
    failure: { code, error },
    unknown: { step, code, attempt, generation, sinceMs: now.wallMs },
    updatedAtMs: now.wallMs
  }
  return granted(after, {
    tasks: [after],
    attempts: [failedAttempt(task, generation, { code, error }, now)],
    events: [about(after, "task.outcome_unknown", actor, { step, attempt, generation, code, error })],
    messages: [{ topic: "outcome_unknown", task: task.id, text: `${task.kind}: it is not known whether it happened; look, then reconcile` }]
  })
}

// A run that ends at its boundary because somebody asked for it.
const canceled = (task: TaskIn<"RUNNING">, attempts: ReadonlyArray<Attempt>, now: Now, compensated = false): Decision<Task> => {
  const { actor: by, reason } = task.cancel ?? { actor, reason: null }
  const after: Task = {
    ...move(rested(task, now), "CANCELED", "cancel"),
    cancel: null,
    failure: compensated ? { code: compensatedCode, error: reason ?? "" } : task.failure
  }
  const event = entered(after, "RUNNING", "cancel", by, { attempt: task.attempt, generation: task.generation, reason, compensated })
  return granted(after, { tasks: [after], attempts, events: [event], messages: [endedMessage(after)] })
}

/** A task that nobody runs any more. */
export const rested = <S extends TaskState>(task: TaskIn<S>, now: Now): TaskIn<S> => ({ ...task, ...unheld(now) })

const nothing: ReadonlyArray<never> = []
const unheld = (now: Now) => ({ lease: null, intents: nothing, waits: nothing, expiresAtMs: null, updatedAtMs: now.wallMs })

/** The request to undo what was done, on a task that failed before it was: a recovery goes on with it, and with nothing else. */
export const leftToUndo = ({ cancel }: Pick<Task, "cancel">) => (cancel?.compensate === true ? cancel : null)

/**
 * What a run takes back to the queue, or is woken with. An effect that a later run can ask about is still in its hands: neither time
 * nor a cancel ends the task before somebody has asked. Nor does time end one that was asked to end: that comes first.
 */
export const requeued = (task: Task, availableAtMs: number) => {
  const intents = task.intents.filter(({ answers }) => answers)
  const waits = intents.length > 0 || task.cancel !== null
  return { intents, availableAtMs, expiresAtMs: waits ? null : queueDeadlineMs(task.limits, task.queuedAtMs, availableAtMs) }
}

const failedAttempt = (task: Task, generation: number, { code, error }: { readonly code: string; readonly error: string }, now: Now): Attempt => ({
  task: task.id,
  number: task.attempt,
  generation,
  code,
  error,
  startedAtMs: task.startedAtMs,
  endedAtMs: now.wallMs
})

const endedMessage = (task: Task) => ({ topic: "task_ended" as const, task: task.id, text: `${task.kind} ended: ${task.state}` })

/** What people are told of an entry into the dead letter. It belongs to the decision that makes the entry, so there is one for each. */
export const deadNotice = (task: Task): Message => ({
  topic: "dead_letter",
  task: task.id,
  text: `${task.kind} failed (${task.failure?.code ?? "unknown"}) and waits in the dead letter: redrive or dismiss it`
})
