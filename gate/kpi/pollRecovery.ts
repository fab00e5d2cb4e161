/**
 * A burst of polls that went wrong was recovered: after the last of them a poll was answered within the longest pause that the product
 * takes between two polls, and every command that was given meanwhile is in the log.
 *
 * Unit: a burst of which the chat service has at least one struck poll on record; what struck nothing is left out, and shown.
 */
import type { Burst, ChatCall, ChatHistory, LogEvent } from "../History.ts"
import { overScenarios, undone } from "../invariant/Units.ts"
import type { Measure } from "../Verdict.ts"

/** The cap of the backoff of a poll, in milliseconds (docs/timeouts.md, `telegram_poll`). */
const backoffCapMs = 60_000

export const pollRecovery: Measure = (history) =>
  overScenarios(history, ({ events, id, journal }, units) => {
    const { chat } = journal
    if (chat === undefined) {
      if (journal.faults.some((fault) => fault.class === "poll_fault")) units.missing(`${id}: what the chat service saw is missing`)
      return
    }
    const polls = new Map(chat.calls.filter(({ method }) => method === "getUpdates").map((call) => [call.seq, call]))
    const keys = keysIn(events)
    for (const burst of chat.bursts) {
      const struck = burst.struck.flatMap((seq) => polls.get(seq) ?? []).filter(wentWrong)
      if (struck.length === 0) {
        units.excluded("no poll was struck")
        continue
      }
      const problem = problemOf(burst, struck, chat, keys)
      if (problem === null) units.good()
      else if (problem.late) units.bad(`${id}, ${burst.id} (${burst.kind}): ${problem.why}`)
      else undone(journal, units, `${id}, ${burst.id} (${burst.kind}): ${problem.why}`)
    }
  })

const wentWrong = ({ answered, faults }: ChatCall): boolean => faults.length > 0 || !answered

/** An answer with news or without, that arrived whole. */
const wentWell = ({ answered, faults, method, status }: ChatCall): boolean => method === "getUpdates" && status === 200 && answered && faults.length === 0

const endOf = ({ at, took_ms }: ChatCall): number => at + (took_ms ?? 0)

const keysIn = (events: ReadonlyArray<LogEvent>): ReadonlySet<unknown> =>
  new Set(events.flatMap(({ payload }) => {
    const command = payload?.["command"]
    return typeof command === "object" && command !== null && "key" in command ? [command.key] : []
  }))

/** `late`: it came about, and too late; else it did not come about. */
interface Problem {
  readonly why: string
  readonly late: boolean
}

const problemOf = (burst: Burst, struck: ReadonlyArray<ChatCall>, { calls, commands }: ChatHistory, keys: ReadonlySet<unknown>): Problem | null => {
  const [last, endedAt] = [Math.max(...struck.map(({ seq }) => seq)), Math.max(...struck.map(endOf))]
  const well = calls.find((call) => call.seq > last && wentWell(call))
  if (well === undefined) return { why: "no poll was answered after it", late: false }
  const tookMs = endOf(well) - endedAt
  if (tookMs > backoffCapMs) return { why: `the next poll was answered after ${Math.round(tookMs)} ms, and ${backoffCapMs} ms is the longest pause`, late: true }
  const lost = burst.keys.find((key) => !keys.has(key) && commands.some((command) => command.key === key && command.expect === "once"))
  return lost === undefined ? null : { why: `the command ${lost}, given meanwhile, has no effect`, late: false }
}
