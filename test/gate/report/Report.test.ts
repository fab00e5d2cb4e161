import { describe, expect, it } from "vitest"
import { codeSpan, escapeText } from "../../../gate/report/Markdown.ts"
import { renderReport, type ReportInput } from "../../../gate/report/Report.ts"
import { template } from "../../../gate/report/Template.ts"
import type { Line, Result } from "../../../gate/scorecard/Scorecard.ts"
import { journalOf } from "../evidence/SyntheticRun.ts"
import { line, result } from "./Line.ts"

const failed = line("lost", { verdict: "FAIL", good: 8, reason: "2 of 10 are bad, and none may be.", offenders: ["calm, seq 7, task t1: gone"] })
const short = line("rare", { verdict: "INSUFFICIENT", rule: "rate_at_least", threshold_ppm: 990_000, n_min: 299, good: 40, total: 40, bound_ppm: 927_800, reason: "40 of 40 are good: needs 259 more, all good." })
const absent = line("absent", { verdict: "ERROR", good: 0, total: 0, reason: "Evidence is missing: no log." })

const inputOf = (judged: Result, change: Partial<ReportInput> = {}): ReportInput => ({
  run: "r1", commit: "unknown", profile: "full", window: { start_ms: 0, end_ms: 60_000 },
  scenarios: [{ id: "calm", journal: journalOf("calm", 7) }], result: judged, boardResult: { ...judged, scorecard: "board" },
  repeat: (id, seed) => `npm run gate -- --scenario ${id} --seed ${seed}`, ...change
})

const report = (...lines: ReadonlyArray<Line>) => renderReport(inputOf(result(...lines)))

