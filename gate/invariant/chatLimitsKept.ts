/**
 * Nothing was sent beyond the limits of the chat service, and nothing before a pause was over that it had asked for. The service counts.
 *
 * Unit: a message or an edit that was sent; a call beyond the limits is a bad unit of its own.
 */
import type { Measure } from "../Verdict.ts"
import { overScenarios } from "./Units.ts"

const sends: ReadonlySet<string> = new Set(["sendMessage", "editMessageText", "editMessageReplyMarkup", "sendDocument"])

/** An answer is on its way, and its pause is stored, within so long. */
const heardMs = 500

export const chatLimitsKept: Measure = (history) =>
  overScenarios(history, ({ id, journal }, units) => {
    if (journal.chat === undefined) return
    const { calls, violations } = journal.chat
    units.good(calls.filter(({ method, status }) => status === 200 && sends.has(method)).length)
    for (const { at, early, method, scope } of violations) {
      const asked = calls.findLast((call) => call.status === 429 && call.method === method && call.at < at)
      const isLost = early && asked !== undefined && journal.faults.some((fault) => (fault.class === "sigkill" || fault.class === "sync") && fault.at >= asked.at && fault.at <= asked.at + heardMs)
      if (isLost) units.excluded("its process was killed as it was asked to pause")
      else units.bad(`${id}, ${method} at ${at}: ${early ? "before the pause was over that was asked for" : "beyond the limit"} of ${scope}`)
    }
  })
