/**
 * What a report says about a check that did not pass, so that nobody has to look elsewhere: by how much, how sure that is, on
 * which traffic, since when, and with which command it is seen again.
 */
import { lowerBoundPpm, upperBoundPpm } from "../scorecard/Bounds.ts"
import type { Line } from "../scorecard/Scorecard.ts"
import { percent } from "./Wording.ts"

const million = 1_000_000

/** How far the measured is from the asked, in words without a full stop. */
export const byHowMuch = (line: Line): string => {
  const { good, n_min, rule, threshold_ppm, total, verdict } = line
  const bad = total - good
  if (verdict === "ERROR") return "nobody knows, since evidence is missing"
  if (total === 0) return "nothing was measured"
  if (rule === "score") return `${good} of ${total} points, where ${Math.ceil((total * (threshold_ppm ?? million)) / million)} are asked`
  if (threshold_ppm === null) return `${bad} of ${total} are bad where none may be${total < n_min ? `, and ${n_min} are the fewest that count` : ""}`
  const atLeast = rule === "rate_at_least"
  const observed = Math.round(((atLeast ? good : bad) * million) / total)
  const allowed = Math.floor((total * (atLeast ? million - threshold_ppm : threshold_ppm)) / million)
  return `${percent(observed)} were ${atLeast ? "good" : "bad"} (${atLeast ? good : bad} of ${total}) where ${atLeast ? "at least" : "at most"} ${percent(threshold_ppm)} is asked; ${bad} are bad, and ${allowed} of ${total} would be the most`
}

/** What the sample says about units that were not in it, in words without a full stop. Bounds are one-sided, 95 %. */
export const howSure = ({ good, rule, threshold_ppm, total, verdict }: Line): string => {
  if (verdict === "ERROR") return "nothing can be said without the evidence"
  if (total === 0) return "nothing can be said without a sample"
  if (rule === "score") return "as sure as the checks that it is made of"
  if (threshold_ppm === null) {
    const found = verdict === "FAIL" ? "certain, since one bad unit is enough" : "none was found"
    return rule === "zero" ? `${found}; of all units at most ${percent(upperBoundPpm(total - good, total))} are bad (95 %)` : `${found}; every unit of this run was looked at`
  }
  const atLeast = rule === "rate_at_least"
  const counted = atLeast ? good : total - good
  const [low, high] = [lowerBoundPpm(counted, total), upperBoundPpm(counted, total)]
  const range = `the true rate is at least ${percent(low)} (95 %) and at most ${percent(high)} (95 %)`
  if (verdict !== "FAIL") return `${range}, which is not yet enough`
  const beyond = atLeast ? high < threshold_ppm : low > threshold_ppm
  return `${range}; ${beyond ? "chance alone does not explain that" : "a larger sample might still come out otherwise"}`
}

/** The scenarios that the sentences of a check are about: its offenders, or what it says is missing. */
export const scenariosIn = ({ offenders, reason }: Line, scenarios: ReadonlyArray<string>): ReadonlyArray<string> => {
  const named = new Set([...offenders.map((sentence) => /^[^,: ]*/.exec(sentence)?.[0] ?? ""), ...reason.split(/[^A-Za-z0-9._-]+/)])
  return scenarios.filter((id) => named.has(id))
}
