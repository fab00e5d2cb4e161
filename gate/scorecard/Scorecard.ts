/** A scorecard: which checks decide, by which rule, on how many samples. Data, fixed and hashed before a run. */
import type { Decision, Verdict } from "../Verdict.ts"

export const rules = ["census", "zero", "rate_at_least", "rate_at_most"] as const
export type Rule = (typeof rules)[number]

export interface Check {
  readonly id: string
  readonly title: string
  /** Name of a measure in `gate/kpi/all.ts` or `gate/invariant/all.ts`; null for what nothing measures yet. */
  readonly measure: string | null
  readonly rule: Rule
  /** Parts per million; only for the two rates. */
  readonly threshold_ppm?: number
  /** Fewer units than this prove nothing. */
  readonly n_min: number
  /** `[n, failures_max]` for ascending n: the most failures with which n units still prove the threshold. */
  readonly acceptance?: ReadonlyArray<readonly [number, number]>
  readonly traffic_classes: ReadonlyArray<string>
  /** What to do when it does not pass, in one sentence. */
  readonly remedy: string
}

export interface Scorecard {
  readonly v: 1
  readonly name: string
  readonly title: string
  /** The best this scorecard may say; the quick profile may not say GO. */
  readonly ceiling: Decision
  readonly checks: ReadonlyArray<Check>
}

/** One judged check. Counts are integers; `bound_ppm` is the one-sided 95 % bound of the rate, null without a sample. */
export interface Line {
  readonly id: string
  readonly title: string
  readonly rule: Rule
  readonly verdict: Verdict
  readonly good: number
  readonly total: number
  readonly excluded: Readonly<Record<string, number>>
  readonly n_min: number
  readonly threshold_ppm: number | null
  readonly bound_ppm: number | null
  /** Why this verdict, in one sentence. */
  readonly reason: string
  readonly remedy: string
  readonly offenders: ReadonlyArray<string>
}

export interface Result {
  readonly scorecard: string
  readonly decision: Decision
  readonly lines: ReadonlyArray<Line>
}
