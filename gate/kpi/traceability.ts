/**
 * Every task that ended can be traced from its end back to whoever asked: one request by a command, a schedule, a parent or a task that
 * it was forked from, and that one is in the log; what people were asked for and said before it was approved; an entry into the queue
 * before each run; an intent or a step in the run that it ended in; and all of that in one trace, no event of it earlier than the one before.
 *
 * Unit: a task that ended. All of them count, none is drawn by lot.
 */
import type { LogEvent } from "../History.ts"
import { type Fold, text } from "../invariant/Fold.ts"
import { groupedBy } from "../invariant/Ledger.ts"
import { enteredBy, isTerminal } from "../invariant/StateMachine.ts"
import { overFolds } from "../invariant/Units.ts"
import type { Measure } from "../Verdict.ts"

/** Clocks are set by seconds; a log that goes back further says so (`clock.stepped`). */
const backwardsMaxMs = 1000
/** A step is noticed within a minute, so that it may stand behind the first events that it set back. */
const noticedWithinMs = 60_000

export const traceability: Measure = (history) =>
  overFolds(history, ({ events, id }, log, units) => {
    const byTask = groupedBy(events.filter(({ task, type }) => task !== null && !mere.has(type)), ({ task }) => task ?? "")
    const steps = events.flatMap(({ at, payload, seq, type }) => (type === "clock.stepped" ? [{ seq, at, byMs: Number(payload?.["by_ms"] ?? 0) }] : []))
    for (const task of log.tasks.values()) {
      if (!isTerminal(task.state)) continue
      const own = byTask.get(task.id) ?? []
      const problem = requestProblem(own, log) ?? approvalProblem(own) ?? runProblem(own) ?? orderProblem(own, steps)
      if (problem === null) units.good()
      else units.bad(`${id}, task ${task.id}: ${problem}`)
    }
  })

/** Answers to a command that was sent again have a trace of their own, and refusals change nothing. */
const mere: ReadonlySet<string> = new Set(["idempotency.replayed", "idempotency.in_progress", "idempotency.conflict", "command.refused", "command.denied", "command.accepted"])

const requestProblem = (own: ReadonlyArray<LogEvent>, log: Fold): string | null => {
  const [first] = own
  if (first?.type !== "task.requested" || (first.payload?.["from"] ?? null) !== null) return `it begins with ${first?.type ?? "nothing"}, not with a request`
  const by = text(first.payload, "by")
  const origin = by === "child" ? text(first.payload, "parent") : by === "fork" ? text(first.payload, "forked_from") : null
  if (by === "child" || by === "fork") return origin !== null && log.tasks.has(origin) ? null : `it comes from the task ${origin ?? "(none)"}, which the log does not know`
  if (by === "schedule") return text(first.payload, "schedule") === null ? "it comes from a schedule, and none is named" : null
  return commandIn(first) ? null : "no command asked for it"
}

const commandIn = ({ payload }: LogEvent): boolean => typeof payload?.["command"] === "object" && payload["command"] !== null

// Since the last time that people were asked: what they were asked for was released, each by an event of its own, before it was approved.
const approvalProblem = (own: ReadonlyArray<LogEvent>): string | null => {
  let open = new Set<string>()
  for (const { payload, seq, type } of own) {
    if (type === "task.requested" || type === "approval.voided") open = new Set(Array.isArray(payload?.["holds"]) ? payload["holds"].map(String) : [])
    else if (type === "hold.opened") open.add(text(payload, "hold") ?? "")
    else if (type === "hold.released") open.delete(text(payload, "hold") ?? "")
    else if ((type === "task.approved" || type === "task.queued") && open.size > 0) return `seq ${seq}: it was ${type === "task.approved" ? "approved" : "queued"} with the open hold ${[...open].join(", ")}`
  }
  return null
}

const begun: ReadonlySet<string> = new Set(["effect.intent", "effect.adopted", "step.succeeded", "step.failed", "step.settled"])

const runProblem = (own: ReadonlyArray<LogEvent>): string | null => {
  let state: string | null = null
  let [ran, worked] = [false, false]
  for (const { seq, type } of own) {
    const to = enteredBy(type)
    if (begun.has(type)) worked = true
    if (to === undefined) continue
    if (to === "RUNNING" && state !== "QUEUED") return `seq ${seq}: it ran from ${state ?? "nothing"}, not from the queue`
    if (to === "RUNNING") ran = true
    if (to === "SUCCEEDED" && !(ran && worked)) return `seq ${seq}: it succeeded, and ${ran ? "nothing of its work is in the log" : "it never ran"}`
    state = to
  }
  return null
}

const orderProblem = (own: ReadonlyArray<LogEvent>, steps: ReadonlyArray<{ readonly seq: number; readonly at: number; readonly byMs: number }>): string | null => {
  const [first] = own
  for (const [index, event] of own.entries()) {
    const before = own[index - 1] ?? event
    if (first?.trace === null || event.trace !== first?.trace) return `seq ${event.seq}: its trace is ${event.trace ?? "(none)"}, that of the request is ${first?.trace ?? "(none)"}`
    const set = steps.filter(({ at, byMs, seq }) => before.seq <= seq && (seq <= event.seq || Math.abs(at - event.at) <= noticedWithinMs) && byMs < 0).reduce((sum, { byMs }) => sum - byMs, 0)
    if (before.at - event.at > backwardsMaxMs + set) return `seq ${event.seq}: it is ${before.at - event.at} ms before seq ${before.seq}`
  }
  return null
}
