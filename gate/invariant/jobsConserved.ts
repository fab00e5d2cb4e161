/**
 * No job is lost and none appears from nowhere: every answered request is in the log as requested, once; every task in the log was asked
 * for, by somebody, by the step of a parent (one child for each), by a fork of a task that there is, or by a declared schedule; and every
 * task is, by what it entered and left, in exactly one state, so that requested = ended + in flight.
 *
 * Unit: a request, and a task that something else than a request asked for; what the log has beyond these is one bad unit each.
 */
import type { Measure } from "../Verdict.ts"
import { placesOf } from "./conservation.ts"
import type { Fold, TaskFold } from "./Fold.ts"
import { overFolds, undone } from "./Units.ts"

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
    const children = new Set<string>()
    for (const task of log.tasks.values()) {
      if (task.requested > 0 && task.key !== null && keys.has(task.key)) continue
      const problem = originProblem(task, log, children) ?? placeProblem(task, places)
      if (problem === null) units.good()
      else if (problem === unaskedBy(task)) undone(journal, units, `${id}, task ${task.id}: ${problem}`)
      else units.bad(`${id}, task ${task.id}: ${problem}`)
    }
  })

// Nobody was told that the work was taken, and it was not.
const unanswered = "not answered and not stored"

const lostProblem = (task: string | null): string => (task === null ? unanswered : "it was acknowledged, and the log does not know it")

const storedProblem = (stored: TaskFold, key: string, places: ReadonlyMap<string, ReadonlyArray<string>>): string | null => {
  if (stored.key !== key) return `the log has it under the key ${stored.key ?? "(none)"}`
  return placeProblem(stored, places)
}

const placeProblem = ({ id, requested }: TaskFold, places: ReadonlyMap<string, ReadonlyArray<string>>): string | null => {
  if (requested !== 1) return `the log has it requested ${requested} times`
  return places.get(id)?.length === 1 ? null : "what it entered and left does not add up to one state"
}

// By the journal, which gets a request when it was answered.
const unaskedBy = ({ key }: Pick<TaskFold, "key">): string => `nobody asked for it (key ${key ?? "(none)"})`

// `children` are the steps of parents that have a child, of the tasks before this one.
const originProblem = ({ commanded, key, origin, requested }: TaskFold, { schedules, tasks }: Fold, children: Set<string>): string | null => {
  if (requested === 0 || origin === null) return "the log moves it but never had it requested"
  const { by, forkedFrom, fromStep, parent, parentStep, schedule, tickBy, tickMs } = origin
  if (by === "child") {
    const place = `${parent} ${parentStep}`
    if (parent === null || parentStep === null || !tasks.has(parent)) return `it is the child of ${parent ?? "nobody"}, which the log does not know`
    if (children.has(place)) return `step ${parentStep} of ${parent} has a child already`
    children.add(place)
    return null
  }
  if (by === "fork") {
    if (!commanded) return "nobody asked for this fork"
    return forkedFrom !== null && fromStep !== null && tasks.has(forkedFrom) ? null : `it was forked from ${forkedFrom ?? "nothing"}, which the log does not know`
  }
  if (by === "schedule" && schedule !== null && tickMs !== null) {
    if (tickBy === "manual") return commanded ? null : `nobody asked for this run of ${schedule}`
    return schedules.has(schedule) ? null : `the schedule ${schedule} was never declared`
  }
  return unaskedBy({ key })
}
