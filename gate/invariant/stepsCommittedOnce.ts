/**
 * The outcome of a step is stored once: of each step of a task one success, by the run or by a person's word, and nothing else of it
 * behind that. A step keeps its name, whatever happens: its number is its place.
 *
 * Unit: a success of a step.
 */
import type { Measure } from "../Verdict.ts"
import type { StepEnd, TaskFold } from "./Fold.ts"
import { overFolds } from "./Units.ts"

export const stepsCommittedOnce: Measure = (history) =>
  overFolds(history, ({ id }, { tasks }, units) => {
    for (const task of tasks.values()) {
      const done = new Map<number, StepEnd>()
      const names = namesOf(task)
      for (const end of task.ends) {
        const before = done.get(end.step)
        const problem = before !== undefined
          ? `step ${end.step} ${end.how}, and it had ${before.how} at seq ${before.seq}`
          : end.name !== null && names.get(end.step) !== end.name
          ? `step ${end.step} is called ${JSON.stringify(end.name)}, and was ${JSON.stringify(names.get(end.step))}`
          : null
        const isDone = end.how === "succeeded" || end.how === "reconciled"
        if (isDone && before === undefined) done.set(end.step, end)
        if (problem !== null) units.bad(`${id}, seq ${end.seq}, task ${task.id}: ${problem}`)
        else if (isDone) units.good()
      }
    }
  })

/** The first name of each step. */
const namesOf = ({ ends, intents }: TaskFold): ReadonlyMap<number | null, string> => {
  const names = new Map<number | null, string>()
  const said = [...intents, ...ends].toSorted((one, other) => one.seq - other.seq)
  for (const { name, step } of said) if (name !== null && !names.has(step)) names.set(step, name)
  return names
}
