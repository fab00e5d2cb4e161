/**
 * Nothing was sent beyond the limits of the chat service, and nothing before a pause was over that it had asked for. The service counts.
 *
 * Unit: a message or an edit that was sent; a call beyond the limits is a bad unit of its own.
 */
import type { ChatCall, ChatHistory, Fault } from "../History.ts"
import type { Measure } from "../Verdict.ts"
import { overScenarios, serviceTimes } from "./Units.ts"

const sends: ReadonlySet<string> = new Set(["sendMessage", "editMessageText", "editMessageReplyMarkup", "sendDocument"])

/** An answer is on its way, and its pause is stored, within so long. */
const heardMs = 500
/** A call that comes so soon after the answer that asks for a pause crossed it on its way: whoever made it had not heard. */
const crossingMs = 250

export const chatLimitsKept: Measure = (history) =>
  overScenarios(history, ({ id, journal }, units) => {
    if (journal.chat === undefined) return
    const { calls, violations } = journal.chat
    units.good(calls.filter(({ method, status }) => status === 200 && sends.has(method)).length)
    // A call that was too early is answered so too; that excuses no other.
    const askedToPause = calls.filter((call) => call.status === 429 && !violations.some(({ at, early, method }) => early && at === call.at && method === call.method))
    for (const violation of violations) {
      const { at, early, method, scope } = violation
      if (early && isUnheard(violation, askedToPause, journal.chat, journal.faults)) units.excluded("whoever called could not know yet that a pause was asked for")
      else units.bad(`${id}, ${method} at ${at}: ${early ? "before the pause was over that was asked for" : "beyond the limit"} of ${scope}`)
    }
  })

const ends: ReadonlySet<Fault["class"]> = new Set(["sigkill", "sync"])
/** With this a process begins to talk to the service. */
const firstCall = "getMe"

// The word crossed the call on its way, was lost, or reached a process that was killed before it had stored it; or the clock was set since: a
// pause outlives its process by the wall clock.
const isUnheard = ({ at, method, scope }: ChatHistory["violations"][number], askedToPause: ReadonlyArray<ChatCall>, { calls }: ChatHistory, faults: ReadonlyArray<Fault>): boolean => {
  const [, chat] = /^chat (.+)$/.exec(scope) ?? []
  const asked = askedToPause.findLast((call) => call.method === method && call.at < at && (chat === undefined || String(call.chat) === chat))
  if (asked === undefined) return false
  if (at - asked.at <= crossingMs || !asked.answered) return true
  const began = Math.max(...calls.flatMap((call) => (call.method === firstCall && call.at <= at ? [call.at] : [])), -Infinity)
  const struck = (fault: Fault, to: number): boolean => serviceTimes(fault).at >= asked.at && serviceTimes(fault).at <= to
  return faults.some((fault) => (ends.has(fault.class) && struck(fault, asked.at + heardMs)) || (fault.class === "clock" && struck(fault, began)))
}
