import { generateKeyPairSync } from "node:crypto"
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { describe, expect, it } from "vitest"
import { sha256 } from "../../../gate/evidence/Canonical.ts"
import { publicPem } from "../../../gate/evidence/Keys.ts"
import { honest, json, relisted, resigned } from "../evidence/Forgery.ts"
import { forge, key, release, run, type Run, scorecard, text, written } from "../evidence/SyntheticRun.ts"
import { clone, desk, failing, pinnedFolder } from "./Desk.ts"

const ended = 1_795_250_060_000
const dayMs = 86_400_000
const folder = mkdtempSync(join(tmpdir(), "opsgate-deploy-"))
process.once("exit", () => rmSync(folder, { recursive: true, force: true }))

const file = (name: string, content: string | Uint8Array): string => {
  writeFileSync(join(folder, name), content)
  return join(folder, name)
}
const artifact = file("app.tgz", release.content ?? "")
const own = file("gate.pub.pem", publicPem(key))
const foreign = file("mallory.pub.pem", publicPem(generateKeyPairSync("ed25519").privateKey))
const card = sha256(run.scorecardText)
const go = written()

const at = (nowMs: number) => desk({ nowMs, pinnedDir: pinnedFolder(), root: clone() })
const here = at(ended + dayMs)
const required = (...given: ReadonlyArray<string>) => here("evidence", "require", "--artifact", artifact, "--key", own, "--scorecard", card, ...given)
const broken = (change: (dir: string) => void): string => {
  const dir = `${mkdtempSync(join(folder, "b-"))}/bundle`
  cpSync(go, dir, { recursive: true })
  change(dir)
  return dir
}

const with_ = (change: object): Run => ({ ...run, scorecardText: JSON.stringify({ ...scorecard, ...change }) })
const waiver = { check: "ends", owner: "ada", reason: "it is known", expires: "2026-11-30" }
const waived: Run = { ...failing, scorecardText: JSON.stringify({ ...scorecard, waivers: [waiver] }) }
const waivedCard = file("waived.json", waived.scorecardText)

