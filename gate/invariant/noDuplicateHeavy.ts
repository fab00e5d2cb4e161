/**
 * No heavy job took effect twice, by the ledger that its commands and steps wrote themselves. Bad is: more than one `done` under
 * a dispatch key, for a task, or for a step of one; a second start where the log does not show that the first had ended. A retry
 * after a known failure, a failure of the step itself and a reconcile by a person end it. A lost lease does so only for effects that
 * are declared idempotent, or that only read: running a dangerous one again, nobody knowing how it went, is the very thing that must
 * not happen. A step in code that may be done again may be done twice: that its process died before its outcome was stored is all that the
 * log can say of the first.
 *
 * Unit: an opportunity to go wrong, which is a heavy task and a fault that hit it, or a heavy task and a key that was replayed. A
 * duplicate spoils every unit of its task and is one bad unit where no fault hit it. Each opportunity counts once.
 */
import type { Effect } from "../History.ts"
import type { Measure } from "../Verdict.ts"
import type { Fold, Intent } from "./Fold.ts"
import { endsBetween, groupedBy, intentsByStart } from "./Ledger.ts"
import { overFolds, type Units, type Whole } from "./Units.ts"

export const noDuplicateHeavy: Measure = (history) =>
  overFolds(history, (scenario, log, units) => {
    const heavy = heavyTasks(scenario, log)
    const duplicates = duplicatesAmong(scenario, log, heavy)
    const exposed = new Set<string>()
    for (const { task, what } of exposures(scenario, log, heavy, units)) {
      const problem = duplicates.get(task)
      exposed.add(task)
      if (problem === undefined) units.good()
      else units.bad(`${scenario.id}, task ${task}: ${problem} (${what})`)
    }
    for (const [task, problem] of duplicates) {
      if (!exposed.has(task)) units.bad(`${scenario.id}, task ${task}: ${problem} (no fault hit it)`)
    }
  })

// Heavy is what either side calls heavy: the log that stored the task, or the journal that asked for it.
const heavyTasks = ({ journal }: Whole, log: Fold): ReadonlySet<string> => {
  const stored = [...log.tasks.values()].filter((task) => task.class === "heavy").map(({ id }) => id)
  const asked = journal.requests.filter((request) => request.class === "heavy")
  return new Set([...stored, ...asked.flatMap(({ key, task }) => [...(task === null ? [] : [task]), ...(log.byKey.get(key) ?? []).map(({ id }) => id)])])
}

interface Exposure {
  readonly task: string
  readonly what: string
}

const exposures = ({ journal }: Whole, log: Fold, heavy: ReadonlySet<string>, units: Units): ReadonlyArray<Exposure> => {
  const found = new Map<string, Exposure>()
  const add = (task: string, what: string) => found.set(`${what} ${task}`, { task, what })
  // A replay fault is counted as the replay that it sent.
  const faults = journal.faults.filter((fault) => fault.class !== "replay" && fault.witness !== null)
  for (const fault of faults) fault.hit.forEach((task) => add(task, `fault ${fault.id}`))
  for (const { first_task, key } of journal.replays) {
    const task = first_task ?? log.byKey.get(key)?.[0]?.id
    if (task !== undefined) add(task, `replay of ${key}`)
  }
  return [...found.values()].filter(({ task }) => {
    if (!heavy.has(task)) units.excluded("not heavy")
    return heavy.has(task)
  })
}

// By task and step, and by dispatch key: a key that changed between attempts must not hide the second run, nor two tasks under one key.
const duplicatesAmong = ({ effects }: Whole, log: Fold, heavy: ReadonlySet<string>): ReadonlyMap<string, string> => {
  const duplicates = new Map<string, string>()
  const intents = intentsByStart(effects, log)
  const steps = new Map<string, number | null>()
  for (const [start, { step }] of intents) steps.set(runOf(start), step)
  // A start that no intent names is taken for the first step: beside a command, which is the whole of its task.
  const stepOf = (effect: Effect) => steps.get(runOf(effect)) ?? 1
  const groups = [...groupedBy(effects, (effect) => `${effect.task} ${stepOf(effect)}`).values(), ...groupedBy(effects, ({ dispatch_key }) => dispatch_key).values()]
  for (const group of groups) {
    const tasks = [...new Set(group.map(({ task }) => task))].filter((task) => heavy.has(task))
    const problem = tasks.length === 0 ? null : duplicateIn(group, log, intents)
    if (problem !== null) tasks.forEach((task) => duplicates.set(task, problem))
  }
  return duplicates
}

const runOf = ({ attempt, dispatch_key, generation, task }: Effect): string => `${task} ${attempt} ${generation} ${dispatch_key}`

type Intents = ReturnType<typeof intentsByStart>

const duplicateIn = (group: ReadonlyArray<Effect>, log: Fold, intents: Intents): string | null => {
  const starts = group.filter(({ phase }) => phase === "start")
  const done = group.filter(({ phase }) => phase === "done").length
  const repeatable = starts.length > 0 && starts.every((start) => isRepeatable(intents.get(start)) && intents.get(start)?.code === true)
  if (done > 1 && !repeatable) return `done ${done} times`
  const again = starts.find((start, index) => {
    const before = starts[index - 1]
    return before !== undefined && !mayStartAgain(log, before, start, intents)
  })
  return again === undefined ? null : `started again as attempt ${again.attempt}, generation ${again.generation}, and the log does not show that the start before it had ended`
}

const mayStartAgain = (log: Fold, before: Effect, start: Effect, intents: Intents): boolean => {
  const task = before.task === start.task ? log.tasks.get(start.task) : undefined
  const [first, second] = [intents.get(before), intents.get(start)]
  return endsBetween(task, first, second).some((by) => knownEnds.has(by) || (isRepeatable(first) && leaves.has(by)))
}

const isRepeatable = (intent: Intent | undefined): boolean => intent?.effect === "idempotent" || intent?.effect === "read"

const knownEnds: ReadonlySet<string> = new Set(["retry", "reconcile", "recover", "step_failed", "step_settled"])
/** How a run is left in the middle of something. */
const leaves: ReadonlySet<string> = new Set(["lease_lost", "hand_back", "suspend"])
