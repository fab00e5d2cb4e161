/**
 * Jobs that a fault interrupted came to an end that their scenario expects.
 *
 * Unit: a fault and a task that it hit; each pair counts once. A replay interrupts nothing and is left out,
 * and so is what strikes the way to a chat service and no run.
 */
import type { Request, Target } from "../History.ts"
import { describe, isAmong, type TaskFold } from "../invariant/Fold.ts"
import { isTerminal } from "../invariant/StateMachine.ts"
import { overFolds, undone } from "../invariant/Units.ts"
import type { Measure } from "../Verdict.ts"

export const interruptedRecovered: Measure = (history) =>
  overFolds(history, ({ id, journal }, log, units) => {
    const requestOf = new Map<string, Request>()
    for (const request of journal.requests) {
      const task = request.task ?? log.byKey.get(request.key)?.[0]?.id
      if (task !== undefined) requestOf.set(task, request)
    }
    const counted = new Set<string>()
    for (const fault of journal.faults) {
      if (!tasks.has(fault.must_hit)) {
        units.excluded("it interrupts no task")
        continue
      }
      for (const task of fault.hit) {
        if (counted.has(`${fault.id} ${task}`)) continue
        counted.add(`${fault.id} ${task}`)
        const known = log.tasks.get(task)
        const problem = problemOf(requestOf.get(task), known)
        if (fault.class === "replay") units.excluded("replays interrupt nothing")
        else if (problem === null) units.good()
        else if (known === undefined || isTerminal(known.state)) units.bad(`${id}, fault ${fault.id}, task ${task}: ${problem}`)
        else undone(journal, units, `${id}, fault ${fault.id}, task ${task}: ${problem}`)
      }
    }
  })

/** What a fault hits that hits a task. */
const tasks: ReadonlySet<Target> = new Set(["running", "claimed", "effect", "stored", "commit"])

const problemOf = (request: Request | undefined, task: TaskFold | undefined): string | null => {
  if (task === undefined) return "the log does not know it"
  if (request === undefined) return "nobody asked for it"
  return isAmong(task, request.expect.states) ? null : `it ended ${describe(task)}, expected ${request.expect.states.join(" or ")}`
}
