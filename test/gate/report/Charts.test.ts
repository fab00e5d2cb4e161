import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { chartsOf } from "../../../gate/report/chart/Charts.ts"
import type { Earlier } from "../../../gate/report/Earlier.ts"
import { parseScorecard } from "../../../gate/scorecard/Decode.ts"
import { judge } from "../../../gate/scorecard/Judge.ts"
import type { Scorecard } from "../../../gate/scorecard/Scorecard.ts"
import { roleOf } from "../../../gate/evidence/Manifest.ts"
import board from "../../../scorecards/v1.2.json" with { type: "json" }
import { healthy } from "../scorecard/Run.ts"

const scorecard = Either.getOrThrow(parseScorecard(board))
const history = healthy()
const result = judge(scorecard, history)

const earlier = (count: number, card: Scorecard = scorecard): ReadonlyArray<Earlier> =>
  Array.from({ length: count }, (_, index): Earlier => ({
    run: `202611${10 + index}T120000000Z`, commit: "c", version: "1", decision: "NO-GO", scorecard: { name: card.name, checks: [] },
    verdicts: new Map(result.lines.map(({ id }, n) => [id, n % 5 === 0 ? "FAIL" : n % 3 === 0 ? "ERROR" : "PASS"]))
  })).toReversed()

const drawn = (over: Partial<Parameters<typeof chartsOf>[0]> = {}) => chartsOf({ run: "20261121T234313171Z", result, history, scorecard, earlier: earlier(30), ...over })
const textOf = (name: string, over: Partial<Parameters<typeof chartsOf>[0]> = {}) => drawn(over).find((chart) => chart.name === name)?.text ?? expect.fail(`no chart ${name}`)

describe("the charts of a run", () => {
  it("are three small SVG files of the bundle, the same for the same input, and without a number that is none", () => {
    expect(drawn().map(({ path }) => path)).toEqual(["report/checks.svg", "report/recovery.svg", "report/trend.svg"])
    for (const { path, text } of drawn()) {
      expect(Buffer.byteLength(text)).toBeLessThan(20_000)
      expect(text).not.toMatch(/NaN|Infinity|undefined|<script|\son\w+=|href/)
      expect(text).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" /)
      expect(roleOf(path)).toBe("document")
    }
    expect(drawn()).toEqual(drawn({ history: healthy() }))
  })

  it("say in words what they show, for whoever cannot see them, and suit both papers", () => {
    for (const { text, title } of drawn()) {
      expect(text).toContain(`aria-labelledby="title desc"`)
      expect(text).toContain(`<title id="title">${title}</title>`)
      expect(text).toContain("@media(prefers-color-scheme:dark)")
    }
    expect(textOf("checks")).toContain("duplicate-heavy 0 %, at most 1.9021 %, none allowed")
    expect(textOf("recovery")).toMatch(/sigkill: 20 incidents, median 1000 s, longest 1000 s.* 600 s is allowed\./)
    const passed = [...(earlier(1)[0]?.verdicts.values() ?? [])].filter((verdict) => verdict === "PASS").length
    expect(textOf("trend")).toContain(`20261139T120000000Z: NO-GO, ${passed} of ${result.lines.length} checks passed; 20261121T234313171Z: NO-GO`)
  })

  it("show the last ten runs, this one included, each verdict as a shape of its own", () => {
    const text = textOf("trend")
    expect(text.match(/rotate\(/g)).toHaveLength(10)
    const cells = (verdict: string, start: RegExp) => (new RegExp(`class="${verdict}" d="([^"]*)"`).exec(text)?.[1]?.match(start) ?? []).length
    const now = (verdict: string) => result.lines.filter((line) => line.verdict === verdict).length
    const then = (verdict: string) => [...(earlier(1)[0]?.verdicts.values() ?? [])].filter((one) => one === verdict).length
    expect(cells("PASS", /h0/g)).toBe(9 * then("PASS") + now("PASS"))
    // The decisions are a row too.
    expect(cells("FAIL", /l8 8/g)).toBe(9 * then("FAIL") + now("FAIL") + 10)
    expect(cells("ERROR", /l5 9/g)).toBe(9 * then("ERROR") + now("ERROR"))
  })

  it("are left out where there is nothing to draw", () => {
    expect(drawn({ earlier: [] }).map(({ name }) => name)).not.toContain("trend")
    expect(drawn({ earlier: null }).map(({ name }) => name)).not.toContain("trend")
    expect(drawn({ scorecard: { ...scorecard, checks: scorecard.checks.filter(({ measure }) => measure !== "mttr") } }).map(({ name }) => name)).not.toContain("recovery")
    expect(drawn({ history: { scenarios: [] } }).map(({ name }) => name)).not.toContain("recovery")
    expect(drawn({ result: { ...result, lines: [] }, earlier: null, history: { scenarios: [] } })).toEqual([])
  })

  it("escape what comes from outside, and show what nobody could see", () => {
    const evil = "<x onload=\"a\">&\u202e\u0007"
    const text = textOf("checks", { result: { ...result, lines: result.lines.map((line) => ({ ...line, id: evil })) } })
    expect(text).toContain("&lt;x onload=&quot;a&quot;&gt;&amp;⟨U+202E⟩⟨U+0007⟩")
    expect(text).not.toContain("<x onload")
    expect(text).not.toContain("\u202e")
  })
})
