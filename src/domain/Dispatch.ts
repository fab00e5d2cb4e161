/** From APPROVED to the queue, from the queue to a worker, and back unused. */
import type { AskTo, Command } from "./Command.ts"
import { about, type Answer, answerFor, byCommand, type Decision, entered, granted, refuseCommand } from "./Decision.ts"
import { fenced, requeued } from "./Execution.ts"
import { askedAnew, openHolds } from "./Governance.ts"
import type { Kind } from "./Kind.ts"
import { type Held, isHeldBy } from "./Lease.ts"
import type { Now } from "./Now.ts"
import { atRest } from "./Ruling.ts"
import { ApprovalVoid, HoldsOpen, OutcomeUnknown, TransitionRefused } from "./Refusal.ts"
import { accept, approvalNeeded, asked, enqueued, governedAnew, isStale, isVoid, lapseOf, nextFor, passThrough, refusedAsLapsed, reheld } from "./Request.ts"
import { isHeld as isStoreHeld, nextGeneration } from "./Restored.ts"
import { isIn, type Task, type TaskIn } from "./Task.ts"
import { move } from "./Transition.ts"

export const runtimeActor = "system:runtime"

/**
 * Dispatches a task whose holds are all released. A repeat finds it queued or running, answers the same dispatch
 * and starts nothing. `kind` is its kind as it is declared now, undefined when it is declared no more.
 */
export const resume = (task: Task, command: Command<AskTo<"resume">>, kind: Kind | undefined, now: Now): Decision<Answer> => {
  if (task.unknown !== null) return refuseCommand(command, task, new OutcomeUnknown({ task: task.id }))
  if (isIn(task, "QUEUED", "RUNNING")) return accept(task, command)
  if (isIn(task, "REQUESTED")) return resumeRequested(task, command, kind, now)
  if (!isIn(task, "APPROVED")) return refuseCommand(command, task, new TransitionRefused({ task: task.id, state: task.state, wanted: "resume", next: nextFor(task) }))
  const lapse = lapseOf(task, now)
  if (lapse !== null) return refusedAsLapsed(task, command, lapse, now)
  if (isVoid(task, kind, now)) {
    const { answer, events } = refuseCommand(command, task, new ApprovalVoid({ task: task.id, kind: task.kind }))
    const voided = asksAnew(task, kind, now)
    return { ...voided, answer, events: [...events, ...voided.events] }
  }
  const queued = enqueued(task, now)
  return granted(answerFor(queued, true), {
    tasks: [queued],
    events: [byCommand(entered(queued, "APPROVED", "resume", command.actor, { available_at_ms: queued.availableAtMs }), command)]
  })
}

// Nobody is asked any more where the policy has changed since; otherwise it waits on.
const resumeRequested = (task: TaskIn<"REQUESTED">, command: Command<AskTo<"resume">>, kind: Kind | undefined, now: Now): Decision<Answer> => {
  const lapse = lapseOf(task, now)
  if (lapse !== null) return refusedAsLapsed(task, command, lapse, now)
  const { events, task: after } = isStale(task, kind) || (!task.held && isVoid(task, kind, now)) ? reheld(task, kind, now) : { task, events: [] }
  if (after.holds.length > 0) {
    const { answer, events: refusals } = refuseCommand(command, task, new HoldsOpen({ task: task.id, holds: after.holds }))
    return { ...granted(null, { tasks: after === task ? [] : [after], events: [...refusals, ...events] }), answer }
  }
  const through = passThrough(after, now)
  return granted(answerFor(through.task, true), { tasks: [through.task], events: [byCommand(about(after, "command.accepted", command.actor, { state: after.state }), command), ...events, ...through.events] })
}

// What was approved is not what would run: the task takes the version of the kind and of the policy as they are, and people are asked again.
const asksAnew = (task: TaskIn<"APPROVED" | "QUEUED">, kind: Kind | undefined, now: Now): Decision<null> => {
  const governance = governedAnew(task, kind, now, task.held) ?? askedAnew(task.governance, task.limits, now.wallMs)
  const versioned = { ...task, kindVersion: kind?.version ?? task.kindVersion }
  const requested: Task = {
    ...move(versioned, "REQUESTED", "void"),
    governance,
    holds: openHolds(versioned, governance),
    held: true,
    // What it is in the middle of has to be asked about first: time does not end it.
    expiresAtMs: task.intents.length > 0 ? null : now.wallMs + governance.ttlMs,
    updatedAtMs: now.wallMs
  }
  return granted(null, {
    tasks: [requested],
    events: [entered(requested, task.state, "void", runtimeActor, { holds: requested.holds, kind_version: requested.kindVersion, ...asked(governance) })],
    messages: [approvalNeeded(requested)]
  })
}

export interface Claimed {
  readonly task: Task
  readonly held: Held
}

/**
 * Leases a queued task that is due: attempt + 1, generation + 1. Answers null when there is nothing to run after all: the
 * approval became void, or the task has expired.
 */
export const claim = (task: Task, worker: string, kind: Kind | undefined, now: Now): Decision<Claimed | null> => {
  if (!isIn(task, "QUEUED") || task.availableAtMs > now.wallMs || now.monoMs >= now.leaseUntilMonoMs || isStoreHeld(now.restored)) return granted(null, {})
  // A run that was asked to end starts nothing new: it only undoes what was done under the approval.
  if (task.cancel === null && isVoid(task, kind, now)) return asksAnew(task, kind, now)
  if (task.cancel === null && kind !== undefined && atRest(kind) !== null) return granted(null, {})
  const running = move(task, "RUNNING", "claim", {
    attempt: task.attempt + 1,
    budget: task.budget - 1,
    generation: nextGeneration(task, now.restored),
    lease: { epoch: now.epoch, worker },
    startedAtMs: now.wallMs,
    waits: [],
    expiresAtMs: null,
    updatedAtMs: now.wallMs
  })
  const { attempt, generation } = running
  return granted({ task: running, held: { generation, epoch: now.epoch } }, {
    tasks: [running],
    events: [entered(running, "QUEUED", "claim", runtimeActor, { attempt, generation, epoch: now.epoch, worker })]
  })
}

/** Gives a claimed task back unused, at shutdown: no attempt is spent. */
export const handBack = (task: Task, held: Held, now: Now): Decision<null> => {
  const begun = task.intents.some(({ answers, generation }) => !answers || generation === held.generation)
  if (!isIn(task, "RUNNING") || !isHeldBy(task, held) || begun) return fenced(task, held, "hand_back")
  const queued: Task = {
    ...move(task, "QUEUED", "hand_back"),
    budget: task.budget + 1,
    lease: null,
    ...requeued(task, now.wallMs),
    updatedAtMs: now.wallMs
  }
  const { attempt, availableAtMs: available_at_ms, generation } = queued
  return granted(null, {
    tasks: [queued],
    events: [entered(queued, "RUNNING", "hand_back", runtimeActor, { attempt, generation, available_at_ms, code: "shutdown", error: null })]
  })
}

