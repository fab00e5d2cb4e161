import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { environmentFile, environmentSchema } from "../../../gate/evidence/Environment.ts"
import { changesSince, sinceWhen } from "../../../gate/report/Changes.ts"
import { type Earlier, earlierRuns } from "../../../gate/report/Earlier.ts"
import { type Verdict, verdicts } from "../../../gate/Verdict.ts"
import { written } from "../evidence/SyntheticRun.ts"
import { line, result } from "./Line.ts"

const earlier = (run: string, verdict: Verdict | null): Earlier => ({
  run, commit: run.repeat(40).slice(0, 40), version: null, decision: "GO", verdicts: new Map(verdict === null ? [] : [["x", verdict]]), scorecard: { name: "v1", checks: [] }
})

describe("the changes since the last run", () => {
  const turn = (before: Verdict | null, now: Verdict) => changesSince(result(line("x", { verdict: now })), earlier("r", before)).map((change) => change.turn)

  it.each<[Verdict | null, ReadonlyArray<string>]>([
    // Now:    PASS        FAIL       INSUFFICIENT          ERROR
    [null, ["", "New", "Newly insufficient", "Newly insufficient"]],
    ["PASS", ["", "New", "Newly insufficient", "Newly insufficient"]],
    ["FAIL", ["Resolved", "Ongoing", "Newly insufficient", "Newly insufficient"]],
    ["INSUFFICIENT", ["Resolved", "New", "Ongoing", "Ongoing"]],
    ["ERROR", ["Resolved", "New", "Ongoing", "Ongoing"]]
  ])("of a check that said %s", (before, expected) => {
    expect(verdicts.map((now) => turn(before, now).join())).toEqual(expected)
  })

  it("begin with what is new", () => {
    const last: Earlier = { ...earlier("r", null), verdicts: new Map<string, Verdict>([["a", "FAIL"], ["b", "FAIL"], ["c", "PASS"]]) }
    const judged = result(line("a"), line("b", { verdict: "FAIL" }), line("c", { verdict: "FAIL" }))
    expect(changesSince(judged, last).map(({ id, turn: what }) => `${what} ${id}`)).toEqual(["New c", "Ongoing b", "Resolved a"])
  })
})

describe("since when a check fails", () => {
  const since = (...before: ReadonlyArray<Verdict | null>) => sinceWhen("x", "FAIL", before.map((verdict, index) => earlier(`r${before.length - index}`, verdict)))

  it.each([
    [[], "this run, and no earlier run of this profile is on record"],
    [["PASS", "FAIL"], "this run; it last passed in commit r2r2r2r2r2r2, run r2"],
    [["FAIL", "FAIL", "PASS", "FAIL"], "commit r3r3r3r3r3r3, run r3; it last passed in commit r2r2r2r2r2r2, run r2"],
    [["FAIL", "INSUFFICIENT", null, "FAIL"], "commit r1r1r1r1r1r1, run r1; it passed in none of the 4 earlier runs on record"],
    [["INSUFFICIENT"], "this run; it passed in none of the 1 earlier runs on record"]
  ] as const)("after %j", (before, words) => {
    expect(since(...before)).toBe(words)
  })
})

describe("the earlier runs on this machine", () => {
  const folder = mkdtempSync(join(tmpdir(), "opsgate-earlier-"))
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }))
  const bundle = written()
  const put = (name: string, more: Readonly<Record<string, string>> = {}) => {
    cpSync(bundle, join(folder, name), { recursive: true })
    for (const [file, content] of Object.entries(more)) writeFileSync(join(folder, name, file), content)
  }
  const environment = (partial: boolean) =>
    JSON.stringify({ schema: environmentSchema, version: "0.1.0", node: "v20", platform: "linux x64", cores: 2, partial, stages: [], peak_rss_bytes: 1 })
  put("20261101T000000000Z-full")
  put("20261102T000000000Z-full", { [environmentFile]: environment(false) })
  put("20261103T000000000Z-full", { [environmentFile]: environment(true) })
  put("20261104T000000000Z-quick")
  put("20261105T000000000Z-full", { "metrics.json": "{" })
  mkdirSync(join(folder, "20261106T000000000Z-full"))
  put("notes-full")

  it("are the whole ones of the profile, newest first; what cannot be read is counted", () => {
    const { runs, unreadable } = earlierRuns(folder, "full")
    expect(runs.map(({ version }) => version)).toEqual(["0.1.0", null])
    expect(runs[0]).toMatchObject({ decision: "GO", run: "20261120-1", scorecard: { name: "synthetic" }, verdicts: new Map([["chain", "PASS"], ["complete", "PASS"], ["faults", "PASS"], ["conserved", "PASS"], ["ends", "PASS"]]) })
    expect(unreadable).toBe(2)
  })

  it("are none where there is no folder", () => {
    expect(earlierRuns(join(folder, "nowhere"), "full")).toEqual({ runs: [], unreadable: 0 })
  })
})
