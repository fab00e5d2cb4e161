/**
 * Reading a scorecard: the published schema first, then what a schema cannot say. A scorecard that names what does
 * not exist, or whose table claims more than the bounds allow, is refused before anything is judged.
 */
import { Ajv2020 } from "ajv/dist/2020.js"
import { DateTime, Either, Option, Schema } from "effect"
import schema from "../../scorecards/scorecard.schema.json" with { type: "json" }
import { failuresMax } from "./Bounds.ts"
import { measureNamed } from "./Measures.ts"
import type { Check, Scorecard, Waiver } from "./Scorecard.ts"

/** Raised when a scorecard cannot decide anything. Nothing was judged. */
export class ScorecardRefused extends Schema.TaggedError<ScorecardRefused>()("ScorecardRefused", {
  /** Null when it does not even have one. */
  scorecard: Schema.NullOr(Schema.String),
  /** Null for what concerns the whole. */
  check: Schema.NullOr(Schema.String),
  problem: Schema.String
}) {
  override get message() {
    const card = this.scorecard === null ? "the scorecard" : `scorecard ${this.scorecard}`
    return this.check === null ? `${card} ${this.problem}` : `${card}: check ${this.check} ${this.problem}`
  }
}

const hasShape = new Ajv2020({ strict: true, strictTuples: false, allowUnionTypes: true, allErrors: false }).compile<Scorecard>(schema)

export const parseScorecard = (json: unknown): Either.Either<Scorecard, ScorecardRefused> => {
  if (!hasShape(json)) {
    const [error] = hasShape.errors ?? []
    const where = error?.instancePath === "" ? "" : ` at ${error?.instancePath}`
    return Either.left(new ScorecardRefused({ scorecard: nameOf(json), check: null, problem: `does not follow its schema${where}: it ${error?.message ?? "is no scorecard"}` }))
  }
  const seen = new Set<string>()
  for (const check of json.checks) {
    const problem = seen.has(check.id) ? "is there twice" : problemOf(check)
    if (problem !== null) return Either.left(new ScorecardRefused({ scorecard: json.name, check: check.id, problem }))
    seen.add(check.id)
  }
  const problem = pointsProblem(json.checks)
  if (problem !== null) return Either.left(new ScorecardRefused({ scorecard: json.name, check: null, problem }))
  for (const waiver of json.waivers ?? []) {
    const refusal = waiverProblem(waiver, json)
    if (refusal !== null) return Either.left(new ScorecardRefused({ scorecard: json.name, check: waiver.check, problem: refusal }))
  }
  return Either.right(json)
}

const nameOf = (json: unknown): string | null =>
  typeof json === "object" && json !== null && "name" in json && typeof json.name === "string" ? json.name : null

const problemOf = (check: Check): string | null => {
  if (check.measure !== null && measureNamed(check.measure) === undefined) return `names the unknown measure ${check.measure}`
  const { acceptance, rule, threshold_ppm } = check
  if (rule === "score") return scoreProblem(check)
  if (rule === "census" || rule === "zero") return threshold_ppm === undefined && acceptance === undefined ? null : `has a threshold or a table, which the rule ${rule} does not know`
  if (threshold_ppm === undefined || acceptance === undefined) return `needs a threshold and a table for the rule ${rule}`
  return tableProblem(acceptance, rule === "rate_at_least" ? threshold_ppm : 1_000_000 - threshold_ppm)
}

const scoreProblem = ({ acceptance, measure, threshold_ppm, weight }: Check): string | null => {
  if (measure !== null) return "is a score, which is made of the other checks and has no measure"
  if (weight !== undefined) return "is a score and has a weight in it"
  return threshold_ppm !== undefined && acceptance === undefined ? null : "needs a threshold and no table for the rule score"
}

// The sum is declared, so that a check that is taken away cannot raise the score.
const pointsProblem = (checks: ReadonlyArray<Check>): string | null => {
  const points = checks.reduce((sum, { weight = 0 }) => sum + weight, 0)
  const [score, second] = checks.filter(({ rule }) => rule === "score")
  if (second !== undefined) return "has more than one score"
  if (score === undefined) return points === 0 ? null : "has weights and no score"
  if (points !== score.n_min) return `has weights that add up to ${points}, and its score declares ${score.n_min}`
  return checks.some(({ key }) => key === true) ? null : "has a score and no key check"
}

const waiverProblem = (waiver: Waiver, { checks, waivers = [] }: Scorecard): string | null => {
  const check = checks.find(({ id }) => id === waiver.check)
  if (check === undefined) return "has a waiver, and there is no such check"
  if (check.key === true) return "is a key check, which nobody can waive"
  if (waivers.filter((one) => one.check === waiver.check).length > 1) return "has more than one waiver"
  // 30 February is a day in March to a lenient reader.
  const day = Option.map(DateTime.make(waiver.expires), DateTime.formatIsoDateUtc)
  return Option.getOrNull(day) === waiver.expires ? null : `has a waiver until ${waiver.expires}, which is no day`
}

// Recomputed, not trusted: a table with one failure too many would let a release through.
const tableProblem = (acceptance: ReadonlyArray<readonly [number, number]>, goodPpm: number): string | null => {
  for (const [index, [n, failures]] of acceptance.entries()) {
    const before = acceptance[index - 1]?.[0] ?? 0
    if (n <= before) return `has a table that does not ascend: ${n} follows ${before}`
    const most = failuresMax(n, goodPpm)
    if (most !== failures) return `has a table that allows ${failures} failures in ${n}; the bound allows ${most < 0 ? "none, since so few prove nothing" : most}`
  }
  return null
}
