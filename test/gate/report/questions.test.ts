/** Ten questions that somebody asks who has nothing but REPORT.md of a run that is NO-GO. Each is answered by reading its text. */
import { describe, expect, it } from "vitest"
import { renderReport, type ReportInput } from "../../../gate/report/Report.ts"
import { cardOf, diff } from "../../../gate/scorecard/Diff.ts"
import { judgeCheck } from "../../../gate/scorecard/Judge.ts"
import type { Check } from "../../../gate/scorecard/Scorecard.ts"
import type { Verdict } from "../../../gate/Verdict.ts"
import { journalOf } from "../evidence/SyntheticRun.ts"
import { result } from "./Line.ts"

const base = { n_min: 59, population: "every burst of faults.", traffic_classes: ["fault"], worlds: ["machine"], exclusions: ["ended after the window"], remedy: "Follow a named burst in its journal." } as const
const recovery: Check = { ...base, id: "poll-recovery", title: "Every burst recovers", measure: "pollRecovery", rule: "rate_at_least", threshold_ppm: 950_000, acceptance: [[59, 0], [93, 1]] }
const once: Check = { ...base, id: "no-duplicate-heavy", title: "Duplicate heavy executions = 0", measure: "noDuplicateHeavy", rule: "zero", n_min: 300 }
const checks = [recovery, once]

const lines = [
  judgeCheck(recovery, { _tag: "Counted", good: 80, total: 100, excluded: { "ended after the window": 4 }, offenders: ["storm, burst 7 (status429): no command was handled"] }, { traffic: ["fault, machine, 2 scenarios"] }),
  judgeCheck(once, { _tag: "Counted", good: 300, total: 300, excluded: {}, offenders: [] })
]
const scorecard = { v: 1, name: "v1", title: "One", ceiling: "GO", censored_max_ppm: 50_000, checks } as const
const card = (threshold_ppm: number) => cardOf({ ...scorecard, checks: [{ ...recovery, threshold_ppm }, once] }) ?? expect.fail("no scorecard")
const earlier = (run: string, commit: string, version: string, recovered: "PASS" | "FAIL") =>
  ({ run, commit, version, decision: "GO", verdicts: new Map<string, Verdict>([["poll-recovery", recovered], ["no-duplicate-heavy", "PASS"]]), scorecard: card(950_000) }) as const

/** It turned the check `chain` red, and was to turn another. */
const mutation = (id: string, flip: string) =>
  ({ id, family: "tampering", what: "", baseline: "evidence", must_flip: [flip], may_flip: {}, digest: id, after: { chain: "FAIL", fenced: "PASS" }, error: null }) as const

const input: ReportInput = {
  run: "r9", version: "1.3.0", commit: "c".repeat(40), profile: "default", window: { start_ms: 0, end_ms: 60_000 },
  scenarios: [{ id: "calm", journal: journalOf("calm", 7) }, { id: "storm", journal: journalOf("storm", 55) }],
  result: { ...result(...lines), waivers: [{ check: "no-duplicate-heavy", owner: "Ada", reason: "the ledger is being replaced", expires: "2026-12-31", state: "unused" }] }, boardResult: result(...lines), scorecard,
  simulation: {
    v: 1, declared: { seeds: 1000, twice: 50, fault_classes: ["crash", "clock_jump", "clock"], measures: ["pollRecovery"] },
    seeds: [
      { seed: 1, digest: "a", events: 10, virtual_ms: 7_200_000, failed: [], hits: { crash: 3, clock: 2 }, seen: {}, twice: true },
      { seed: 813, digest: "b", events: 10, virtual_ms: 7_200_000, failed: ["pollRecovery"], hits: { crash: 1 }, seen: {}, twice: null },
      { seed: 814, digest: "c", events: 10, virtual_ms: 0, failed: [], hits: {}, seen: {}, twice: false }
    ]
  },
  simulationMs: 2000,
  shrunk: [{ seed: 813, problems: ["seed 813, burst 2: no command was handled"], faults: ["polls/4"] }],
  product: { modules: 300, image: "d1", shipped: "d1" },
  selfTest: { v: 1, baselines: { evidence: { digest: "d", verdicts: { chain: "PASS", fenced: "PASS" } } }, mutations: [mutation("edited-event", "chain"), mutation("no-fencing", "fenced"), { ...mutation("no-match", "fenced"), digest: null, error: "it no longer matches" }] },
  released: diff(card(990_000), card(950_000)),
  earlier: [earlier("r8", "8".repeat(40), "1.2.0", "FAIL"), earlier("r7", "7".repeat(40), "1.2.0", "FAIL"), earlier("r6", "6".repeat(40), "1.1.0", "PASS")],
  repeat: (id, seed) => `npm run gate -- --scenario ${id} --seed ${seed}`,
  repeatSeed: (seed) => `npm run gate -- --replay ${seed}`,
  repeatAll: "npm run gate"
}

