/** A scorecard: which checks decide, by which rule, on how many samples. Data, fixed and hashed before a run. */
import type { WindowRules, World } from "../History.ts"
import type { Decision, Parameters, Verdict } from "../Verdict.ts"

export const rules = ["census", "zero", "rate_at_least", "rate_at_most", "score"] as const
export type Rule = (typeof rules)[number]

export interface Check {
  readonly id: string
  readonly title: string
  /** Name of a measure in `gate/kpi/all.ts` or `gate/invariant/all.ts`; null for what nothing measures yet, and for the score, which is made of the other checks. */
  readonly measure: string | null
  readonly rule: Rule
  /** Parts per million; only for the two rates and the score. */
  readonly threshold_ppm?: number
  /** Fewer units than this prove nothing. Of the score: the sum of all weights. */
  readonly n_min: number
  /** `[n, failures_max]` for ascending n: the most failures with which n units still prove the threshold. */
  readonly acceptance?: ReadonlyArray<readonly [number, number]>
  /** What is counted, in one sentence. */
  readonly population: string
  readonly traffic_classes: ReadonlyArray<string>
  /** Nothing from elsewhere is counted. */
  readonly worlds: ReadonlyArray<World>
  /** The reasons for which a unit may be left out; any other is an ERROR. */
  readonly exclusions: ReadonlyArray<string>
  /** What the measure has to know, such as a limit in milliseconds; integers carry their unit in the name. */
  readonly parameters?: Parameters
  /** Of every sort of units that the measure tells apart, there must be as many. */
  readonly strata_min?: number
  /** What it counts in the score. */
  readonly weight?: number
  /** The score passes only with it, and nobody can waive it. */
  readonly key?: boolean
  /** What to do when it does not pass, in one sentence. */
  readonly remedy: string
}

/** A check that decides nothing for a while, because somebody answers for it. */
export interface Waiver {
  readonly check: string
  readonly owner: string
  readonly reason: string
  /** The last day on which it counts, `2026-12-31`, in UTC. */
  readonly expires: string
}

export interface Scorecard {
  readonly v: 1
  readonly name: string
  readonly title: string
  /** The best this scorecard may say; the quick profile may not say GO. */
  readonly ceiling: Decision
  /** A larger share of units whose deadline lies behind the end of what was seen proves nothing; parts per million. */
  readonly censored_max_ppm: number
  readonly checks: ReadonlyArray<Check>
  /** How a span of use is counted; without it, no measure of use can be judged. */
  readonly window?: WindowRules
  /** The number of the ADR that says why this asks for less than what was last released under its name. */
  readonly adr?: number
  readonly waivers?: ReadonlyArray<Waiver>
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
  /** Units whose deadline lies behind the end of what was seen. They are not part of `total`. */
  readonly censored: number
  /** Units by sort, where the measure tells sorts apart. */
  readonly strata: Readonly<Record<string, number>>
  readonly n_min: number
  readonly threshold_ppm: number | null
  readonly bound_ppm: number | null
  readonly population: string
  /** On what it was judged: traffic class, world, and how many scenarios, seeds or tests. */
  readonly traffic: ReadonlyArray<string>
  /** Null for what is not part of the score. */
  readonly weight: number | null
  readonly key: boolean
  /** The waiver that takes it out of the decision; the verdict stays what it is. */
  readonly waived: Waiver | null
  /** Why this verdict, in one sentence. */
  readonly reason: string
  readonly remedy: string
  readonly offenders: ReadonlyArray<string>
  /** Whole numbers to be read beside the verdict. */
  readonly figures?: Readonly<Record<string, number>>
  /** Judged on operators that a program plays, where real ones are asked for: it may be read, and cannot pass. */
  readonly preview?: boolean
}

/** `unused`: the check passed without it. `expired`: it had run out when the run ended, and counts for nothing. */
export type WaiverState = "applied" | "unused" | "expired"

export interface Result {
  readonly scorecard: string
  /** It is about the product in use, and not about a release. */
  readonly use?: true
  readonly decision: Decision
  readonly lines: ReadonlyArray<Line>
  /** Why it may not say GO although its checks may all pass, one sentence each. */
  readonly objections?: ReadonlyArray<string>
  readonly waivers: ReadonlyArray<Waiver & { readonly state: WaiverState }>
}