describe("opsgate evidence require", () => {
  it("lets out what a pinned key signed a GO for", async () => {
    const { err, exit, out } = await required("--bundle", go)
    expect([exit, err]).toEqual([0, ""])
    expect(out).toMatch(/^GO {2}app\.tgz sha256 [0-9a-f]{64}\nrun 20261120-1, profile full, .*\nsigned by SHA256:/)
    expect(JSON.parse((await required("--bundle", go, "--json")).out)).toMatchObject({ go: true, artifact: release.sha256, waivers: [] })
  })

  it("takes keys by their folder, several keys, and those that are pinned here", async () => {
    const keys = pinnedFolder(generateKeyPairSync("ed25519").privateKey, key)
    expect((await here("evidence", "require", "--artifact", artifact, "--key", keys, "--scorecard", card, "--bundle", go)).exit).toBe(0)
    expect((await required("--key", foreign, "--bundle", go)).exit).toBe(0)
    expect((await desk({ pinnedDir: keys, nowMs: ended })("evidence", "require", "--artifact", artifact, "--scorecard", card, "--bundle", go)).exit).toBe(0)
  })

  it("takes the summary of a bundle for the bundle that it lies in", async () => {
    expect((await required("--bundle", join(go, "attestations/vsa.dsse.json"))).exit).toBe(0)
  })

  const other = file("other.tgz", "something else")
  const unsigned = resigned(honest(), (statement) => statement)
  unsigned.delete("attestations/vsa.dsse.json")
  const summarisedBy = (dir: string) => broken((to) => cpSync(join(dir, "attestations/vsa.dsse.json"), join(to, "attestations/vsa.dsse.json")))
  const torn = file("vsa.dsse.json", readFileSync(join(go, "attestations/vsa.dsse.json")))
  const failed = (): ReturnType<typeof honest> => {
    const files = honest()
    const metrics = json(files, "metrics.json")
    files.set("metrics.json", JSON.stringify({ ...metrics, result: { ...metrics.result, decision: "NO-GO" } }))
    return resigned(relisted(files))
  }

  it.each<[string, 1 | 2, string, ReadonlyArray<string>]>([
    ["no bundle", 2, "there is no bundle: /nowhere does not exist", ["--bundle", "/nowhere"]],
    ["a folder that is none", 2, "is not an evidence bundle", ["--bundle", folder]],
    ["NO-GO", 1, "the verdict is NO-GO: 1 of 5 checks failed: ends.", ["--bundle", written((input) => input, failing)]],
    ["INSUFFICIENT", 2, "the verdict is INSUFFICIENT: Nothing failed, but ", ["--bundle", written((input) => input, { ...run, scenarios: run.scenarios.slice(1) })]],
    ["a ceiling", 2, "the verdict is INSUFFICIENT: Every check passed, but this scorecard is too small", ["--bundle", written((input) => input, with_({ ceiling: "INSUFFICIENT" })), "--scorecard", sha256(with_({ ceiling: "INSUFFICIENT" }).scorecardText)]],
    ["a foreign key", 1, "is not signed by a pinned key", ["--bundle", written((input) => ({ ...input, key: generateKeyPairSync("ed25519").privateKey }))]],
    ["a bundle of another artifact", 1, `the bundle is about opsgate-0.1.0.tgz (sha256 ${release.sha256}), and not about other.tgz (sha256 ${sha256("something else")})`, ["--artifact", other, "--bundle", go]],
    ["another scorecard", 1, "it was judged by the scorecard synthetic", ["--bundle", written((input) => input, with_({ title: "Another" }))]],
    ["another scorecard than releases are judged by here, where none is named", 1, "and not by the one that is asked for", ["--scorecard", "scorecards/v1.2.json", "--bundle", go]],
    ["a run that is too old", 2, "the run ended on 2026-11-21T08:34:20.000Z, which is longer ago than 12h", ["--max-age", "12h", "--bundle", go]],
    ["a changed bundle", 1, "the bundle does not verify: SHA256SUMS is not the one that was signed", ["--bundle", broken((dir) => writeFileSync(join(dir, "SHA256SUMS"), `${text(dir, "SHA256SUMS")} `))]],
    ["a changed report", 1, "REPORT.md", ["--bundle", broken((dir) => writeFileSync(join(dir, "REPORT.md"), "all is well"))]],
    ["a truncated log", 1, "the bundle does not verify: ", ["--bundle", broken((dir) => writeFileSync(join(dir, "events/calm.jsonl"), text(dir, "events/calm.jsonl").split("\n").slice(0, -2).join("\n")))]],
    ["a bundle of which files are gone", 1, "the bundle does not verify: ", ["--bundle", broken((dir) => rmSync(join(dir, "events"), { recursive: true }))]],
    ["a file too many", 1, "the bundle does not verify: ", ["--bundle", broken((dir) => writeFileSync(join(dir, "extra"), ""))]],
    ["a link in it", 1, "is a symbolic link", ["--bundle", broken((dir) => symlinkSync("/etc/passwd", join(dir, "link")))]],
    ["a bundle without its summary", 1, "attestations/vsa.dsse.json is missing", ["--bundle", forge(unsigned)]],
    ["a summary of another bundle by the same key", 1, "attestations/vsa.dsse.json says something else", ["--bundle", summarisedBy(written((input) => ({ ...input, run: "20261121-1", release: { ...input.release, sha256: sha256("another"), content: null } })))]],
    ["a summary by a foreign key", 1, "attestations/vsa.dsse.json: it is not signed by a pinned key", ["--bundle", summarisedBy(written((input) => ({ ...input, key: generateKeyPairSync("ed25519").privateKey })))]],
    ["a decision that the evidence does not bear out", 1, "the bundle does not verify: ", ["--bundle", forge(failed())]],
    ["a summary alone", 2, "is no bundle, and not the attestations/vsa.dsse.json of one", ["--bundle", torn]],
    ["another file of a bundle", 2, "is no bundle, and not the attestations/vsa.dsse.json of one", ["--bundle", join(go, "attestations/decision.dsse.json")]],
    ["no bundle at all, where none is named", 2, "there is no bundle in ", []]
  ])("refuses %s", async (_, code, sentence, given) => {
    const { err, exit, out } = await required(...given)
    expect([exit, out]).toEqual([code, ""])
    expect(err).toContain(sentence)
    expect(err).toMatch(/^DENIED: /)
    expect(err.split("\n")).toHaveLength(1)
  })

  it("refuses a GO whose waiver has run out since", async () => {
    const dir = written((input) => input, waived)
    const asked = ["evidence", "require", "--artifact", artifact, "--key", own, "--scorecard", waivedCard, "--bundle", dir]
    const lastMs = Date.parse("2026-12-01T00:00:00Z")
    expect(await at(lastMs - 1)(...asked)).toMatchObject({ exit: 0, out: expect.stringContaining("GO with 1 waiver: ends (ada, until 2026-11-30)") })
    expect(await at(lastMs)(...asked)).toMatchObject({ exit: 2, err: "DENIED: the GO rests on a waiver of ends by ada, which ended on 2026-11-30" })
  })

  it("counts the age to the millisecond, and none that lies in the future", async () => {
    const aged = (nowMs: number) => at(nowMs)("evidence", "require", "--artifact", artifact, "--key", own, "--scorecard", card, "--max-age", "30d", "--bundle", go)
    expect((await aged(ended + 30 * dayMs)).exit).toBe(0)
    expect((await aged(ended + 30 * dayMs + 1)).exit).toBe(2)
    expect(await aged(ended - 1)).toMatchObject({ exit: 2, err: expect.stringContaining("in the future") })
  })

  it("tells a refusal to a program", async () => {
    expect(await required("--bundle", "/nowhere", "--json")).toMatchObject({ exit: 2, out: "{\"go\":false,\"why\":\"there is no bundle: /nowhere does not exist\"}\n" })
  })
})

