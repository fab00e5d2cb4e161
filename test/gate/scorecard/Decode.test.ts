import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { acceptanceTable } from "../../../gate/scorecard/Bounds.ts"
import { parseScorecard } from "../../../gate/scorecard/Decode.ts"
import { measureNames } from "../../../gate/scorecard/Measures.ts"
import oracles from "../../../scorecards/oracles.json" with { type: "json" }
import own from "../../../scorecards/own.json" with { type: "json" }
import quick from "../../../scorecards/quick.json" with { type: "json" }
import spine from "../../../scorecards/spine.json" with { type: "json" }
import kpi from "../../../scorecards/v1.2-kpi.json" with { type: "json" }
import controlTests from "../../../scorecards/control-tests.json" with { type: "json" }
import board from "../../../scorecards/v1.2.json" with { type: "json" }
import full from "../../../scorecards/v1.2-full.json" with { type: "json" }

const check = { id: "x", title: "X", measure: "chainIntact", rule: "census", n_min: 1, population: "All.", traffic_classes: ["fault"], worlds: ["machine"], exclusions: [], remedy: "Look." }
const rate = { ...check, measure: "interruptedRecovered", rule: "rate_at_least", threshold_ppm: 900_000, acceptance: [[29, 0], [46, 1]] }
const score = { ...check, id: "score", measure: null, rule: "score", threshold_ppm: 950_000, n_min: 10 }
const waiver = { check: "x", owner: "ada", reason: "The disk is new.", expires: "2026-12-31" }
const card = (...checks: ReadonlyArray<object>) => ({ v: 1, name: "spine", title: "Spine", ceiling: "GO", censored_max_ppm: 50_000, checks })
const sentence = (json: unknown) => Either.match(parseScorecard(json), { onLeft: (refused) => refused.message, onRight: () => "accepted" })

