import { describe, expect, it } from "vitest"
import type { SeedRun, Simulation } from "../../../gate/History.ts"
import { faultClassesHit } from "../../../gate/kpi/faultClassesHit.ts"
import { seedsHold } from "../../../gate/kpi/seedsHold.ts"
import { seedsRepeat } from "../../../gate/kpi/seedsRepeat.ts"
import { virtualHours } from "../../../gate/kpi/virtualHours.ts"
import type { Measure } from "../../../gate/Verdict.ts"
import { history, offenders, score } from "../invariant/Story.ts"

const seed = (n: number, over: Partial<SeedRun> = {}): SeedRun => ({ seed: n, digest: `${n}`.padStart(64, "0"), events: 500, virtual_ms: 60_000, failed: [], hits: { sigkill: 2 }, seen: {}, twice: null, ...over })
const declared = { seeds: 2, twice: 0, fault_classes: ["sigkill"], measures: ["chainIntact"] }
const of = (measure: Measure, seeds: ReadonlyArray<SeedRun>, over: Partial<Simulation["declared"]> = {}) => measure({ scenarios: [], simulation: { v: 1, declared: { ...declared, ...over }, seeds } })

describe("every measure of seeds", () => {
  it.each([["seedsHold", seedsHold], ["seedsRepeat", seedsRepeat], ["faultClassesHit", faultClassesHit]])("is missing without seeds, with fewer than declared, and where one is counted twice: %s", (_, measure) => {
    expect(score(measure({ scenarios: [] }))).toBe("missing: the seeds of the simulation are not there")
    expect(score(of(measure, [seed(1)]))).toBe("missing: 2 seeds were declared, and 1 are there")
    expect(score(of(measure, [seed(1), seed(1, { digest: "f".repeat(64) })]))).toBe("missing: seed 1 is listed twice")
    expect(score(of(measure, [seed(1), seed(2, { digest: seed(1).digest })]))).toBe("missing: the seeds 1 and 2 have one history")
  })
})

describe("seedsHold", () => {
  it("counts seeds, and names what failed in one", () => {
    expect(score(of(seedsHold, [seed(1), seed(2)]))).toBe("2/2")
    expect(offenders(of(seedsHold, [seed(1), seed(2, { failed: ["singleOwner", "conservation"] })]))).toEqual(["seed 2: singleOwner, conservation"])
  })

  it("does not hold where nothing happened, or nothing judged", () => {
    expect(offenders(of(seedsHold, [seed(1), seed(2, { events: 0 })]))).toEqual(["seed 2: nothing happened"])
    expect(score(of(seedsHold, [seed(1), seed(2)], { measures: [] }))).toBe("missing: no measure judged the seeds")
  })
})

describe("seedsRepeat", () => {
  it("counts the seeds that were run twice, and nothing else", () => {
    expect(score(of(seedsRepeat, [seed(1, { twice: true }), seed(2)], { twice: 1 }))).toBe("1/1")
    expect(offenders(of(seedsRepeat, [seed(1, { twice: false }), seed(2)], { twice: 1 }))).toEqual(["seed 1: its second run gave another log"])
  })

  it("is missing where fewer were run twice than declared", () => {
    expect(score(of(seedsRepeat, [seed(1, { twice: true }), seed(2)], { twice: 2 }))).toBe("missing: 2 seeds were to be run twice, and 1 were")
  })
})

describe("faultClassesHit", () => {
  it("counts instants at which a fault struck, by class", () => {
    expect(of(faultClassesHit, [seed(1, { hits: { sigkill: 2, sigstop: 1 } }), seed(2, { hits: { sigkill: 3 } })], { fault_classes: ["sigkill", "sigstop"] })).toMatchObject({ good: 6, total: 6, strata: { sigkill: 5, sigstop: 1 } })
  })

  it("is missing where a declared class struck nothing, an undeclared one struck, or none is declared", () => {
    expect(score(of(faultClassesHit, [seed(1), seed(2, { hits: { sigstop: 0 } })], { fault_classes: ["sigkill", "sigstop"] }))).toBe("missing: no sigstop struck anything in 2 seeds")
    expect(score(of(faultClassesHit, [seed(1), seed(2, { hits: { flood: 1 } })]))).toBe("missing: seed 2 has faults of the class flood, which nobody declared")
    expect(score(of(faultClassesHit, [seed(1, { hits: {} }), seed(2, { hits: {} })], { fault_classes: [] }))).toBe("missing: the simulation declares no class of faults")
  })
})

describe("virtualHours", () => {
  const soaked = (ms: number, over = {}) => virtualHours(history({ journal: { world: "simulation", started_at: 0, ended_at: ms, ...over } }))

  it("counts whole hours of what was simulated", () => {
    expect([score(soaked(3_600_000 * 72)), score(soaked(3_600_000 * 72 - 1)), score(soaked(-1))]).toEqual(["72/72", "71/71", "0/0"])
  })

  it("counts nothing that was not simulated, nor what did not run to its end", () => {
    expect(virtualHours(history({ journal: { started_at: 0, ended_at: 3_600_000 } }))).toMatchObject({ total: 0, excluded: { "it was not simulated": 1 } })
    expect(score(soaked(3_600_000, { status: "aborted", note: "stuck" }))).toBe("missing: one was aborted: stuck")
  })
})
