/**
 * The tests that were declared to hold the control invariants were run, each once, and passed: declared = executed, and none failed or was
 * skipped. What was run and not declared is bad too: the list is no list then.
 *
 * Unit: a declared test; a result beyond them is a bad unit each.
 */
import type { TestName } from "../History.ts"
import { counted } from "../invariant/Units.ts"
import type { Measure } from "../Verdict.ts"

export const controlInvariants: Measure = ({ control = null }) =>
  counted((units) => {
    if (control === null) return units.missing("the results of the tests of the control invariants are not there")
    const declared = new Set(control.declared.map(nameOf))
    if (declared.size === 0 || declared.size < control.declared.length) return units.missing("the list of declared tests is empty, or has one twice")
    for (const name of declared) {
      const results = control.results.filter((result) => nameOf(result) === name)
      const [only] = results
      if (only?.status === "passed" && results.length === 1) units.good()
      else units.bad(`${name}: ${only === undefined ? "it was not run" : results.length > 1 ? `it was run ${results.length} times` : `it ${only.status === "failed" ? "failed" : "was skipped"}`}`)
    }
    for (const name of new Set(control.results.map(nameOf))) {
      if (!declared.has(name)) units.bad(`${name}: it was run, and nobody declared it`)
    }
  })

const nameOf = ({ file, name }: TestName): string => `${file}, ${name}`