const report = renderReport(input)
/** What stands behind a label at the beginning of a line, without escapes, within the finding of the check that failed. */
const finding = report.split("### FAIL")[1]?.split("\n## ")[0] ?? ""
const answers = (label: string) => finding.split("\n").filter((row) => row.startsWith(`- ${label}: `)).map((row) => row.slice(label.length + 4).replaceAll("\\", ""))
const section = (title: string) => report.split(`\n## ${title}\n`)[1]?.split("\n## ")[0]?.replaceAll("\\", "") ?? ""

describe("a NO-GO report answers", () => {
  it("1: what failed", () => {
    expect(report.split("\n").slice(0, 3)).toEqual(["# NO-GO", "", "1 of 2 checks failed: poll-recovery."])
    expect(finding).toContain(": Every burst recovers")
    expect(finding).toContain("- storm, burst 7 (status429): no command was handled")
  })

  it("2: by how much", () => {
    expect(answers("By how much")).toEqual(["80 % were good (80 of 100) where at least 95 % is asked; 20 are bad, and 5 of 100 would be the most."])
  })

  it("3: how sure", () => {
    expect(answers("How sure")).toEqual(["the true rate is at least 72.2799 % (95 %) and at most 86.3339 % (95 %); chance alone does not explain that."])
  })

  it("4: since which release", () => {
    expect(answers("Since")).toEqual([`version 1.2.0, commit ${"7".repeat(12)}, run r7; it last passed in version 1.1.0, commit ${"6".repeat(12)}, run r6.`])
    expect(section("Changes")).toContain(`Against version 1.2.0, commit ${"8".repeat(12)}, run r8, which said GO: 1 ongoing.`)
  })

  it("5: which command reproduces it", () => {
    expect(answers("See it again")).toEqual(["`npm run gate -- --scenario storm --seed 55`", "`npm run gate -- --replay 813`"])
    expect(section("Simulation")).toContain("| 814 | another digest the second time | – | not tried | `npm run gate -- --replay 814` |")
    expect(section("Simulation")).toContain("| 813 | pollRecovery | seed 813, burst 2: no command was handled | polls/4 | `npm run gate -- --replay 813` |")
  })

  it("6: what was left out", () => {
    expect(answers("Left out")).toEqual(["4 (ended after the window)."])
    expect(section("What was left out of the counts")).toContain("| `poll-recovery` | ended after the window | 4 |")
  })

  it("7: on which traffic class", () => {
    expect(answers("Judged on")).toEqual(["fault, machine, 2 scenarios."])
    expect(answers("Counted")).toEqual(["every burst of faults."])
    expect(section("Scenarios").match(/\| fault \|/g)).toHaveLength(2)
  })

  it("8: what to do next", () => {
    expect(report.split("\n")[4]).toBe("**Next:** Do not release. Repair what failed, then run the gate again. First: Follow a named burst in its journal.")
    expect(answers("To do")).toEqual(["Follow a named burst in its journal."])
  })

  it("9: who waived what", () => {
    expect(report).toContain("Waivers: no-duplicate-heavy by Ada until 2026-12-31, unused.")
    expect(section("Waivers")).toContain("| `no-duplicate-heavy` | Ada | the ledger is being replaced | 2026-12-31 | unused |")
    expect(answers("Waived")).toEqual(["no."])
  })

  it("10: what is not shown", () => {
    expect(section("What this does not show").match(/^- /gm)).toHaveLength(8)
    expect(section("What this does not show")).toContain("- Only in the simulation, and to no real process, happened clocks that are set.")
    expect(section("What this does not show")).toMatch(/- In this run nothing met .*a full disk.*power cuts/)
    expect(section("What this does not show")).toContain("In the simulation clock, disk, network and processes are models of our own")
  })

  it("and on the first screen also what was simulated, whether the checks were checked, and that less was asked", () => {
    const screen = report.split("\n## ")[0]?.replaceAll("\\", "") ?? ""
    expect(screen).toContain("Simulation: 3 of 1000 seeds, 4.0 virtual hours at 7,200 times real time, 2.0 hours a second; 2 failed; 2 run twice, 1 with another digest.")
    expect(screen).toContain("Self-test: 2 mutations, 1 caught; not caught: no-fencing; could not be executed: no-match.")
    expect(screen).toContain("- 🔴 Otherwise than released: poll-recovery: threshold loosened, 990000 ppm → 950000 ppm.")
    expect(section("Simulation")).toContain("| clock_jump | 0 | 0 |")
    expect(section("Simulation")).toContain("300 modules were simulated (digest d1); as shipped they have the digest d1: the same code.")
    expect(renderReport({ ...input, product: { modules: 300, image: "d1", shipped: "d2" } })).toContain("NOT the same code")
    expect(renderReport({ ...input, product: null })).toContain("Nobody compared what was simulated")
  })
})
