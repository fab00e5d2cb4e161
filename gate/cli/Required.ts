/**
 * The policy of who deploys: deny, unless a bundle that verifies wholly, with a verification summary that says PASSED by a pinned key, is about exactly
 * this artifact. It trusts the pinned keys and the scorecard that is asked for, and nothing that lies in the bundle.
 */
import { DateTime, Either } from "effect"
import type { PinnedKey } from "../evidence/Keys.ts"
import { type Opened, type Verification, verifyOpened } from "../evidence/Verifier.ts"
import { why } from "../report/Wording.ts"
import { expiryOf } from "../scorecard/Waivers.ts"

export interface Demand {
  /** The file that goes out, as it is called here, and its SHA-256. */
  readonly artifact: { readonly name: string; readonly sha256: string }
  readonly pinned: ReadonlyArray<PinnedKey>
  /** SHA-256 of the scorecard that has to have decided. */
  readonly scorecardSha256: string
  readonly nowMs: number
  /** The longest that the run may be over; null for any. */
  readonly maxAge: { readonly words: string; readonly ms: number } | null
}

/** Why it may not go out, in one sentence. `exit`: 1 refuted, 2 not proven. */
export interface Denied {
  readonly exit: 1 | 2
  readonly why: string
}

export type Granted = Extract<Verification, { readonly _tag: "Verified" }>

/**
 * Every demand is met, or the first that is not. The verifier makes the verification summary again from the decision, so a bundle that verifies
 * with a GO has one that says PASSED of its artifact, by the key that signed both.
 */
export const demanded = (bundle: Opened, demand: Demand): Either.Either<Granted, Denied> => {
  const found = verifyOpened(bundle, { pinned: demand.pinned })
  if (found._tag === "NotABundle") return Either.left({ exit: 2, why: found.why })
  if (found._tag === "Refuted") {
    const more = found.total === 1 ? "" : `, and ${found.total - 1} more`
    return Either.left({ exit: 1, why: `the bundle does not verify: ${found.problems[0] ?? "nothing in it is sound"}${more}` })
  }
  const denied = aboutAnother(found, demand) ?? undecided(found) ?? otherwiseJudged(found, demand) ?? overWaived(found, demand) ?? tooOld(found, demand)
  return denied === null ? Either.right(found) : Either.left(denied)
}

const aboutAnother = ({ release }: Granted, { artifact }: Demand): Denied | null =>
  release.sha256 === artifact.sha256 ? null : { exit: 1, why: `the bundle is about ${release.name} (sha256 ${release.sha256}), and not about ${artifact.name} (sha256 ${artifact.sha256})` }

// The decision is the one that was made anew, not the one that stands there.
const undecided = ({ decision, result }: Granted): Denied | null => {
  if (decision === "GO") return null
  return { exit: decision === "NO-GO" ? 1 : 2, why: `the verdict is ${decision}: ${why(result)}` }
}

const otherwiseJudged = ({ result, scorecardSha256 }: Granted, demand: Demand): Denied | null =>
  scorecardSha256 === demand.scorecardSha256 ? null : { exit: 1, why: `it was judged by the scorecard ${result.scorecard} (sha256 ${scorecardSha256}), and not by the one that is asked for (sha256 ${demand.scorecardSha256})` }

// A waiver counts at the end of the run; here it has to count today.
const overWaived = ({ result }: Granted, { nowMs }: Demand): Denied | null => {
  const over = result.waivers.find((waiver) => waiver.state === "applied" && !(nowMs < expiryOf(waiver)))
  return over === undefined ? null : { exit: 2, why: `the GO rests on a waiver of ${over.check} by ${over.owner}, which ended on ${over.expires}` }
}

const tooOld = ({ statement: { predicate: { window: { end_ms } } } }: Granted, { maxAge, nowMs }: Demand): Denied | null => {
  if (maxAge === null) return null
  if (end_ms > nowMs) return { exit: 2, why: `the run ended on ${instant(end_ms)}, which is in the future: its age cannot be told` }
  return nowMs - end_ms <= maxAge.ms ? null : { exit: 2, why: `the run ended on ${instant(end_ms)}, which is longer ago than ${maxAge.words}` }
}

export const instant = (ms: number): string => DateTime.make(ms).pipe((at) => (at._tag === "Some" ? DateTime.formatIso(at.value) : `${ms} ms`))
