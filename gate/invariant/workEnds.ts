/**
 * What was asked for comes to an end once nothing is broken any more: no task is left that could run and does not, or runs for ever, or
 * sleeps although what it waits for has come. What waits for people, or is due later, waits rightly.
 *
 * Unit: a task that is not held up by anything but the runtime.
 */
import type { LogEvent } from "../History.ts"
import type { Measure } from "../Verdict.ts"
import { describe, isAmong, isBlocked, type TaskFold, text, whole } from "./Fold.ts"
import { isTerminal } from "./StateMachine.ts"
import { overFolds, undone } from "./Units.ts"

/** What was at work, or due, so shortly before the end of a scenario may be at work still. */
const patienceMs = 60_000

/** The last that the log says of a task: when, and what it waits for. */
interface Last {
  at: number
  due: number | null
  waits: ReadonlyArray<string>
  queue: string
}

export const workEnds: Measure = (history) =>
  overFolds(history, ({ events, id, journal }, { tasks }, units) => {
    const paused = new Set<string>()
    const lasts = lastsIn(events, paused)
    const endedAt = Math.max(journal.ended_at, events.at(-1)?.at ?? 0)
    const expected = new Map(journal.requests.map(({ expect, key }) => [key, expect.states]))
    for (const task of tasks.values()) {
      const last = lasts.get(task.id)
      const states = task.key === null ? undefined : expected.get(task.key)
      const why = last === undefined ? null : waitsFor(task, last, tasks, paused)
      if (isTerminal(task.state) || (states !== undefined && isAmong(task, states))) units.good()
      else if (last === undefined || why !== null) units.excluded(why ?? "nothing is known of it")
      else if (endedAt - Math.max(last.at, last.due ?? 0) <= patienceMs) units.excluded("it was at work just before the end")
      else undone(journal, units, `${id}, task ${task.id}: it is ${describe(task)} since ${last.at}, and the scenario ended at ${endedAt}`)
    }
  })

const waitsFor = (task: TaskFold, { due, queue, waits }: Last, tasks: ReadonlyMap<string, TaskFold>, paused: ReadonlySet<string>): string | null => {
  if (isBlocked(task)) return "it waits for people"
  // A task that people were asked about waits for the word that dispatches it.
  if (task.state === "APPROVED" && task.asked) return "it waits for people"
  if (task.state !== "QUEUED") return null
  if (paused.has(queue)) return "its queue is paused"
  if (due !== null) return null
  const isOver = waits.some((wait) => wait.startsWith("child:") && isTerminal(tasks.get(wait.slice("child:".length))?.state ?? null))
  return isOver ? null : "it waits for a signal or for another task"
}

const lastsIn = (events: ReadonlyArray<LogEvent>, paused: Set<string>): ReadonlyMap<string, Last> => {
  const lasts = new Map<string, Last>()
  for (const { at, payload, task, type } of events) {
    const queue = text(payload, "queue")
    if (type === "queue.paused" && queue !== null) paused.add(queue)
    if (type === "queue.resumed" && queue !== null) paused.delete(queue)
    if (task === null) continue
    const last = lasts.get(task) ?? { at, due: null, waits: [], queue: "" }
    lasts.set(task, last)
    // Answers to those who ask are nothing that the task does.
    if (type.startsWith("idempotency.") || type.startsWith("command.")) continue
    last.at = at
    if (type === "task.requested") last.queue = queue ?? last.queue
    if (type === "task.queued" || type === "child.ended") [last.due, last.waits] = [whole(payload, "available_at_ms"), namesIn(payload)]
    if (type === "task.cancel_requested" || (type === "signal.received" && payload?.["wakes"] === true)) [last.due, last.waits] = [at, []]
  }
  return lasts
}

const namesIn = (payload: LogEvent["payload"]): ReadonlyArray<string> => {
  const waits = payload?.["waits"]
  return Array.isArray(waits) ? waits.map(String) : []
}
