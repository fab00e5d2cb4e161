/**
 * From a scorecard and a history to a result. Pure: the same files give the same verdict, today and for a stranger.
 *
 * A rate is decided by the scorecard's own table of integers; the bound is computed beside it, to be read. Nothing here
 * turns what is missing into a number.
 */
import { type Journal, type RunHistory, type ScenarioHistory, worlds } from "../History.ts"
import { decide, type Decision, type Measurement, type Verdict } from "../Verdict.ts"
import { lowerBoundPpm, upperBoundPpm } from "./Bounds.ts"
import { measureNamed, subjectOf } from "./Measures.ts"
import { hasProduction, previewed } from "./Preview.ts"
import { remembered } from "./Remembered.ts"
import { scoreOf } from "./Score.ts"
import type { Check, Line, Result, Rule, Scorecard } from "./Scorecard.ts"
import { endOf, waive } from "./Waivers.ts"

const million = 1_000_000

/** Judges every check on the scenarios of its traffic classes and worlds. `at`, in Unix milliseconds, is when waivers must still count. */
export const judge = (scorecard: Scorecard, seen: RunHistory, at: number | null = endOf(seen)): Result => {
  const history = scorecard.window === undefined ? seen : { ...seen, rules: scorecard.window }
  const found = scorecard.checks.map((check) => (check.rule === "score" ? null : judged(check, history, scorecard.censored_max_ppm)))
  const scored = scorecard.checks.map((check, index) => found[index] ?? scoreOf(check, found.flatMap((line) => line ?? [])))
  const { lines, waivers } = waive(scored, scorecard.waivers ?? [], at)
  const decision = decide(lines.filter(({ waived }) => waived === null).map(({ verdict }) => verdict))
  return { scorecard: scorecard.name, ...(scorecard.window === undefined ? {} : { use: true as const }), decision: lower(decision, scorecard.ceiling), lines, waivers }
}

const judged = (check: Check, history: RunHistory, censoredMaxPpm: number): Line => {
  const asked = restrict(check, history)
  const on = (counted: RunHistory): Line => judgeCheck(check, measure(check, counted), { censoredMaxPpm, traffic: trafficOf(check, counted) })
  return hasProduction(check, asked) ? on(asked) : previewed(on(restrict({ ...check, worlds }, history)))
}

interface Around {
  /** The most units, in ppm, whose end was not seen. */
  readonly censoredMaxPpm?: number
  readonly traffic?: ReadonlyArray<string>
}

/** The verdict on one measurement; null when nothing measures what the check asks. */
export const judgeCheck = (check: Check, measured: Measurement | null, { censoredMaxPpm = 0, traffic = [] }: Around = {}): Line => {
  const counts: Omit<Counted, "_tag"> = measured?._tag === "Counted" ? measured : { good: 0, total: 0, excluded: {}, offenders: [] }
  const { censored = 0, excluded, good, offenders, strata = {}, total } = counts
  return {
    id: check.id,
    title: check.title,
    rule: check.rule,
    ...answerTo(check, measured, censoredMaxPpm),
    good,
    total,
    excluded,
    censored,
    strata,
    n_min: check.n_min,
    threshold_ppm: check.threshold_ppm ?? null,
    bound_ppm: total === 0 ? null : boundOf[check.rule](good, total),
    population: check.population,
    traffic,
    weight: check.weight ?? null,
    key: check.key === true,
    waived: null,
    remedy: check.remedy,
    offenders,
    ...(counts.figures === undefined ? {} : { figures: counts.figures })
  }
}

const worldOf = ({ world = "machine" }: Journal): string => world

// A scenario without a journal belongs to nobody knows which class: it stays, so that its absence is noticed.
const restrict = ({ traffic_classes, worlds }: Check, { control = null, scenarios, simulation = null, ...rest }: RunHistory): RunHistory => ({
  ...rest,
  scenarios: scenarios.filter(({ journal }) => journal === null || (traffic_classes.includes(journal.scenario.traffic_class) && worlds.some((world) => world === worldOf(journal)))),
  control: worlds.includes("machine") ? control : null,
  simulation: worlds.includes("simulation") ? simulation : null
})

