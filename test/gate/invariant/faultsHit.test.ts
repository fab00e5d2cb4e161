import { describe, expect, it } from "vitest"
import { faultsHit } from "../../../gate/invariant/faultsHit.ts"
import { fault, history, score } from "./Story.ts"

const declared = { faults: [{ class: "sigkill", must_hit: "running", count: 2 }] } as const
const after = (...faults: ReadonlyArray<ReturnType<typeof fault>>) => score(faultsHit(history({ scenario: declared, journal: { faults } })))

describe("faultsHit", () => {
  it("is missing, never bad, when too few faults hit", () => {
    expect(after(fault("one/1", ["t1"]), fault("one/2", []))).toBe("missing: one: 2 × sigkill had to hit a task that was running, and 1 did")
  })

  it("is missing when a fault has no witness, or one that says nothing", () => {
    expect(after(fault("one/1", ["t1"]), fault("one/2", ["t1"], { witness: null }))).toBe("missing: one: the sigkill one/2 has no witness")
    expect(after(fault("one/1", ["t1"]), fault("one/2", ["t1"], { witness: { kind: "exit", detail: "" } }))).toContain("has no witness")
  })

  it("is missing when fewer were injected than declared, of the same class and target", () => {
    const short = "missing: one: 2 × sigkill had to hit a task that was running, and 1 did"
    expect([after(fault("one/1", ["t1"])), after(fault("one/1", ["t1"]), fault("one/2", ["t1"], { must_hit: "claimed" }))]).toEqual([short, short])
  })

  it("is missing when one fault is written down twice", () => {
    expect(after(fault("one/1", ["t1"]), fault("one/1", ["t1"]))).toBe("missing: one: the sigkill one/1 is in the journal twice")
  })

  it("counts nothing where no fault was declared", () => {
    expect(score(faultsHit(history({})))).toBe("0/0")
  })

  it("counts faults", () => {
    expect(after(fault("one/1", ["t1"]), fault("one/2", ["t2"]))).toBe("2/2")
  })

  describe("of enumerated points", () => {
    const points = ["1 before_begin", "1 before_commit"]
    const struck = (...faults: ReadonlyArray<ReturnType<typeof fault>>) => score(faultsHit(history({ journal: { faults, points } })))
    const at = (id: string, point: string, hit: ReadonlyArray<string> = ["t1"]) => fault(id, hit, { must_hit: "commit", point })

    it("is missing when one was never struck, whatever missed it", () => {
      expect(struck(at("one/1", "1 before_begin"), at("one/2", "1 before_commit", []))).toBe("missing: one: 1 of 2 points were never struck, the first of them 1 before_commit")
    })

    it("is missing when one was struck twice: what is counted are points", () => {
      expect(struck(at("one/1", "1 before_begin"), at("one/2", "1 before_commit"), at("one/3", "1 before_commit"))).toBe("missing: one: the point 1 before_commit was struck twice")
    })

    it("counts each, also one that was missed at first", () => {
      expect(struck(at("one/1", "1 before_begin", []), at("one/2", "1 before_begin"), at("one/3", "1 before_commit"))).toBe("2/2")
    })
  })
})
