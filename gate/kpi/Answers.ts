/** How the product answered what people said and pressed in a chat, as the chat service has it on record, and what its log has of each command. */
import type { ChatCommand, ChatHistory, LogEvent } from "../History.ts"
import { groupedBy } from "../invariant/Ledger.ts"

/**
 * When a command about a task was answered first, Unix milliseconds; null: never. People see what was carried out, whether or not the product
 * learned of it. An answer is what replies to the message, answers the press, or is the first in the chat that names the task, by the end of its id,
 * which is what people read; to what is about no task, the first in the chat.
 */
export type Answers = (command: ChatCommand, task: string | null) => number | null

const sends: ReadonlySet<string> = new Set(["sendMessage", "editMessageText", "sendDocument"])

export const answersIn = ({ calls }: ChatHistory): Answers => {
  const done = calls.filter(({ status }) => status === 200).toSorted((a, b) => a.at - b.at)
  const presses = new Map(done.flatMap(({ at, query = null, took_ms }) => (query === null ? [] : [[query, endOf(at, took_ms)] as const])).toReversed())
  const sent = groupedBy(done.filter(({ method }) => sends.has(method)), ({ chat }) => String(chat))
  return ({ at = Infinity, chat, message = null, query = null }, task) => {
    const short = task?.slice(-6).toLowerCase() ?? ""
    const told = sent.get(String(chat))?.find((call) => call.at >= at && ((message !== null && call.replies === message) || call.text?.includes(short) === true))
    const ends = [...(told === undefined ? [] : [endOf(told.at, told.took_ms)]), ...(query === null ? [] : [presses.get(query) ?? Infinity])]
    return ends.length === 0 ? null : finite(Math.min(...ends))
  }
}

const endOf = (at: number, tookMs: number | null): number => at + Math.ceil(tookMs ?? 0)
const finite = (ms: number): number | null => (Number.isFinite(ms) ? ms : null)

/** The events that a command caused, by its key. */
export const eventsByKey = (events: ReadonlyArray<LogEvent>): ReadonlyMap<string, ReadonlyArray<LogEvent>> => {
  const byKey = new Map<string, Array<LogEvent>>()
  for (const event of events) {
    const key = keyOf(event)
    if (key === null) continue
    const own = byKey.get(key)
    if (own === undefined) byKey.set(key, [event])
    else own.push(event)
  }
  return byKey
}

const keyOf = ({ payload }: LogEvent): string | null => {
  const command = payload?.["command"]
  return typeof command === "object" && command !== null && "key" in command && typeof command.key === "string" ? command.key : null
}

/** Events that say no to whoever asked. */
export const refusals: ReadonlySet<string> = new Set(["command.refused", "command.denied", "command.timed_out", "idempotency.conflict", "idempotency.in_progress"])
