/** From APPROVED to the queue, from the queue to a worker, and back unused. */
import type { AskTo, Command } from "./Command.ts"
import { type Answer, answerFor, byCommand, type Decision, entered, granted, refuseCommand } from "./Decision.ts"
import { fenced, requeued } from "./Execution.ts"
import { type Held, isHeldBy } from "./Lease.ts"
import type { Now } from "./Now.ts"
import { ApprovalVoid, HoldsOpen, OutcomeUnknown, TransitionRefused } from "./Refusal.ts"
import { accept, enqueued, nextFor } from "./Request.ts"
import { isHeld as isStoreHeld, nextGeneration } from "./Restored.ts"
import { isIn, type Task, type TaskIn } from "./Task.ts"
import { move } from "./Transition.ts"

export const runtimeActor = "system:runtime"

/**
 * Dispatches a task whose holds are all released. A repeat finds it queued or running, answers the same dispatch
 * and starts nothing. `version` is the kind as it is declared now, undefined when it is declared no more.
 */
export const resume = (task: Task, command: Command<AskTo<"resume">>, version: string | undefined, now: Now): Decision<Answer> => {
  if (task.unknown !== null) return refuseCommand(command, task, new OutcomeUnknown({ task: task.id }))
  if (isIn(task, "QUEUED", "RUNNING")) return accept(task, command)
  if (isIn(task, "REQUESTED") && task.holds.length > 0) return refuseCommand(command, task, new HoldsOpen({ task: task.id, holds: task.holds }))
  if (!isIn(task, "APPROVED")) return refuseCommand(command, task, new TransitionRefused({ task: task.id, state: task.state, wanted: "resume", next: nextFor(task) }))
  if (version !== task.kindVersion) {
    const { answer, events } = refuseCommand(command, task, new ApprovalVoid({ task: task.id, kind: task.kind }))
    const voided = asksAnew(task, version, now)
    return { ...voided, answer, events: [...events, ...voided.events] }
  }
  const queued = enqueued(task, now)
  return granted(answerFor(queued, true), {
    tasks: [queued],
    events: [byCommand(entered(queued, "APPROVED", "resume", command.actor, { available_at_ms: queued.availableAtMs }), command)]
  })
}

// What was approved is not what would run: the task takes the kind's new version and its holds open again.
const asksAnew = (task: TaskIn<"APPROVED" | "QUEUED">, version: string | undefined, now: Now): Decision<null> => {
  const requested: Task = {
    ...move(task, "REQUESTED", "void"),
    kindVersion: version ?? task.kindVersion,
    holds: ["approval"],
    held: true,
    // What it is in the middle of has to be asked about first: time does not end it.
    expiresAtMs: task.intents.length > 0 ? null : now.wallMs + task.limits.approvalTtlMs,
    updatedAtMs: now.wallMs
  }
  return granted(null, {
    tasks: [requested],
    events: [entered(requested, task.state, "void", runtimeActor, { holds: requested.holds, kind_version: requested.kindVersion })]
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
export const claim = (task: Task, worker: string, version: string | undefined, now: Now): Decision<Claimed | null> => {
  if (!isIn(task, "QUEUED") || task.availableAtMs > now.wallMs || now.monoMs >= now.leaseUntilMonoMs || isStoreHeld(now.restored)) return granted(null, {})
  // A run that was asked to end starts nothing new: it only undoes what was done under the approval.
  if (task.held && version !== task.kindVersion && task.cancel === null) return asksAnew(task, version, now)
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