describe("parseScorecard", () => {
  it.each<[string, unknown, string]>([
    ["what is no object", null, "the scorecard does not follow its schema: it must be object"],
    ["a missing member", { ...card(check), ceiling: undefined, title: "Spine" }, "scorecard spine does not follow its schema"],
    ["an unknown member", { ...card(check), weavers: [] }, "scorecard spine does not follow its schema: it must NOT have additional properties"],
    ["an unknown rule", card({ ...check, rule: "median" }), "scorecard spine does not follow its schema at /checks/0/rule"],
    ["no check", card(), "scorecard spine does not follow its schema at /checks: it must NOT have fewer than 1 items"],
    ["a ceiling of NO-GO", { ...card(check), ceiling: "NO-GO" }, "at /ceiling"],
    ["a sample of none", card({ ...check, n_min: 0 }), "at /checks/0/n_min"],
    ["a threshold of everything", card({ ...rate, threshold_ppm: 1_000_000 }), "at /checks/0/threshold_ppm"],
    ["an unknown measure", card({ ...check, measure: "y" }), "scorecard spine: check x names the unknown measure y"],
    ["a name that every object has", card({ ...check, measure: "constructor" }), "scorecard spine: check x names the unknown measure constructor"],
    ["a check that is there twice", card(check, check), "scorecard spine: check x is there twice"],
    ["a rate without a threshold", card({ ...rate, threshold_ppm: undefined, acceptance: rate.acceptance }), "scorecard spine"],
    ["a rate without a table", card({ ...check, measure: null, rule: "rate_at_most", threshold_ppm: 150_000 }), "scorecard spine: check x needs a threshold and a table for the rule rate_at_most"],
    ["a census with a threshold", card({ ...check, threshold_ppm: 1 }), "scorecard spine: check x has a threshold or a table, which the rule census does not know"],
    ["a table with a failure too many", card({ ...rate, acceptance: [[29, 0], [45, 1]] }), "scorecard spine: check x has a table that allows 1 failures in 45; the bound allows 0"],
    ["a table with a failure too few", card({ ...rate, acceptance: [[46, 0]] }), "scorecard spine: check x has a table that allows 0 failures in 46; the bound allows 1"],
    ["a table that starts too early", card({ ...rate, acceptance: [[28, 0]] }), "the bound allows none, since so few prove nothing"],
    ["a table that does not ascend", card({ ...rate, acceptance: [[46, 1], [29, 0]] }), "scorecard spine: check x has a table that does not ascend: 29 follows 46"],
    ["a table with halves", card({ ...rate, acceptance: [[29.5, 0]] }), "at /checks/0/acceptance/0/0"],
    ["a share of unseen ends that nobody says", { ...card(check), censored_max_ppm: undefined }, "scorecard spine does not follow its schema"],
    ["a check that does not say what it counts", card({ ...check, population: "" }), "at /checks/0/population"],
    ["a world that is none", card({ ...check, worlds: ["dream"] }), "at /checks/0/worlds/0"],
    ["a parameter that is no whole number", card({ ...check, parameters: { limit_ms: 0.5 } }), "at /checks/0/parameters/limit_ms"],
    ["weights without a score", card({ ...check, weight: 5 }), "scorecard spine has weights and no score"],
    ["weights that do not add up", card({ ...check, weight: 5, key: true }, score), "scorecard spine has weights that add up to 5, and its score declares 10"],
    ["a score without a key check", card({ ...check, weight: 10 }, score), "scorecard spine has a score and no key check"],
    ["two scores", card({ ...check, weight: 10, key: true }, score, { ...score, id: "again" }), "scorecard spine has more than one score"],
    ["a score that somebody measures", card({ ...check, weight: 10, key: true }, { ...score, measure: "chainIntact" }), "check score is a score, which is made of the other checks and has no measure"],
    ["a score in itself", card({ ...check, key: true }, { ...score, weight: 10 }), "check score is a score and has a weight in it"],
    ["a score with a table", card({ ...check, weight: 10, key: true }, { ...score, acceptance: [[59, 0]] }), "check score needs a threshold and no table"],
    ["a waiver of what is not there", { ...card(check), waivers: [{ ...waiver, check: "y" }] }, "scorecard spine: check y has a waiver, and there is no such check"],
    ["a waiver of a key check", { ...card({ ...check, key: true }), waivers: [waiver] }, "scorecard spine: check x is a key check, which nobody can waive"],
    ["two waivers of one check", { ...card(check), waivers: [waiver, { ...waiver, owner: "bob" }] }, "scorecard spine: check x has more than one waiver"],
    ["a waiver until a day that is none", { ...card(check), waivers: [{ ...waiver, expires: "2026-02-30" }] }, "scorecard spine: check x has a waiver until 2026-02-30, which is no day"],
    ["a waiver that nobody owns", { ...card(check), waivers: [{ ...waiver, owner: "" }] }, "at /waivers/0/owner"],
    ["a waiver without an end", { ...card(check), waivers: [{ ...waiver, expires: undefined }] }, "at /waivers/0"],
    ["a table of triples", card({ ...rate, acceptance: [[29, 0, 0]] }), "at /checks/0/acceptance/0"]
  ])("refuses %s", (_, json, expected) => {
    expect(sentence(json)).toContain(expected)
  })

  it("accepts a check that nothing measures yet, and one at most", () => {
    expect(sentence(card({ ...rate, measure: null, rule: "rate_at_most", threshold_ppm: 150_000, acceptance: [[19, 0], [30, 1]] }))).toBe("accepted")
  })

  it("accepts a score of checks with weights, and a waiver of one that is no key", () => {
    expect(sentence({ ...card({ ...check, weight: 4 }, { ...check, id: "y", weight: 6, key: true }, score), waivers: [waiver] })).toBe("accepted")
  })

  it.each([["spine", spine], ["quick", quick], ["v1.2", board], ["v1.2-kpi", kpi], ["v1.2-full", full], ["oracles", oracles]])("accepts the scorecard %s of this repository", (_, json) => {
    expect(sentence(json)).toBe("accepted")
  })
})

