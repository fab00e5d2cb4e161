/**
 * What a fault broke was well again within the time that the scorecard allows (`restored_within_ms`). An incident that was never over is
 * bad, however short it was watched.
 *
 * Unit: an incident, which is a fault that struck something; by class of faults.
 */
import { overScenarios, undone } from "../invariant/Units.ts"
import { limitIn } from "../invariant/Settings.ts"
import type { Measure, Measurement } from "../Verdict.ts"
import { type Incident, incidentsOf } from "./Incidents.ts"
import { rank } from "./Window.ts"

export const mttr: Measure = (history, parameters = {}) => {
  const all: Array<Incident> = []
  const measured = overScenarios(history, (whole, units) => {
    const [limitMs, probes] = [limitIn(parameters, "restored_within_ms", units), limitIn(parameters, "probes", units)]
    if (limitMs === null || probes === null) return
    for (const incident of incidentsOf(whole, probes, units)) {
      all.push(incident)
      const problem = problemOf(incident, limitMs)
      if (problem === null) units.good(1, incident.sort)
      else if (incident.open === null) units.bad(`${incident.scenario}, fault ${incident.fault}: ${problem}`, incident.sort)
      else undone(whole.journal, units, `${incident.scenario}, fault ${incident.fault}: ${problem}`, incident.sort)
    }
  })
  return withFigures(measured, all)
}

const problemOf = ({ lastedMs, open }: Incident, limitMs: number): string | null => {
  if (open !== null) return `${open} was not well again when the scenario ended, ${lastedMs} ms later`
  return lastedMs <= limitMs ? null : `it lasted ${lastedMs} ms, and ${limitMs} ms were allowed`
}

/** Incidents that were not over count up to the end of what was seen. */
const withFigures = (measured: Measurement, incidents: ReadonlyArray<Incident>): Measurement => {
  if (measured._tag === "Missing" || incidents.length === 0) return measured
  const lasted = incidents.map(({ lastedMs }) => lastedMs)
  const mean_ms = Math.round(lasted.reduce((sum, ms) => sum + ms, 0) / lasted.length)
  return { ...measured, figures: { mean_ms, median_ms: rank(50, lasted), p90_ms: rank(90, lasted), longest_ms: rank(100, lasted), not_over: incidents.filter(({ open }) => open !== null).length } }
}
