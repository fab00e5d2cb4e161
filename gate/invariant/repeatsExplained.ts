/**
 * People are told everything once, unless nobody could know that they were: a message with the same reference goes to a chat a second time
 * only if the answer to the first was lost, or the server was killed or stopped before it could store that it had been sent.
 *
 * Unit: a message with a reference that was carried out.
 */
import type { ChatCall, Fault } from "../History.ts"
import type { Measure } from "../Verdict.ts"
import { overScenarios, serviceTimes } from "./Units.ts"

export const repeatsExplained: Measure = (history) =>
  overScenarios(history, ({ id, journal }, units) => {
    if (journal.chat === undefined) return
    const sent = new Map<string, ChatCall>()
    const killed = journal.faults.some((fault) => ends.has(fault.class))
    let startedAt = -1
    for (const call of journal.chat.calls.toSorted((one, other) => one.seq - other.seq)) {
      if (killed && call.method === firstCall) startedAt = call.seq
      const reference = referenceOf(call)
      if (reference === null) continue
      const before = sent.get(reference)
      sent.set(reference, call)
      if (before === undefined || before.seq < startedAt || isExplained(before, call, journal.faults)) units.good()
      else units.bad(`${id}, ${call.method} ${call.seq} to chat ${call.chat}: it was sent again after ${before.method} ${before.seq}, whose answer had arrived`)
    }
  })

// The service has a clock of its own, and that of the machine may have been set: a process that was killed shows by the first call of the next.
const firstCall = "getMe"

/** The last line of a message tells it from others, and its parts from each other. */
const referenceOf = ({ chat, method, status, text }: ChatCall): string | null => {
  const found = method === "sendMessage" && status === 200 ? /\n· ([0-9a-f]{8}(?: \d+\/\d+)?)$/.exec(text ?? "") : null
  return found === null ? null : `${chat} ${found[1]}`
}

const isExplained = (before: ChatCall, again: ChatCall, faults: ReadonlyArray<Fault>): boolean =>
  !before.answered || before.faults.length > 0 || faults.some((fault) => stops.has(fault.class) && before.at <= serviceTimes(fault).until && serviceTimes(fault).at <= again.at)

/** What ends a process: a sync that fails does, since nobody knows what is stored. Whether it hit a task is no matter to a message. */
const ends: ReadonlySet<string> = new Set(["sigkill", "sync"])
const stops: ReadonlySet<string> = new Set([...ends, "sigstop"])
