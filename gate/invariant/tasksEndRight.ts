/**
 * Every job that was asked for ended as its scenario expects, and took effect as often as it should: no less, no more.
 * A product that completes nothing keeps every other promise and breaks this one. Of a task in code each step counts once, however often
 * it had to be done; whether it might is for `noDuplicateHeavy` to say.
 *
 * Unit: a request.
 */
import type { Effect, Request } from "../History.ts"
import type { Measure } from "../Verdict.ts"
import { describe, isAmong, type TaskFold } from "./Fold.ts"
import { groupedBy } from "./Ledger.ts"
import { isTerminal } from "./StateMachine.ts"
import { overFolds, undone } from "./Units.ts"

export const tasksEndRight: Measure = (history) =>
  overFolds(history, ({ effects, id, journal }, log, units) => {
    const done = effects.filter(({ phase }) => phase === "done")
    const [byTask, byDispatchKey] = [groupedBy(done, ({ task }) => task), groupedBy(done, ({ dispatch_key }) => dispatch_key)]
    for (const request of journal.requests) {
      const task = request.task === null ? log.byKey.get(request.key)?.[0] : log.tasks.get(request.task)
      // Under the task or under its key: a key that changed on the way must not hide an effect.
      const effectsOf = new Set([...(byTask.get(task?.id ?? "") ?? []), ...(byDispatchKey.get(task?.dispatchKey ?? "") ?? [])])
      const times = timesDone(effectsOf, task)
      const problem = problemOf(request, task, times)
      const sentence = `${id}, task ${task?.id ?? request.task ?? "(none)"}, key ${request.key}: ${problem}`
      if (problem === null) units.good()
      else if (isOver(task) || times > request.expect.done_max) units.bad(sentence)
      else undone(journal, units, sentence)
    }
  })

// What comes of it then is its end; an end that is none yet may still come.
const isOver = (task: TaskFold | undefined): boolean => isTerminal(task?.state ?? null)

const timesDone = (effects: ReadonlySet<Effect>, task: TaskFold | undefined): number => {
  const steps = new Set(task?.intents.filter(({ code }) => code).map(({ dispatchKey }) => dispatchKey))
  return new Set([...effects].map((effect) => (steps.has(effect.dispatch_key) ? effect.dispatch_key : effect))).size
}

const problemOf = ({ expect }: Request, task: TaskFold | undefined, done: number): string | null => {
  if (task === undefined) return "it was never stored"
  if (!isAmong(task, expect.states)) return `it ended ${describe(task)}, expected ${expect.states.join(" or ")}`
  const right = expect.done_min <= done && done <= expect.done_max
  return right ? null : `its effect is done ${done} times, expected ${expect.done_min} to ${expect.done_max}`
}
