/**
 * What the record of a self-test shows. Nothing in it is believed but the verdicts: whether a mutant was caught is told anew from
 * the map before and the map after.
 */
import type { Mutation, MutantFamily, RunHistory, SelfTest, VerdictMap } from "../History.ts"
import type { Measurement } from "../Verdict.ts"
import { counted } from "./Units.ts"

export const green = "PASS"

/** What changed between two maps, in the order of names. A name that only one of them has has changed. */
export const flipsOf = (before: VerdictMap, after: VerdictMap): ReadonlyArray<string> =>
  [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((name) => before[name] !== after[name]).sort()

/** Why a mutant was not caught, in a sentence; null when exactly what had to turn red did. */
export const escapeOf = ({ after, may_flip, must_flip }: Mutation, before: VerdictMap): string | null => {
  if (must_flip.length === 0) return "nothing was to turn red by it"
  const still = must_flip.find((name) => before[name] === undefined || before[name] === after[name])
  if (still !== undefined) return `${still} stayed ${after[still] ?? "unsaid"}`
  const stray = "*" in may_flip ? undefined : flipsOf(before, after).find((name) => !must_flip.includes(name) && !(name in may_flip))
  return stray === undefined ? null : `${stray} changed to ${after[stray] ?? "unsaid"} as well, and nothing said that it would`
}

/** The whole self-test in three figures; `escaped` names what was not caught, and what could not be made. */
export const tallyOf = ({ baselines, mutations }: SelfTest): { readonly executed: number; readonly caught: number; readonly escaped: ReadonlyArray<string> } => {
  const executed = mutations.filter(({ digest, error }) => digest !== null || error !== null)
  const escaped = executed.filter((mutation) => mutation.error !== null || escapeOf(mutation, baselines[mutation.baseline]?.verdicts ?? {}) !== null)
  return { executed: executed.length, caught: executed.length - escaped.length, escaped: escaped.map(({ id }) => id) }
}

/**
 * Counts the mutants of some families. A family without a mutant, a mutant that was not executed, and a baseline that is not green
 * are missing evidence. A change that was made before under another name is the same mutant, and left out, as is one that the
 * scorecard has no check for.
 */
export const countMutants = ({ selfTest = null }: RunHistory, families: ReadonlyArray<MutantFamily>): Measurement =>
  counted((units) => {
    if (selfTest === null) return units.missing("there was no self-test")
    const mutations = selfTest.mutations.filter(({ family }) => families.includes(family))
    const made = new Set<string | null>()
    for (const mutation of mutations) {
      const { baseline, digest, error, id } = mutation
      const why = error ?? (digest === null ? null : redIn(selfTest, baseline))
      if (why !== null) units.missing(`${id}: ${why}`)
      else if (digest === null) units.excluded("the scorecard asks nothing that it breaks")
      else if (made.has(digest)) units.excluded("the same change under another name")
      else {
        const escape = escapeOf(mutation, selfTest.baselines[baseline]?.verdicts ?? {})
        if (escape === null) units.good()
        else units.bad(`${id}: ${escape}`)
      }
      made.add(digest)
    }
    for (const family of families) {
      if (!mutations.some((mutation) => mutation.family === family && mutation.digest !== null)) units.missing(`no mutant of the family ${family} was executed`)
    }
  })

// What was red before cannot be turned red, so nothing of such a baseline is credited.
const redIn = (selfTest: SelfTest, baseline: string): string | null => {
  const verdicts = selfTest.baselines[baseline]?.verdicts
  if (verdicts === undefined) return `its baseline ${baseline} is not on record`
  const [name, verdict] = Object.entries(verdicts).find(([, said]) => said !== green) ?? []
  if (name !== undefined) return `${name} is ${verdict} without any mutant`
  return Object.keys(verdicts).length === 0 ? `its baseline ${baseline} says nothing` : null
}
