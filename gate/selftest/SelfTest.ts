/**
 * The self-test of the evidence: takes a whole bundle, breaks one thing of a copy at a time, lets the verifier look at it and the
 * scorecard judge it, and writes down everything that both say. Whether a mutant was caught is for `gate/invariant/mutantsCaught.ts`
 * to tell from this record. Pure: files in, record out.
 */
import { Either } from "effect"
import { scorecardFile } from "../evidence/Bundle.ts"
import { sha256 } from "../evidence/Canonical.ts"
import type { Files } from "../evidence/Files.ts"
import { clip } from "../evidence/Plain.ts"
import { readBundle, selfTestFile } from "../evidence/Reader.ts"
import { aspects, inspect } from "../evidence/Verifier.ts"
import type { Mutation, SelfTest, VerdictMap } from "../History.ts"
import { silent, type Stage } from "../Progress.ts"
import { judge } from "../scorecard/Judge.ts"
import { subjectOf } from "../scorecard/Measures.ts"
import type { Check, Scorecard } from "../scorecard/Scorecard.ts"
import { ancestorLines, ancestorBaseline } from "./Ancestor.ts"
import { evidenceMutants } from "./all.ts"
import { Draft } from "./Draft.ts"
import { aspectKey, type Mutant } from "./Mutant.ts"

/** What judges the self-test, and the score that is made of that too, cannot be judged before it is over: both are no part of its maps. */
const isJudged = ({ measure, rule }: Check): boolean => rule !== "score" && (measure === null || subjectOf(measure) !== "mutants")

/** Runs every mutant of the evidence on the files of a bundle. */
export const selfTest = (files: Files, mutants: ReadonlyArray<Mutant> = evidenceMutants, stage: Stage = silent.stage("", null)): SelfTest => {
  const baseline = new Draft(files)
  baseline.files.delete(selfTestFile)
  baseline.remake()
  const scorecard = baseline.scorecard()
  const fixed = sha256(baseline.text(scorecardFile))
  const before = verdictsOf(baseline, scorecard, fixed)
  const mutations = mutants.map((mutant, index) => {
    const mutation = run(mutant, baseline, scorecard, fixed)
    stage.step(index + 1, mutant.id)
    return mutation
  })
  return {
    v: 1,
    baselines: { evidence: { digest: sha256(baseline.text("SHA256SUMS")), verdicts: before }, ancestor: ancestorBaseline },
    mutations: [...mutations, ...ancestorLines]
  }
}

const run = (mutant: Mutant, baseline: Draft, scorecard: Scorecard, fixed: string): Mutation => {
  const checks = scorecard.checks.filter(isJudged)
  const asked = mutant.flips.flatMap((flip) => ("aspect" in flip ? [aspectKey(flip.aspect)] : asking(checks, flip.measure)))
  const applies = mutant.flips.every((flip) => "aspect" in flip || asking(checks, flip.measure).length > 0)
  const record = {
    id: mutant.id,
    family: mutant.family,
    what: `${mutant.what} ${hands[mutant.hand]}`,
    baseline: "evidence",
    must_flip: asked,
    may_flip: Object.fromEntries(Object.entries(mutant.also ?? {}).flatMap(([name, why]) => named(checks, name).map((key) => [key, why])))
  }
  const nothing = { ...record, digest: null, after: {}, error: null }
  if (!applies) return nothing
  const draft = new Draft(baseline.files)
  const done = Either.try({
    try: () => {
      mutant.apply(draft)
      if (mutant.hand === "run") draft.remake()
    },
    catch: (cause) => clip(cause instanceof Error ? cause.message : String(cause), 200)
  })
  // What never happened in a window of use cannot be broken there; of what the gate plays itself, everything has to be there.
  if (Either.isLeft(done) && draft.isInUse()) return { ...nothing, what: `${record.what} (Not made: ${done.left}.)` }
  if (Either.isLeft(done)) return { ...nothing, error: done.left }
  const digest = draft.digestAgainst(baseline)
  return digest === null ? { ...nothing, error: "it changed no byte" } : { ...record, digest, after: verdictsOf(draft, scorecard, fixed), error: null }
}

const hands = {
  stranger: "(Somebody without the key.)",
  signer: "(Somebody with the key.)",
  run: "(An honest gate judges it.)"
} as const satisfies Record<Mutant["hand"], string>

const asking = (checks: ReadonlyArray<Check>, measure: string): ReadonlyArray<string> => checks.filter((check) => check.measure === measure).map(({ id }) => id)

// A name in `also` is a measure, an aspect as it stands in the map, or everything.
const named = (checks: ReadonlyArray<Check>, name: string): ReadonlyArray<string> => (name === "*" || name.includes("/") ? [name] : asking(checks, name))

/** What the verifier says of each aspect, and the scorecard that was fixed before the run of each check. */
const verdictsOf = ({ files, pinned }: Draft, scorecard: Scorecard, fixed: string): VerdictMap => {
  const { problems, signed } = inspect(files, pinned)
  const looked = aspects.map((aspect) => [aspectKey(aspect), problems[aspect].length === 0 ? "PASS" : "REFUTED"] as const)
  const { history } = readBundle(files)
  const { lines } = judge({ ...scorecard, checks: scorecard.checks.filter(isJudged) }, history)
  return Object.fromEntries([
    ...looked,
    [aspectKey("scorecard"), signed === null || signed.statement.predicate.scorecard.digest.sha256 === fixed ? "PASS" : "OTHER"],
    ...lines.map(({ id, verdict }) => [id, verdict] as const)
  ])
}
