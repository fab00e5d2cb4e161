/**
 * A fork: a new task that takes over the outcomes of the steps before a cut and does the rest anew. Its holds are computed anew,
 * signals and timers are not taken over, and it hands other keys to outside systems.
 */
import type { AskTo, Command } from "./Command.ts"
import { type Answer, answerFor, byCommand, type Decision, granted, refuseCommand } from "./Decision.ts"
import { undoScope } from "./Execution.ts"
import type { Kind } from "./Kind.ts"
import type { Now } from "./Now.ts"
import { placedBy } from "./Placement.ts"
import { rulingOn } from "./Ruling.ts"
import { ForkRefused, KindGone, PolicyDenied, TaskPruned } from "./Refusal.ts"
import { approvalNeeded, arrived, newTask, passThrough } from "./Request.ts"
import { type Step, stepKey } from "./Step.ts"
import type { Task, TaskId } from "./Task.ts"

/** Forks `task`, whose steps are `steps`, under the new `id`. `kind` is its kind as it is declared now. */
export const fork = (
  task: Task,
  steps: ReadonlyArray<Step>,
  command: Command<AskTo<"fork">>,
  kind: Kind | undefined,
  id: TaskId,
  now: Now
): Decision<Answer> => {
  const cut = command.ask.step
  const refuse = (why: ForkRefused["why"], step: number) => refuseCommand(command, task, new ForkRefused({ task: task.id, why, step, max: task.steps }))
  if (kind === undefined) return refuseCommand(command, task, new KindGone({ task: task.id, kind: task.kind }))
  if (task.prunedAtMs !== null) return refuseCommand(command, task, new TaskPruned({ task: task.id }))
  if (task.lease !== null) return refuse("running", cut)
  const unsettled = steps.find(({ effect, number, state }) => number <= cut && state === "open" && effect === "dangerous")
  if (unsettled !== undefined) return refuse("unknown", unsettled.number)
  if (task.steps === 0) return refuse("no_steps", cut)
  if (cut > task.steps) return refuse("beyond", cut)
  // The steps that undid others are nothing to build on, nor are those that they have undone.
  const reused = steps.filter(({ number, scope }) => number < cut && !scope.startsWith(undoScope))
  const open = reused.find(({ state }) => state !== "succeeded" && state !== "failed")
  if (open !== undefined) return refuse("not_ended", open.number)

  const { denied } = rulingOn(kind, command.ask.payload ?? JSON.parse(task.payload))
  if (denied !== null) return refuseCommand(command, task, new PolicyDenied({ kind: kind.name, ...denied }))
  const requested = newTask({
    id,
    kind,
    payload: command.ask.payload ?? JSON.parse(task.payload),
    requester: command.actor,
    authors: [task.requester, ...task.authors, ...command.identities ?? []],
    key: command.key,
    trace: command.trace,
    parent: null,
    forkedFrom: { task: task.id, step: cut },
    placement: { ...placedBy(kind, now.wallMs, task.tenant), queue: task.queue, priority: task.priority, concurrencyKey: task.concurrencyKey }
  }, now)
  const taken = { ...requested, steps: reused.reduce((highest, { number }) => Math.max(highest, number), 0) }
  const copies = reused.map((step) => ({
    _tag: "Put" as const,
    step: { ...step, task: id, dispatchKey: stepKey(id, step.number), copiedFrom: step.copiedFrom ?? task.id, supervisor: null }
  }))
  const event = byCommand(arrived(taken, "fork"), command)
  if (taken.holds.length > 0) {
    return granted(answerFor(taken, true), { tasks: [taken], steps: copies, events: [event], messages: [approvalNeeded(taken)] })
  }
  const through = passThrough(taken, now)
  return granted(answerFor(through.task, true), { tasks: [through.task], steps: copies, events: [event, ...through.events] })
}
