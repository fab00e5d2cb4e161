/**
 * The dead letter: the tasks that failed and that nobody has brought back or dismissed. It is not a place but a view: a task is
 * in it from the decision that made it FAILED, which also stores the one notice, until `recover` or `dismiss`.
 */
import type { AskTo, Command } from "./Command.ts"
import { about, type Answer, answerFor, byCommand, type Decision, granted, refuseCommand } from "./Decision.ts"
import type { Now } from "./Now.ts"
import { TransitionRefused } from "./Refusal.ts"
import { accept, nextFor } from "./Request.ts"
import { isDead, isIn, type Task } from "./Task.ts"

/** Takes a task out of the dead letter: it stays FAILED, and its retention begins. */
export const dismiss = (task: Task, command: Command<AskTo<"dismiss">>, now: Now): Decision<Answer> => {
  if (!isIn(task, "FAILED")) return refuseCommand(command, task, new TransitionRefused({ task: task.id, state: task.state, wanted: "dismiss", next: nextFor(task) }))
  if (!isDead(task)) return accept(task, command)
  const after: Task = { ...task, dismissed: { actor: command.actor, reason: command.ask.reason ?? "", atMs: now.wallMs }, updatedAtMs: now.wallMs }
  return granted(answerFor(after, true), {
    tasks: [after],
    events: [byCommand(about(after, "dead.dismissed", command.actor, { code: task.failure?.code ?? null }), command)]
  })
}
