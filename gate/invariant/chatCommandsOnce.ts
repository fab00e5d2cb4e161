/**
 * A command that was given in a chat has its effect once, in the order in which its chat has it. By its key, the log has one event for it,
 * of the kind it should be; a request made one task, an approval is that of this person, once. What must come to nothing (a button pressed
 * twice, somebody who may not, a stranger) left at most a refusal.
 *
 * Unit: a command in a chat.
 */
import type { ChatCommand, LogEvent } from "../History.ts"
import type { Measure } from "../Verdict.ts"
import { type Fold, text } from "./Fold.ts"
import { groupedBy } from "./Ledger.ts"
import { overFolds, undone } from "./Units.ts"

const effectOf = { submit: "task.requested", approve: "approval.given", resume: "task.queued" } as const

/** Events that give an answer, and change nothing. */
const mere: ReadonlySet<string> = new Set(["idempotency.replayed", "idempotency.in_progress", "command.refused", "command.denied", "command.accepted"])

export const chatCommandsOnce: Measure = (history) =>
  overFolds(history, ({ events, id, journal }, log, units) => {
    const effects = effectsByKey(events)
    const byTask = groupedBy(events, ({ task }) => task ?? "")
    const last = new Map<number, number>()
    for (const command of journal.chat?.commands.toSorted((a, b) => a.update - b.update) ?? []) {
      const own = effects.get(command.key) ?? []
      const problem = command.expect === "nothing" ? nothingProblem(own, log, command) : onceProblem(own, log, byTask.get(command.task ?? "") ?? [], journal.chat?.commands ?? [], command)
      const [effect] = own
      const late = problem === null && effect !== undefined && effect.seq < (last.get(command.chat) ?? 0) ? "its effect came before that of an earlier command of its chat" : null
      if (effect !== undefined) last.set(command.chat, Math.max(effect.seq, last.get(command.chat) ?? 0))
      if (problem === null && late === null) units.good()
      else if (effect === undefined && command.expect === "once") undone(journal, units, `${id}, ${command.op} of ${command.person}, key ${command.key}: ${problem}`)
      else units.bad(`${id}, ${command.op} of ${command.person}, key ${command.key}: ${problem ?? late}`)
    }
  })

const effectsByKey = (events: ReadonlyArray<LogEvent>): ReadonlyMap<string, ReadonlyArray<LogEvent>> => {
  const effects = new Map<string, Array<LogEvent>>()
  for (const event of events) {
    const command = event.payload?.["command"]
    if (mere.has(event.type) || typeof command !== "object" || command === null || !("key" in command) || typeof command.key !== "string") continue
    const known = effects.get(command.key)
    if (known === undefined) effects.set(command.key, [event])
    else known.push(event)
  }
  return effects
}

const nothingProblem = (own: ReadonlyArray<LogEvent>, log: Fold, { key }: ChatCommand): string | null => {
  const [effect] = own
  if (effect !== undefined) return `it had to come to nothing, and seq ${effect.seq} is ${effect.type}`
  return log.byKey.has(key) ? "it had to come to nothing, and made a task" : null
}

const onceProblem = (own: ReadonlyArray<LogEvent>, log: Fold, ofTask: ReadonlyArray<LogEvent>, commands: ReadonlyArray<ChatCommand>, command: ChatCommand): string | null => {
  const { key, op, person, task } = command
  const [effect, second] = own
  if (effect === undefined) return "it had no effect"
  if (second !== undefined) return `it had ${own.length} effects, the second is seq ${second.seq}`
  if (effect.type !== effectOf[op]) return `its effect, seq ${effect.seq}, is ${effect.type}, not ${effectOf[op]}`
  if (effect.actor !== person) return `its effect, seq ${effect.seq}, is that of ${effect.actor}`
  if (op === "submit") {
    const made = log.byKey.get(key)?.length ?? 0
    return made === 1 ? null : `it made ${made} tasks`
  }
  if (effect.task !== task) return `its effect, seq ${effect.seq}, is about task ${effect.task}, not ${task}`
  const alike = (event: LogEvent) => event.type === effectOf[op] && event.actor === person && (op !== "resume" || text(event.payload, "by") === "resume")
  const [had, given] = [ofTask.filter(alike).length, commands.filter((one) => one.op === op && one.task === task && one.person === person && one.expect === "once").length]
  return had === given ? null : `${person} gave it ${given} times, and the log has it ${had} times`
}
