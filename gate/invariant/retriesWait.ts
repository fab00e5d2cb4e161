/**
 * Nothing is tried before its time: a claim comes no earlier than the instant to which the task was put off, and a parked task is claimed
 * only after something woke it. No pause before a retry is longer than its kind declares.
 *
 * Unit: a claim, and a retry of a task whose kind the scenario declares.
 */
import type { LogEvent } from "../History.ts"
import type { Measure } from "../Verdict.ts"
import { budgetsIn } from "./Budget.ts"
import { whole } from "./Fold.ts"
import { overFolds } from "./Units.ts"

export const retriesWait: Measure = (history) =>
  overFolds(history, ({ events, id, journal }, _log, units) => {
    /** When each queued task is due; null: something has to wake it. */
    const due = new Map<string, number | null>()
    for (const event of events) {
      const { at, seq, task, type } = event
      if (task === null) continue
      if (type !== "task.running") {
        const instant = dueBy(event)
        if (instant !== undefined) due.set(task, instant)
        continue
      }
      const instant = due.get(task)
      if (instant === null) units.bad(`${id}, seq ${seq}, task ${task}: it was parked, and claimed before anything woke it`)
      else if (instant !== undefined && at < instant) units.bad(`${id}, seq ${seq}, task ${task}: it was claimed ${instant - at} ms before it was due`)
      else units.good()
    }
    for (const { most, ms, seq, task } of budgetsIn(events, journal.kinds).pauses) {
      if (most === null) units.excluded("its kind is not declared")
      else if (ms <= most) units.good()
      else units.bad(`${id}, seq ${seq}, task ${task}: its next try was put off by ${ms} ms, and ${most} ms is the longest`)
    }
  })

// A cancel wakes a parked task, and does not touch when a running one may be tried again.
const dueBy = ({ at, payload, type }: LogEvent): number | null | undefined => {
  if (type === "task.queued" || type === "child.ended" || type === "task.debounced") return whole(payload, "available_at_ms")
  if (type === "task.cancel_requested" || (type === "signal.received" && payload?.["wakes"] === true)) return at
  return undefined
}
