import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { parseScorecard } from "../../../gate/scorecard/Decode.ts"
import { measureNames } from "../../../gate/scorecard/Measures.ts"
import quick from "../../../scorecards/quick.json" with { type: "json" }
import spine from "../../../scorecards/spine.json" with { type: "json" }
import board from "../../../scorecards/v1.2.json" with { type: "json" }

const check = { id: "x", title: "X", measure: "chainIntact", rule: "census", n_min: 1, traffic_classes: ["fault"], remedy: "Look." }
const rate = { ...check, measure: "interruptedRecovered", rule: "rate_at_least", threshold_ppm: 900_000, acceptance: [[29, 0], [46, 1]] }
const card = (...checks: ReadonlyArray<object>) => ({ v: 1, name: "spine", title: "Spine", ceiling: "GO", checks })
const sentence = (json: unknown) => Either.match(parseScorecard(json), { onLeft: (refused) => refused.message, onRight: () => "accepted" })

describe("parseScorecard", () => {
  it.each<[string, unknown, string]>([
    ["what is no object", null, "the scorecard does not follow its schema: it must be object"],
    ["a missing member", { ...card(check), ceiling: undefined, title: "Spine" }, "scorecard spine does not follow its schema"],
    ["an unknown member", { ...card(check), waivers: [] }, "scorecard spine does not follow its schema: it must NOT have additional properties"],
    ["an unknown rule", card({ ...check, rule: "median" }), "scorecard spine does not follow its schema at /checks/0/rule"],
    ["no check", card(), "scorecard spine does not follow its schema at /checks: it must NOT have fewer than 1 items"],
    ["a ceiling of NO-GO", { ...card(check), ceiling: "NO-GO" }, "at /ceiling"],
    ["a sample of none", card({ ...check, n_min: 0 }), "at /checks/0/n_min"],
    ["a threshold of everything", card({ ...rate, threshold_ppm: 1_000_000 }), "at /checks/0/threshold_ppm"],
    ["an unknown measure", card({ ...check, measure: "y" }), "scorecard spine: check x names the unknown measure y"],
    ["a name that every object has", card({ ...check, measure: "constructor" }), "scorecard spine: check x names the unknown measure constructor"],
    ["a check that is there twice", card(check, check), "scorecard spine: check x is there twice"],
    ["a rate without a threshold", card({ ...rate, threshold_ppm: undefined, acceptance: rate.acceptance }), "scorecard spine"],
    ["a rate without a table", card({ id: "x", title: "X", measure: null, rule: "rate_at_most", threshold_ppm: 150_000, n_min: 1, traffic_classes: ["fault"], remedy: "Look." }), "scorecard spine: check x needs a threshold and a table for the rule rate_at_most"],
    ["a census with a threshold", card({ ...check, threshold_ppm: 1 }), "scorecard spine: check x has a threshold or a table, which the rule census does not know"],
    ["a table with a failure too many", card({ ...rate, acceptance: [[29, 0], [45, 1]] }), "scorecard spine: check x has a table that allows 1 failures in 45; the bound allows 0"],
    ["a table with a failure too few", card({ ...rate, acceptance: [[46, 0]] }), "scorecard spine: check x has a table that allows 0 failures in 46; the bound allows 1"],
    ["a table that starts too early", card({ ...rate, acceptance: [[28, 0]] }), "the bound allows none, since so few prove nothing"],
    ["a table that does not ascend", card({ ...rate, acceptance: [[46, 1], [29, 0]] }), "scorecard spine: check x has a table that does not ascend: 29 follows 46"],
    ["a table with halves", card({ ...rate, acceptance: [[29.5, 0]] }), "at /checks/0/acceptance/0/0"],
    ["a table of triples", card({ ...rate, acceptance: [[29, 0, 0]] }), "at /checks/0/acceptance/0"]
  ])("refuses %s", (_, json, expected) => {
    expect(sentence(json)).toContain(expected)
  })

  it("accepts a check that nothing measures yet, and one at most", () => {
    expect(sentence(card({ ...rate, measure: null, rule: "rate_at_most", threshold_ppm: 150_000, acceptance: [[19, 0], [30, 1]] }))).toBe("accepted")
  })

  it.each([["spine", spine], ["quick", quick], ["v1.2", board]])("accepts the scorecard %s of this repository", (_, json) => {
    expect(sentence(json)).toBe("accepted")
  })
})

describe("the scorecards", () => {
  it("use every measure that there is", () => {
    expect(spine.checks.map(({ measure }) => measure).toSorted()).toEqual(measureNames)
  })

  it("ask the quick profile for the same checks, every recovery included, and never let it say GO", () => {
    const asked = spine.checks.map(({ id, measure, rule }) => ({ id, measure, rule: id === "interrupted-recovered" || id === "poll-recovery" ? "census" : rule }))
    expect(quick.checks.map(({ id, measure, rule }) => ({ id, measure, rule }))).toEqual(asked)
    expect([spine.ceiling, quick.ceiling]).toEqual(["GO", "INSUFFICIENT"])
  })

  it("hold the whole board of v1.2: six gate lines and seven targets, with their thresholds", () => {
    expect(board.checks.map((one) => [one.id, one.rule, "threshold_ppm" in one ? one.threshold_ppm : null, one.n_min])).toEqual([
      ["command-success", "rate_at_least", 990_000, 299],
      ["duplicate-heavy", "zero", null, 300],
      ["control-invariants", "census", null, 1],
      ["poll-timeout-recovery", "rate_at_least", 950_000, 59],
      ["mttr", "rate_at_least", 950_000, 59],
      ["traceability", "census", null, 1],
      ["heavy-success", "rate_at_least", 960_000, 74],
      ["human-intervention", "rate_at_most", 150_000, 19],
      ["approve-to-resume", "rate_at_least", 950_000, 59],
      ["outcome-consistency", "rate_at_least", 900_000, 29],
      ["uptime", "rate_at_least", 997_000, 1440],
      ["operator-time", "zero", null, 3],
      ["audit-score", "rate_at_least", 950_000, 59]
    ])
  })
})
