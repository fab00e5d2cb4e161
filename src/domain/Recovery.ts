/** What only a person may ask for: to end a task, to bring an ended one back, to settle what nobody knows. */
import { canonical } from "./Canonical.ts"
import type { AskTo, Command } from "./Command.ts"
import { about, type Answer, answerFor, byCommand, type Decision, entered, granted, refuseCommand } from "./Decision.ts"
import { rested } from "./Execution.ts"
import type { Now } from "./Now.ts"
import { TransitionRefused } from "./Refusal.ts"
import { accept, nextFor, passThrough } from "./Request.ts"
import { isIn, type Task, type TaskIn } from "./Task.ts"
import { queueDeadlineMs } from "./Timeout.ts"
import { move } from "./Transition.ts"

/**
 * Ends a task that waits; asks a running one to end at its next step boundary. While the outcome of a step is unknown the
 * request is remembered.
 */
export const cancel = (task: Task, command: Command<AskTo<"cancel">>, now: Now): Decision<Answer> => {
  const reason = command.ask.reason ?? ""
  if (isIn(task, "REQUESTED", "APPROVED", "QUEUED")) {
    const ended: Task = { ...move(task, "CANCELED", "cancel"), expiresAtMs: null, updatedAtMs: now.wallMs }
    return granted(answerFor(ended, true), {
      tasks: [ended],
      events: [byCommand(entered(ended, task.state, "cancel", command.actor, { reason }), command)],
      messages: [{ topic: "task_ended", task: task.id, text: `${task.kind} was canceled` }]
    })
  }
  if (!isIn(task, "RUNNING")) return refuse(task, command)
  if (task.cancel !== null) return accept(task, command)
  const asked: Task = { ...task, cancel: { actor: command.actor, reason, atMs: now.wallMs }, updatedAtMs: now.wallMs }
  const event = byCommand(about(asked, "task.cancel_requested", command.actor, { reason }), command)
  return granted(answerFor(asked, true), { tasks: [asked], events: [event] })
}

/**
 * Brings an ended task back under the same id, with a fresh retry budget: to the queue while its approval is still good,
 * otherwise to REQUESTED, where it asks anew. A task that succeeded is never run again in place.
 */
export const recover = (task: Task, command: Command<AskTo<"recover">>, version: string | undefined, now: Now): Decision<Answer> => {
  if (!isIn(task, "CANCELED", "FAILED", "EXPIRED")) return refuse(task, command)
  const fresh = { ...task, budget: task.retry.attemptsMax, losses: 0, failure: null, cancel: null, updatedAtMs: now.wallMs }
  if (isIn(fresh, "CANCELED", "FAILED") && isStillApproved(fresh, version, now)) {
    const queued: Task = {
      ...move(fresh, "QUEUED", "recover"),
      availableAtMs: now.wallMs,
      queuedAtMs: now.wallMs,
      expiresAtMs: queueDeadlineMs(task.limits, now.wallMs, now.wallMs)
    }
    const facts = { attempt: task.attempt, generation: task.generation, available_at_ms: now.wallMs, code: null, error: null }
    return granted(answerFor(queued, true), {
      tasks: [queued],
      events: [byCommand(entered(queued, task.state, "recover", command.actor, facts), command)]
    })
  }
  const asking: TaskIn<"REQUESTED"> = {
    ...move(fresh, "REQUESTED", "recover"),
    kindVersion: version ?? task.kindVersion,
    holds: task.held ? ["approval"] : [],
    expiresAtMs: task.held ? now.wallMs + task.limits.approvalTtlMs : null,
    queuedAtMs: null
  }
  const event = byCommand(entered(asking, task.state, "recover", command.actor, { holds: asking.holds }), command)
  if (task.held) return granted(answerFor(asking, true), { tasks: [asking], events: [event] })
  const through = passThrough(asking, now)
  return granted(answerFor(through.task, true), { tasks: [through.task], events: [event, ...through.events] })
}

// A task that never needed people needs none now. An approval is good for its time to live and for one version of the kind.
const isStillApproved = (task: Task, version: string | undefined, now: Now): boolean =>
  !task.held ||
  (task.holds.length === 0 && version === task.kindVersion && now.wallMs < task.createdAtMs + task.limits.approvalTtlMs)

/**
 * Settles a step of which nobody knew whether it happened: it did, it did not and the task fails, or it did not and
 * is to be tried once more.
 */
export const reconcile = (task: Task, command: Command<AskTo<"reconcile">>, now: Now): Decision<Answer> => {
  if (!isIn(task, "RUNNING") || task.unknown === null) return refuse(task, command)
  const { outcome, reason } = command.ask
  const known = { ...rested(task, now), unknown: null }
  const facts = { attempt: task.attempt, generation: task.generation, outcome, reason }
  if (outcome === "failed") {
    const failed: Task = { ...move(known, "FAILED", "reconcile"), failure: { code: "reconciled_failed", error: reason ?? "" } }
    const event = byCommand(entered(failed, "RUNNING", "reconcile", command.actor, { ...facts, code: "reconciled_failed", error: reason }), command)
    return granted(answerFor(failed, true), { tasks: [failed], events: [event] })
  }
  if (outcome === "retry" && task.cancel !== null) {
    const canceled: Task = { ...move(known, "CANCELED", "cancel"), cancel: null }
    const event = byCommand(entered(canceled, "RUNNING", "cancel", command.actor, { ...facts, reason: task.cancel.reason }), command)
    return granted(answerFor(canceled, true), { tasks: [canceled], events: [event] })
  }
  const queued: Task = {
    ...move(known, "QUEUED", "reconcile"),
    budget: Math.max(1, task.budget),
    checkpoint: outcome === "succeeded" ? canonical({ reconciled: true, reason }) : null,
    availableAtMs: now.wallMs,
    expiresAtMs: queueDeadlineMs(task.limits, task.queuedAtMs, now.wallMs)
  }
  const event = byCommand(entered(queued, "RUNNING", "reconcile", command.actor, { ...facts, available_at_ms: now.wallMs, code: null, error: null }), command)
  return granted(answerFor(queued, true), { tasks: [queued], events: [event] })
}

const refuse = (task: Task, command: Command): Decision<Answer> =>
  refuseCommand(command, task, new TransitionRefused({ task: task.id, state: task.state, wanted: command.ask.op, next: nextFor(task) }))
