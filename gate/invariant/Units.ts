/**
 * Counting units for a measurement. Every measure needs the log, the ledger and the journal of every scenario it is
 * given: a part that is not there makes it `Missing`, never a smaller sample.
 */
import type { Effect, Journal, LogEvent, RunHistory } from "../History.ts"
import { type Measurement, offendersMax } from "../Verdict.ts"
import { type Fold, fold } from "./Fold.ts"

/** A scenario of which nothing is missing. */
export interface Whole {
  readonly id: string
  readonly journal: Journal
  readonly events: ReadonlyArray<LogEvent>
  readonly effects: ReadonlyArray<Effect>
}

export interface Units {
  readonly good: (count?: number) => void
  /** One bad unit; the sentence names scenario, seq and task. */
  readonly bad: (sentence: string) => void
  /** One unit that the population leaves out. */
  readonly excluded: (reason: string) => void
  /** Evidence is not there: whatever was counted, the measurement is `Missing`. The first reason is kept. */
  readonly missing: (why: string) => void
}

/** Counts over every scenario. */
export const overScenarios = (history: RunHistory, count: (scenario: Whole, units: Units) => void): Measurement => {
  const { measurement, units } = counting()
  for (const { effects, events, id, journal } of history.scenarios) {
    if (journal === null) units.missing(`${id}: the journal is missing`)
    else if (events === null) units.missing(`${id}: the event log is missing`)
    else if (effects === null) units.missing(`${id}: the effect ledger is missing`)
    else count({ id, journal, events, effects }, units)
  }
  return measurement()
}

/** Counts over every scenario and the fold of its log. A pruned payload is missing evidence. */
export const overFolds = (history: RunHistory, count: (scenario: Whole, log: Fold, units: Units) => void): Measurement =>
  overScenarios(history, (scenario, units) => {
    const log = fold(scenario.events)
    if (log.pruned === null) count(scenario, log, units)
    else units.missing(`${scenario.id}: the payload of event ${log.pruned} was pruned`)
  })

const counting = (): { readonly units: Units; readonly measurement: () => Measurement } => {
  let [good, bad] = [0, 0]
  let why: string | null = null
  const excluded: Record<string, number> = {}
  const offenders: Array<string> = []
  const units: Units = {
    good: (count = 1) => {
      good += count
    },
    bad: (sentence) => {
      bad += 1
      if (offenders.length < offendersMax) offenders.push(sentence)
    },
    excluded: (reason) => {
      excluded[reason] = (excluded[reason] ?? 0) + 1
    },
    missing: (reason) => {
      why ??= reason
    }
  }
  const measurement = (): Measurement =>
    why === null ? { _tag: "Counted", good, total: good + bad, excluded, offenders } : { _tag: "Missing", why }
  return { units, measurement }
}
