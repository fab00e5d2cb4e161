/**
 * How long the simulated soaks lasted, on their own clock.
 *
 * Unit: a whole hour of a simulated scenario that ran to its end.
 */
import { overScenarios } from "../invariant/Units.ts"
import type { Measure } from "../Verdict.ts"

const hourMs = 3_600_000

export const virtualHours: Measure = (history) =>
  overScenarios(history, ({ id, journal }, units) => {
    if (journal.world !== "simulation") units.excluded("it was not simulated")
    else if (journal.status !== "completed") units.missing(`${id} was aborted: ${journal.note ?? "no reason is given"}`)
    else units.good(Math.max(0, Math.floor((journal.ended_at - journal.started_at) / hourMs)))
  })
