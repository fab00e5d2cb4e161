/**
 * Commands were handled: what a person said or pressed was answered before its deadline, and the log has what it asked for and no
 * refusal. A timeout, a refusal and no answer at all are bad. What is no command, or nobody's to give, is left out when it had no effect,
 * and bad when it had one.
 *
 * Unit: a command, by its key, in a scenario that declares how long an answer may take (`limits.command_ms`).
 */
import type { ChatCommand, LogEvent, Standing } from "../History.ts"
import { overScenarios } from "../invariant/Units.ts"
import type { Measure } from "../Verdict.ts"
import { answersIn, eventsByKey, refusals } from "./Answers.ts"

export const commandSuccess: Measure = (history) =>
  overScenarios(history, ({ events, id, journal }, units) => {
    const { chat, ended_at, scenario } = journal
    if (chat === undefined || chat.commands.length === 0) return
    const timeoutMs = scenario.limits.command_ms
    if (timeoutMs === undefined) return units.missing(`${id}: the scenario does not say how long the answer to a command may take`)
    const [byKey, answeredAt] = [eventsByKey(events), answersIn(chat)]
    const counted = new Set<string>()
    for (const command of chat.commands) {
      const { at, key, op, person } = command
      if (counted.has(key)) continue
      counted.add(key)
      if (at === undefined) {
        units.missing(`${id}: nobody knows when the command ${key} was given`)
        continue
      }
      const standing = standingOf(command)
      const own = byKey.get(key) ?? []
      const late = answerProblem(answeredAt(command, command.task ?? madeBy(own)), at, timeoutMs)
      const problem = standing === "valid" ? (late ?? effectProblem(command, own)) : ((standing === "malformed" ? late : null) ?? strayProblem(standing, own))
      if (standing !== "valid" && problem === null) units.excluded(reasons[standing])
      else if (at + timeoutMs >= ended_at && (standing === "valid" || problem === late)) units.censored()
      else if (problem === null) units.good()
      else units.bad(`${id}, ${op} of ${person}, key ${key}: ${problem}`)
    }
  })

const madeBy = (own: ReadonlyArray<LogEvent>): string | null => own.find(({ type }) => type === "task.requested")?.task ?? null

const standingOf = ({ expect, standing }: ChatCommand): Standing => standing ?? (expect === "once" ? "valid" : "repeat")

const reasons = {
  malformed: "it is no command, and was answered so",
  unauthorised: "whoever gave it may not",
  over_quota: "it is beyond the quota of whoever gave it",
  repeat: "it was given before"
} as const satisfies Record<Exclude<Standing, "valid">, string>

const strayProblem = (standing: Standing, own: ReadonlyArray<LogEvent>): string | null => {
  const effect = own.find(({ type }) => !refusals.has(type) && type !== "idempotency.replayed" && type !== "command.accepted")
  return effect === undefined ? null : `it is ${standing}, and seq ${effect.seq} is ${effect.type}`
}

const answerProblem = (answered: number | null, at: number, timeoutMs: number): string | null => {
  if (answered === null) return "it was never answered"
  return answered - at <= timeoutMs ? null : `it was answered after ${answered - at} ms, and ${timeoutMs} ms were allowed`
}

// A command that must change nothing is answered, and that is all.
const effectProblem = ({ expect }: ChatCommand, own: ReadonlyArray<LogEvent>): string | null => {
  const refused = own.find(({ type }) => refusals.has(type))
  if (refused !== undefined) return `it was refused: seq ${refused.seq} is ${refused.type}`
  return expect === "once" && own.length === 0 ? "the log does not know it" : null
}