describe("the newest bundle about an artifact", () => {
  const runs = (...bundles: ReadonlyArray<string>) => {
    const root = clone()
    bundles.forEach((dir, index) => {
      const to = join(root, "evidence/runs", `2026112${index}T000000000Z-release`)
      mkdirSync(dirname(to), { recursive: true })
      cpSync(dir, to, { recursive: true })
    })
    return (...given: ReadonlyArray<string>) => desk({ root, nowMs: ended })("evidence", "require", "--artifact", artifact, "--scorecard", card, ...given)
  }
  const about = (content: string) => written((input) => ({ ...input, release: { ...input.release, sha256: sha256(content), bytes: content.length, content: Buffer.from(content) } }))
  const nogo = written((input) => input, failing)
  const environment = (partial: boolean) => written((input) => ({ ...input, environment: { schema: "https://opsgate.dev/schema/environment/v1" as const, version: "0.1.0", node: "v20", platform: "linux x64", cores: 2, partial, stages: [], peak_rss_bytes: 1 } }), failing)

  it("decides: a later NO-GO stands before an earlier GO", async () => {
    expect((await runs(nogo, go)()).exit).toBe(0)
    expect(await runs(go, nogo)()).toMatchObject({ exit: 1, err: expect.stringContaining("NO-GO") })
  })

  it("is neither one about something else, nor by another scorecard, nor of single scenarios", async () => {
    expect((await runs(go, about("another"))()).exit).toBe(0)
    expect((await runs(go, written((input) => input, { ...failing, scorecardText: JSON.stringify(scorecard) }))()).exit).toBe(0)
    expect((await runs(go, environment(true))()).exit).toBe(0)
    expect((await runs(go, environment(false))()).exit).toBe(1)
  })
})

describe("bad words", () => {
  const empty = mkdtempSync(join(folder, "none-"))
  it.each([
    [["evidence", "require"], "--artifact is missing"],
    [["evidence", "require", "--artifact", "/nowhere", "--key", own], "the artifact /nowhere cannot be read"],
    [["evidence", "require", "--artifact", folder, "--key", own], "is not a plain file"],
    [["evidence", "require", "--artifact", artifact, "--key", "/nowhere"], "the key /nowhere cannot be used"],
    [["evidence", "require", "--artifact", artifact, "--key", artifact], "cannot be used"],
    [["evidence", "require", "--artifact", artifact, "--key", empty], "no key is pinned in "],
    [["evidence", "require", "--artifact", artifact, "--key", own, "--max-age", "soon"], "--max-age wants a whole number of seconds"],
    [["evidence", "require", "--artifact", artifact, "--key", own, "--scorecard", "abc"], "the scorecard abc cannot be read, and is no SHA-256"],
    [["evidence", "require", "--artifact", artifact, "--artifcat", "x"], "Unknown option '--artifcat'"],
    [["evidence", "require", artifact], "is one word too many"],
    [["evidence", "pack"], "BUNDLE is missing"],
    [["evidence", "pack", folder], "is not an evidence bundle"]
  ])("%j deny with 254 and one sentence", async (given, sentence) => {
    const { err, exit, out } = await here(...given)
    expect([exit, out, err.split("\n").length]).toEqual([254, "", 1])
    expect(err).toContain(sentence)
  })
})

describe("opsgate evidence pack", () => {
  it("gives the same bytes for every copy, and writes over nothing", async () => {
    const copy = broken(() => undefined)
    const [one, two] = [join(folder, "one.tar"), join(folder, "two.tar")]
    expect((await here("evidence", "pack", go, "--out", one, "--key", own)).out).toMatch(/^[0-9a-f]{64} {2}.*one\.tar\n\d+ files, .*GO, signed by/)
    expect((await here("evidence", "pack", copy, "--out", two, "--key", own)).exit).toBe(0)
    expect(readFileSync(one).equals(readFileSync(two))).toBe(true)
    expect(await here("evidence", "pack", go, "--out", one)).toMatchObject({ exit: 254, err: expect.stringContaining("is there already") })
  })

  it("refuses a folder that it could not pack wholly", async () => {
    const dir = broken((place) => symlinkSync("/etc/passwd", join(place, "link")))
    expect(await here("evidence", "pack", dir, "--out", join(folder, "no.tar"))).toMatchObject({ exit: 254, err: expect.stringContaining("link is a symbolic link") })
  })
})
