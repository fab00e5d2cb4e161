/**
 * Counting trials: the product was broken with a tool of the operating system, and everything that was looked at then must be as the docs
 * promise. Nothing is believed but what was seen: whether a look is good is told anew from what was promised and what was seen, and the log
 * after a power cut is held against the log of the run.
 */
import type { RunHistory, Trial, TrialKind } from "../History.ts"
import type { Measurement } from "../Verdict.ts"
import { overScenarios, type Whole } from "./Units.ts"

/** Counts the trials of one kind. Unit: a trial that struck; what was tried before is left out. */
export const countTrials = (history: RunHistory, kind: TrialKind): Measurement => {
  const tried = new Set<string>()
  return overScenarios(history, (scenario, units) => {
    for (const trial of scenario.journal.trials ?? []) {
      if (trial.kind !== kind || trial.lie === true) continue
      if (trial.witness === null || trial.witness.detail === "") units.excluded(unstruck)
      else if (tried.has(trial.digest)) units.excluded(repeated)
      else if (trial.looks.length === 0 && trial.log === undefined) units.missing(`${scenario.id}: nothing was looked at in ${trial.id}`)
      else {
        const problem = brokenBy(trial, scenario)
        if (problem === null) units.good(1, trial.sort)
        else units.bad(`${scenario.id}, ${trial.id}: ${problem}`, trial.sort)
      }
      tried.add(trial.digest)
    }
  })
}

/** Why a trial may be left out. */
const unstruck = "it did not strike"
const repeated = "the same was tried before"

/** What was not as promised, in words; null when all was. */
export const brokenBy = ({ log, looks }: Trial, { events }: Whole): string | null => {
  const wrong = looks.find(({ promised, seen }) => !promised.includes(seen))
  if (wrong !== undefined) return `${wrong.what}: ${wrong.seen}; promised is ${wrong.promised.join(" or ")}`
  if (log === undefined) return null
  const { acknowledged, found } = log
  if (found === null) return acknowledged === 0 ? null : `no log was there, and ${acknowledged} events had been acknowledged`
  if (found.seq < acknowledged) return `the log ended at event ${found.seq}, and event ${acknowledged} had been acknowledged`
  return found.seq === 0 || events[found.seq - 1]?.hash === found.hash ? null : `its event ${found.seq} is not the one of the run`
}
