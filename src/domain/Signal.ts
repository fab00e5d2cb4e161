/** A word from outside to a run: kept with its task until a step takes it. */
import { canonical, sha256 } from "./Canonical.ts"
import { signalWait } from "./Checkpoint.ts"
import type { AskTo, Command } from "./Command.ts"
import { about, type Answer, answerFor, byCommand, type Decision, granted, refuseCommand } from "./Decision.ts"
import { requeued } from "./Execution.ts"
import type { Now } from "./Now.ts"
import { SignalRefused, TransitionRefused } from "./Refusal.ts"
import { nextFor } from "./Request.ts"
import { isIn, type Task } from "./Task.ts"
import { isTerminal } from "./TaskState.ts"

/** The most signals that wait to be taken, and the most characters of one, as canonical JSON: they are kept in the task's row. */
export const signalsMax = 64
export const signalLengthMax = 16_384

/** Stores a signal. A run that waits for its name is woken. */
export const signal = (task: Task, command: Command<AskTo<"signal">>, now: Now): Decision<Answer> => {
  const { name, payload: wanted } = command.ask
  if (isTerminal[task.state]) {
    return refuseCommand(command, task, new TransitionRefused({ task: task.id, state: task.state, wanted: "signal", next: nextFor(task) }))
  }
  const payload = canonical(wanted)
  if (payload.length > signalLengthMax) return refuseCommand(command, task, new SignalRefused({ task: task.id, why: "too_long", max: signalLengthMax }))
  if (task.signals.length >= signalsMax) return refuseCommand(command, task, new SignalRefused({ task: task.id, why: "too_many", max: signalsMax }))
  const wakes = isIn(task, "QUEUED") && task.waits.includes(signalWait(name))
  const after: Task = {
    ...task,
    signals: [...task.signals, { name, payload, actor: command.actor, atMs: now.wallMs }],
    ...(wakes ? { waits: [], ...requeued(task, now.wallMs) } : {}),
    updatedAtMs: now.wallMs
  }
  const event = byCommand(about(after, "signal.received", command.actor, { name, payload_sha256: sha256(payload), wakes }), command)
  return granted(answerFor(after, true), { tasks: [after], events: [event] })
}
