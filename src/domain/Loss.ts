/**
 * After a loss: the file ends before what was acknowledged, and somebody goes on with it all the same.
 *
 * What was in the lost part is not known: a task that waits in the file may have been claimed there, and its effect may have
 * happened. Nothing that could do harm twice runs again before a person has looked.
 */
import { type Decision, entered, granted } from "./Decision.ts"
import { opened, requeued, rested, unknown } from "./Execution.ts"
import { askedAnew, openHolds } from "./Governance.ts"
import type { Now } from "./Now.ts"
import { asked } from "./Request.ts"
import { isIn, type Task, type TaskIn } from "./Task.ts"
import type { EventDraft, EventType } from "./TaskEvent.ts"
import { move } from "./Transition.ts"

export const lossEvent = "loss.accepted" satisfies EventType
export const lossCode = "loss_accepted"

/** What a task does: a command that may be run twice, one that may not, or code, whose steps nobody knows beforehand. */
export type Sort = "harmless" | "command" | "code"

/** `unknown`: waits for `reconcile`. `held`: asks for approval anew. `left`: goes on as it is. */
export type Parked = "unknown" | "held" | "left"

const actor = "system:runtime"
const error = "the log of this run was lost; its effect may have happened: look in its folder under runs, and outside"

/** Parks a task that may have begun something dangerous in the lost part. A task that is parked already is left as it is. */
export const afterLoss = (task: Task, sort: Sort, now: Now): Decision<Parked> => {
  if (sort === "harmless" || task.unknown !== null) return granted("left", {})
  if (isIn(task, "RUNNING")) return parkRun(task, sort, now)
  return isIn(task, "QUEUED", "APPROVED") && task.cancel === null ? heldAnew(task, [], now) : granted("left", {})
}

const parkRun = (task: TaskIn<"RUNNING">, sort: "command" | "code", now: Now): Decision<Parked> => {
  const failure = { code: lossCode, error }
  if (task.intents.some(({ effect }) => effect === "dangerous")) return { ...unknown(task, task.generation, failure, now), answer: granted<Parked>("unknown", {}).answer }
  if (sort === "command") {
    // Its intent may be what was lost. The step is put in its place, so that it can be reconciled.
    const decision = unknown({ ...task, steps: Math.max(1, task.steps) }, task.generation, failure, now)
    return { ...decision, steps: [{ _tag: "Put", step: opened(task, lostCommand(task), now) }], answer: granted<Parked>("unknown", {}).answer }
  }
  // A run that was asked to end starts nothing new: it is taken back as any other.
  if (task.cancel !== null) return granted("left", {})
  const queued: TaskIn<"QUEUED"> = { ...move(rested(task, now), "QUEUED", "lease_lost"), ...requeued(task, now.wallMs), budget: task.budget + 1, failure }
  const { attempt, generation } = task
  const event = entered(queued, "RUNNING", "lease_lost", actor, { attempt, generation, available_at_ms: now.wallMs, ...failure })
  return heldAnew(queued, [event], now)
}

const lostCommand = (task: Task) => ({
  number: 1,
  scope: "",
  index: 0,
  name: "exec",
  sort: "exec" as const,
  effect: "dangerous" as const,
  dispatchKey: task.dispatchKey,
  inputSha256: task.payloadSha256,
  drawn: "[]",
  answers: false,
  supervisor: null
})

// Whatever was approved may have been done. Whoever approves it now says that it has not, or may be done once more.
const heldAnew = (task: TaskIn<"QUEUED" | "APPROVED">, before: ReadonlyArray<EventDraft>, now: Now): Decision<Parked> => {
  const governance = askedAnew(task.governance, task.limits, now.wallMs)
  const asking: Task = {
    ...move(task, "REQUESTED", "void"),
    governance,
    holds: openHolds(task, governance),
    held: true,
    expiresAtMs: task.intents.length > 0 ? null : now.wallMs + governance.ttlMs,
    updatedAtMs: now.wallMs
  }
  return granted("held", {
    tasks: [asking],
    events: [...before, entered(asking, task.state, "void", actor, { holds: asking.holds, kind_version: asking.kindVersion, ...asked(governance), code: lossCode })],
    messages: [{ topic: "approval_needed", task: task.id, text: `${task.kind} may have run in the part of the log that was lost; look, then approve or cancel it` }]
  })
}

export interface Lost {
  readonly missing: number
  /** The last event that is there. */
  readonly head: { readonly seq: number; readonly hash: string; readonly at: number | null }
  /** The last event that is known to have been acknowledged. */
  readonly marked: { readonly stream: string; readonly seq: number; readonly hash: string; readonly at: number }
}

/** Puts the loss on record, with who accepted it and why, and how many tasks were parked. */
export const acceptLoss = (
  { head, marked, missing }: Lost,
  parked: { readonly unknown: number; readonly held: number },
  by: { readonly actor: string; readonly reason: string; readonly trace: string }
): Decision<null> =>
  granted(null, {
    events: [{
      type: lossEvent,
      task: null,
      trace: by.trace,
      actor: by.actor,
      payload: { missing, head, marked, unknown: parked.unknown, held: parked.held, command: { op: "accept-loss", channel: "cli", key: null, reason: by.reason } }
    }]
  })
