/**
 * A run under its lease: beginning an effect, settling it, and taking back what a dead or late worker left.
 * Every write names the generation it holds; under any other it is refused, counted, and changes nothing.
 */
import { Either } from "effect"
import { canonical, type Json } from "./Canonical.ts"
import { about, type Decision, entered, granted, refused } from "./Decision.ts"
import type { Intent } from "./Intent.ts"
import { type Held, isHeldBy, isInForce } from "./Lease.ts"
import type { Now } from "./Now.ts"
import { LeaseInForce, LeaseLost } from "./Refusal.ts"
import { delayAfterMs } from "./RetryPolicy.ts"
import { type Attempt, isIn, type Task, type TaskIn } from "./Task.ts"
import { type TaskState } from "./TaskState.ts"
import { isPastClose, queueDeadlineMs, timeoutCode } from "./Timeout.ts"
import { move } from "./Transition.ts"

const actor = "system:runtime"

/** The most runs a task may lose with their worker: a task that kills its server ends here. */
export const lossesMax = 10
export const recoveryExceeded = "recovery_attempts_exceeded"

/** How a step ended, as far as anybody knows. */
export type Outcome =
  | { readonly _tag: "Succeeded"; readonly result: { readonly [key: string]: Json } }
  | { readonly _tag: "Failed"; readonly code: string; readonly error: string }
  /** The effect was certainly not started. */
  | { readonly _tag: "NotStarted"; readonly code: string; readonly error: string }
  /** It may or may not have happened. Only for dangerous effects. */
  | { readonly _tag: "Unknown"; readonly code: string; readonly error: string }

/** Refuses a late write, on the record. */
export const fenced = (task: Task, held: Held, write: string): Decision<never> =>
  refused(new LeaseLost({ task: task.id, write, generation: held.generation, current: task.generation }), {
    events: [about(task, "write.fenced", actor, { write, generation: held.generation, current_generation: task.generation })]
  })

export interface Begun {
  /** False: the task was canceled at this boundary and nothing is to be started. */
  readonly begun: boolean
  /** The effect may not start later than this instant of the machine's monotonic clock. */
  readonly startBeforeMonoMs: number
}

/**
 * Stores the intent to start an effect. The lease is checked here, once more, immediately before the effect: it must be
 * this holder's and still in force. A pending cancel takes effect here, since a step begins.
 */
export const begin = (task: Task, held: Held, intent: Omit<Intent, "attempt" | "generation" | "atMs">, now: Now): Decision<Begun> => {
  if (!isIn(task, "RUNNING") || !isHeldBy(task, held) || task.lease === null || !isInForce(task.lease, now)) return fenced(task, held, "intent")
  if (task.cancel !== null) return { ...canceled(task, [], now), answer: Either.right({ begun: false, startBeforeMonoMs: now.monoMs }) }
  const { attempt, generation } = task
  const begun: Task = { ...task, intent: { ...intent, attempt, generation, atMs: now.wallMs }, updatedAtMs: now.wallMs }
  const event = about(begun, "effect.intent", actor, {
    step: intent.step,
    effect: intent.effect,
    attempt,
    generation: held.generation,
    dispatch_key: task.dispatchKey,
    payload_sha256: task.payloadSha256,
    pid: intent.supervisor.pid,
    start_ticks: intent.supervisor.startTicks,
    mono_ms: now.monoMs,
    start_before_mono_ms: now.leaseUntilMonoMs
  })
  return granted({ begun: true, startBeforeMonoMs: now.leaseUntilMonoMs }, { tasks: [begun], events: [event] })
}

/** Ends a run with its outcome. `chance` in [0, 1) is the jitter of a retry. */
export const settle = (task: Task, held: Held, outcome: Outcome, now: Now, chance: number): Decision<Task> => {
  if (!isIn(task, "RUNNING") || !isHeldBy(task, held)) return fenced(task, held, "settle")
  return ended(task, held.generation, outcome, now, chance)
}

// Precedence: an unknown outcome, then a success, then a pending cancel, then the close deadline, then a retry.
const ended = (task: TaskIn<"RUNNING">, generation: number, outcome: Outcome, now: Now, chance: number): Decision<Task> => {
  if (outcome._tag === "Unknown") return unknown(task, generation, outcome, now)
  if (outcome._tag === "Succeeded") {
    const succeeded = move(task, "SUCCEEDED", "settle", { ...unheld(now), result: canonical(outcome.result), cancel: null })
    const event = entered(succeeded, "RUNNING", "settle", actor, { attempt: task.attempt, generation, result: outcome.result })
    return granted(succeeded, { tasks: [succeeded], events: [event], messages: [endedMessage(succeeded)] })
  }
  if (outcome._tag === "NotStarted") return lost(task, outcome, now)
  const attempts = [failedAttempt(task, generation, outcome, now)]
  if (task.cancel !== null) return canceled(task, attempts, now)
  const failure = { code: outcome.code, error: outcome.error }
  if (isPastClose(task.limits, task.queuedAtMs, now.wallMs)) {
    const expired: Task = { ...move(rested(task, now), "EXPIRED", "expire"), failure }
    const facts = { attempt: task.attempt, generation, code: timeoutCode.scheduleToClose, error: outcome.error }
    return granted(expired, { tasks: [expired], attempts, events: [entered(expired, "RUNNING", "expire", actor, facts)], messages: [endedMessage(expired)] })
  }
  if (task.budget <= 0) return failed(task, generation, failure, "settle", attempts, now)
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
    : finding._tag === "Gone" && task.intent?.effect === "dangerous"
    ? unknown(task, task.generation, { code: "supervisor_gone", error: finding.error }, now)
    : lost(task, { code: "lease_lost", error: finding._tag === "Gone" ? finding.error : "the worker was lost before it began" }, now)
  return { ...decision, answer: Either.map(decision.answer, (after) => ({ task: after, adopted: null })) }
}

