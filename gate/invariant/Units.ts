/**
 * Counting units for a measurement. Every measure needs the log, the ledger and the journal of every scenario it is
 * given: a part that is not there makes it `Missing`, never a smaller sample.
 */
import type { Effect, Fault, Journal, LogEvent, RunHistory } from "../History.ts"
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
  readonly good: (count?: number, sort?: string) => void
  /** One bad unit; the sentence names scenario, seq and task. */
  readonly bad: (sentence: string, sort?: string) => void
  /** One unit that the population leaves out. */
  readonly excluded: (reason: string) => void
  /** One unit whose deadline lies behind the end of what was seen. */
  readonly censored: () => void
  /** Evidence is not there: whatever was counted, the measurement is `Missing`. The first reason is kept. */
  readonly missing: (why: string) => void
}

/**
 * A unit that is bad since something is not there: it did not come about, or the journal does not explain it. A scenario that was aborted
 * did not wait, left its tasks where they were, and has no record of what was under way: there it is missing evidence. Elsewhere it is bad.
 */
export const undone = ({ status }: Journal, units: Pick<Units, "bad" | "missing">, sentence: string, sort?: string): void =>
  status === "aborted" ? units.missing(`${sentence}; but the scenario was aborted`) : units.bad(sentence, sort)

/** When a fault struck and was over, on the clock of the chat service: what is compared with calls. */
export const serviceTimes = ({ at, service_at = at, until, service_until = until ?? service_at }: Fault): { readonly at: number; readonly until: number } => ({ at: service_at, until: service_until })

/** Counts over every scenario. */
export const overScenarios = (history: RunHistory, count: (scenario: Whole, units: Units) => void): Measurement =>
  counted((units) => {
    for (const { effects, events, id, journal } of history.scenarios) {
      if (journal === null) units.missing(`${id}: the journal is missing`)
      else if (events === null) units.missing(`${id}: the event log is missing`)
      else if (effects === null && journal.world !== "production") units.missing(`${id}: the effect ledger is missing`)
      // Nobody keeps a ledger beside a product in use.
      else count({ id, journal, events, effects: effects ?? [] }, units)
    }
  })

/** Counts over every scenario and the fold of its log. A pruned payload is missing evidence. */
export const overFolds = (history: RunHistory, count: (scenario: Whole, log: Fold, units: Units) => void): Measurement =>
  overScenarios(history, (scenario, units) => {
    const log = fold(scenario.events)
    if (log.pruned === null) count(scenario, log, units)
    else units.missing(`${scenario.id}: the payload of event ${log.pruned} was pruned`)
  })

/** Counts units that are no scenarios. */
export const counted = (count: (units: Units) => void): Measurement => {
  const { measurement, units } = counting()
  count(units)
  return measurement()
}

const counting = (): { readonly units: Units; readonly measurement: () => Measurement } => {
  let [good, bad, censored] = [0, 0, 0]
  let why: string | null = null
  const excluded: Record<string, number> = {}
  const strata: Record<string, number> = {}
  const offenders: Array<string> = []
  const sorted = (sort: string | undefined, count: number) => {
    if (sort !== undefined) strata[sort] = (strata[sort] ?? 0) + count
  }
  const units: Units = {
    good: (count = 1, sort) => {
      good += count
      sorted(sort, count)
    },
    bad: (sentence, sort) => {
      bad += 1
      sorted(sort, 1)
      if (offenders.length < offendersMax) offenders.push(sentence)
    },
    excluded: (reason) => {
      excluded[reason] = (excluded[reason] ?? 0) + 1
    },
    censored: () => {
      censored += 1
    },
    missing: (reason) => {
      why ??= reason
    }
  }
  const measurement = (): Measurement =>
    why === null ? { _tag: "Counted", good, total: good + bad, excluded, offenders, censored, strata } : { _tag: "Missing", why }
  return { units, measurement }
}
