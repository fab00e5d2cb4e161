/**
 * Every kind of a project was played. One that was not, for want of a payload or for whatever it waits for, is missing evidence, and is named.
 *
 * Unit: a kind.
 */
import type { Measure } from "../Verdict.ts"
import { overScenarios } from "./Units.ts"

export const kindsJudged: Measure = (history) => {
  const played = new Set(history.scenarios.flatMap(({ journal }) => journal?.own?.kind ?? []))
  const seen = new Set<string>()
  return overScenarios(history, ({ journal }, units) => {
    for (const { kind, unjudged } of journal.own?.kinds ?? []) {
      if (seen.has(kind)) continue
      seen.add(kind)
      if (unjudged !== null) units.missing(`kind ${kind} was not judged: ${unjudged}`)
      else if (!played.has(kind)) units.missing(`kind ${kind} left no journal`)
      else units.good()
    }
  })
}
