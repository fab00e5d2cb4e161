/**
 * The fencing token of the process only grows: each epoch has a higher number than all before it, and whoever claims or adopts a task does
 * so under the newest one. A process whose epoch is over takes nothing on. The token of a task is `singleOwner`'s.
 *
 * Unit: an epoch that began, a claim, an adoption.
 */
import type { LogEvent } from "../History.ts"
import type { Measure } from "../Verdict.ts"
import { whole } from "./Fold.ts"
import { overFolds } from "./Units.ts"

const grants: ReadonlySet<string> = new Set(["task.running", "effect.adopted"])

export const tokensMonotonic: Measure = (history) =>
  overFolds(history, ({ events, id }, _log, units) => {
    let newest = 0
    for (const event of events) {
      const isEpoch = event.type === "epoch.started"
      if (!isEpoch && !grants.has(event.type)) continue
      const problem = problemOf(event, isEpoch, newest)
      if (isEpoch) newest = Math.max(newest, whole(event.payload, "epoch") ?? 0)
      if (problem === null) units.good()
      else units.bad(`${id}, seq ${event.seq}${event.task === null ? "" : `, task ${event.task}`}: ${problem}`)
    }
  })

const problemOf = ({ payload, type }: LogEvent, isEpoch: boolean, newest: number): string | null => {
  const epoch = whole(payload, "epoch")
  if (epoch === null) return `${type} names no epoch`
  if (isEpoch) return epoch > newest ? null : `epoch ${epoch} began after epoch ${newest}`
  return epoch === newest ? null : `${type} under epoch ${epoch}, and ${newest === 0 ? "none had begun" : `${newest} was the newest`}`
}
