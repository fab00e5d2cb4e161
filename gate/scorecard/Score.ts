/**
 * The score of an audit: 100 × Σ(weight × s) / Σ weight, where s is 1 for a check that passed and 0 for every other. INSUFFICIENT and ERROR
 * score 0 and stay in the denominator; so nobody raises it by taking evidence away. It is made of judged checks alone.
 *
 * It fails when a key check failed, or when it would miss its threshold even if all that is not proven were good; it passes when it meets
 * the threshold and every key check passed.
 */
import type { Check, Line } from "./Scorecard.ts"
import type { Verdict } from "../Verdict.ts"
import { offendersMax } from "../Verdict.ts"

/** `others` are the judged checks of the same scorecard. */
export const scoreOf = (check: Check, others: ReadonlyArray<Line>): Line => {
  const parts = others.flatMap((line) => (line.weight === null ? [] : [{ line, weight: line.weight }]))
  const good = sum(parts.filter(({ line }) => line.verdict === "PASS"))
  const total = sum(parts)
  const lost = parts.filter(({ line }) => line.verdict !== "PASS")
  return {
    id: check.id,
    title: check.title,
    rule: check.rule,
    ...answerTo(check, others, { good, total, unproven: sum(lost.filter(({ line }) => line.verdict !== "FAIL")) }),
    good,
    total,
    excluded: {},
    censored: 0,
    strata: {},
    n_min: check.n_min,
    threshold_ppm: check.threshold_ppm ?? null,
    bound_ppm: null,
    population: check.population,
    traffic: [`${parts.length} checks of this scorecard`],
    weight: null,
    key: check.key === true,
    waived: null,
    remedy: check.remedy,
    offenders: lost.map(({ line, weight }) => `${line.id}, weight ${weight}: ${line.verdict}`).slice(0, offendersMax)
  }
}

const sum = (parts: ReadonlyArray<{ readonly weight: number }>): number => parts.reduce((all, { weight }) => all + weight, 0)

interface Points {
  readonly good: number
  readonly total: number
  readonly unproven: number
}

const answerTo = ({ n_min, threshold_ppm = 1_000_000 }: Check, others: ReadonlyArray<Line>, { good, total, unproven }: Points): { readonly verdict: Verdict; readonly reason: string } => {
  const meets = (points: number) => points * 1_000_000 >= threshold_ppm * total
  const said = `${good} of ${total} points, where ${threshold_ppm / 10_000} % must be`
  const keys = others.filter(({ key }) => key)
  const failed = keys.filter(({ verdict }) => verdict === "FAIL").map(({ id }) => id)
  const open = keys.filter(({ verdict }) => verdict !== "PASS").map(({ id }) => id)
  if (total !== n_min || total === 0) return { verdict: "ERROR", reason: `The weights add up to ${total}, and ${n_min} were declared.` }
  if (failed.length > 0) return { verdict: "FAIL", reason: `${said}; and ${failed.join(", ")} failed, which must pass.` }
  if (!meets(good + unproven)) return { verdict: "FAIL", reason: `${said}; the ${unproven} that are not proven would not be enough.` }
  if (!meets(good)) return { verdict: "INSUFFICIENT", reason: `${said}; ${unproven} are not proven and count as none.` }
  return open.length === 0 ? { verdict: "PASS", reason: `${said}; every key check passed.` } : { verdict: "INSUFFICIENT", reason: `${said}; but ${open.join(", ")} is not proven, which must pass.` }
}
