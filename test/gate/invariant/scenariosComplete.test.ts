import { describe, expect, it } from "vitest"
import { scenariosComplete } from "../../../gate/invariant/scenariosComplete.ts"
import { history, run, scenario, score } from "./Story.ts"

describe("scenariosComplete", () => {
  it("is missing when a scenario was aborted", () => {
    expect(score(scenariosComplete(history({ journal: { status: "aborted", note: "the server did not come up" } })))).toBe("missing: one was aborted: the server did not come up")
  })

  it.each(["journal", "events", "effects"])("is missing without the %s of a scenario", (part) => {
    expect(score(scenariosComplete(run(scenario({ id: "two" }), { ...scenario({}), [part]: null })))).toMatch(/^missing: one: the .* is missing$/)
  })

  it("is missing when one journal stands for two scenarios", () => {
    expect(score(scenariosComplete(run(scenario({}), scenario({}))))).toContain("missing")
    expect(score(scenariosComplete(run({ ...scenario({}), id: "two" })))).toBe("missing: the journal of two is that of one")
  })

  it("counts nothing in an empty run", () => {
    expect(score(scenariosComplete(run()))).toBe("0/0")
  })

  it("counts scenarios", () => {
    expect(score(scenariosComplete(run(scenario({}), scenario({ id: "two" }))))).toBe("2/2")
  })
})
