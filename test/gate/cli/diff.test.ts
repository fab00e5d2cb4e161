import { rmSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { run, scorecard, written } from "../evidence/SyntheticRun.ts"
import { desk, failing } from "./Desk.ts"

const here = desk()
const diff = async (old: string, now: string) => {
  const { err, exit, out } = await here("evidence", "diff", old, now, "--json")
  return { exit, err, told: JSON.parse(out) }
}

type Card = Omit<typeof scorecard, "checks"> & { readonly checks: ReadonlyArray<Readonly<Record<string, unknown>>> }
const by = (change: (card: Card) => object): string => written((input) => input, { ...run, scorecardText: JSON.stringify(change(scorecard)) })
const check = (id: string, change: object) => (card: Card) => ({ ...card, checks: card.checks.map((one) => (one["id"] === id ? { ...one, ...change } : one)) })
const good = written()
const bad = written((input) => input, failing)

describe("opsgate evidence diff", () => {
  it("finds nothing between two runs alike", async () => {
    expect(await diff(good, written())).toMatchObject({ exit: 0, err: "", told: { findings: [], figures: [], scorecard: [], red: [], worse: false } })
    expect((await here("evidence", "diff", good, written())).out).toContain("nothing is worse")
  })

  it("says what is new, ongoing and resolved, and which figures changed", async () => {
    const worse = await diff(good, bad)
    expect(worse).toMatchObject({ exit: 1, told: { decision: { old: "GO", new: "NO-GO" }, red: [], findings: [{ turn: "New", id: "ends", title: "About ends", before: "PASS", now: "FAIL" }] } })
    expect(worse.told.figures).toContainEqual({ check: "ends", old: "6/6", new: "4/6" })
    expect(await diff(bad, written((input) => input, failing))).toMatchObject({ exit: 0, told: { findings: [{ turn: "Ongoing" }], worse: false } })
    expect(await diff(bad, good)).toMatchObject({ exit: 0, told: { findings: [{ turn: "Resolved" }], worse: false } })
    expect((await here("evidence", "diff", good, bad)).out).toMatch(/something is worse, or red\n\nNew \(1\)\n {2}ends {2}PASS → FAIL {2}About ends\n\nChanged figures \(1\)/)
  })

  it("counts what is newly insufficient as worse", async () => {
    const less = written((input) => input, { ...run, scenarios: run.scenarios.filter(({ id }) => id !== "calm") })
    const { exit, told } = await diff(good, less)
    expect(exit).toBe(1)
    expect(told.findings.map(({ id, turn }: { readonly id: string; readonly turn: string }) => `${turn} ${id}`)).toContain("Newly insufficient complete")
    expect(told.red).toEqual(["population: scenario calm is gone"])
    const unhit = written((input) => input, { ...failing, scenarios: failing.scenarios.map((one) => ({ ...one, journal: { ...one.journal, faults: [] } })) })
    expect(await diff(bad, unhit)).toMatchObject({ exit: 1, told: { decision: { old: "NO-GO", new: "NO-GO" }, red: [], worse: true } })
  })

  it("counts a decision that fell as worse, although every verdict is what it was", async () => {
    const scorecardText = JSON.stringify({ ...scorecard, waivers: [{ check: "ends", owner: "ada", reason: "it is known", expires: "2026-11-30" }] })
    const [waived, expired] = [failing, { ...failing, scenarios: failing.scenarios.map((one) => ({ ...one, journal: { ...one.journal, ended_at: Date.UTC(2026, 11, 1) } })) }].map((from) => written((input) => input, { ...from, scorecardText }))
    expect(await diff(waived ?? "", expired ?? "")).toMatchObject({ exit: 1, told: { decision: { old: "GO", new: "NO-GO" }, findings: [{ turn: "Ongoing", id: "ends" }], red: [], worse: true } })
  })

  it.each([
    ["a tighter threshold", by(check("ends", { rule: "rate_at_least", threshold_ppm: 600_000, acceptance: [[6, 0]] })), by(check("ends", { rule: "rate_at_least", threshold_ppm: 500_000, acceptance: [[6, 0]] })), "ends: threshold loosened, 600000 ppm → 500000 ppm"],
    ["a tighter threshold", by(check("ends", { rule: "rate_at_least", threshold_ppm: 500_000, acceptance: [[6, 0]] })), by(check("ends", { rule: "rate_at_least", threshold_ppm: 600_000, acceptance: [[6, 0]] })), "ends: threshold tightened, 500000 ppm → 600000 ppm"],
    ["another population", good, by(check("ends", { population: "Some." })), "ends: population, All. → Some."],
    ["another traffic class", good, by(check("ends", { traffic_classes: ["fault", "prodlike"] })), "ends: traffic class, fault → fault, prodlike"],
    ["a check that is gone", good, by((card) => ({ ...card, checks: card.checks.slice(1) })), "chain: check removed, About chain → none"],
    ["a check more", by((card) => ({ ...card, checks: card.checks.slice(1) })), good, "chain: check added, none → About chain"],
    ["another weight", good, by((card) => ({ ...card, checks: [...card.checks.map((one, n) => ({ ...one, weight: 1, key: n === 0 })), { ...card.checks[0], id: "score", measure: null, rule: "score", threshold_ppm: 950_000, n_min: 5, key: false }] })), "chain: weight, none → 1"],
    ["another scorecard", good, by((card) => ({ ...card, name: "vibes" })), "another scorecard: synthetic → vibes"],
    ["another profile", good, written((input) => ({ ...input, profile: "quick" })), "another profile: full → quick"]
  ])("is red for %s", async (_, old, now, sentence) => {
    const { exit, told } = await diff(old, now)
    expect(told.red).toContain(sentence)
    expect([exit, told.worse]).toEqual([1, true])
  })

  it("is red when fewer seeds were played, or with fewer faults", async () => {
    const seeds = (count: number, faults: ReadonlyArray<string>) => {
      const simulation = { v: 1 as const, declared: { seeds: count, twice: 0, fault_classes: faults, measures: ["chainIntact"] }, seeds: Array.from({ length: count }, (_unused, n) => ({ seed: n + 1, digest: "a".repeat(64), events: 3, virtual_ms: 10, failed: [], hits: {}, seen: {}, twice: null })) }
      return written((input) => ({ ...input, aside: { simulation } }))
    }
    expect((await diff(seeds(3, ["io", "sigkill"]), seeds(2, ["io"]))).told.red).toEqual(["population: fewer seeds, 3 → 2", "population: seeds without the fault sigkill"])
    expect((await diff(seeds(3, []), good)).told.red).toEqual(["population: nothing was simulated any more"])
  })

  it("is red when either does not verify, whatever it says of itself", async () => {
    const [changed, gone] = [written(), written()]
    rmSync(join(changed, "REPORT.md"))
    rmSync(join(gone, "metrics.json"))
    expect(await diff(changed, good)).toMatchObject({ exit: 1, told: { red: [expect.stringContaining("OLD: it does not verify")], findings: [] } })
    const { exit, told } = await diff(good, gone)
    expect([exit, told.findings]).toEqual([1, null])
    expect(told.red).toEqual([expect.stringContaining("NEW: it does not verify"), "NEW has no verdicts that can be read"])
  })
})