const trafficOf = ({ measure }: Check, { control, scenarios, selfTest, simulation }: RunHistory): ReadonlyArray<string> => {
  const subject = subjectOf(measure ?? "")
  if (subject === "mutants") return [amount(selfTest?.mutations.length ?? 0, "mutant")]
  if (subject === "tests") return [amount(control?.results.length ?? 0, "test")]
  if (subject === "seeds") return [`simulation, ${amount(simulation?.seeds.length ?? 0, "seed")}`]
  const classes = scenarios.map(classOf)
  return [...new Set(classes)].sort().map((name) => `${name}, ${amount(classes.filter((one) => one === name).length, "scenario")}`)
}

const classOf = ({ journal }: ScenarioHistory): string => (journal === null ? "unknown" : `${journal.scenario.traffic_class}, ${worldOf(journal)}`)

const amount = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`

const measure = (check: Check, history: RunHistory): Measurement | null => {
  if (check.measure === null) return null
  const measure = measureNamed(check.measure)
  return measure === undefined ? { _tag: "Missing", why: `no measure is called ${check.measure}` } : remembered(check.measure, measure, history, check.parameters ?? {})
}

const rank = { "NO-GO": 0, "INSUFFICIENT": 1, "GO": 2 } as const satisfies Record<Decision, number>

const lower = (decision: Decision, ceiling: Decision): Decision => (rank[decision] <= rank[ceiling] ? decision : ceiling)

/** A census has no bound: it has seen every unit. Nor has a score: its weights are no sample. */
const boundOf = {
  census: () => null,
  zero: (good, total) => upperBoundPpm(total - good, total),
  rate_at_least: lowerBoundPpm,
  rate_at_most: (good, total) => upperBoundPpm(total - good, total),
  score: () => null
} as const satisfies Record<Rule, (good: number, total: number) => number | null>

interface Answer {
  readonly verdict: Verdict
  readonly reason: string
}

const answerTo = (check: Check, measured: Measurement | null, censoredMaxPpm: number): Answer => {
  if (measured === null) return { verdict: "INSUFFICIENT", reason: "Nothing measures this yet." }
  if (measured._tag === "Missing") return { verdict: "ERROR", reason: `Evidence is missing: ${measured.why}.` }
  const { censored = 0, good, total } = measured
  if (!isCount(good) || !isCount(total) || !isCount(censored) || good > total) return { verdict: "ERROR", reason: `The measure answered ${good} of ${total}, which is no count.` }
  const answer = total === 0 ? null : check.rule === "census" || check.rule === "zero" ? integrityOf(check, good, total) : rateOf(check, good, total)
  // What is bad stays bad, whatever was left out.
  if (answer?.verdict === "FAIL") return answer
  return undeclared(check, measured) ?? unseen(measured, censoredMaxPpm) ?? (total === 0 ? null : rare(check, measured)) ?? answer ?? { verdict: "INSUFFICIENT", reason: `Nothing was measured: needs ${fewest(check)} units.` } satisfies Answer
}

type Counted = Extract<Measurement, { readonly _tag: "Counted" }>

const undeclared = ({ exclusions }: Check, { excluded }: Counted): Answer | null => {
  const reason = Object.keys(excluded).find((name) => !exclusions.includes(name))
  return reason === undefined ? null : { verdict: "ERROR", reason: `The measure left out ${excluded[reason]} for a reason that the scorecard does not allow: ${reason}.` }
}

const unseen = ({ censored = 0, total }: Counted, censoredMaxPpm: number): Answer | null =>
  censored * million <= censoredMaxPpm * (censored + total)
    ? null
    : { verdict: "INSUFFICIENT", reason: `The deadline of ${censored} of ${censored + total} lies behind the end of what was seen, and at most ${percent(censoredMaxPpm)} may.` }

const rare = ({ strata_min = 0 }: Check, { strata = {} }: Counted): Answer | null => {
  const few = Object.entries(strata).filter(([, units]) => units < strata_min)
  return few.length === 0 ? null : { verdict: "INSUFFICIENT", reason: `Of each sort ${strata_min} are the fewest that count, and there are ${few.map(([sort, units]) => `${units} of ${sort}`).join(", ")}.` }
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
