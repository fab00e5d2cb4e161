/**
 * A lease in force is not taken away: a run is taken back only under a later epoch than the one that it was claimed in, and an epoch that
 * begins because the lease of the one before had run out begins after every instant until which that one was allowed to start something.
 *
 * Unit: a run that was taken back or adopted; an epoch that began because a lease had run out.
 */
import type { LogEvent } from "../History.ts"
import type { Measure } from "../Verdict.ts"
import { text, whole } from "./Fold.ts"
import { overFolds } from "./Units.ts"

export const leasesRespected: Measure = (history) =>
  overFolds(history, ({ events, id }, _log, units) => {
    const claimed = new Map<string, number | null>()
    let [newest, promisedUntil] = [0, 0]
    for (const event of events) {
      const { payload, seq, task, type } = event
      if (type === "epoch.started") {
        const monoMs = whole(payload, "mono_ms")
        if (text(payload, "why") === "lease_expired") {
          if (monoMs !== null && monoMs >= promisedUntil) units.good()
          else units.bad(`${id}, seq ${seq}: it began at ${monoMs ?? "no instant"} of the monotonic clock, and the lease before was in force until ${promisedUntil}`)
        }
        // A machine that was started anew has another monotonic clock, so that nothing is carried on from epoch to epoch.
        ;[newest, promisedUntil] = [whole(payload, "epoch") ?? newest, 0]
      }
      if (task === null) continue
      if (type === "effect.intent") promisedUntil = Math.max(promisedUntil, whole(payload, "start_before_mono_ms") ?? 0)
      if (isTakenBack(event)) {
        const under = claimed.get(task)
        if (typeof under === "number" && under < newest) units.good()
        else units.bad(`${id}, seq ${seq}, task ${task}: its run was taken away under epoch ${newest}, and it was claimed under ${under ?? "none"}`)
      }
      if (type === "task.running" || type === "effect.adopted") claimed.set(task, whole(payload, "epoch"))
    }
  })

// A supervisor that died under its own server took nothing away: that run is settled under the lease that it has.
const lost = "worker_lost"

// A run that never began comes back by `lease_lost` too, with a code of its own: that is whose lease it was.
const isTakenBack = ({ payload, type }: LogEvent): boolean => {
  if (type === "effect.adopted") return true
  if (type === "task.outcome_unknown") return text(payload, "code") === lost
  return type === "task.queued" && text(payload, "by") === "lease_lost" && text(payload, "code") === "lease_lost"
}
