/** Audit reports are made of bundles that verify, and of nothing else. */
import { appendFileSync, cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { createHash, generateKeyPairSync } from "node:crypto"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { isAudited } from "../../../gate/cli/Audits.ts"
import { type BundleInput, writeBundle } from "../../../gate/evidence/Bundle.ts"
import { environmentSchema } from "../../../gate/evidence/Environment.ts"
import { ownerOf, severityOf } from "../../../gate/report/audit/Findings.ts"
import { gateLines, targetLines } from "../../../gate/report/audit/Lines.ts"
import { auditRuns, trendMax } from "../../../gate/report/audit/Runs.ts"
import kpi from "../../../scorecards/v1.2-kpi.json" with { type: "json" }
import board from "../../../scorecards/v1.2.json" with { type: "json" }
import { inputOf, key, pin, run, type Run } from "../evidence/SyntheticRun.ts"
import { line } from "../report/Line.ts"
import { desk, failing } from "./Desk.ts"

const root = mkdtempSync(join(tmpdir(), "opsgate-audits-"))
process.once("exit", () => rmSync(root, { recursive: true, force: true }))
const fresh = () => mkdtempSync(join(root, "run-"))
const idOf = (minute: number, profile = "release") => ({ run: `20261121T12${String(minute).padStart(2, "0")}00000Z`, profile })

/** A run of that minute, stored where runs lie. Answers its folder. */
const stored = (runs: string, minute: number, from: Run = run, change: Partial<BundleInput> = {}): string => {
  const about = { ...idOf(minute, change.profile), window: { start_ms: 1_795_262_400_000, end_ms: 1_795_262_460_000 } }
  const dir = join(runs, `${about.run}-${about.profile}`)
  Either.getOrThrow(writeBundle({ ...inputOf(dir, from), ...about, ...change }))
  return dir
}

const environment = (partial: boolean) => ({ schema: environmentSchema, version: "1.2.3", node: "v20", platform: "linux x64", cores: 2, partial, stages: [], peak_rss_bytes: 1 }) as const
const sumsOf = (dir: string) => createHash("sha256").update(readFileSync(join(dir, "SHA256SUMS"))).digest("hex")

const audited = async (runs: string, ...more: ReadonlyArray<string>) => {
  const out = join(fresh(), "audits")
  const answer = await desk()("evidence", "audits", "--runs", runs, "--out", out, ...more)
  const read = (path: string) => (existsSync(join(out, path)) ? readFileSync(join(out, path), "utf8") : "")
  return { ...answer, folder: out, report: read("latest_report.md"), metrics: read("metrics/latest_metrics.md"), read }
}

describe("opsgate evidence audits", () => {
  it("writes the report and the figures of the newest run, as the latest and under its day", async () => {
    const runs = fresh()
    stored(runs, 1)
    const newest = stored(runs, 2, failing)
    const { err, exit, metrics, out, read, report } = await audited(runs)
    expect([exit, err]).toEqual([0, ""])
    expect(out).toContain("with the trend over 2 of at most 10 runs")
    expect(report.startsWith("# Audit report: NO-GO\n")).toBe(true)
    expect(report).toContain(`\`evidence/runs/${idOf(2).run}-release\`; its SHA256SUMS has the sha256 \`${sumsOf(newest)}\``)
    expect(report).not.toContain(runs)
    expect(metrics).toContain("| `ends` | FAIL | 4/6 |")
    expect(metrics).toContain("| `ends` | PASS 6/6 | FAIL 4/6 |")
    expect(read("2026-11-21_report.md")).toBe(report.replace("latest_metrics", "2026-11-21_metrics"))
    expect(read("metrics/2026-11-21_metrics.md")).toBe(metrics.replace("latest_report", "2026-11-21_report"))
  })

  it("tells of a finding how grave it is, whose, since when, what to do, and which command shows it again", async () => {
    const runs = fresh()
    stored(runs, 1, run, { environment: environment(false), commit: "a".repeat(40) })
    stored(runs, 2, failing, { environment: environment(false), commit: "b".repeat(40) })
    stored(runs, 3, failing)
    const { report } = await audited(runs)
    const finding = (report.split("\n### ")[1] ?? "").split("\n## ")[0] ?? ""
    expect(finding).toContain("high: About ends (`ends`)\n\nFAIL. 2 of 6 are bad, and none may be.")
    expect(finding).toContain("- Owner: Whoever keeps the product")
    expect(finding).toContain(`- Since: version 1.2.3, commit ${"b".repeat(12)}, run ${idOf(2).run}; it last passed in version 1.2.3, commit ${"a".repeat(12)}, run ${idOf(1).run}.`)
    expect(finding).toContain("- See it again: `npm run gate -- --profile release --scenario calm --seed 7`")
    expect(finding).toContain("- To do: Look at ends.")
    expect(finding).toContain("- Seen: calm, task calm-1")
  })

  it("names a bundle that does not verify, and uses nothing of it", async () => {
    const runs = fresh()
    stored(runs, 1)
    const stranger = stored(runs, 2, failing, { key: generateKeyPairSync("ed25519").privateKey })
    appendFileSync(join(stored(runs, 3, failing), "metrics.json"), " ")
    const { err, report } = await audited(runs)
    expect(report.startsWith("# Audit report: GO\n")).toBe(true)
    expect(report).toContain(`- \`${idOf(3).run}-release\`: metrics.json was changed`)
    expect(report).toContain(`- \`${idOf(2).run}-release\`: attestations/decision.dsse.json`)
    expect(report).not.toContain(sumsOf(stranger))
    expect(report).toContain("None: every check of the scorecard passed.")
    expect(err.match(/does not verify and is not used/g)).toHaveLength(2)
  })

  it("does not count a run twice that was copied, under whatever name", async () => {
    const runs = fresh()
    const dir = stored(runs, 1)
    for (const name of [`${idOf(2).run}-release`, `${idOf(3).run}-release`]) cpSync(dir, join(runs, name), { recursive: true })
    const found = auditRuns(runs, "release", [pin(key)])
    expect(found.runs.map(({ name }) => name)).toEqual([`${idOf(1).run}-release`])
    expect(found.unused).toEqual([3, 2].map((minute) => ({ name: `${idOf(minute).run}-release`, why: `it holds run ${idOf(1).run} of profile release` })))
  })

  it("looks at whole runs of the profile, the newest ten, and at no part of one", async () => {
    const runs = fresh()
    for (let minute = 1; minute <= trendMax + 2; minute++) stored(runs, minute)
    stored(runs, 30, failing, { environment: environment(true) })
    stored(runs, 31, failing, { profile: "quick" })
    const found = auditRuns(runs, "release", [pin(key)])
    expect(found.runs.map(({ run: id }) => id)).toEqual(Array.from({ length: trendMax }, (_, index) => idOf(trendMax + 2 - index).run))
    expect(found.unused).toEqual([])
  })

  it("shows the board's lines with a mark for each run, and those on production from a window that verifies", async () => {
    const runs = fresh()
    const asked = (from: Run, id: string): Run => ({ ...from, scorecardText: from.scorecardText.replaceAll("\"ends\"", `"${id}"`), boardText: from.boardText.replaceAll("\"ends\"", `"${id}"`) })
    stored(runs, 1, asked(run, "mttr"))
    stored(runs, 2, asked(failing, "mttr"))
    const { report } = await audited(runs)
    expect(report).toMatch(/\| MTTR \\<= 10 minutes for common incidents \| `mttr` \| FAIL \| 4\/6 \| all, n ≥ \d+ \| – \| ✓ ✗ \|/)
    expect(report).toContain("| Duplicate heavy executions = 0 | `duplicate-heavy` | not asked by this scorecard |")
    expect(report).toContain("No window of production is on record")
    const window = stored(runs, 3, asked(failing, "uptime"), { profile: "window" })
    const after = await audited(runs)
    expect(after.report).toContain(`sha256 of its SHA256SUMS ${sumsOf(window)}`)
    expect(after.report).toMatch(/\| System uptime \\>= 99\.7% \| not asked \| FAIL 4\/6 \|/)
  })

  it("lets nothing from outside become Markdown", async () => {
    const runs = fresh()
    stored(runs, 1, { ...failing, scorecardText: failing.scorecardText.replaceAll("Look at ends.", "![x](https://evil) | <b>\\u202e") })
    const { report } = await audited(runs)
    expect(report).toContain("!\\[x\\](https\\://evil) \\| \\<b\\>⟨U+202E⟩")
  })

  it("writes the same for the same bundles", async () => {
    const runs = fresh()
    stored(runs, 1)
    expect((await audited(runs)).report).toBe((await audited(runs)).report)
  })

  it.each([
    ["without a whole run that verifies", ["--profile", "full"], "has no whole run of profile full that verifies"],
    ["for a profile that there is not", ["--profile", "nope"], "there is no profile nope"],
    ["with a word too many", ["more"], "is one word too many"],
    ["with an option that there is not", ["--nope"], "Unknown option '--nope'"]
  ])("refuses %s, and writes nothing", async (_, words, sentence) => {
    const runs = fresh()
    stored(runs, 1)
    const { err, exit, folder, out } = await audited(runs, ...words)
    expect([exit, out]).toEqual([254, ""])
    expect(err).toContain(sentence)
    expect(existsSync(folder)).toBe(false)
  })

  it("refuses a folder of runs that is not there, and one that cannot be written", async () => {
    expect((await desk()("evidence", "audits", "--runs", "/nowhere")).err).toContain("/nowhere does not exist")
    const runs = fresh()
    const file = join(stored(runs, 1), "README.md")
    expect(await desk()("evidence", "audits", "--runs", runs, "--out", join(file, "audits"))).toMatchObject({ exit: 254, err: expect.stringContaining("the audit reports were not written") })
  })

  it("leaves no half file behind", async () => {
    const runs = fresh()
    stored(runs, 1)
    const { folder } = await audited(runs)
    expect(readdirSync(folder, { recursive: true }).toSorted()).toEqual(["2026-11-21_report.md", "latest_report.md", "metrics", "metrics/2026-11-21_metrics.md", "metrics/latest_metrics.md"])
  })
})

describe("an audit", () => {
  it("has a line for everything on the board, each with a check that its scorecard has", () => {
    expect([gateLines.length, targetLines.length]).toEqual([6, 7])
    const idsOf = (card: { readonly checks: ReadonlyArray<{ readonly id: string }> }) => card.checks.map(({ id }) => id)
    expect(idsOf(board)).toEqual(expect.arrayContaining(gateLines.flatMap(({ checks }) => [...checks])))
    expect(idsOf(kpi)).toEqual(expect.arrayContaining(targetLines.flatMap(({ checks }) => [...checks])))
  })

  it("is written by whole runs of the profiles that are released by", () => {
    const asked = (profile: string, partial = false, out?: string) => isAudited({ profile, partial, out })
    expect([asked("release"), asked("full"), asked("quick"), asked("spine"), asked("release", true), asked("release", false, "/elsewhere")]).toEqual([true, true, false, false, false, false])
  })

  it("holds a broken key check for the gravest, and what is not proven for less than what is broken", () => {
    const graves = [line("a", { verdict: "FAIL", key: true }), line("b", { verdict: "FAIL" }), line("c", { verdict: "ERROR", key: true }), line("d", { verdict: "ERROR" }), line("e", { verdict: "INSUFFICIENT" })].map(severityOf)
    expect(graves).toEqual(["critical", "high", "high", "medium", "medium"])
  })

  it("names who has to act, and whoever waived it before all others", () => {
    const card = { v: 1, name: "v1", title: "", ceiling: "GO", censored_max_ppm: 0, checks: [{ id: "m", title: "", measure: "mutantsCaught", rule: "census", n_min: 1, population: "", traffic_classes: [], worlds: [], exclusions: [], remedy: "" }] } as const
    const of = (change: Parameters<typeof line>[1]) => ownerOf(line("m", change), card).split(":")[0]
    expect([of({ verdict: "FAIL" }), of({ verdict: "ERROR" }), of({ verdict: "INSUFFICIENT" })]).toEqual(["Whoever keeps the gate", "Whoever keeps the gate", "Whoever runs the gate"])
    expect(ownerOf(line("x", { verdict: "FAIL" }), card)).toContain("Whoever keeps the product")
    expect(ownerOf(line("m", { verdict: "FAIL", waived: { check: "m", owner: "Ada", reason: "the ledger is new.", expires: "2026-12-31" } }), card)).toBe("Ada answers for it until 2026-12-31: the ledger is new.")
  })
})
