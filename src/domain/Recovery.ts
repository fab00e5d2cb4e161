/** What only a person may ask for: to end a task, to bring an ended one back, to settle what nobody knows. */
import { canonical } from "./Canonical.ts"
import type { AskTo, Command } from "./Command.ts"
import { about, type Answer, answerFor, byCommand, type Decision, entered, granted, refuseCommand } from "./Decision.ts"
import { deadNotice, leftToUndo, requeued, rested, unanswered } from "./Execution.ts"
import { openHolds } from "./Governance.ts"
import type { Kind } from "./Kind.ts"
import type { Now } from "./Now.ts"
import { heldName } from "./Placement.ts"
import { StepNotRecorded, TaskPruned, TransitionRefused, UniqueTaken } from "./Refusal.ts"
import { restoredCode } from "./Restored.ts"
import type { StepChange } from "./Step.ts"
import { accept, approvalNeeded, asked, governedAnew, isVoid, lapseOf, nextFor, passThrough } from "./Request.ts"
import { compensatedCode, isIn, type Task, type TaskIn } from "./Task.ts"
import { queueDeadlineMs } from "./Timeout.ts"
import { move } from "./Transition.ts"

/**
 * Ends a task that waits; asks a running one to end at its next step boundary. While the outcome of a step is unknown the
 * request is remembered.
 */
export const cancel = (task: Task, command: Command<AskTo<"cancel">>, now: Now): Decision<Answer> =>
  isIn(task, "RUNNING")
    ? askToEnd(task, command, { kill: false, compensate: command.ask.compensate ?? false }, now)
    : endWaiting(task, command, command.ask.compensate ?? false, now)

const endWaiting = (task: Task, command: Command<AskTo<"cancel"> | AskTo<"kill">>, compensate: boolean, now: Now): Decision<Answer> => {
  const reason = command.ask.reason ?? ""
  if (isIn(task, "QUEUED") && (task.intents.length > 0 || (compensate && task.steps > 0))) return askToEnd(task, command, { kill: false, compensate }, now)
  if (isIn(task, "REQUESTED", "APPROVED", "QUEUED")) {
    const ended: Task = { ...move(task, "CANCELED", "cancel"), waits: [], expiresAtMs: null, updatedAtMs: now.wallMs }
    return granted(answerFor(ended, true), {
      tasks: [ended],
      events: [byCommand(entered(ended, task.state, "cancel", command.actor, { reason }), command)],
      messages: [{ topic: "task_ended", task: task.id, text: `${task.kind} was canceled` }]
    })
  }
  return refuse(task, command)
}

/**
 * Ends a task at once: the step that runs is ended too, declared interruptible or not. In the middle of a dangerous step that
 * is an unknown outcome. A task that does not run is canceled.
 */
export const kill = (task: Task, command: Command<AskTo<"kill">>, now: Now): Decision<Answer> =>
  isIn(task, "RUNNING")
    ? askToEnd(task, command, { kill: true, compensate: false }, now)
    : endWaiting(task, command, false, now)

// The first request keeps its name and instant; a later one can only ask for more.
const askToEnd = (
  task: TaskIn<"QUEUED" | "RUNNING">,
  command: Command<AskTo<"cancel"> | AskTo<"kill">>,
  wanted: { readonly kill: boolean; readonly compensate: boolean },
  now: Now
): Decision<Answer> => {
  const before = task.cancel
  const more = before === null || (wanted.kill && !before.kill) || (wanted.compensate && !before.compensate)
  if (!more) return accept(task, command)
  const reason = command.ask.reason ?? ""
  const asked: Task = {
    ...task,
    cancel: {
      actor: before?.actor ?? command.actor,
      reason: before?.reason ?? reason,
      atMs: before?.atMs ?? now.wallMs,
      kill: wanted.kill || (before?.kill ?? false),
      compensate: wanted.compensate || (before?.compensate ?? false)
    },
    // A parked run is woken: it has to look what is to be done. Time does not end it before.
    waits: [],
    availableAtMs: task.state === "QUEUED" ? now.wallMs : task.availableAtMs,
    expiresAtMs: null,
    updatedAtMs: now.wallMs
  }
  const event = byCommand(about(asked, "task.cancel_requested", command.actor, { reason, ...wanted }), command)
  return granted(answerFor(asked, true), { tasks: [asked], events: [event] })
}

/**
 * Brings an ended task back under the same id, with a fresh retry budget: to the queue while its approval is still good,
 * otherwise to REQUESTED, where it asks anew. A task that succeeded is never run again in place, nor one whose steps were undone.
 * One that failed before all that was to be undone was undone goes on with that.
 */
