import { describe, expect, it } from "vitest"
import { overScenarios } from "../../../gate/invariant/Units.ts"
import { offendersMax } from "../../../gate/Verdict.ts"
import { offenders, run, scenario, score } from "./Story.ts"

describe("units", () => {
  it("names twenty offenders at most and counts them all", () => {
    const found = overScenarios(run(scenario({})), (_, units) => {
      for (let i = 1; i <= offendersMax + 5; i++) units.bad(`offender ${i}`)
    })
    expect(score(found)).toBe("0/25")
    expect([offenders(found).length, offenders(found).at(-1)]).toEqual([20, "offender 20"])
  })

  it("are missing when one of them is, with the first reason, whatever was counted", () => {
    const found = overScenarios(run(scenario({}), { ...scenario({ id: "two" }), effects: null }, { ...scenario({ id: "three" }), journal: null }), (_, units) => units.good())
    expect(score(found)).toBe("missing: two: the effect ledger is missing")
  })
})
