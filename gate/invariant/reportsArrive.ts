/**
 * The end of a task is told to whoever asked for it, later and more than once rather than never, although it could not be sent when the
 * task ended. What the chat service carried out is what a person sees: the last look of the task in his chat is that of its end, as the
 * log has it. A message whose answer was lost comes again, with the same reference, so that people can tell a repeat.
 *
 * Unit: a fault and a task that ended while it lasted; a message whose answer a fault lost.
 */
import type { ChatCall, ChatHistory, LogEvent } from "../History.ts"
import type { Measure } from "../Verdict.ts"
import type { Fold } from "./Fold.ts"
import { overFolds, undone } from "./Units.ts"

/** What people read of each end. */
export const endWords: Readonly<Record<string, string>> = { SUCCEEDED: "done", FAILED: "failed", CANCELED: "canceled", EXPIRED: "expired" }

/** A message may be on its way for so long: what ended later is left out. It is the longest pause between two tries, and a little more. */
export const onItsWayMs = 90_000

/** When each task changed last. */
export const changedAt = (events: ReadonlyArray<LogEvent>): ReadonlyMap<string, number> =>
  new Map(events.flatMap(({ at, task, type }) => (task !== null && type.startsWith("task.") ? [[task, at] as const] : [])))

const sends: ReadonlySet<string> = new Set(["sendMessage", "editMessageText", "sendDocument"])

export const reportsArrive: Measure = (history) =>
  overFolds(history, ({ id, journal }, log, units) => {
    const { chat } = journal
    const faults = journal.faults.filter((fault) => fault.class === "send_fault")
    if (chat === undefined) {
      if (faults.length > 0) units.missing(`${id}: what the chat service saw is missing`)
      return
    }
    const carriedOut = chat.calls.filter(({ method, status }) => status === 200 && sends.has(method))
    for (const fault of faults) {
      for (const task of new Set(fault.hit)) {
        const problem = reportProblem(task, log, chat, carriedOut)
        if (problem === null) units.good()
        else undone(journal, units, `${id}, fault ${fault.id}, task ${task}: ${problem}`)
      }
    }
    for (const call of carriedOut.filter(({ answered, faults: struck }) => !answered && struck.length > 0)) {
      const reference = referenceIn(call)
      if (reference === null) units.bad(`${id}, ${call.method} ${call.seq}: it has no reference by which a repeat can be told`)
      else if (chat.calls.some((later) => later.seq > call.seq && later.chat === call.chat && referenceIn(later) === reference)) units.good()
      else undone(journal, units, `${id}, ${call.method} ${call.seq}: its answer was lost, and ${reference} never came again`)
    }
  })

/** What is wrong with the last that people saw of a task that ended; null: nothing. */
export const reportProblem = (task: string, log: Fold, { commands }: ChatHistory, carriedOut: ReadonlyArray<ChatCall>): string | null => {
  const known = log.tasks.get(task)
  const word = endWords[known?.state ?? ""]
  if (known === undefined || word === undefined) return `the log has no end of it, it is ${known?.state ?? "not known"}`
  const command = commands.find(({ key }) => key === known.key)
  if (command === undefined) return "nobody asked for it in a chat"
  const short = task.slice(-6).toLowerCase()
  const last = carriedOut.findLast(({ chat, text }) => chat === command.chat && text?.startsWith(`${short} `) === true)
  if (last === undefined) return `nothing of it arrived in chat ${command.chat}`
  const shown = last.text?.split("\n")[1] ?? ""
  return shown.startsWith(word) ? null : `the last that arrived (${last.method} ${last.seq}) says ${JSON.stringify(shown.slice(0, 60))}, and it ended ${known.state}`
}

/** The last line of a message: what tells it from others. A long text counts its parts behind it. */
const referenceIn = ({ text }: ChatCall): string | null => /\n· ([0-9a-f]{8})(?: \d+\/\d+)?$/.exec(text ?? "")?.[1] ?? null
