/** The script of docs/deploy.md with the built program: it lets out a pinned GO and nothing else. */
import { execFileSync, spawnSync } from "node:child_process"
import { generateKeyPairSync } from "node:crypto"
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import { sha256 } from "../../gate/evidence/Canonical.ts"
import { publicPem } from "../../gate/evidence/Keys.ts"
import { program } from "../edge/cli/Opsgate.ts"
import { failing } from "../gate/cli/Desk.ts"
import { key, type Run, run, scorecard, written } from "../gate/evidence/SyntheticRun.ts"
import { read } from "./Tutorial.ts"

const page = read("docs/deploy.md")
const script = /```sh\n([^]*?)```/.exec(page)?.[1] ?? ""

const root = mkdtempSync(join(tmpdir(), "opsgate-deploying-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))

mkdirSync(join(root, "bin"))
writeFileSync(join(root, "bin/opsgate"), `#!/bin/sh\nexec "${process.execPath}" "${program}" "$@"\n`)
chmodSync(join(root, "bin/opsgate"), 0o755)

const packed = (content: string): Buffer => {
  writeFileSync(join(root, "version.txt"), content)
  execFileSync("tar", ["-czf", join(root, "packed.tgz"), "-C", root, "version.txt"])
  return readFileSync(join(root, "packed.tgz"))
}
const [artifact, other] = [packed("new"), packed("something else")]

/** Runs whose journals ended just now, so that the age is well; a waiver that ended long ago counted in a run of long ago. */
const endedAt = (ms: number, from: Run): Run => ({ ...from, scenarios: from.scenarios.map((one) => ({ ...one, journal: { ...one.journal, started_at: ms - 60_000, ended_at: ms } })) })
const minuteAgo = Date.now() - 60_000
const judged = (from: Run, by = key): string =>
  written((input) => ({ ...input, key: by, window: { start_ms: minuteAgo - 60_000, end_ms: minuteAgo }, release: { ...input.release, name: "app.tgz", sha256: sha256(artifact), bytes: artifact.byteLength, content: artifact } }), from)

const now = endedAt(minuteAgo, run)
const waiver = { check: "ends", owner: "ada", reason: "it is known", expires: "2020-01-02" }
const expired: Run = { ...endedAt(Date.UTC(2020, 0, 1), failing), scorecardText: JSON.stringify({ ...scorecard, waivers: [waiver] }) }

/** Who deploys `app.tgz`, with these files; the version before is out. */
const deploy = (bundle: string | null, { app = artifact, card = run.scorecardText }: { readonly app?: Buffer; readonly card?: string } = {}) => {
  const dir = mkdtempSync(join(root, "deploy-"))
  for (const folder of ["app", "keys"]) mkdirSync(join(dir, folder))
  writeFileSync(join(dir, "app/version.txt"), "old")
  writeFileSync(join(dir, "app.tgz"), app)
  writeFileSync(join(dir, "keys/release.pub.pem"), publicPem(key))
  writeFileSync(join(dir, "scorecard.json"), card)
  if (bundle !== null) cpSync(bundle, join(dir, "evidence"), { recursive: true })
  writeFileSync(join(dir, "deploy.sh"), script)
  const { status, stderr, stdout } = spawnSync("sh", ["deploy.sh"], { cwd: dir, encoding: "utf8", timeout: 60_000, env: { PATH: `${join(root, "bin")}:${process.env.PATH ?? ""}` } })
  return { status, stderr, stdout, out: readFileSync(join(dir, "app/version.txt"), "utf8") }
}

describe("the deploy script", () => {
  it("has three lines", () => {
    expect(script.trimEnd().split("\n")).toHaveLength(3)
  })

  it("deploys what a pinned key signed a GO for", () => {
    expect(deploy(judged(now))).toMatchObject({ status: 0, out: "new", stderr: "", stdout: expect.stringMatching(/^GO {2}app\.tgz sha256 /) })
  })

  it.each<[string, number, string, () => ReturnType<typeof deploy>]>([
    ["no bundle", 2, "there is no bundle", () => deploy(null)],
    ["NO-GO", 1, "the verdict is NO-GO", () => deploy(judged(endedAt(minuteAgo, failing)))],
    ["INSUFFICIENT", 2, "the verdict is INSUFFICIENT", () => deploy(judged({ ...now, scenarios: now.scenarios.slice(1) }))],
    ["a GO by a waiver that has run out", 2, "which ended on 2020-01-02", () => deploy(judged(expired), { card: expired.scorecardText })],
    ["a foreign key", 1, "is not signed by a pinned key", () => deploy(judged(now, generateKeyPairSync("ed25519").privateKey))],
    ["a bundle of another artifact", 1, "and not about app.tgz", () => deploy(judged(now), { app: other })],
    ["a changed bundle", 1, "does not verify", () => {
      const dir = judged(now)
      rmSync(join(dir, "REPORT.md"))
      return deploy(dir)
    }]
  ])("deploys nothing on %s", (_, status, sentence, deployed) => {
    const found = deployed()
    expect(found).toMatchObject({ status, out: "old", stdout: "" })
    expect(found.stderr).toMatch(/^DENIED: [^\n]*\n$/)
    expect(found.stderr).toContain(sentence)
  })
})
