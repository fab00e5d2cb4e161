import { describe, expect, it } from "vitest"
import type { Fault, Journal } from "../../../gate/History.ts"
import { brokenIn, limitsOf } from "../../../gate/report/Limits.ts"
import { fault, scenario } from "../invariant/Story.ts"

const journal = (over: Partial<Journal>): Journal => scenario({ journal: over }).journal ?? expect.fail("no journal")
const told = (journals: ReadonlyArray<Journal>, over: Partial<Parameters<typeof limitsOf>[0]> = {}) => limitsOf({ journals, simulation: null, comparesEarlier: false, ofUse: false, ...over }).join("\n")
const full = (over: Partial<Fault> = {}): Fault => fault("one/1", ["t1"], { class: "full", ...over })

describe("what a report does not show", () => {
  it("follows from what was broken: a disk that really was full is not among what nothing met", () => {
    expect(told([journal({})])).toMatch(/real processes met nothing that was broken on purpose\.\nIn this run nothing met .*a full disk/)
    const met = told([journal({ faults: [full()] })])
    expect(met).toContain("real processes met a full disk.")
    expect(met.split("nothing met")[1]).not.toContain("a full disk")
  })

  it("does not count a fault without a hit or without a witness", () => {
    for (const over of [{ hit: [] }, { witness: null }]) expect(told([journal({ faults: [full(over)] })])).toContain("met nothing that was broken on purpose")
  })

  it("counts what tools of the operating system broke, and not what only tried the checker", () => {
    const trial = (kind: "power_loss" | "full_disk", over: object = {}) => ({ id: `${kind}/1`, kind, sort: "x", digest: "d", witness: { kind: "record", detail: "x" }, looks: [], ...over }) as const
    const met = told([journal({ trials: [trial("full_disk"), trial("power_loss")] })])
    expect(met).toContain("real processes met a full disk, power cuts")
    expect(met.split("nothing met")[1]).not.toMatch(/full disk|power cuts/)
    for (const over of [{ lie: true }, { witness: null }]) expect(told([journal({ trials: [trial("power_loss", over)] })]).split("nothing met")[1]).toContain("power cuts")
    expect(brokenIn([journal({ trials: [trial("full_disk"), trial("full_disk", { witness: null }), trial("power_loss", { lie: true })] })]).map(({ hit, injected, name }) => [name, injected, hit])).toEqual([["full_disk (trial)", 2, 1]])
  })

  it("keeps what happened in the simulation alone apart", () => {
    const seeds = { v: 1, declared: { seeds: 1, twice: 0, fault_classes: [], measures: [] }, seeds: [{ seed: 1, digest: "", events: 1, virtual_ms: 1, failed: [], hits: { sync: 2, io: 0 }, seen: {}, twice: null }] } as const
    const found = told([journal({ world: "simulation", faults: [full()] }), journal({ faults: [fault("one/2", ["t1"])] })], { simulation: seeds })
    expect(found).toContain("real processes met processes that are killed.")
    expect(found).toContain("Only in the simulation, and to no real process, happened a full disk, syncs that fail.")
    expect(found.split("nothing met")[1]).toContain("disk errors on write")
    expect(found).toContain("models of our own")
    expect(told([journal({})])).not.toContain("models of our own")
  })

  it("speaks of earlier runs only where there are some, and of no faults in a window of use", () => {
    expect(told([], { comparesEarlier: true })).toContain("they are not verified again")
    expect(told([])).not.toContain("they are not verified again")
    const use = told([journal({ world: "production" })], { ofUse: true })
    expect(use).toContain("Nothing was broken on purpose")
    expect(use).not.toContain("In this run nothing met")
  })
})

describe("what was broken", () => {
  it("is counted by class and world, with who saw it", () => {
    const rows = brokenIn([journal({ faults: [full(), full({ witness: null }), fault("one/3", [])] }), journal({ world: "simulation", faults: [full({ witness: { kind: "answer", detail: "x" } })] })])
    expect(rows.map(({ hit, injected, name, where, witnesses }) => [where, name, injected, hit, witnesses])).toEqual([
      ["machine", "full", 2, 1, "the exit of the process"],
      ["machine", "sigkill", 1, 0, "the exit of the process"],
      ["simulation", "full", 1, 1, "the answer of the product"]
    ])
  })
})
