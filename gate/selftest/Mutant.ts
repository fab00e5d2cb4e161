/**
 * A mutant of the evidence: one thing in a bundle that is broken on purpose, and what has to turn red by it. Data and a small
 * function; who runs them is `SelfTest.ts`.
 */
import type { MutantFamily } from "../History.ts"
import type { Aspect } from "../evidence/Verifier.ts"
import type { Draft } from "./Draft.ts"

/**
 * Who breaks it. A `stranger` changes what lies there, a `signer` has the key and claims what he likes, and a `run` is an honest gate
 * that got such evidence: it judges and signs what it found.
 */
export type Hand = "stranger" | "signer" | "run"

export interface Mutant {
  /** `<family>/<name>`. */
  readonly id: string
  readonly family: Exclude<MutantFamily, "runtime">
  readonly hand: Hand
  /** What is broken, in one sentence. */
  readonly what: string
  /** Measures and aspects of the verifier that turn red. */
  readonly flips: ReadonlyArray<Flip>
  /** What else may change and why; `*` stands for everything. */
  readonly also?: Readonly<Record<string, string>>
  /** Breaks the copy. It throws `NotMade` when the bundle has nothing to break. */
  readonly apply: (draft: Draft) => void
}

/** A measure means the checks of the scorecard that ask for it. */
export type Flip = { readonly measure: string } | { readonly aspect: Looked }

/** What a verifier looks at, and whether the scorecard is the one that was fixed before the run. */
export type Looked = Aspect | "scorecard"

export const measure = (name: string): Flip => ({ measure: name })
export const aspect = (name: Looked): Flip => ({ aspect: name })

/** The name of an aspect in a map of verdicts; no check has a `/` in its id. */
export const aspectKey = (name: Looked): string => `verify/${name}`
