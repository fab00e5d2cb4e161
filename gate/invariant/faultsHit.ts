/**
 * Every fault that the scenario declared was injected, hit a task in the state it had to hit, and was witnessed by the operating
 * system or the subject. A fault that missed its instant is left out, and shown; when too few hit, evidence is missing, and that
 * is never a failure of the product. Where a run enumerated the points at which it was to be killed, every one of them was, once.
 *
 * Unit: a fault that hit.
 */
import type { Fault, Journal } from "../History.ts"
import type { Measure } from "../Verdict.ts"
import { overScenarios } from "./Units.ts"

export const faultsHit: Measure = (history) => {
  const seen = new Set<string>()
  return overScenarios(history, ({ id, journal }, units) => {
    for (const fault of journal.faults) {
      if (seen.has(fault.id)) units.missing(`${id}: the ${fault.class} ${fault.id} is in the journal twice`)
      else if (!isWitnessed(fault)) units.missing(`${id}: the ${fault.class} ${fault.id} has no witness`)
      else if (fault.hit.length === 0) units.excluded("it missed what it had to hit")
      else if (fault.point !== undefined && seen.has(`${id} at ${fault.point}`)) units.missing(`${id}: the point ${fault.point} was struck twice`)
      else units.good()
      seen.add(fault.id)
      if (fault.hit.length > 0 && fault.point !== undefined) seen.add(`${id} at ${fault.point}`)
    }
    const left = (journal.points ?? []).filter((point) => !seen.has(`${id} at ${point}`))
    if (left.length > 0) units.missing(`${id}: ${left.length} of ${journal.points?.length} points were never struck, the first of them ${left[0]}`)
    const short = shortfall(journal)
    if (short !== null) units.missing(`${id}: ${short}`)
  })
}

const isWitnessed = ({ witness }: Fault): boolean => witness !== null && witness.detail !== ""

// The scenario is what was promised before the run; the journal may hold more faults, never fewer that hit.
const shortfall = ({ faults, scenario }: Journal): string | null => {
  for (const declared of scenario.faults) {
    const alike = (fault: { readonly class: string; readonly must_hit: string }) => fault.class === declared.class && fault.must_hit === declared.must_hit
    const due = scenario.faults.filter(alike).reduce((sum, { count }) => sum + count, 0)
    const hit = faults.filter((fault) => alike(fault) && fault.hit.length > 0).length
    if (hit < due) return `${due} × ${declared.class} had to hit a task that was ${declared.must_hit}, and ${hit} did`
  }
  return null
}
