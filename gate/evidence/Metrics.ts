/** metrics.json: every judged check with its counts, for people and dashboards. The verifier compares it with a new judgement. */
import { Schema } from "effect"
import type { Result } from "../scorecard/Scorecard.ts"
import { decisions } from "../Verdict.ts"
import { CheckCounts } from "./Statement.ts"

export const metricsFile = "metrics.json"
export const metricsSchema = "https://opsgate.dev/schema/metrics/v1"

const Judged = Schema.Struct({
  scorecard: Schema.String,
  decision: Schema.Literal(...decisions),
  lines: Schema.Array(CheckCounts)
})
export type Judged = typeof Judged.Type

export const Metrics = Schema.Struct({ schema: Schema.Literal(metricsSchema), result: Judged, board: Judged })

/** The v1.2 board is judged on the same history and stands apart: it does not decide. */
export const metricsOf = (result: Result, board: Result) => ({ schema: metricsSchema, result, board })
