/**
 * What was acknowledged is in the log: every command that a client was told to be taken, with its key, and every state that a client was
 * shown. A log whose end was lost is a valid chain; only what somebody outside remembers can tell.
 *
 * Unit: an operation of a client that was answered, and not refused.
 */
import type { LogEvent, Operation } from "../History.ts"
import type { Measure } from "../Verdict.ts"
import { commandOf } from "./Commanded.ts"
import { enteredBy } from "./StateMachine.ts"
import { overFolds } from "./Units.ts"

export const acknowledgedKept: Measure = (history) =>
  overFolds(history, ({ events, id, journal }, _log, units) => {
    const known = rememberedBy(events)
    for (const operation of journal.operations ?? []) {
      const { answer, answered, op, task } = operation
      if (answered === null || answer === null) units.excluded("no answer came")
      else if (answer === "refused") units.excluded("it was refused")
      else if (known.has(factOf(operation))) units.good()
      else units.bad(`${id}, ${op} of task ${task ?? "(none)"}, answered at ${answered}: the log does not have it (${factOf(operation)})`)
    }
  })

const factOf = ({ answer, key, op, task }: Operation): string =>
  op === "read" ? `${task} was ${answer}` : key === null ? `${op} of ${task}` : `${op} under ${key}`

const rememberedBy = (events: ReadonlyArray<LogEvent>): ReadonlySet<string> => {
  const facts = new Set<string>()
  for (const event of events) {
    const [command, to] = [commandOf(event), enteredBy(event.type)]
    if (to !== undefined) facts.add(`${event.task} was ${to}`)
    if (event.type === "task.outcome_unknown") facts.add(`${event.task} was OUTCOME_UNKNOWN`)
    if (command !== null) facts.add(command.key === null ? `${command.op} of ${event.task}` : `${command.op} under ${command.key}`)
    // Who asks a second time, with a key or without, is told what was stored, and has named what he asks.
    if (command !== null && command.key !== null) facts.add(`${command.op} of ${event.task}`)
  }
  return facts
}
