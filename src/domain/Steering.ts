/** Pausing and resuming a queue: a durable word of an operator, which outlives the process and goes before the configuration. */
import { isBlank } from "./AskLimits.ts"
import { type Command, commandFacts, type QueueAsk } from "./Command.ts"
import { type Decision, granted, type QueueAnswer, refused } from "./Decision.ts"
import type { Now } from "./Now.ts"
import type { QueueState } from "./Queue.ts"
import { ReasonMissing } from "./Refusal.ts"
import type { EventDraft } from "./TaskEvent.ts"

/** Pauses or resumes a queue. What runs goes on; a paused queue hands out nothing. */
export const steer = (state: QueueState | undefined, command: Command<QueueAsk>, now: Now): Decision<QueueAnswer> => {
  const { op, queue, reason } = command.ask
  const about = (type: EventDraft["type"], payload: EventDraft["payload"]): EventDraft => ({
    type,
    task: null,
    trace: command.trace,
    actor: command.actor,
    payload: { queue, ...payload, command: commandFacts(command) }
  })
  if (isBlank(reason)) {
    const refusal = new ReasonMissing({ op })
    return refused(refusal, { events: [about("command.refused", { refusal: { _tag: refusal._tag, op }, state: null })] })
  }
  const paused = op === "pause_queue"
  if (state?.paused === paused) {
    return granted({ queue, paused, since_ms: state.sinceMs, moved: false }, { events: [about("command.accepted", { state: paused ? "paused" : "open" })] })
  }
  const after: QueueState = { queue, paused, sinceMs: now.wallMs, actor: command.actor, reason: reason ?? "" }
  const type = paused ? "queue.paused" : "queue.resumed"
  return granted({ queue, paused, since_ms: now.wallMs, moved: true }, { queues: [after], events: [about(type, { reason })] })
}
