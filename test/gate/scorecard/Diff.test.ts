import { describe, expect, it } from "vitest"
import { type Card, cardOf, diff, objectionsTo, restrained, sentenceOf } from "../../../gate/scorecard/Diff.ts"
import { line, result } from "../report/Line.ts"

const census = { id: "census", title: "All", measure: "chainIntact", rule: "census", n_min: 30, traffic_classes: ["fault", "prodlike"], remedy: "Look.", population: "every event", exclusions: ["not heavy"], weight: 10 }
const rate = { ...census, id: "rate", rule: "rate_at_least", threshold_ppm: 990_000, acceptance: [[299, 0]] }
const most = { ...rate, id: "most", rule: "rate_at_most", threshold_ppm: 150_000 }
const released = card({})

function card(change: object, ...checks: ReadonlyArray<object>): Card {
  const made = cardOf({ v: 1, name: "board", title: "Board", ceiling: "INSUFFICIENT", checks: checks.length === 0 ? [census, rate, most] : checks, ...change })
  if (made === undefined) throw new Error("the test's own scorecard is none")
  return made
}

const seen = (to: Card, from: Card = released) => diff(from, to).map((change) => [change.severity, sentenceOf(change)])

describe("the difference of two scorecards", () => {
  it.each<[string, Card, string, string]>([
    ["a lower floor", card({}, census, { ...rate, threshold_ppm: 980_000 }, most), "loosened", "rate: threshold loosened, 990000 ppm → 980000 ppm"],
    ["a higher floor", card({}, census, { ...rate, threshold_ppm: 995_000 }, most), "changed", "rate: threshold tightened, 990000 ppm → 995000 ppm"],
    ["a higher lid", card({}, census, rate, { ...most, threshold_ppm: 200_000 }), "loosened", "most: threshold loosened, 150000 ppm → 200000 ppm"],
    ["a lower lid", card({}, census, rate, { ...most, threshold_ppm: 100_000 }), "changed", "most: threshold tightened, 150000 ppm → 100000 ppm"],
    ["no threshold any more", card({}, census, { ...rate, threshold_ppm: undefined }, most), "loosened", "rate: threshold loosened, 990000 ppm → none"],
    ["another population", card({}, { ...census, population: "every second event" }, rate, most), "loosened", "census: population, every event → every second event"],
    ["another exclusion", card({}, { ...census, exclusions: ["not heavy", "slow"] }, rate, most), "loosened", "census: exclusions, not heavy → not heavy, slow"],
    ["an exclusion less", card({}, { ...census, exclusions: [] }, rate, most), "changed", "census: exclusions, not heavy → "],
    ["exclusions that are no longer declared", card({}, { ...census, exclusions: undefined }, rate, most), "loosened", "census: exclusions, not heavy → none"],
    ["a check less", card({}, census, rate), "loosened", "most: check removed, All → none"],
    ["a check more", card({}, census, rate, most, { ...census, id: "new" }), "noted", "new: check added, none → All"],
    ["a smaller sample", card({}, { ...census, n_min: 29 }, rate, most), "loosened", "census: n min, 30 → 29"],
    ["a larger sample", card({}, { ...census, n_min: 31 }, rate, most), "changed", "census: n min, 30 → 31"],
    ["another rule", card({}, { ...census, rule: "zero" }, rate, most), "loosened", "census: rule, census → zero"],
    ["another measure", card({}, { ...census, measure: "faultsHit" }, rate, most), "loosened", "census: measure, chainIntact → faultsHit"],
    ["no measure any more", card({}, { ...census, measure: null }, rate, most), "loosened", "census: measure, chainIntact → none"],
    ["another traffic class", card({}, { ...census, traffic_classes: ["prodlike"] }, rate, most), "loosened", "census: traffic class, fault, prodlike → prodlike"],
    ["another weight", card({}, { ...census, weight: 20 }, rate, most), "loosened", "census: weight, 10 → 20"],
    ["a key check", card({}, { ...census, key: true }, rate, most), "changed", "census: key, none → true"],
    ["a waiver", card({ waivers: [{ check: "rate", owner: "ada" }] }), "changed", "the scorecard: waiver, none → check rate, owner ada"],
    ["a higher ceiling", card({ ceiling: "GO" }), "loosened", "the scorecard: ceiling, INSUFFICIENT → GO"],
    ["a member that nobody here knows", card({}, { ...census, optional: true }, rate, most), "loosened", "census: other, none → optional true"],
    ["the same of the scorecard", card({ lenient: true }), "loosened", "the scorecard: other, none → lenient true"]
  ])("names %s", (_, to, severity, sentence) => {
    expect(seen(to)).toEqual([[severity, sentence]])
  })

  it("names what is taken back as well: a waiver, a lower ceiling, a key check that is none any more", () => {
    expect(seen(card({}), card({ waivers: [{ check: "rate" }] }))).toEqual([["noted", "the scorecard: waiver, check rate → none"]])
    expect(seen(card({}), card({ ceiling: "GO" }))).toEqual([["changed", "the scorecard: ceiling, GO → INSUFFICIENT"]])
    expect(seen(card({}), card({}, { ...census, key: true }, rate, most))).toEqual([["loosened", "census: key, true → none"]])
  })

  it("takes nothing for a loosening that says for the first time what was not said before", () => {
    const bare = card({}, { id: "census", title: "All", rule: "census", n_min: 30, traffic_classes: ["prodlike", "fault"] }, rate, most)
    expect(seen(released, bare).map(([severity]) => severity)).toEqual(["noted", "noted", "noted", "noted"])
  })

  it("is nothing for other words, another order, and a table that follows from its threshold", () => {
    expect(seen(card({ title: "Other", adr: 3 }, { ...most, remedy: "Run." }, { ...rate, title: "Rate", acceptance: [[299, 0], [473, 1]] }, { ...census, traffic_classes: ["prodlike", "fault"] }))).toEqual([])
  })

  it("does not take two values for the same because they read the same", () => {
    const listed = (reasons: ReadonlyArray<string>) => card({}, { ...census, exclusions: reasons }, rate, most)
    expect(seen(listed(["a", "b"]), listed(["a, b"]))).toEqual([["loosened", "census: exclusions, a, b → a, b"]])
  })

  it("begins with what loosens", () => {
    expect(seen(card({}, { ...census, n_min: 31 }, { ...rate, threshold_ppm: 1 }, most, { ...census, id: "new" })).map(([severity]) => severity)).toEqual(["loosened", "changed", "noted"])
  })
})

