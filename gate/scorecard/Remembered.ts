/**
 * A measure is pure, so the same history need not be measured twice: two scorecards ask for the same measures, the verifier judges what
 * the gate has judged, and the self-test judges a hundred histories of which each differs in one scenario. What was measured is known by
 * the parts of the history themselves, not by what they say.
 */
import type { RunHistory } from "../History.ts"
import { type Measure, type Measurement, offendersMax, type Parameters } from "../Verdict.ts"

/** Measures of which the units of one scenario say nothing about those of another: a run counts what its scenarios count. */
export const additive: ReadonlySet<string> = new Set([
  "acknowledgedKept", "approvalsInForce", "attemptsCapped", "chatCommandsOnce", "chatLimitsKept", "commandSuccess", "commandsDeduplicated", "conservation", "effectsPermitted", "endsFinal",
  "endsNoticed", "endsReported", "failuresEarned", "interruptedRecovered", "jobsConserved", "lateWritesSeen", "leasesEnd", "leasesRespected", "legalTransitions", "linearizable", "noDuplicateHeavy", "pollRecovery",
  "queueLimitsKept", "repeatsExplained", "reportsArrive", "restartsKeepState", "retriesWait", "runsApproved", "singleOwner", "stepsNotRestarted", "summariesAgree", "tasksEndRight", "tokensMonotonic",
  "traceability", "virtualHours", "workEnds", "writesFenced"
])

/** The oldest are forgotten beyond this. */
const rememberedMax = 10_000

const names = new WeakMap<object, number>()
let next = 0

const nameOf = (part: object | null | undefined): number => {
  if (part === null || part === undefined) return -1
  const known = names.get(part) ?? next++
  names.set(part, known)
  return known
}

const measurements = new Map<string, Measurement>()

/** Measures, or answers what was measured of the same parts before. `name` is that of the measure. */
export const remembered = (name: string, measure: Measure, history: RunHistory, parameters: Parameters): Measurement => {
  if (!additive.has(name) || history.scenarios.length < 2) return once(name, measure, history, parameters)
  return sumOf(history.scenarios.map((scenario) => once(name, measure, { ...history, scenarios: [scenario] }, parameters)))
}

const once = (name: string, measure: Measure, history: RunHistory, parameters: Parameters): Measurement => {
  const { scenarios, ...aside } = history
  const parts = scenarios.map(({ effects, events, id, journal }) => `${id} ${nameOf(journal)} ${nameOf(events)} ${nameOf(effects)}`)
  const key = [name, JSON.stringify(parameters), ...Object.entries(aside).map(([part, value]) => `${part} ${nameOf(value)}`), ...parts].join("\n")
  const known = measurements.get(key)
  if (known !== undefined) return known
  const made = measure(history, parameters)
  const [oldest] = measurements.keys()
  if (measurements.size >= rememberedMax && oldest !== undefined) measurements.delete(oldest)
  measurements.set(key, made)
  return made
}

const sumOf = (all: ReadonlyArray<Measurement>): Measurement => {
  let [good, total, censored] = [0, 0, 0]
  const [excluded, strata]: [Record<string, number>, Record<string, number>] = [{}, {}]
  const offenders: Array<string> = []
  const add = (to: Record<string, number>, more: Readonly<Record<string, number>>) => {
    for (const [name, count] of Object.entries(more)) to[name] = (to[name] ?? 0) + count
  }
  for (const measured of all) {
    if (measured._tag === "Missing") return measured
    good += measured.good
    total += measured.total
    censored += measured.censored ?? 0
    add(excluded, measured.excluded)
    add(strata, measured.strata ?? {})
    offenders.push(...measured.offenders)
  }
  return { _tag: "Counted", good, total, excluded, offenders: offenders.slice(0, offendersMax), censored, strata }
}
