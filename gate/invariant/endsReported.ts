/**
 * Whoever asked in a chat is told the end there: the last look of each of his tasks, of those that the chat service carried out, is that of
 * its end. `reportsArrive` asks the same where sending was made to fail; here nothing need have failed.
 *
 * Unit: a task that was asked for in a chat and ended.
 */
import type { Measure } from "../Verdict.ts"
import { changedAt, onItsWayMs, reportProblem } from "./reportsArrive.ts"
import { isTerminal } from "./StateMachine.ts"
import { overFolds, undone } from "./Units.ts"

const sends: ReadonlySet<string> = new Set(["sendMessage", "editMessageText", "sendDocument"])

export const endsReported: Measure = (history) =>
  overFolds(history, ({ events, id, journal }, log, units) => {
    const { chat } = journal
    if (chat === undefined) return
    const carriedOut = chat.calls.filter(({ method, status }) => status === 200 && sends.has(method))
    const endedAt = changedAt(events)
    for (const { key } of chat.commands.filter(({ expect, op }) => op === "submit" && expect === "once")) {
      const [task] = log.byKey.get(key) ?? []
      if (task === undefined || !isTerminal(task.state)) continue
      const problem = reportProblem(task.id, log, chat, carriedOut)
      if (problem === null) units.good()
      else if (journal.ended_at - (endedAt.get(task.id) ?? 0) < onItsWayMs) units.excluded("it ended just before the scenario did")
      else undone(journal, units, `${id}, task ${task.id}: ${problem}`)
    }
  })