export const recover = (task: Task, command: Command<AskTo<"recover">>, kind: Kind | undefined, now: Now, holder?: Task): Decision<Answer> => {
  // It would get back its unique key, which is somebody else's by now.
  if (holder !== undefined && holder.id !== task.id && heldName({ ...task, state: "QUEUED" }) !== null) {
    return refuseCommand(command, task, new UniqueTaken({ task: task.id, key: task.unique?.key ?? "", holder: holder.id }))
  }
  if (!isIn(task, "CANCELED", "FAILED", "EXPIRED") || task.failure?.code === compensatedCode) return refuse(task, command)
  if (task.prunedAtMs !== null) return refuseCommand(command, task, new TaskPruned({ task: task.id }))
  const fresh = { ...task, dismissed: null, budget: task.retry.attemptsMax, losses: 0, failure: null, cancel: leftToUndo(task), updatedAtMs: now.wallMs }
  if (isIn(fresh, "CANCELED", "FAILED") && isStillApproved(fresh, kind, now)) {
    const queued: Task = {
      ...move(fresh, "QUEUED", "recover"),
      availableAtMs: now.wallMs,
      queuedAtMs: now.wallMs,
      expiresAtMs: fresh.cancel === null ? queueDeadlineMs(task.limits, now.wallMs, now.wallMs) : null
    }
    const facts = { attempt: task.attempt, generation: task.generation, available_at_ms: now.wallMs, code: null, error: null }
    return granted(answerFor(queued, true), {
      tasks: [queued],
      events: [byCommand(entered(queued, task.state, "recover", command.actor, facts), command)]
    })
  }
  const governance = governedAnew(task, kind, now, task.held)
  const versioned = { ...fresh, kindVersion: kind?.version ?? task.kindVersion }
  const asking: TaskIn<"REQUESTED"> = {
    ...move(versioned, "REQUESTED", "recover"),
    governance,
    held: governance !== null,
    holds: governance === null ? [] : openHolds(versioned, governance),
    expiresAtMs: governance === null ? null : now.wallMs + governance.ttlMs,
    availableAtMs: now.wallMs,
    queuedAtMs: null
  }
  const event = byCommand(entered(asking, task.state, "recover", command.actor, { holds: asking.holds, kind_version: asking.kindVersion, ...(governance === null ? {} : asked(governance)) }), command)
  if (asking.held) return granted(answerFor(asking, true), { tasks: [asking], events: [event], messages: [approvalNeeded(asking)] })
  const through = passThrough(asking, now)
  return granted(answerFor(through.task, true), { tasks: [through.task], events: [event, ...through.events] })
}

// An approval is good for its time to live and for one version of kind and policy.
const isStillApproved = (task: Task, kind: Kind | undefined, now: Now): boolean =>
  !isVoid(task, kind, now) && (task.governance === null || (task.holds.length === 0 && now.wallMs < task.governance.askedAtMs + task.governance.ttlMs && lapseOf(task, now) === null))

/**
 * Settles a step of which nobody knew whether it happened: it did, it did not and the task fails, or it did not and
 * is to be tried once more.
 */
export const reconcile = (task: Task, command: Command<AskTo<"reconcile">>, now: Now): Decision<Answer> => {
  if (!isIn(task, "RUNNING") || task.unknown === null) return refuse(task, command)
  const { evidence = null, outcome, reason } = command.ask
  const { generation, step } = task.unknown
  if (outcome === "succeeded" && step > task.steps && task.unknown.code === restoredCode) return refuseCommand(command, task, new StepNotRecorded({ task: task.id, step }))
  const known = { ...rested(task, now), unknown: null }
  const facts = { step, attempt: task.attempt, generation, outcome, reason, evidence }
  const steps = [stepOf(task, step, command, now)]
  const failure = outcome === "failed" ? { code: reconciledFailed, error: reason ?? "" } : task.failure
  const others = task.intents.filter((intent) => intent.step !== step)
  const next = unanswered({ intents: others })
  if (next !== undefined) {
    // Several branches were in the middle of something: the next one waits for its word, and a failure for the last of them.
    const after: Task = { ...task, intents: others, failure, unknown: { ...task.unknown, step: next.step }, updatedAtMs: now.wallMs }
    return granted(answerFor(after, true), { tasks: [after], steps, events: [byCommand(about(after, "step.settled", command.actor, facts), command)] })
  }
  if (failure?.code === reconciledFailed) {
    const failed: Task = { ...move(known, "FAILED", "reconcile"), failure, cancel: leftToUndo(task) }
    const event = byCommand(entered(failed, "RUNNING", "reconcile", command.actor, { ...facts, ...failure }), command)
    return granted(answerFor(failed, true), { tasks: [failed], steps, events: [event], messages: [deadNotice(failed)] })
  }
  if (outcome === "retry" && task.cancel !== null && !task.cancel.compensate && others.every(({ answers }) => !answers)) {
    const canceled: Task = { ...move(known, "CANCELED", "cancel"), cancel: null }
    const event = byCommand(entered(canceled, "RUNNING", "cancel", command.actor, { ...facts, reason: task.cancel.reason }), command)
    return granted(answerFor(canceled, true), { tasks: [canceled], steps, events: [event] })
  }
  const queued: Task = {
    ...move(known, "QUEUED", "reconcile"),
    ...requeued({ ...task, intents: others }, now.wallMs),
    budget: Math.max(1, task.budget)
  }
  const event = byCommand(entered(queued, "RUNNING", "reconcile", command.actor, { ...facts, available_at_ms: now.wallMs, code: null, error: null }), command)
  return granted(answerFor(queued, true), { tasks: [queued], steps, events: [event] })
}

const reconciledFailed = "reconciled_failed"

const stepOf = (task: Task, step: number, { ask }: Command<AskTo<"reconcile">>, now: Now): StepChange => ({
  _tag: "End",
  task: task.id,
  number: step,
  state: ask.outcome === "retry" ? "cleared" : ask.outcome,
  result: ask.outcome === "succeeded" ? canonical(ask.result ?? { reconciled: true, reason: ask.reason }) : null,
  code: ask.outcome === "succeeded" ? "reconciled" : `reconciled_${ask.outcome}`,
  error: ask.outcome === "failed" ? ask.reason : null,
  endedAtMs: now.wallMs
})

const refuse = (task: Task, command: Command): Decision<Answer> =>
  refuseCommand(command, task, new TransitionRefused({ task: task.id, state: task.state, wanted: command.ask.op, next: nextFor(task) }))
