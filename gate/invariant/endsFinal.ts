/**
 * An end is an end: a task leaves it only by a recovery that somebody asked for, with a reason, and nothing else is said to it or decided
 * about it meanwhile.
 *
 * Unit: an end of a task.
 */
import type { LogEvent } from "../History.ts"
import type { Measure } from "../Verdict.ts"
import { commandOf } from "./Commanded.ts"
import { text } from "./Fold.ts"
import { enteredBy, isTerminal } from "./StateMachine.ts"
import { overFolds } from "./Units.ts"

/** What changes a task without moving it. Looks, refusals, late writes and repeated answers change nothing. */
const changes: ReadonlySet<string> = new Set([
  "approval.given",
  "approval.voided",
  "effect.adopted",
  "hold.broken",
  "hold.opened",
  "hold.released",
  "plan.filed",
  "review.failed",
  "review.passed",
  "signal.received",
  "task.cancel_requested",
  "task.debounced"
])

export const endsFinal: Measure = (history) =>
  overFolds(history, ({ events, id }, _log, units) => {
    const ended = new Map<string, number>()
    const spoiled = new Set<number>()
    let ends = 0
    for (const event of events) {
      const { seq, task, type } = event
      if (task === null) continue
      const to = enteredBy(type)
      const since = ended.get(task)
      if (since !== undefined && (to !== undefined || changes.has(type))) {
        const problem = problemOf(event)
        if (problem !== null && !spoiled.has(since)) units.bad(`${id}, seq ${seq}, task ${task}, which ended at seq ${since}: ${problem}`)
        if (problem !== null) spoiled.add(since)
      }
      if (to === undefined) continue
      if (!isTerminal(to)) ended.delete(task)
      else {
        ended.set(task, seq)
        ends += 1
      }
    }
    units.good(ends - spoiled.size)
  })

const problemOf = (event: LogEvent): string | null => {
  if (text(event.payload, "by") !== "recover") return `${event.type} came after its end`
  // An item of a bulk command has the reason of that command.
  if (text(event.payload, "bulk") !== null) return null
  const command = commandOf(event)
  if (command === null) return "nobody asked for its recovery"
  return command.reason === null || command.reason === "" ? "its recovery has no reason" : null
}
