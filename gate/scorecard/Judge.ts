/**
 * From a scorecard and a history to a result. Pure: the same files give the same verdict, today and for a stranger.
 *
 * A rate is decided by the scorecard's own table of integers; the bound is computed beside it, to be read. Nothing here
 * turns what is missing into a number.
 */
import type { RunHistory } from "../History.ts"
import { decide, type Decision, type Measurement, type Verdict } from "../Verdict.ts"
import { lowerBoundPpm, upperBoundPpm } from "./Bounds.ts"
import { measureNamed } from "./Measures.ts"
import type { Check, Line, Result, Rule, Scorecard } from "./Scorecard.ts"

const million = 1_000_000

/** Judges every check on the scenarios of its traffic classes. */
export const judge = (scorecard: Scorecard, history: RunHistory): Result => {
  const lines = scorecard.checks.map((check) => judgeCheck(check, measure(check, history)))
  const decision = decide(lines.map(({ verdict }) => verdict))
  return { scorecard: scorecard.name, decision: lower(decision, scorecard.ceiling), lines }
}

/** The verdict on one measurement; null when nothing measures what the check asks. */
export const judgeCheck = (check: Check, measured: Measurement | null): Line => {
  const counts = measured?._tag === "Counted" ? measured : { good: 0, total: 0, excluded: {}, offenders: [] }
  const { excluded, good, offenders, total } = counts
  return {
    id: check.id,
    title: check.title,
    rule: check.rule,
    ...answerTo(check, measured),
    good,
    total,
    excluded,
    n_min: check.n_min,
    threshold_ppm: check.threshold_ppm ?? null,
    bound_ppm: total === 0 ? null : boundOf[check.rule](good, total),
    remedy: check.remedy,
    offenders
  }
}

// A scenario without a journal belongs to nobody knows which class: it stays, so that its absence is noticed.
const measure = (check: Check, history: RunHistory): Measurement | null => {
  if (check.measure === null) return null
  const scenarios = history.scenarios.filter(({ journal }) => journal === null || check.traffic_classes.includes(journal.scenario.traffic_class))
  return measureNamed(check.measure)?.({ scenarios }) ?? { _tag: "Missing", why: `no measure is called ${check.measure}` }
}

const rank = { "NO-GO": 0, "INSUFFICIENT": 1, "GO": 2 } as const satisfies Record<Decision, number>

const lower = (decision: Decision, ceiling: Decision): Decision => (rank[decision] <= rank[ceiling] ? decision : ceiling)

/** A census has no bound: it has seen every unit. */
const boundOf = {
  census: () => null,
  zero: (good, total) => upperBoundPpm(total - good, total),
  rate_at_least: lowerBoundPpm,
  rate_at_most: (good, total) => upperBoundPpm(total - good, total)
} as const satisfies Record<Rule, (good: number, total: number) => number | null>

interface Answer {
  readonly verdict: Verdict
  readonly reason: string
}

const answerTo = (check: Check, measured: Measurement | null): Answer => {
  if (measured === null) return { verdict: "INSUFFICIENT", reason: "Nothing measures this yet." }
  if (measured._tag === "Missing") return { verdict: "ERROR", reason: `Evidence is missing: ${measured.why}.` }
  const { good, total } = measured
  if (!isCount(good) || !isCount(total) || good > total) return { verdict: "ERROR", reason: `The measure answered ${good} of ${total}, which is no count.` }
  if (total === 0) return { verdict: "INSUFFICIENT", reason: `Nothing was measured: needs ${fewest(check)} units.` }
  return check.rule === "census" || check.rule === "zero" ? integrityOf(check, good, total) : rateOf(check, good, total)
}

const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0

const integrityOf = (check: Check, good: number, total: number): Answer => {
  const bad = total - good
  if (bad > 0) return { verdict: "FAIL", reason: `${bad} of ${total} are bad, and none may be.` }
  const short = check.n_min - total
  if (short > 0) return { verdict: "INSUFFICIENT", reason: `None of ${total} is bad, but ${check.n_min} are the fewest that count: needs ${short} more.` }
  if (check.rule === "census") return { verdict: "PASS", reason: `All ${total} are good.` }
  return { verdict: "PASS", reason: `None of ${total} is bad, so at most ${percent(upperBoundPpm(0, total))} are (one-sided 95 %).` }
}

// In terms of good units, "at most 15 % bad" is "at least 85 % good": both rates share one table and one comparison.
const rateOf = (check: Check, good: number, total: number): Answer => {
  const { n_min, rule, threshold_ppm } = check
  if (threshold_ppm === undefined) return { verdict: "ERROR", reason: "The scorecard gives this rate no threshold." }
  const atLeast = rule === "rate_at_least"
  const bad = total - good
  const observed = atLeast ? `${good} of ${total} are good` : `${bad} of ${total} are bad`
  const wanted = `${atLeast ? "at least" : "at most"} ${percent(threshold_ppm)}`
  const misses = atLeast ? good * million < threshold_ppm * total : bad * million > threshold_ppm * total
  if (misses) return { verdict: "FAIL", reason: `${observed}, where ${wanted} must be.` }
  const bound = `${observed}, which proves ${atLeast ? "at least" : "at most"} ${percent(boundOf[rule](good, total) ?? 0)} (one-sided 95 %)`
  if (total >= n_min && isAccepted(check, bad, total)) return { verdict: "PASS", reason: `${bound}; ${wanted} was asked.` }
  const short = shortOf(check, bad, total)
  return { verdict: "INSUFFICIENT", reason: `${bound}, not yet ${wanted}: ${short === null ? "the scorecard's table ends before as many failures" : `needs ${short} more, all good`}.` }
}

const isAccepted = ({ acceptance = [] }: Check, bad: number, total: number): boolean => {
  const step = acceptance.findLast(([n]) => n <= total)
  return step !== undefined && bad <= step[1]
}

// How many more units the table asks for; null when no step of it allows as many failures.
const shortOf = ({ acceptance = [], n_min }: Check, bad: number, total: number): number | null => {
  const step = acceptance.find(([, failures]) => bad <= failures)
  return step === undefined ? null : Math.max(n_min - total, step[0] - total)
}

const fewest = ({ acceptance = [], n_min }: Check): number => Math.max(n_min, acceptance[0]?.[0] ?? 1, 1)

const percent = (ppm: number): string => `${ppm / 10_000} %`
