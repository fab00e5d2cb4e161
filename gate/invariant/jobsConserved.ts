/**
 * No job is lost and none appears from nowhere: every answered request is in the log as requested, once; every task in the
 * log was asked for; and every task that was requested is, by what it entered and left, in exactly one state, so that
 * requested = ended + in flight.
 *
 * Unit: a request; what the log has beyond the requests is one bad unit each.
 */
import type { Measure } from "../Verdict.ts"
import type { Fold, TaskFold } from "./Fold.ts"
import { overFolds } from "./Units.ts"

export const jobsConserved: Measure = (history) =>
  overFolds(history, ({ id, journal }, log, units) => {
    const places = placesOf(log)
    for (const { key, task } of journal.requests) {
      const stored = task === null ? log.byKey.get(key)?.[0] : log.tasks.get(task)
      const problem = stored === undefined ? lostProblem(task) : storedProblem(stored, key, places)
      if (problem === null) units.good()
      else if (problem === unanswered) units.excluded(unanswered)
      else units.bad(`${id}, task ${task ?? "(no answer)"}, key ${key}: ${problem}`)
    }
    const keys = new Set(journal.requests.map(({ key }) => key))
    for (const task of log.tasks.values()) {
      const problem = phantomProblem(task, keys)
      if (problem !== null) units.bad(`${id}, task ${task.id}: ${problem}`)
    }
  })

// Nobody was told that the work was taken, and it was not.
const unanswered = "not answered and not stored"

const lostProblem = (task: string | null): string => (task === null ? unanswered : "it was acknowledged, and the log does not know it")

const storedProblem = (stored: TaskFold, key: string, places: ReadonlyMap<string, ReadonlyMap<string, number>>): string | null => {
  if (stored.requested !== 1) return `the log has it requested ${stored.requested} times`
  if (stored.key !== key) return `the log has it under the key ${stored.key ?? "(none)"}`
  return isInOnePlace(places.get(stored.id)) ? null : "what it entered and left does not add up to one state"
}

const phantomProblem = (task: TaskFold, keys: ReadonlySet<string>): string | null => {
  if (task.requested === 0) return "the log moves it but never had it requested"
  return task.key !== null && keys.has(task.key) ? null : `nobody asked for it (key ${task.key ?? "(none)"})`
}

// Per task and state: entries less exits. The events' own claims are counted here, not the state that the fold arrived at.
const placesOf = (log: Fold): ReadonlyMap<string, ReadonlyMap<string, number>> => {
  const places = new Map<string, Map<string, number>>()
  for (const { from, task, to } of log.moves) {
    const held = places.get(task) ?? new Map<string, number>()
    places.set(task, held)
    held.set(to, (held.get(to) ?? 0) + 1)
    if (from !== "(new)") held.set(from, (held.get(from) ?? 0) - 1)
  }
  return places
}

const isInOnePlace = (held: ReadonlyMap<string, number> | undefined): boolean => {
  const occupied = [...(held?.values() ?? [])].filter((count) => count !== 0)
  return occupied.length === 1 && occupied[0] === 1
}
