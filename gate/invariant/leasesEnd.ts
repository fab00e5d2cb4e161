/**
 * A lease that ran out is not revived: a server that stood still for longer than its lease begins nothing more under the epoch that it had.
 * What needs a lease comes behind the start of the next epoch.
 *
 * Unit: a stop that outlasted the lease, and after which something began.
 */
import type { Measure } from "../Verdict.ts"
import { overScenarios } from "./Units.ts"

export const leasesEnd: Measure = (history) =>
  overScenarios(history, ({ events, id, journal: { faults, scenario } }, units) => {
    const isSet = faults.some((fault) => fault.class === "clock")
    for (const { at, class: sort, id: fault, until, witness } of faults) {
      if (sort !== "sigstop" || witness === null) continue
      if (until === undefined || until - at <= scenario.limits.lease_ms) units.excluded("nobody knows that it outlasted the lease")
      else if (isSet) units.excluded("the clock was set, so nobody can tell what came behind it")
      else {
        const next = events.find((event) => event.at >= until && (event.type === "epoch.started" || needsLease.has(event.type)))
        if (next === undefined) units.excluded("nothing began behind it")
        else if (next.type === "epoch.started") units.good()
        else units.bad(`${id}, fault ${fault}: seq ${next.seq}, ${next.type}, came behind it under the epoch of before`)
      }
    }
  })

// An end that was reached is taken as long as nobody else has the task; to begin anything needs a lease in force.
const needsLease: ReadonlySet<string> = new Set(["task.running", "effect.intent", "effect.adopted"])
