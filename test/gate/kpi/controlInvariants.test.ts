import { describe, expect, it } from "vitest"
import type { ControlTests } from "../../../gate/History.ts"
import { controlInvariants } from "../../../gate/kpi/controlInvariants.ts"
import { offenders, score } from "../invariant/Story.ts"

const test = (name: string) => ({ file: "test/a.test.ts", name })
const passed = (name: string) => ({ ...test(name), status: "passed" as const })
const of = (control: Partial<ControlTests> | null) => controlInvariants({ scenarios: [], control: control === null ? null : { v: 1, declared: [test("one"), test("two")], results: [passed("one"), passed("two")], ...control } })

describe("controlInvariants", () => {
  it("counts declared tests that passed", () => {
    expect(score(of({}))).toBe("2/2")
  })

  it.each([
    ["failed", { results: [passed("one"), { ...test("two"), status: "failed" as const }] }, "it failed"],
    ["was skipped", { results: [passed("one"), { ...test("two"), status: "skipped" as const }] }, "it was skipped"],
    ["was not run", { results: [passed("one")] }, "it was not run"],
    ["was run twice", { results: [passed("one"), passed("two"), passed("two")] }, "it was run 2 times"],
    ["passed in another file", { results: [passed("one"), { ...passed("two"), file: "test/b.test.ts" }] }, "it was not run"]
  ])("counts one that %s", (_, control, why) => {
    expect(offenders(of(control))[0]).toBe(`test/a.test.ts, two: ${why}`)
  })

  it("counts one that nobody declared", () => {
    expect(score(of({ results: [passed("one"), passed("two"), passed("three")] }))).toBe("2/3")
    expect(offenders(of({ results: [passed("one"), passed("two"), passed("three")] }))).toEqual(["test/a.test.ts, three: it was run, and nobody declared it"])
  })

  it("is missing without results, without a list, and with a list that has one twice", () => {
    expect(score(of(null))).toBe("missing: the results of the tests of the control invariants are not there")
    expect(score(controlInvariants({ scenarios: [] }))).toContain("missing")
    expect(score(of({ declared: [], results: [] }))).toContain("missing: the list")
    expect(score(of({ declared: [test("one"), test("one")] }))).toContain("missing: the list")
  })
})
