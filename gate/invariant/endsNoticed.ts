/**
 * Whoever is told of the ends of tasks is told of each, in a message of its own: a card follows its task, and heals what was lost on the
 * way. A notice that is not stored in the transaction that ends the task is lost with a process that dies behind it.
 *
 * Unit: a task that ran and ended where there is a chat service. One that never ran was asked about, and its card says what became of it.
 */
import type { ChatCall } from "../History.ts"
import type { Measure } from "../Verdict.ts"
import { changedAt, endWords, onItsWayMs } from "./reportsArrive.ts"
import { isTerminal } from "./StateMachine.ts"
import { overFolds, undone } from "./Units.ts"

export const endsNoticed: Measure = (history) =>
  overFolds(history, ({ events, id, journal }, log, units) => {
    const { chat } = journal
    if (chat === undefined) return
    // What waits for its next try waits for an instant of the wall clock.
    const isSet = journal.faults.some((fault) => fault.class === "clock")
    const told = new Set(chat.calls.flatMap(endIn))
    const ran = new Set(events.flatMap(({ task, type }) => (type === "task.running" ? [task] : [])))
    const endedAt = changedAt(events)
    for (const task of log.tasks.values()) {
      if (!isTerminal(task.state) || !ran.has(task.id)) continue
      const end = `${task.id.slice(-6).toLowerCase()} ${task.state}`
      if (told.has(end)) units.good()
      else if (isSet) units.excluded("the clock was set, so it may be told later")
      else if (journal.ended_at - (endedAt.get(task.id) ?? 0) < onItsWayMs) units.excluded("it ended just before the scenario did")
      else undone(journal, units, `${id}, task ${task.id}: nobody was told that it ended ${task.state}`)
    }
  })

const states: Readonly<Record<string, string>> = Object.fromEntries(Object.entries(endWords).map(([state, word]) => [word, state]))

/** The end that a message tells of, as the last digits of the task and its state: in words, or by a card that was not there before. */
export const endIn = ({ method, status, text }: ChatCall): ReadonlyArray<string> => {
  if (method !== "sendMessage" || status !== 200 || text === null) return []
  const [first = "", second = ""] = text.split("\n")
  const words = /^.*? (?:ended: ([A-Z]+)|was (canceled)|(failed) \(.*) · (\S{6})$/.exec(first)
  if (words !== null) {
    const [, state, canceled, failed, short] = words
    return [`${short} ${state ?? states[canceled ?? failed ?? ""]}`]
  }
  const [, short, shown] = /^(\S{6}) {2}[^\n]*\n(\w+)/.exec(`${first}\n${second}`) ?? []
  const state = states[shown ?? ""]
  return short === undefined || state === undefined ? [] : [`${short} ${state}`]
}
