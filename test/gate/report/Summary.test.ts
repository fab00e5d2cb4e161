import { describe, expect, it } from "vitest"
import { coloured } from "../../../gate/report/Paint.ts"
import { renderSummary, summaryLinesMax } from "../../../gate/report/Summary.ts"
import { line, result } from "./Line.ts"

const long = "word ".repeat(400)
const summary = (judged = result(line("fine")), bundle: string | null = "evidence/runs/r1") =>
  renderSummary({ run: "r1", profile: "full", result: judged, boardResult: judged, bundle })

describe("the terminal summary", () => {
  it("never holds a control character", () => {
    const hostile = "\u001b[2J\u009b1m\u0007\r\u202e"
    const text = renderSummary({ run: hostile, profile: hostile, result: result(line(hostile, { verdict: "FAIL", reason: hostile, remedy: hostile })), boardResult: result(), bundle: hostile })
    expect(text).not.toMatch(/[^\P{Cc}\n]|\u202e/u)
  })

  it("fits the terminal however many checks there are and however long their words", () => {
    const lines = Array.from({ length: 60 }, (_, index) => line(`check-${index}-${"x".repeat(80)}`, { verdict: "INSUFFICIENT", total: 1, remedy: long, reason: long }))
    const rows = summary(result(...lines)).split("\n")
    expect(rows.length).toBeLessThanOrEqual(summaryLinesMax)
    expect(Math.max(...rows.map((row) => [...row].length))).toBeLessThanOrEqual(100)
    expect(rows).toContain("… and 50 more, the worst of them INSUFFICIENT")
  })

  it("keeps to that with everything else there is to say, and colours only words of its own", () => {
    const lines = Array.from({ length: 60 }, (_, index) => line(`check-${index}`, { verdict: "FAIL", remedy: long, reason: long }))
    const judged = { ...result(...lines), waivers: [{ check: "a", owner: "b".repeat(300), reason: long, expires: "2026-12-31", state: "applied" }] } as const
    const rows = renderSummary({ run: "r1", profile: "full", result: judged, boardResult: judged, bundle: "x", red: [long, "\u001b[2J", long, long], notes: [long, long, long], paint: coloured }).split("\n")
    expect(rows.length).toBeLessThanOrEqual(summaryLinesMax)
    expect(rows[0]?.startsWith("\u001b[31mNO-GO\u001b[0m with 1 waiver: a")).toBe(true)
    expect(rows).toContain("\u001b[31m⟨U+001B⟩[2J\u001b[0m")
    expect(rows).toContain("\u001b[31m… and 2 more of this kind: see the report\u001b[0m")
    expect(Math.max(...rows.map((row) => [...row.replaceAll("\u001b[31m", "").replaceAll("\u001b[0m", "")].length))).toBeLessThanOrEqual(100)
  })

  it("never cuts the path of the bundle", () => {
    const path = `/very/${"long/".repeat(40)}r1`
    expect(summary(undefined, path)).toContain(`opsgate verify ${path}`)
  })

  it("says so when no bundle was written", () => {
    expect(summary(undefined, null)).toContain("No bundle was written.")
  })

  it("is the decision, why, what to do, and an aligned table with the worst first", () => {
    const judged = result(line("fine", { good: 1000, total: 1000 }), line("short", { verdict: "INSUFFICIENT", good: 4, total: 4, bound_ppm: 472_871, rule: "rate_at_least", threshold_ppm: 990_000 }), line("lost", { verdict: "FAIL", good: 8 }))
    expect(summary(judged)).toBe([
      "NO-GO  run r1, profile full, scorecard v1",
      "1 of 3 checks failed: lost.",
      "Do not release. Repair what failed, then run the gate again.",
      "First: Look at lost.",
      "",
      "  lost   FAIL                        8/10       –",
      "  short  INSUFFICIENT, needs 6 more  4/4        ≥ 47.2871 %",
      "  fine   PASS                        1000/1000  –",
      "",
      "Board, for information: NO-GO",
      "Bundle: evidence/runs/r1",
      "Check it: opsgate verify evidence/runs/r1"
    ].join("\n"))
  })
})