const adopted = (task: TaskIn<"RUNNING">, worker: string, now: Now): Decision<Reclaimed> => {
  const generation = task.generation + 1
  const held = { generation, epoch: now.epoch }
  const watched: Task = { ...task, generation, lease: { epoch: now.epoch, worker }, updatedAtMs: now.wallMs }
  const event = about(watched, "effect.adopted", actor, {
    step: task.intent?.step ?? 1,
    attempt: task.attempt,
    generation,
    from_generation: task.generation,
    epoch: now.epoch,
    dispatch_key: task.dispatchKey
  })
  return granted({ task: watched, adopted: held }, { tasks: [watched], events: [event] })
}

/** Pauses after the second loss and later ones, so that nothing that cannot start is tried in a tight loop. */
const lossPause = { attemptsMax: lossesMax, baseMs: 100, capMs: 60_000 }
const pauseAfterLossMs = (losses: number): number => (losses <= 1 ? 0 : delayAfterMs(losses - 1, lossPause, 1 - Number.EPSILON))

// The run is void and spends no attempt.
const lost = (task: TaskIn<"RUNNING">, failure: { readonly code: string; readonly error: string }, now: Now): Decision<Task> => {
  const attempts = [failedAttempt(task, task.generation, failure, now)]
  if (task.cancel !== null) return canceled(task, attempts, now)
  const losses = task.losses + 1
  const again = { ...task, losses, budget: task.budget + 1 }
  return losses >= lossesMax
    ? failed(again, task.generation, { code: recoveryExceeded, error: failure.error }, "lease_lost", attempts, now)
    : queuedAgain(again, task.generation, failure, "lease_lost", now.wallMs + pauseAfterLossMs(losses), attempts, now)
}

const failed = (
  task: TaskIn<"RUNNING">,
  generation: number,
  failure: { readonly code: string; readonly error: string },
  by: "settle" | "lease_lost",
  attempts: ReadonlyArray<Attempt>,
  now: Now
): Decision<Task> => {
  const after: Task = { ...move(rested(task, now), "FAILED", by), failure }
  const event = entered(after, "RUNNING", by, actor, { attempt: task.attempt, generation, ...failure })
  return granted(after, { tasks: [after], attempts, events: [event], messages: [endedMessage(after)] })
}

const queuedAgain = (
  task: TaskIn<"RUNNING">,
  generation: number,
  failure: { readonly code: string; readonly error: string },
  by: "retry" | "lease_lost",
  availableAtMs: number,
  attempts: ReadonlyArray<Attempt>,
  now: Now
): Decision<Task> => {
  const after: Task = {
    ...move(rested(task, now), "QUEUED", by),
    failure,
    availableAtMs,
    expiresAtMs: queueDeadlineMs(task.limits, task.queuedAtMs, availableAtMs)
  }
  const event = entered(after, "RUNNING", by, actor, { attempt: task.attempt, generation, available_at_ms: availableAtMs, ...failure })
  return granted(after, { tasks: [after], attempts, events: [event] })
}

// The state stays RUNNING and the lease goes: nobody may act on the task but a person who looked.
const unknown = (
  task: TaskIn<"RUNNING">,
  generation: number,
  { code, error }: { readonly code: string; readonly error: string },
  now: Now
): Decision<Task> => {
  const { attempt } = task
  const after: Task = {
    ...task,
    lease: null,
    failure: { code, error },
    unknown: { code, attempt, generation, sinceMs: now.wallMs },
    updatedAtMs: now.wallMs
  }
  return granted(after, {
    tasks: [after],
    attempts: [failedAttempt(task, generation, { code, error }, now)],
    events: [about(after, "task.outcome_unknown", actor, { attempt, generation, code, error })],
    messages: [{ topic: "outcome_unknown", task: task.id, text: `${task.kind}: it is not known whether it happened; look, then reconcile` }]
  })
}

// A run that ends at its boundary because somebody asked for it.
const canceled = (task: TaskIn<"RUNNING">, attempts: ReadonlyArray<Attempt>, now: Now): Decision<Task> => {
  const after: Task = { ...move(rested(task, now), "CANCELED", "cancel"), cancel: null }
  const { actor: by, reason } = task.cancel ?? { actor, reason: null }
  const event = entered(after, "RUNNING", "cancel", by, { attempt: task.attempt, generation: task.generation, reason })
  return granted(after, { tasks: [after], attempts, events: [event], messages: [endedMessage(after)] })
}

/** A task that nobody runs any more. */
export const rested = <S extends TaskState>(task: TaskIn<S>, now: Now): TaskIn<S> => ({ ...task, ...unheld(now) })

const unheld = (now: Now) => ({ lease: null, intent: null, expiresAtMs: null, updatedAtMs: now.wallMs })

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
