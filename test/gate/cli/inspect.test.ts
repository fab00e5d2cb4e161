import { generateKeyPairSync } from "node:crypto"
import { readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { honest, relisted, resigned } from "../evidence/Forgery.ts"
import { forge, written } from "../evidence/SyntheticRun.ts"
import { desk, failing, pinnedFolder } from "./Desk.ts"

const here = desk()
const broken = (): string => {
  const dir = written()
  writeFileSync(join(dir, "REPORT.md"), "all is well")
  return dir
}

describe("opsgate evidence inspect", () => {
  it("says first that nothing is verified, and what verify would say", async () => {
    const { err, exit, out } = await here("evidence", "inspect", written())
    expect([exit, err]).toEqual([0, ""])
    expect(out.split("\n").slice(0, 2)).toEqual(["NOT VERIFIED: what follows is what the bundle says of itself.", expect.stringMatching(/^opsgate verify would say: GO, signed by SHA256:\S+ .*\(exit 0\)$/)])
    expect(out).toContain("run        20261120-1, profile full")
    expect(out).toMatch(/stop-worker\s+seed 9\s+completed\s+14 events\s+sigkill at running 1 \(1 hit\)/)
    expect(out).toMatch(/\d+\s+events\s+events\/calm\.jsonl/)
  })

  it("tells what is claimed although it does not verify", async () => {
    const { exit, out } = await here("evidence", "inspect", broken())
    expect(exit).toBe(0)
    expect(out).toMatch(/would say: it does not verify, 2 problems, the first: .*REPORT\.md.* \(exit 1\)/)
    expect(out).toContain("claims     GO")
  })

  it("tells a key that is not pinned", async () => {
    const dir = written()
    expect((await here("evidence", "inspect", dir)).out).toMatch(/signer     SHA256:\S+ \(pinned as .*key0\.pub\.pem\)/)
    const foreign = desk({ pinnedDir: pinnedFolder(generateKeyPairSync("ed25519").privateKey) })
    expect((await foreign("evidence", "inspect", dir)).out).toMatch(/signer     SHA256:\S+ \(NOT PINNED here\)/)
  })

  it("shows failures first, and seeds that failed with the command that plays them again", async () => {
    const seed = (number: number, failed: ReadonlyArray<string>) => ({ seed: number, digest: "a".repeat(64), events: 3, virtual_ms: 10, failed, hits: {}, seen: {}, twice: null })
    const simulation = { v: 1 as const, declared: { seeds: 2, twice: 0, fault_classes: [], measures: ["chainIntact"] }, seeds: [seed(1, []), seed(2, ["chainIntact"])] }
    const dir = written((input) => ({ ...input, aside: { simulation } }), failing)
    const { out } = await here("evidence", "inspect", dir)
    const checks = out.split("5 checks, failures first\n")[1]?.split("\n").slice(0, 5).map((row) => row.trim().split(/\s+/)[0])
    expect(checks).toEqual(["FAIL", "PASS", "PASS", "PASS", "PASS"])
    expect(out).toContain(`seed 2: chainIntact; again: opsgate evidence replay seeds-2 --bundle ${dir}`)
    const told = JSON.parse((await here("evidence", "inspect", dir, "--json")).out)
    expect(told).toMatchObject({ trust: expect.stringContaining("nothing here is verified"), decision: "NO-GO", verify: { exit: 1 }, simulation: { declared: 2, failed: [{ seed: 2 }] } })
  })

  it("prints nothing raw, and says where it can read nothing", async () => {
    const files = honest()
    files.set("metrics.json", "\u001b[2J")
    const evil = relisted(files, (manifest) => ({ ...manifest, run: "\u001b[31mred\u202e", commit: "unknown" }))
    const { out } = await here("evidence", "inspect", forge(resigned(evil)))
    expect(["\u001b", "\u202e"].filter((character) => out.includes(character))).toEqual([])
    expect(out).toContain("run        ⟨U+001B⟩[31mred⟨U+202E⟩")
    expect(out).toContain("claims     no decision that can be read")
  })

  it("leaves the bundle as it was", async () => {
    const dir = written()
    const before = readFileSync(join(dir, "SHA256SUMS"), "utf8")
    await here("evidence", "inspect", dir)
    expect((await here("evidence", "verify", dir)).exit).toBe(0)
    expect(readFileSync(join(dir, "SHA256SUMS"), "utf8")).toBe(before)
  })
})

describe("bad words", () => {
  const gone = written()
  rmSync(join(gone, "SHA256SUMS"))
  rmSync(join(gone, "manifest.json"))
  it.each([
    [["inspect"], "BUNDLE is missing; usage: opsgate evidence inspect BUNDLE"],
    [["inspect", "/nowhere"], "/nowhere does not exist"],
    [["inspect", gone], "is not an evidence bundle"],
    [["inspect", "a", "b"], "b is one word too many"],
    [["inspect", "a", "--wrong"], "Unknown option '--wrong'"],
    [["inspect", "a", "--key", "/nowhere.pem"], "the key /nowhere.pem cannot be used"],
    [["diff", written()], "NEW is missing"],
    [["diff", written(), gone], "is not an evidence bundle"],
    [["\u001b[31m"], "opsgate evidence has no verb ⟨U+001B⟩[31m"],
    [[], "opsgate evidence wants a verb"]
  ])("%j are refused in one sentence", async (given, sentence) => {
    const { err, exit, out } = await here("evidence", ...given)
    expect([exit, out]).toEqual([254, ""])
    expect(err).toContain(sentence)
    expect(err.split("\n")).toHaveLength(1)
  })

  it("are explained by --help", async () => {
    expect(await here("evidence", "--help")).toMatchObject({ exit: 0, out: expect.stringContaining("opsgate evidence diff OLD NEW") })
    expect(await here("evidence", "inspect", "--help")).toMatchObject({ exit: 0, out: expect.stringMatching(/^usage: opsgate evidence inspect BUNDLE/) })
  })
})

