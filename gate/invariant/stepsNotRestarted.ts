/**
 * A step begins again only while it may: not when it has succeeded, not while it is in progress under the same lease, a dangerous one in
 * code not before somebody knows what came of it, and in a fork not when it was taken over. Told from the log alone; `noDuplicateHeavy`
 * tells the same from the ledger.
 *
 * Unit: an intent.
 */
import type { Measure } from "../Verdict.ts"
import type { Fold, Intent, StepEnd, TaskFold } from "./Fold.ts"
import { overFolds } from "./Units.ts"

export const stepsNotRestarted: Measure = (history) =>
  overFolds(history, ({ id }, log, units) => {
    for (const task of log.tasks.values()) {
      const begun = new Map<number | null, Intent>()
      const taken = takenOver(task, log)
      for (const intent of task.intents) {
        const problem = taken.get(intent.step) === intent.name && intent.name !== null
          ? "it was taken over from the task that this one was forked from"
          : problemOf(task, intent, begun.get(intent.step))
        if (problem === null) units.good()
        else units.bad(`${id}, seq ${intent.seq}, task ${task.id}, step ${intent.step ?? "(none)"}: ${problem}`)
        begun.set(intent.step, intent)
      }
    }
  })

const problemOf = (task: TaskFold, intent: Intent, before: Intent | undefined): string | null => {
  const ends = task.ends.filter(({ seq, step }) => step === intent.step && seq < intent.seq)
  const done = ends.find(isDone)
  if (done !== undefined) return `it began again, and had ${done.how} at seq ${done.seq}`
  if (before === undefined || ends.some(({ seq }) => seq > before.seq)) return null
  if (before.generation === intent.generation) return `it began again under generation ${intent.generation}, and was in progress since seq ${before.seq}`
  return before.code && before.effect === "dangerous" ? `it is dangerous and began again, and nobody knew what came of the try at seq ${before.seq}` : null
}

const isDone = ({ how }: StepEnd): boolean => how === "succeeded" || how === "reconciled"

/** Names of the steps that a fork took over, as far as the log of its origin has their success. */
const takenOver = ({ origin }: TaskFold, { tasks }: Fold): ReadonlyMap<number | null, string | null> => {
  const source = origin?.by === "fork" && origin.forkedFrom !== null ? tasks.get(origin.forkedFrom) : undefined
  const cut = origin?.fromStep ?? 0
  return new Map(source?.ends.filter((end) => end.step < cut && isDone(end)).map(({ name, step }) => [step, name]))
}
