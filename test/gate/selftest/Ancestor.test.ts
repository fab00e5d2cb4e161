import { describe, expect, it } from "vitest"
import { mutantsCaught } from "../../../gate/invariant/mutantsCaught.ts"
import { ancestorBaseline, ancestorDecision, ancestorJudged, ancestorLines, ancestorSynthetic } from "../../../gate/selftest/Ancestor.ts"
import { judge } from "../../../gate/scorecard/Judge.ts"
import type { Check, Scorecard } from "../../../gate/scorecard/Scorecard.ts"
import { healthy } from "../scorecard/Run.ts"

const line = (id: string) => {
  const found = ancestorJudged.find((one) => one.line.id === id)
  if (found === undefined) throw new Error(`there is no line ${id}`)
  return found.line
}

describe("the ancestor, which called itself a pass", () => {
  it("is NO-GO", () => {
    expect(ancestorDecision).toBe("NO-GO")
  })

  it.each([
    ["poll-recovery", "FAIL", "1 of 12 are good, where at least 95 % must be."],
    ["poll-recovery-instrumented", "INSUFFICIENT", "Nothing was measured: needs 59 units."],
    ["mttr", "FAIL", "1 of 12 are good, where at least 95 % must be."],
    ["mttr-survivors", "INSUFFICIENT", "1 of 1 are good, which proves at least 4.9999 % (one-sided 95 %), not yet at least 95 %: needs 58 more, all good."],
    ["percentile-of-nothing", "INSUFFICIENT", "Nothing was measured: needs 19 units."],
    ["command-success-production", "ERROR", "The measure answered 0.9385 of 1, which is no count."],
    ["command-success-traced", "INSUFFICIENT", "45 of 45 are good, which proves at least 93.5595 % (one-sided 95 %), not yet at least 99 %: needs 254 more, all good."],
    ["command-success-synthetic", "INSUFFICIENT", "Nothing was measured: needs 299 units."],
    ["silently-ineligible", "ERROR", "Evidence is missing: the eligible commands are not counted anywhere."],
    ["audit-score", "INSUFFICIENT", "Nothing measures this yet."],
    ["duplicates", "ERROR", "Evidence is missing: the effect ledger is missing."],
    ["uptime", "INSUFFICIENT", "Nothing measures this yet."],
    ["operator-time", "INSUFFICIENT", "Nothing measures this yet."],
    ["outcome-consistency", "INSUFFICIENT", "Nothing measures this yet."],
    ["heavy-success", "FAIL", "183 of 219 are good, where at least 96 % must be."]
  ])("has the line %s judged %s: %s", (id, verdict, reason) => {
    expect([line(id).verdict, line(id).reason]).toEqual([verdict, reason])
  })

  it("has no other line, and each is judged as its data say", () => {
    expect(ancestorJudged).toHaveLength(15)
    expect(ancestorJudged.map(({ expected, line: { id, verdict } }) => [id, verdict, expected])).toEqual(ancestorJudged.map(({ expected, line: { id } }) => [id, expected, expected]))
  })

  it("passes with 440 of 440 as what they are, synthetic", () => {
    expect(ancestorSynthetic).toMatchObject({ verdict: "PASS", good: 440, total: 440 })
  })

  it("cannot pass synthetic commands off as production: a check of operators counts none of them", () => {
    const check: Check = { id: "chat", title: "T", measure: "chatCommandsOnce", rule: "zero", n_min: 1, population: "P.", traffic_classes: ["operator"], worlds: ["machine"], exclusions: [], remedy: "R." }
    const card: Scorecard = { v: 1, name: "x", title: "X", ceiling: "GO", censored_max_ppm: 0, checks: [check] }
    expect(judge(card, healthy()).lines[0]).toMatchObject({ verdict: "INSUFFICIENT", total: 0 })
    expect(judge({ ...card, checks: [{ ...check, traffic_classes: ["fault"] }] }, healthy()).lines[0]).toMatchObject({ verdict: "PASS" })
  })

  it("turns every one of its claims into a caught mutant", () => {
    const other = { family: "tampering", id: "tampering/x", digest: "1".repeat(64) } as const
    const more = ancestorLines.slice(0, 1).flatMap((one) => [{ ...one, ...other }, { ...one, ...other, family: "absence" as const, id: "absence/x", digest: "2".repeat(64) }])
    const selfTest = { v: 1 as const, baselines: { ancestor: ancestorBaseline }, mutations: [...ancestorLines, ...more] }
    expect(mutantsCaught({ scenarios: [], selfTest })).toMatchObject({ _tag: "Counted", good: ancestorLines.length + 2, total: ancestorLines.length + 2 })
  })
})
