import { spawnSync } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"
import { readScenarios } from "../../gate/chaos/Scenarios.ts"
import { Either } from "effect"

const root = fileURLToPath(new URL("../..", import.meta.url))
const fresh = () => mkdtempSync(join(tmpdir(), "opsgate-gate-test-"))
const opsgate = (...words: ReadonlyArray<string>) => {
  const { status, stderr, stdout } = spawnSync(process.execPath, [join(root, "dist/opsgate.js"), ...words], { cwd: fresh(), encoding: "utf8", timeout: 20_000 })
  return { status, stderr: stderr.trim(), stdout }
}

describe("the words of the gate", () => {
  it.each([
    [["gate", "--profile", "nope"], "there is no profile nope; there are: release, spine, quick, full"],
    [["gate", "--profile", "constructor"], "there is no profile constructor; there are: release, spine, quick, full"],
    [["gate", "--scenario", "nope"], "there is no scenario nope"],
    [["gate", "--seed", "x"], "--seed wants a whole number"],
    [["gate", "--scorecard", "/nowhere.json"], "/nowhere.json cannot be read"],
    [["gate", "--nonsense"], "--nonsense"],
    [["gate", "--simulate", "1", "--setting", "nope"], "--setting wants seeds or soak, not nope"],
    [["gate", "--self-test", "--profile", "quick"], "--profile"],
    [["gate", "--profile", "quick", "--audits", "/nowhere"], "audit reports are written by whole runs of the profiles release and full"],
    [["gate", "--audits", "/nowhere", "--no-audits"], "one of them is enough"],
    [["verify"], "BUNDLE is missing; usage: opsgate verify BUNDLE"],
    [["evidence", "nope"], "opsgate evidence has no verb nope: "],
    [["evidence", "verify", "/nowhere"], "/nowhere"],
    [["verify", "/nowhere"], "/nowhere"],
    [["verify", root], "is not an evidence bundle"]
  ])("%j exit with 254 and a sentence, and print nothing else", (words, sentence) => {
    const { status, stderr, stdout } = opsgate(...words)
    expect(status).toBe(254)
    expect(stderr).toContain(sentence)
    expect(stdout).toBe("")
  })

  it("refuse a scorecard that names an unknown measure, before anything is run or written", () => {
    const dir = fresh()
    const card = JSON.parse(readFileSync(join(root, "scorecards/spine.json"), "utf8"))
    card.checks[0].measure = "vibes"
    writeFileSync(join(dir, "card.json"), JSON.stringify(card))
    const { status, stderr } = opsgate("gate", "--scorecard", join(dir, "card.json"), "--out", join(dir, "bundle"), "--key", join(dir, "gate.key"))
    expect([status, stderr]).toEqual([254, expect.stringContaining("unknown measure vibes")])
    expect(readdirSync(dir)).toEqual(["card.json"])
  })

  it("refuse to write over a bundle that is there", () => {
    const dir = fresh()
    const { status, stderr } = opsgate("gate", "--out", dir, "--key", join(dir, "gate.key"))
    expect([status, stderr]).toEqual([254, expect.stringContaining("exists already")])
    expect(readdirSync(dir)).toEqual([])
  })
})

describe("the scenarios", () => {
  const small = ["clock-set", "duplicate-replay", "paused-worker", "poll-timeout-burst", "restart-during-running", "restart-keeps-state", "second-server", "success-then-reporting-failure"]
  const whole = [...small, "damaged-log", "file-read-only", "kill-at-every-commit", "terminated-in-a-step"].toSorted()

  it.each([["spine", whole], ["release", whole], ["quick", small]])("of the profile %s all fit the published schema", (profile, ids) => {
    expect(Either.getOrThrow(readScenarios(join(root, "scenarios", profile))).map(({ id }) => id)).toEqual(ids)
  })

  it.each([
    ["{", "is not JSON"],
    ["{}", "must have required property"],
    [JSON.stringify({ v: 1, id: "other", title: "t", hypothesis: "h", traffic_class: "fault", seed: 1, workload: { script: "restart", tasks: 1, heavy_ppm: 0, concurrency: 1 }, faults: [{ class: "sigkill", must_hit: "running", count: 1 }], limits: { wall_ms: 1000, lease_ms: 200, summaries: 0 } }), "which is not its name"],
    [JSON.stringify({ v: 1, id: "one", faults: [] }), "must have required property"]
  ])("refuse the file %s", (text, sentence) => {
    const dir = fresh()
    writeFileSync(join(dir, "one.json"), text)
    expect(Either.getOrThrow(Either.flip(readScenarios(dir))).message).toContain(sentence)
  })

  it("refuse a profile without any", () => {
    expect(Either.getOrThrow(Either.flip(readScenarios(fresh()))).message).toContain("holds no scenario")
  })
})
