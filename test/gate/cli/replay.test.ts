import { Effect, Either } from "effect"
import { beforeAll, describe, expect, it } from "vitest"
import { verdictOn } from "../../../gate/cli/Replay.ts"
import { readRun } from "../../../gate/evidence/Reader.ts"
import type { Simulation } from "../../../gate/History.ts"
import { parseScorecard } from "../../../gate/scorecard/Decode.ts"
import { judge } from "../../../gate/scorecard/Judge.ts"
import type { Told } from "../../../gate/simulation/Protocol.ts"
import { hourMs, simulateOne } from "../../../gate/simulation/Simulation.ts"
import { run, scorecard, written } from "../evidence/SyntheticRun.ts"
import { desk, failing, repository } from "./Desk.ts"

const here = desk({ program: "/nowhere/opsgate.js" })

/** A bundle that has simulated what these tell. */
const bundleOf = (seeds: ReadonlyArray<Told>, soak: Told | null): string => {
  const simulation: Simulation = { v: 1, declared: { seeds: seeds.length, twice: 0, fault_classes: [], measures: ["chainIntact"] }, seeds: seeds.map((told) => ({ ...told.run, twice: null })) }
  const kept = soak?.kept ?? null
  const scenarios = kept === null ? run.scenarios : [...run.scenarios, { id: "soak-72", journal: JSON.parse(kept.journalText), eventsText: kept.eventsText, effectsText: kept.effectsText }]
  return written((input) => ({ ...input, aside: { simulation } }), { ...run, scenarios })
}

describe("opsgate evidence replay", () => {
  let seed: Told
  let soak: Told
  beforeAll(async () => {
    seed = await Effect.runPromise(simulateOne(repository, "seeds", 3, null))
    soak = await Effect.runPromise(simulateOne(repository, "soak", 72, null, hourMs))
  })

  it("of a seed gives the digest of the bundle", async () => {
    expect(await here("evidence", "replay", "seeds-3", "--bundle", bundleOf([seed], null))).toMatchObject({ exit: 0, out: expect.stringContaining(`the same digest in the bundle: ${seed.run.digest}`) })
  })

  it("of the soak gives it too, for as long as it lasted there", async () => {
    const { exit, out } = await here("evidence", "replay", "soak", "--bundle", bundleOf([], soak), "--json")
    expect([exit, JSON.parse(out)]).toEqual([0, { scenario: "soak-72", seed: 72, kind: "simulated", digest: soak.run.digest, expected: soak.run.digest, against: "bundle", same: true, failed: [] }])
  })

  it("says that the digest differs, and where the logs part", async () => {
    const kept = soak.kept ?? { journalText: "", eventsText: "", effectsText: "" }
    const other = { ...soak, kept: { ...kept, eventsText: kept.eventsText.replace(/\n.*\n$/, "\n") } }
    const { exit, out } = await here("evidence", "replay", "soak-72", "--bundle", bundleOf([], other))
    expect(exit).toBe(1)
    expect(out).toMatch(new RegExp(`the digest differs: ${soak.run.digest} now, .*\n.*commit 0123.*\nthe logs part at line ${kept.eventsText.trimEnd().split("\n").length}\n$`))
  })

  it("shows nothing where a scenario with real processes did not even begin", async () => {
    const { exit, out } = await here("evidence", "replay", "restart-keeps-state", "--seed", "4", "--profile", "quick")
    expect(exit).toBe(2)
    expect(out).toMatch(/^restart-keeps-state has real processes, which no seed repeats byte for byte: it was played with seed 4 and judged anew\.\naborted in /)
    expect(out).toContain("nothing is shown: ")
  })

  it.each([
    [["seeds"], "which seed? Name it"],
    [["seeds-3", "--seed", "4"], "seeds-3 is seed 3, and --seed says 4"],
    [["seeds-9", "--bundle", written()], "the bundle has no seed 9"],
    [["soak", "--bundle", written()], "the bundle has no soak that can be read"],
    [["soak-1", "--bundle", written()], "the bundle has no soak of seed 1"],
    [["seeds-3", "--hours", "2"], "--hours goes with the soak only"],
    [["soak", "--hours", "0"], "--hours wants at least 1"],
    [["soak", "--seed", "-1"], "--seed"],
    [["soak", "--seed", "0x2"], "--seed wants a whole number, not 0x2"],
    [["nope"], "there is no scenario nope; there are: "],
    [["nope", "--bundle", written()], "the bundle has no scenario nope"],
    [["calm", "--bundle", written((input) => ({ ...input, profile: "constructor" }))], "the profile wants"],
    [["../../etc/passwd"], "there is no scenario ../../etc/passwd"]
  ])("refuses %j in one sentence, and plays nothing", async (given, sentence) => {
    const { err, exit, out } = await here("evidence", "replay", ...given)
    expect([exit, out, err.split("\n").length]).toEqual([254, "", 1])
    expect(err).toContain(sentence)
  })
})

describe("a scenario that was played again", () => {
  const on = (from: typeof run) => {
    const card = Either.getOrThrow(parseScorecard(scorecard))
    const { history, problems } = readRun(from.scenarios.filter(({ id }) => id === "calm"))
    return verdictOn(judge(card, history).lines, card.checks, problems)
  }
  const calm = (change: object): typeof run => ({ ...run, scenarios: run.scenarios.map((one) => ({ ...one, ...change })) })

  it("holds when no check failed in it, however small the sample", () => {
    expect(on(run)).toEqual({ holds: true, why: "5 checks saw something in it, and none failed" })
  })

  it("does not hold when one failed", () => {
    expect(on(failing)).toMatchObject({ holds: false, why: expect.stringContaining("ends: ") })
  })

  it("shows nothing when its log is no log, or no fault hit", () => {
    expect(on(calm({ eventsText: "what\n" }))).toMatchObject({ holds: null, why: expect.stringContaining("events/calm.jsonl line 1 is malformed") })
    expect(on({ ...run, scenarios: run.scenarios.map((one) => ({ ...one, journal: { ...one.journal, faults: [] } })) })).toMatchObject({ holds: null, why: expect.stringContaining("sigkill") })
  })
})