describe("the report", () => {
  it("cannot be given a row, a link, an image, HTML, a mention or a heading from outside", () => {
    const hostile = "| x |\n# GO\n[a](https://evil) ![b](c) <img src=x> @all `code` www.evil.com \u001b[2J \u202e"
    const text = renderReport(inputOf(result(line("x", { verdict: "FAIL", title: hostile, reason: hostile, remedy: hostile, offenders: [hostile] })), { run: hostile, repeat: () => hostile }))
    const plainReport = renderReport(inputOf(result(line("x", { verdict: "FAIL", title: "a", reason: "a", remedy: "a", offenders: ["a"] }))))
    expect(text.split("\n")).toHaveLength(plainReport.split("\n").length)
    const outsideCode = text.replace(/(`+) ?[^\n]*?[^`]\1(?!`)/g, "")
    expect(outsideCode).not.toMatch(/(?<!\\)[[<@]|(?<!\\)!\[|https:|www\.evil|\p{Cc}(?<!\n)|\u202e/u)
  })

  it("says first what was decided, why, and what to do", () => {
    expect(report(line("fine"), failed, short).split("\n").slice(0, 5)).toEqual([
      "# NO-GO", "", "1 of 3 checks failed: lost.", "",
      "**Next:** Do not release. Repair what failed, then run the gate again. First: Look at lost."
    ])
  })

  it.each([
    ["GO", [line("fine")], "All 1 checks passed on a sample that is large enough."],
    ["INSUFFICIENT", [line("fine"), short, absent], "Nothing failed, but 2 of 3 checks are not proven: rare, absent."],
    ["INSUFFICIENT", [], "The scorecard has no check, and nothing proves nothing."]
  ])("words %s", (decision, lines, why) => {
    expect(report(...lines).split("\n").slice(0, 3)).toEqual([`# ${decision}`, "", why])
  })

  it("says so when only the ceiling of the scorecard stands against GO", () => {
    expect(renderReport(inputOf({ ...result(line("fine")), decision: "INSUFFICIENT" }))).toContain("Every check passed, but this scorecard is too small to say GO.")
  })

  it("shows failures first, then errors, then what needs more, then the rest", () => {
    const rows = report(line("fine"), short, absent, failed).split("## Scenarios")[0]?.split("\n").filter((row) => row.startsWith("| About"))
    expect(rows).toEqual([
      "| About lost (`lost`) | FAIL | 8/10 | all, n ≥ 10 | – |",
      "| About absent (`absent`) | ERROR | 0/0 | all, n ≥ 10 | – |",
      "| About rare (`rare`) | INSUFFICIENT, needs 259 more | 40/40 | at least 99 %, n ≥ 299 | ≥ 92.78 % |",
      "| About fine (`fine`) | PASS | 10/10 | all, n ≥ 10 | – |"
    ])
  })

  it.each([
    ["Nothing was measured: needs 59 units.", 0, "needs 59 more"],
    ["93 of 94 are good: needs 12 more, all good.", 94, "needs 12 more"],
    ["Too few.", 4, "needs 6 more"]
  ])("says how many more units it takes: %s", (reason, total, more) => {
    expect(report(line("x", { verdict: "INSUFFICIENT", good: total, total, reason }))).toContain(`| INSUFFICIENT, ${more} |`)
  })

  it("gives every check that did not pass its reason, remedy and offenders", () => {
    expect(report(failed)).toContain("### FAIL: About lost\n\n2 of 10 are bad, and none may be.\n\nTo do: Look at lost.\n\n- calm, seq 7, task t1: gone\n\n## Scenarios")
  })

  it("shows how a scenario is repeated and whether its faults hit", () => {
    const missed = journalOf("calm", 7)
    const faults = missed.faults.map((fault) => ({ ...fault, witness: null }))
    const row = (journal: typeof missed) => renderReport(inputOf(result(failed), { scenarios: [{ id: "calm", journal }] }))
    expect(row(missed)).toContain("| `calm` | Every task ends once \\| whatever \\<b\\>breaks\\</b\\>. | 7 | 1 | 1 | completed | `npm run gate -- --scenario calm --seed 7` |")
    expect(row({ ...missed, faults, status: "aborted", note: "no disk" })).toContain("| 7 | 1 | 0 | aborted: no disk |")
  })

  it("lists what was left out of the counts, or says that nothing was", () => {
    expect(report(line("fine", { excluded: { "not answered": 3 } }))).toContain("| `fine` | not answered | 3 |")
    expect(report(line("fine"))).toContain("Nothing was.")
  })

  it("sets the board apart as information", () => {
    const text = renderReport(inputOf(result(line("fine")), { boardResult: result(failed) }))
    expect(text.startsWith("# GO")).toBe(true)
    expect(text).toContain("For information: judged on the same history, does not decide. By itself it would say NO-GO.")
  })

  it("says what it does not show", () => {
    expect(report(line("fine")).split("## What this does not show")[1]?.match(/^- /gm)).toHaveLength(4)
  })
})

describe("the template", () => {
  it("shows no value without escaping it", () => {
    const shown = [...template.matchAll(/\{\{([^}]*)\}\}/g)].map(([, inside]) => inside ?? "")
    expect(shown.length).toBeGreaterThan(20)
    expect(shown.filter((inside) => !/^(md [a-z.]+|code [a-z.]+|[#/](each|if)( [a-z.]+)?|else)$/i.test(inside))).toEqual([])
    expect(template).not.toMatch(/\{\{\{|\{\{&/)
  })
})

describe("Markdown", () => {
  it.each([["# GO", "\\# GO"], ["- item", "\\- item"], ["1. item", "1\\. item"], ["a_b*c", "a\\_b\\*c"], ["~~x~~", "\\~\\~x\\~\\~"], ["&lt;", "\\&lt;"]])("text %j is escaped", (given, escaped) => {
    expect(escapeText(given)).toBe(escaped)
  })

  it("leaves an ordinary sentence readable", () => {
    expect(escapeText("2 of 10 are bad (99.7 %), seq 7: it ended.")).toBe("2 of 10 are bad (99.7 %), seq 7: it ended.")
  })

  it("code spans hold backticks and pipes", () => {
    expect(codeSpan("a``b|c")).toBe("``` a``b\\|c ```")
    expect(codeSpan("")).toBe("`  `")
  })
})
