/**
 * Where nothing breaks, nothing is done twice: in a scenario without faults every task that nobody ended succeeds at its first attempt,
 * each of its steps begins once, nothing is lost, retried or fenced, and what its ledger has begun it has done.
 *
 * Unit: a task that ended in a scenario without faults, of a kind that the scenario declares and whose work does not fail by itself.
 */
import type { Effect, Journal } from "../History.ts"
import type { Measure } from "../Verdict.ts"
import type { TaskFold } from "./Fold.ts"
import { groupedBy } from "./Ledger.ts"
import { overFolds } from "./Units.ts"

export const faultlessQuiet: Measure = (history) =>
  overFolds(history, ({ effects, events, id, journal }, { tasks }, units) => {
    if (journal.faults.length > 0 || journal.scenario.faults.length > 0) return
    const ledger = groupedBy(effects, ({ task }) => task)
    const fenced = new Set(events.filter(({ type }) => type === "write.fenced").map(({ task }) => task))
    for (const task of tasks.values()) {
      const left = leftOut(task, journal)
      const problem = left !== null ? null : fenced.has(task.id) ? "a write to it was refused as late" : problemOf(task, ledger.get(task.id) ?? [])
      if (left !== null) units.excluded(left)
      else if (problem === null) units.good()
      else units.bad(`${id}, task ${task.id}: ${problem}, and nothing was broken`)
    }
  })

const leftOut = ({ kind, state }: TaskFold, { kinds = {} }: Journal): string | null => {
  if (state !== "SUCCEEDED" && state !== "FAILED") return "it did not end by itself"
  const declared = kind !== null && Object.hasOwn(kinds, kind) ? kinds[kind] : undefined
  if (declared === undefined) return "its kind is not declared"
  return declared.fails ? "its work may fail by itself" : null
}

/** Entries into the queue that a quiet run has: it was dispatched, and parked for what it waits for. */
const quiet: ReadonlySet<string> = new Set(["resume", "suspend"])

const problemOf = ({ intents, rests, state }: TaskFold, effects: ReadonlyArray<Effect>): string | null => {
  if (state !== "SUCCEEDED") return `it ended ${state ?? "nowhere"}`
  const rest = rests.find(({ by }) => !quiet.has(by))
  if (rest !== undefined) return `it came back by ${rest.by} at seq ${rest.seq}`
  const again = intents.find(({ step }, index) => intents.findIndex((other) => other.step === step) < index)
  if (again !== undefined) return `step ${again.step ?? "(none)"} began again at seq ${again.seq}`
  const [starts, dones] = [effects.filter(({ phase }) => phase === "start").length, effects.filter(({ phase }) => phase === "done").length]
  return starts === dones && starts <= intents.length ? null : `its ledger has ${starts} starts and ${dones} ends, and the log ${intents.length} intents`
}
