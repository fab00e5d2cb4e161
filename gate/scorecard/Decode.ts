/**
 * Reading a scorecard: the published schema first, then what a schema cannot say. A scorecard that names what does
 * not exist, or whose table claims more than the bounds allow, is refused before anything is judged.
 */
import { Ajv2020 } from "ajv/dist/2020.js"
import { Either, Schema } from "effect"
import schema from "../../scorecards/scorecard.schema.json" with { type: "json" }
import { failuresMax } from "./Bounds.ts"
import { measureNamed } from "./Measures.ts"
import type { Check, Scorecard } from "./Scorecard.ts"

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

const hasShape = new Ajv2020({ strict: true, strictTuples: false, allErrors: false }).compile<Scorecard>(schema)

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
  return Either.right(json)
}

const nameOf = (json: unknown): string | null =>
  typeof json === "object" && json !== null && "name" in json && typeof json.name === "string" ? json.name : null

const problemOf = (check: Check): string | null => {
  if (check.measure !== null && measureNamed(check.measure) === undefined) return `names the unknown measure ${check.measure}`
  const { acceptance, rule, threshold_ppm } = check
  if (rule === "census" || rule === "zero") return threshold_ppm === undefined && acceptance === undefined ? null : `has a threshold or a table, which the rule ${rule} does not know`
  if (threshold_ppm === undefined || acceptance === undefined) return `needs a threshold and a table for the rule ${rule}`
  return tableProblem(acceptance, rule === "rate_at_least" ? threshold_ppm : 1_000_000 - threshold_ppm)
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
