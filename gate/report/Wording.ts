/**
 * The words of a result that the report, the terminal and CI share: why this decision, what to do next, what
 * a check needs, and in which order checks are shown.
 */
import type { Line, Result } from "../scorecard/Scorecard.ts"
import type { Decision, Verdict } from "../Verdict.ts"

// Failures first: they are what the reader has to act on. ERROR before INSUFFICIENT, because it never heals by waiting.
const rank = { FAIL: 0, ERROR: 1, INSUFFICIENT: 2, PASS: 3 } as const satisfies Record<Verdict, number>

/** Worst first; checks with the same verdict keep the order of the scorecard. */
export const worstFirst = <A extends { readonly verdict: Verdict }>(lines: ReadonlyArray<A>): ReadonlyArray<A> =>
  [...lines].sort((a, b) => rank[a.verdict] - rank[b.verdict])

/** The decision, and every waiver that it rests on: `GO with 1 waiver: uptime (ada, until 2026-12-31)`. */
export const headline = ({ decision, waivers }: Result): string => {
  const applied = waivers.filter(({ state }) => state === "applied")
  if (applied.length === 0) return decision
  return `${decision} with ${applied.length} ${applied.length === 1 ? "waiver" : "waivers"}: ${applied.map(({ check, expires, owner }) => `${check} (${owner}, until ${expires})`).join(", ")}`
}

/** Why the result says what it says, in one sentence. */
export const why = ({ decision, lines, objections = [] }: Result): string => {
  const deciding = lines.filter(({ waived }) => waived === null)
  const failed = deciding.filter(({ verdict }) => verdict === "FAIL")
  const open = deciding.filter(({ verdict }) => verdict === "INSUFFICIENT" || verdict === "ERROR")
  const worst = worstFirst(lines)[0]
  if (worst === undefined) return "The scorecard has no check, and nothing proves nothing."
  if (decision === "GO" && deciding.length < lines.length) return `${deciding.length} of ${lines.length} checks passed on a sample that is large enough; the others did not, and are waived: ${names(lines.filter(({ waived }) => waived !== null))}.`
  if (decision === "GO") return `All ${lines.length} checks passed on a sample that is large enough.`
  if (failed.length > 0) return `${failed.length} of ${lines.length} checks failed: ${names(failed)}.`
  if (open.length > 0) return `Nothing failed, but ${open.length} of ${lines.length} checks ${open.length === 1 ? "is" : "are"} not proven: ${names(open)}.`
  const [objection] = objections
  return objection === undefined ? "Every check passed, but this scorecard is too small to say GO." : `Every check passed, but: ${objection}`
}

const instead = {
  "GO": "Release it. Keep this bundle with the release.",
  "NO-GO": "Do not release. Repair what failed, then run the gate again.",
  "INSUFFICIENT": "Do not release yet. Run the whole gate (npm run gate), or supply the evidence that is missing."
} as const satisfies Record<Decision, string>

const insteadOfUse = {
  "GO": "The targets were met in this window. Keep this bundle.",
  "NO-GO": "The targets were missed. Repair what is named, then judge the next window.",
  "INSUFFICIENT": "Nothing is proven yet. Judge a longer window (opsgate gate --window), or supply the evidence that is missing."
} as const satisfies Record<Decision, string>

/** What to do next: what the decision asks for, then the remedy of the worst check. */
export const next = (result: Result): ReadonlyArray<string> => {
  const worst = worstFirst(result.lines)[0]
  if (worst?.verdict === "PASS" && (result.objections ?? []).length > 0) return ["Do not release. Ask for what was released, or write the ADR and name it in the scorecard (`adr`)."]
  const first = (result.use === true ? insteadOfUse : instead)[result.decision]
  return worst === undefined || worst.verdict === "PASS" ? [first] : [first, `First: ${worst.remedy}`]
}

/** The rule of a check as a person reads it, `at least 99 %, n ≥ 299`. */
export const needs = ({ n_min, rule, threshold_ppm }: Line): string => {
  const rate = threshold_ppm === null ? "?" : percent(threshold_ppm)
  const wanted = { census: "all", zero: "none bad", rate_at_least: `at least ${rate}`, rate_at_most: `at most ${rate}`, score: `at least ${rate} of ${n_min} points` } as const
  return rule === "score" ? wanted[rule] : `${wanted[rule]}, n ≥ ${n_min}`
}

/** The verdict, and how many more units it takes when that is what is missing. */
export const verdictText = (line: Line): string => {
  if (line.preview === true) return `preview, ${line.verdict}`
  if (line.verdict !== "INSUFFICIENT") return line.verdict
  const said = /needs (\d+) (?:more|units)/.exec(line.reason)?.[1]
  const more = said ?? (line.total < line.n_min ? String(line.n_min - line.total) : undefined)
  return more === undefined ? line.verdict : `${line.verdict}, needs ${more} more`
}

/** The one-sided 95 % bound; a dash where nothing was measured, because that is not zero. */
export const bound = ({ bound_ppm, rule }: Line): string => {
  if (bound_ppm === null) return "–"
  return `${rule === "zero" || rule === "rate_at_most" ? "≤" : "≥"} ${percent(bound_ppm)}`
}

export const measured = ({ good, total }: Line): string => `${good}/${total}`

/** Parts per million as per cent, exactly: 997000 is `99.7 %`. */
export const percent = (ppm: number): string => `${String(Number((ppm / 10_000).toFixed(4)))} %`

const namesMax = 3

const names = (lines: ReadonlyArray<Line>): string => {
  const shown = lines.slice(0, namesMax).map(({ id }) => id).join(", ")
  return lines.length > namesMax ? `${shown} and ${lines.length - namesMax} more` : shown
}
