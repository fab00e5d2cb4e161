/**
 * Every check of the scorecard, and everything that a verifier looks at, has been seen to fail: a mutant of the evidence or of the
 * product that was caught had to turn it red. A check that nothing turned red may be one that cannot fail, and what it says is no evidence.
 *
 * Unit: a name in the baseline of the evidence.
 */
import type { Measure } from "../Verdict.ts"
import { escapeOf } from "./Mutations.ts"
import { counted } from "./Units.ts"

export const checksCanFail: Measure = ({ selfTest = null }) =>
  counted((units) => {
    const baseline = selfTest?.baselines["evidence"]
    if (selfTest === null || baseline === undefined) return units.missing("there was no self-test")
    const caught = selfTest.mutations.filter((mutation) => mutation.error === null && escapeOf(mutation, selfTest.baselines[mutation.baseline]?.verdicts ?? {}) === null)
    const seen = new Set(caught.flatMap(({ must_flip }) => must_flip))
    for (const name of Object.keys(baseline.verdicts)) {
      if (seen.has(name)) units.good()
      else units.missing(`no mutant turned ${name} red`)
    }
  })
