/**
 * Nothing took effect that the log had not allowed: every start in the ledger has its own intent with the same task, dispatch
 * key, attempt and generation, and used the dispatch key of its task, or of a step in code the key of the task and the step's number.
 * A command came in time. What ended had started.
 *
 * Unit: a start in the ledger; an end without a start is a bad unit of its own.
 */
import type { Effect } from "../History.ts"
import type { Measure } from "../Verdict.ts"
import type { TaskFold } from "./Fold.ts"
import { intentsOf } from "./Ledger.ts"
import { overFolds } from "./Units.ts"

// The ledger reads its clock to 10 ms, and the intent names an instant on the exact clock: two ticks are allowed.
const clockSlackMs = 20

export const effectsPermitted: Measure = (history) =>
  overFolds(history, ({ effects, id }, log, units) => {
    const used = new Set<number>()
    const started = new Set<string>()
    for (const effect of effects) {
      const problem = effect.phase === "start" ? startProblem(effect, log.tasks.get(effect.task), used) : started.has(runOf(effect)) ? null : "ended without a start"
      if (effect.phase === "start") started.add(runOf(effect))
      if (problem !== null) units.bad(`${id}, task ${effect.task}, process ${effect.pid}, attempt ${effect.attempt}, generation ${effect.generation}: ${problem}`)
      else if (effect.phase === "start") units.good()
    }
  })

const runOf = ({ attempt, dispatch_key, generation, pid, task }: Effect): string => [task, dispatch_key, attempt, generation, pid].join(" ")

const startProblem = (start: Effect, task: TaskFold | undefined, used: Set<number>): string | null => {
  const intents = intentsOf(task, start)
  const [intent] = intents.filter(({ seq }) => !used.has(seq))
  if (intent === undefined) return intents.length === 0 ? "started without an intent" : "started again under an intent that was already used"
  used.add(intent.seq)
  const key = task?.dispatchKey ?? "none"
  if (intent.dispatchKey !== start.dispatch_key || (start.dispatch_key !== key && start.dispatch_key !== `${key}:${intent.step}`)) {
    return `started under the dispatch key ${start.dispatch_key}; the intent has ${intent.dispatchKey}, the request ${key}`
  }
  // A process can be stopped between the intent and a body in its own code, and nothing that it could do helps: the fence is behind it.
  if (intent.code) return null
  if (intent.startBeforeMonoMs === null) return `the intent (seq ${intent.seq}) names no latest start`
  const lateMs = start.mono_ms - intent.startBeforeMonoMs
  return lateMs <= clockSlackMs ? null : `started ${lateMs} ms after the latest start that the intent (seq ${intent.seq}) allowed`
}
