/**
 * What the gate can say about one check, and how several answers make one decision.
 *
 * Only `PASS` lets a release through. `INSUFFICIENT` (too little was measured) and `ERROR` (evidence is
 * missing, a fault did not hit) are not failures of the product, and they are not passes either.
 */
import type { RunHistory } from "./History.ts"

export const verdicts = ["PASS", "FAIL", "INSUFFICIENT", "ERROR"] as const
export type Verdict = (typeof verdicts)[number]

export const decisions = ["GO", "NO-GO", "INSUFFICIENT"] as const
export type Decision = (typeof decisions)[number]

/** Exit codes of `gate` and `verify`; 254 is usage, 255 internal. */
export const exitCode = { "GO": 0, "NO-GO": 1, "INSUFFICIENT": 2 } as const satisfies Record<Decision, number>

/** Any FAIL is NO-GO; otherwise anything but PASS, or no check at all, is INSUFFICIENT. */
export const decide = (answers: ReadonlyArray<Verdict>): Decision => {
  if (answers.includes("FAIL")) return "NO-GO"
  return answers.length > 0 && answers.every((answer) => answer === "PASS") ? "GO" : "INSUFFICIENT"
}

/**
 * What a measure found. `good` of `total` units; `excluded` counts, by reason, what the population leaves out.
 * `Missing` says that a file or stream is not there: an ERROR, never a zero.
 */
export type Measurement =
  | {
    readonly _tag: "Counted"
    readonly good: number
    readonly total: number
    readonly excluded: Readonly<Record<string, number>>
    /** At most 20 sentences, each naming scenario, seq and task. */
    readonly offenders: ReadonlyArray<string>
    /** Whole numbers to be read beside the verdict, by what they are, unit included. They decide nothing. */
    readonly figures?: Readonly<Record<string, number>>
    /** Units whose deadline lies behind the end of what was seen: neither good nor bad, and not part of `total`. */
    readonly censored?: number
    /** Units of `total` by sort, where it matters that none is rare. */
    readonly strata?: Readonly<Record<string, number>>
  }
  | { readonly _tag: "Missing"; readonly why: string }

/** What a scorecard fixes for a measure beforehand: limits in milliseconds, a time zone. */
export type Parameters = Readonly<Record<string, number | string>>

/** A pure function of what happened. It knows no threshold and no sample size. */
export type Measure = (history: RunHistory, parameters?: Parameters) => Measurement

/** The most offenders a measurement names; the counts are always complete. */
export const offendersMax = 20
