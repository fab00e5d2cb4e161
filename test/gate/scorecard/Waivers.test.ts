import { Either } from "effect"
import { describe, expect, it } from "vitest"
import type { RunHistory } from "../../../gate/History.ts"
import { headline, why } from "../../../gate/report/Wording.ts"
import { parseScorecard } from "../../../gate/scorecard/Decode.ts"
import { judge } from "../../../gate/scorecard/Judge.ts"
import type { Check, Scorecard, Waiver } from "../../../gate/scorecard/Scorecard.ts"
import { asked, event, history, lived } from "../invariant/Story.ts"

const check = (id: string, measure: string, over: Partial<Check> = {}) => ({ id, title: id, measure, rule: "census", n_min: 1, population: "All.", traffic_classes: ["fault"], worlds: ["machine"], exclusions: [], remedy: "Look.", ...over })
const ada: Waiver = { check: "few", owner: "ada", reason: "There is one machine.", expires: "2026-11-30" }
const card = (waivers: ReadonlyArray<Waiver> = [], checks: ReadonlyArray<object> = [check("chain", "chainIntact"), check("few", "conservation", { n_min: 99 })]): Scorecard =>
  Either.getOrThrow(parseScorecard({ v: 1, name: "x", title: "X", ceiling: "GO", censored_max_ppm: 0, checks, waivers }))

const lastDay = Date.parse("2026-11-30T23:59:59.999Z")
/** A run that ended then. */
const ended = (at: number, events = lived("t1")): RunHistory => history({ events, journal: { started_at: at - 1, ended_at: at } })

describe("a waiver", () => {
  it("takes a check out of the decision, and leaves its verdict as it is", () => {
    const result = judge(card([ada]), ended(lastDay))
    expect(judge(card(), ended(lastDay)).decision).toBe("INSUFFICIENT")
    expect(result.decision).toBe("GO")
    expect(result.lines.map(({ id, verdict, waived }) => [id, verdict, waived?.owner])).toEqual([["chain", "PASS", undefined], ["few", "INSUFFICIENT", "ada"]])
    expect(headline(result)).toBe("GO with 1 waiver: few (ada, until 2026-11-30)")
    expect(why(result)).toBe("1 of 2 checks passed on a sample that is large enough; the others did not, and are waived: few.")
  })

  it("counts to the end of its last day and not a moment longer, and says so", () => {
    const late = judge(card([ada]), ended(lastDay + 1))
    expect([late.decision, late.waivers[0]?.state]).toEqual(["INSUFFICIENT", "expired"])
    expect(late.lines[1]?.reason).toMatch(/ The waiver of ada ended on 2026-11-30\.$/)
    expect(headline(late)).toBe("INSUFFICIENT")
  })

  it("waives a FAIL of what is no key check", () => {
    const lost = [...lived("t1"), ...asked("t2"), event("task.succeeded", "t2", { from: "RUNNING", by: "settle" })]
    expect([judge(card([]), ended(lastDay, lost)).decision, judge(card([ada]), ended(lastDay, lost)).decision]).toEqual(["NO-GO", "GO"])
  })

  it("changes nothing where the check passes, and is shown as unused", () => {
    const result = judge(card([{ ...ada, check: "chain" }], [check("chain", "chainIntact")]), ended(lastDay))
    expect([result.decision, result.waivers[0]?.state, headline(result)]).toEqual(["GO", "unused", "GO"])
  })

  it("does not make a decision of nothing", () => {
    expect(judge(card([{ ...ada, check: "chain" }], [check("chain", "chainIntact", { n_min: 999 })]), ended(lastDay)).decision).toBe("INSUFFICIENT")
  })

  it("does not count where nobody knows when the run ended: a simulated clock tells no day", () => {
    const simulated = history({ events: lived("t1"), journal: { started_at: 0, ended_at: lastDay, world: "simulation" } })
    expect(judge(card([ada]), simulated).waivers[0]?.state).toBe("expired")
    expect(judge(card([ada]), { scenarios: [] }).waivers[0]?.state).toBe("expired")
  })
})

describe("the score", () => {
  const score = check("score", "", { measure: null, rule: "score", n_min: 100, threshold_ppm: 950_000 })
  const scored = (chain: Partial<Check>, few: Partial<Check>, history: RunHistory = ended(lastDay), over: object = {}) => {
    const checks = [check("chain", "chainIntact", { weight: 96, key: true, ...chain }), check("few", "conservation", { weight: 4, ...few }), { ...score, ...over }]
    return judge(card([], checks), history).lines[2]
  }
  const broken = ended(lastDay, [...asked("t2"), event("task.succeeded", "t2", { from: "RUNNING", by: "settle" })])

  it("adds up the weights of checks that passed, of all", () => {
    expect(scored({}, {})).toMatchObject({ verdict: "PASS", good: 100, total: 100, bound_ppm: null })
    expect(scored({}, { n_min: 99 })).toMatchObject({ verdict: "PASS", good: 96, total: 100, offenders: ["few, weight 4: INSUFFICIENT"] })
  })

  it("counts what is not proven as none, and cannot be raised by taking evidence away", () => {
    expect(scored({ weight: 90 }, { weight: 10, n_min: 99 })).toMatchObject({ verdict: "INSUFFICIENT", good: 90, total: 100 })
    expect(scored({ weight: 90 }, { weight: 10 }, { scenarios: ended(lastDay).scenarios.map((one) => ({ ...one, effects: null })) })).toMatchObject({ verdict: "INSUFFICIENT", good: 0, total: 100 })
  })

  it("fails when the rest would not be enough, however much is not proven", () => {
    expect(scored({ weight: 90 }, { weight: 10 }, broken)).toMatchObject({ verdict: "FAIL", good: 90, total: 100 })
  })

  it("fails with a key check that failed, and waits for one that is not proven", () => {
    expect(scored({ key: false }, { key: true }, broken)).toMatchObject({ verdict: "FAIL", good: 96 })
    expect(scored({ key: false }, { key: true, n_min: 99 })).toMatchObject({ verdict: "INSUFFICIENT", good: 96 })
  })

  it("is no part of itself, and counts waived checks as what they are", () => {
    expect(judge(card([ada], [check("chain", "chainIntact", { weight: 90, key: true }), check("few", "conservation", { weight: 10, n_min: 99 }), score]), ended(lastDay)).lines[2]).toMatchObject({ verdict: "INSUFFICIENT", good: 90, total: 100 })
  })
})