describe("a scorecard that asks for less", () => {
  const less = (change: object) => card(change, census, { ...rate, threshold_ppm: 980_000 }, most)
  const because = "The scorecard asks for less than the one last released (rate: threshold loosened, 990000 ppm → 980000 ppm)"

  it.each<[string, Card, string | null, string, Card?]>([
    ["names no ADR", less({}), null, "and names no ADR that says why."],
    ["names an ADR that is not there", less({ adr: 16 }), null, "and its ADR 16 is not in docs/adr."],
    ["names an ADR that is about something else", less({ adr: 16 }), "# 16. The rate-of-change of census", "and ADR 16 does not name rate."],
    ["names the ADR of an earlier release", less({ adr: 15 }), "about rate", "and ADR 15 was written for the released one.", card({ adr: 15 })]
  ])("may not say GO when it %s", (_, current, adr, end, from = released) => {
    const objections = objectionsTo(from, current, adr)
    expect(objections).toEqual([`${because}, ${end}`])
    expect(restrained(result(line("rate")), objections)).toMatchObject({ decision: "INSUFFICIENT", objections })
  })

  it("may say GO when its ADR is there and names every check concerned", () => {
    expect(objectionsTo(released, less({ adr: 16 }), "# 16. Why `rate` may be lower")).toEqual([])
  })

  it("keeps NO-GO what failed", () => {
    expect(restrained(result(line("rate", { verdict: "FAIL" })), ["Because."]).decision).toBe("NO-GO")
  })
})

it("objects to nothing that asks for the same or for more, and leaves that result as it is", () => {
  const more = card({}, { ...census, n_min: 40 }, rate, most, { ...census, id: "new" })
  const judged = result(line("census"))
  expect(objectionsTo(released, more, null)).toEqual([])
  expect(restrained(judged, [])).toBe(judged)
})

it.each([null, 1, {}, { name: "x" }, { name: "x", checks: [{}] }, { name: 1, checks: [] }])("%j is no scorecard", (json) => {
  expect(cardOf(json)).toBeUndefined()
})
