/**
 * Every scenario ran to its end. One that was aborted, or left no journal, log or ledger, shows nothing: it is missing evidence.
 *
 * Unit: a scenario.
 */
import type { Measure } from "../Verdict.ts"
import { overScenarios } from "./Units.ts"

export const scenariosComplete: Measure = (history) => {
  const seen = new Set<string>()
  return overScenarios(history, ({ id, journal }, units) => {
    if (journal.status !== "completed") units.missing(`${id} was aborted: ${journal.note ?? "no reason is given"}`)
    else if (journal.scenario.id !== id || seen.has(id)) units.missing(`the journal of ${id} is that of ${journal.scenario.id}`)
    else units.good()
    seen.add(id)
  })
}
