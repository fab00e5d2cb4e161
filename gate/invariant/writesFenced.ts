/**
 * Whoever wrote held the lease: every intent, outcome of a step or a run, word of progress and return to the queue (a suspension
 * too) carries the highest generation granted so far, and the task was RUNNING. No intent comes after its lease has run out. While
 * an outcome is unknown, nothing begins, ends by itself or becomes unknown, but by a restore that parks the task anew; only then does
 * a person settle a step.
 *
 * Unit: such a write.
 */
import type { Measure } from "../Verdict.ts"
import type { Write } from "./Fold.ts"
import { overFolds } from "./Units.ts"

export const writesFenced: Measure = (history) =>
  overFolds(history, ({ id }, { writes }, units) => {
    for (const write of writes) {
      const problem = problemOf(write)
      if (problem === null) units.good()
      else units.bad(`${id}, seq ${write.seq}, task ${write.task}: ${write.type} ${problem}`)
    }
  })

const problemOf = ({ expired, generation, highest, parked, reconciled, running, type, unknown }: Write): string | null => {
  if (!running) return "was written while the task was not RUNNING"
  if (generation !== highest) return `was written under generation ${generation}, and ${highest} was the highest granted`
  if (expired) return "was written after its lease had run out"
  if (reconciled && !unknown) return "was reconciled while no outcome was unknown"
  return unknown && !reconciled && !parked && needsKnownOutcome.has(type) ? "was written while the outcome was unknown" : null
}

const needsKnownOutcome: ReadonlySet<string> = new Set(["effect.intent", "step.succeeded", "step.failed", "step.settled", "run.progress", "task.outcome_unknown"])