describe("the scorecards", () => {
  it("use every measure that there is", () => {
    const used = [spine, full, kpi, oracles, own].flatMap(({ checks }) => checks.flatMap(({ measure }) => measure ?? []))
    expect([...new Set(used)].toSorted()).toEqual(measureNames)
  })

  it("ask the quick profile for the same checks, every recovery included, and never let it say GO", () => {
    const asked = spine.checks.map(({ id, measure, rule }) => ({ id, measure, rule: id === "interrupted-recovered" || id === "poll-recovery" ? "census" : rule }))
    expect(quick.checks.map(({ id, measure, rule }) => ({ id, measure, rule }))).toEqual(asked)
    expect([spine.ceiling, quick.ceiling]).toEqual(["GO", "INSUFFICIENT"])
  })

  it("hold the whole board of v1.2: six gate lines, and seven targets on production alone, with their thresholds", () => {
    const asked = (card: { readonly checks: ReadonlyArray<object> }, ids: ReadonlyArray<string>) =>
      card.checks.flatMap((one) => ("id" in one && "rule" in one && "n_min" in one && ids.includes(String(one.id)) ? [[one.id, one.rule, "threshold_ppm" in one ? one.threshold_ppm : null, one.n_min]] : []))
    expect(asked(board, ["command-success", "duplicate-heavy", "control-invariants", "poll-timeout-recovery", "mttr", "mttr-mean", "traceability"])).toEqual([
      ["command-success", "rate_at_least", 990_000, 1000],
      ["duplicate-heavy", "zero", null, 300],
      ["control-invariants", "census", null, controlTests.tests.length],
      ["poll-timeout-recovery", "rate_at_least", 950_000, 300],
      ["mttr", "rate_at_least", 950_000, 59],
      ["mttr-mean", "census", null, 4],
      ["traceability", "census", null, 300]
    ])
    const targets = ["heavy-success", "human-intervention", "approve-to-resume", "outcome-consistency", "uptime", "operator-time", "audit-score"]
    expect(asked(kpi, targets)).toEqual([
      ["heavy-success", "rate_at_least", 960_000, 74],
      ["human-intervention", "rate_at_most", 150_000, 19],
      ["approve-to-resume", "rate_at_least", 950_000, 59],
      ["outcome-consistency", "rate_at_least", 900_000, 29],
      ["uptime", "rate_at_least", 997_000, 1440],
      ["operator-time", "zero", null, 3],
      ["audit-score", "score", 950_000, 100]
    ])
    expect(kpi.checks.filter(({ id }) => targets.includes(id)).map(({ worlds }) => worlds)).toEqual(targets.map(() => ["production"]))
    expect(board.checks.filter(({ worlds }) => worlds.includes("production"))).toEqual([])
  })

  it("hold the rest of the release gate, of which nobody can waive what keeps jobs and the log", () => {
    expect(board.checks.map(({ id }) => id)).toEqual(expect.arrayContaining([...spine.checks.map(({ id }) => id).filter((id) => id !== "no-duplicate-heavy" && id !== "poll-recovery"), "conservation", "seeds-hold", "seeds-repeat", "fault-classes-hit", "virtual-hours"]))
    expect(board.checks.filter((one) => "key" in one && one.key === true).map(({ id }) => id)).toEqual(expect.arrayContaining(["duplicate-heavy", "conservation", "chain-intact", "self-test"]))
  })

  it("ask the profile full for all that the release is asked for, word for word, and for what only tools of the operating system show", () => {
    expect(full.checks.slice(0, board.checks.length)).toEqual(board.checks)
    expect(full.checks.slice(board.checks.length).map(({ id }) => id)).toEqual(["power-loss-kept", "io-errors-survived", "full-disk-survived", "read-only-survived", "clock-survived"])
    expect({ ...full, name: "", title: "", checks: [] }).toEqual({ ...board, name: "", title: "", checks: [] })
  })

  it.each([["spine", spine], ["quick", quick], ["v1.2", board], ["v1.2-kpi", kpi]])("have the tables that the bounds give, from no failure on: %s", (_, { checks }) => {
    for (const one of checks) {
      if (!("acceptance" in one) || one.acceptance === undefined || one.threshold_ppm === undefined) continue
      const good = one.rule === "rate_at_most" ? 1_000_000 - one.threshold_ppm : one.threshold_ppm
      expect(one.acceptance, one.id).toEqual(acceptanceTable(good, one.acceptance.length - 1))
    }
  })
})
