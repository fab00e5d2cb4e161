/**
 * The mean time to recover, per class of faults: at most what the scorecard allows (`restored_within_ms`). Incidents that were never over
 * count at their full length up to the end of what was seen, so leaving them out cannot make the mean look better.
 *
 * Unit: a class of faults with an incident.
 */
import { groupedBy } from "../invariant/Ledger.ts"
import { limitIn } from "../invariant/Settings.ts"
import { counted, overScenarios } from "../invariant/Units.ts"
import type { Measure } from "../Verdict.ts"
import { type Incident, incidentsOf } from "./Incidents.ts"

export const mttrMean: Measure = (history, parameters = {}) => {
  const all: Array<Incident> = []
  const seen = overScenarios(history, (whole, units) => {
    const probes = limitIn(parameters, "probes", units)
    if (probes === null) return
    const incidents = incidentsOf(whole, probes, units)
    const open = whole.journal.status === "aborted" ? incidents.find((incident) => incident.open !== null) : undefined
    // Nobody knows how long it would have lasted.
    if (open !== undefined) units.missing(`${open.scenario}, fault ${open.fault}: the scenario was aborted before it was over`)
    all.push(...incidents)
  })
  if (seen._tag === "Missing") return seen
  const measured = counted((units) => {
    const limitMs = limitIn(parameters, "restored_within_ms", units)
    for (const [sort, incidents] of limitMs === null ? [] : groupedBy(all, (incident) => incident.sort)) {
      const sum = incidents.reduce((total, { lastedMs }) => total + lastedMs, 0)
      if (sum <= (limitMs ?? 0) * incidents.length) units.good()
      else units.bad(`${sort}: ${incidents.length} incidents lasted ${Math.round(sum / incidents.length)} ms in the mean, and ${limitMs} ms are allowed`)
    }
  })
  return measured._tag === "Missing" ? measured : { ...measured, excluded: seen.excluded }
}
