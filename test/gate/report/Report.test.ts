import { describe, expect, it } from "vitest"
import { codeSpan, escapeText, linkTo } from "../../../gate/report/Markdown.ts"
import { renderReport, type ReportInput, selfTestLine } from "../../../gate/report/Report.ts"
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
    const outsideCode = text.replaceAll("[metrics.json](metrics.json)", "").replace(/(`+) ?[^\n]*?[^`]\1(?!`)/g, "")
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
      "| About lost (`lost`) | FAIL | 8/10 | all, n ≥ 10 | – | [events/calm.jsonl](events/calm.jsonl) |",
      "| About absent (`absent`) | ERROR | 0/0 | all, n ≥ 10 | – | [metrics.json](metrics.json) |",
      "| About rare (`rare`) | INSUFFICIENT, needs 259 more | 40/40 | at least 99 %, n ≥ 299 | ≥ 92.78 % | [metrics.json](metrics.json) |",
      "| About fine (`fine`) | PASS | 10/10 | all, n ≥ 10 | – | [metrics.json](metrics.json) |"
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
    expect(report(failed)).toContain("- To do: Look at lost.\n\n- calm, seq 7, task t1: gone\n\n## Changes")
    expect(report(failed)).toContain("### FAIL: About lost\n\n2 of 10 are bad, and none may be.\n\n- By how much: 2 of 10 are bad where none may be.\n")
  })

  it("shows how a scenario is repeated and whether its faults hit", () => {
    const missed = journalOf("calm", 7)
    const faults = missed.faults.map((fault) => ({ ...fault, witness: null }))
    const row = (journal: typeof missed) => renderReport(inputOf(result(failed), { scenarios: [{ id: "calm", journal }] }))
    expect(row(missed)).toContain("| `calm` | Every task ends once \\| whatever \\<b\\>breaks\\</b\\>. | fault | 7 | 1 | 1 | completed | `npm run gate -- --scenario calm --seed 7` |")
    expect(row({ ...missed, faults, status: "aborted", note: "no disk" })).toContain("| 7 | 1 | 0 | aborted: no disk |")
  })

  it("finds the scenarios that a check is about by their whole names", () => {
    const evidence = (judged: Line) => /(\[[^|]*) \|\n/.exec(renderReport(inputOf(result(judged), { scenarios: ["calm", "calm-2"].map((id) => ({ id, journal: journalOf(id, 7) })) })).split("## Checks")[1] ?? "")?.[1]
    expect(evidence(failed)).toBe("[events/calm.jsonl](events/calm.jsonl)")
    expect(evidence({ ...failed, offenders: ["calm-2: gone"] })).toBe("[events/calm-2.jsonl](events/calm-2.jsonl)")
    expect(evidence({ ...absent, reason: "Evidence is missing: calm-2 was aborted: no disk." })).toBe("[events/calm-2.jsonl](events/calm-2.jsonl)")
  })

  it("says on top which scenario was aborted", () => {
    const journal = { ...journalOf("calm", 7), status: "aborted", note: "no disk" } as const
    expect(renderReport(inputOf(result(failed), { scenarios: [{ id: "calm", journal }] })).split("## Checks")[0]).toContain("- 🔴 calm was aborted, so what")
  })

  it("says that seeds are missing where the profile asks for some, and that a run of single scenarios is compared with none", () => {
    const text = renderReport(inputOf(result(failed), { seedsAsked: 1000, earlier: null }))
    expect(text).toContain("Simulation: none in this run, although the profile asks for 1000 seeds.")
    expect(text).toContain("This is a run of single scenarios; it is compared with none.")
    expect(text).toContain("- Since: not known, since")
  })

  it("credits no mutant on a baseline that was red before, and counts none twice", () => {
    const mutation = (id: string, digest: string, after: "PASS" | "FAIL") =>
      ({ id, family: "absence", what: "", baseline: "evidence", must_flip: ["chain"], may_flip: {}, digest, after: { chain: after }, error: null }) as const
    const tested = (before: "PASS" | "ERROR", ...mutations: ReadonlyArray<ReturnType<typeof mutation>>) => selfTestLine({ v: 1, baselines: { evidence: { digest: "d", verdicts: { chain: before } } }, mutations })
    expect(tested("PASS", mutation("a", "1", "FAIL"), mutation("b", "1", "FAIL"), mutation("c", "2", "PASS"))).toBe("2 mutations, 1 caught; not caught: c.")
    expect(tested("ERROR", mutation("a", "1", "FAIL"))).toBe("1 mutations, none credited, since chain is ERROR without any.")
    expect(tested("PASS", ...Array.from({ length: 12 }, (_, n) => mutation(`m${n}`, `${n}`, "PASS")))).toContain("m9 and 2 more.")
  })

  it("shows figures to be read, and what the end of the run hid", () => {
    const text = report(line("fine", { figures: { "median of the human part, ms": 4711 }, censored: 3 }))
    expect(text).toContain("| `fine` | median of the human part, ms | 4711 |")
    expect(text).toContain("| `fine` | the deadline lies behind the end of what was seen | 3 |")
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
    expect(report(line("fine")).split("## What this does not show")[1]?.match(/^- /gm)).toHaveLength(5)
  })
})

describe("the template", () => {
  it("shows no value without escaping it", () => {
    const shown = [...template.matchAll(/\{\{([^}]*)\}\}/g)].map(([, inside]) => inside ?? "")
    expect(shown.length).toBeGreaterThan(20)
    expect(shown.filter((inside) => !/^((md|code|link) [a-z.]+|image this.path this.title|[#/](each|if)( [a-z.]+)?|else)$/i.test(inside))).toEqual([])
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

  it.each(["https://evil.example/x", "../up", "a](b", "javascript:x"])("links to no file of another bundle or host: %s", (path) => {
    expect(linkTo(path)).not.toMatch(/(?<!\\)\]\(/)
    expect(linkTo("events/calm.jsonl")).toBe("[events/calm.jsonl](events/calm.jsonl)")
  })

  it("code spans hold backticks and pipes", () => {
    expect(codeSpan("a``b|c")).toBe("``` a``b\\|c ```")
    expect(codeSpan("")).toBe("`  `")
  })
})
