import { spawnSync } from "node:child_process"
import { generateKeyPairSync } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Ajv2020 } from "ajv/dist/2020.js"
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { writeBundle } from "../../../gate/evidence/Bundle.ts"
import { attestationFiles } from "../../../gate/evidence/Attestations.ts"
import { pae } from "../../../gate/evidence/Dsse.ts"
import { publicPem } from "../../../gate/evidence/Keys.ts"
import decisionSchema from "../../../evidence/schema/decision.schema.json" with { type: "json" }
import journalSchema from "../../../evidence/schema/journal.schema.json" with { type: "json" }
import manifestSchema from "../../../evidence/schema/manifest.schema.json" with { type: "json" }
import { filesOf, freshDir, inputOf, journalOf, key, release, run, scenarioIds, text, written } from "./SyntheticRun.ts"

const bash = (dir: string, script: string) => spawnSync("bash", ["-c", `set -euo pipefail\n${script}`], { cwd: dir, encoding: "utf8" })

const readmeCommands = (dir: string): string =>
  [...text(dir, "README.md").matchAll(/```bash\n([\s\S]*?)```/g)].map(([, block]) => block).join("\n")

const envelopeOf = (dir: string): { payload: string; payloadType: string; signatures: ReadonlyArray<{ keyid: string; sig: string }> } =>
  JSON.parse(text(dir, "attestations/decision.dsse.json"))

const statementOf = (dir: string) => JSON.parse(Buffer.from(envelopeOf(dir).payload, "base64").toString("utf8"))

describe("a bundle that may not be written", () => {
  it("leaves an existing directory as it was", () => {
    const dir = freshDir()
    mkdirSync(dir)
    expect(Either.getLeft(writeBundle(inputOf(dir)))).toMatchObject({ value: { message: `no bundle was written to ${dir}: it exists already` } })
    expect(readdirSync(dir)).toEqual([])
  })

  it.each(["../calm", "a/b", ".hidden", "", "two words"])("refuses the scenario id %j, which is no file name", (id) => {
    const dir = freshDir()
    const input = inputOf(dir)
    const [first] = input.scenarios
    if (first === undefined) throw new Error("the run has no scenario")
    expect(Either.isLeft(writeBundle({ ...input, scenarios: [{ ...first, id }] }))).toBe(true)
    expect(existsSync(dir)).toBe(false)
  })

  it("refuses two scenarios with one id", () => {
    const input = inputOf(freshDir())
    expect(Either.isLeft(writeBundle({ ...input, scenarios: [...input.scenarios, ...input.scenarios] }))).toBe(true)
  })

  it("refuses a journal with a number that JSON would turn into null", () => {
    const input = inputOf(freshDir())
    const scenarios = input.scenarios.map((scenario) => ({ ...scenario, journal: { ...scenario.journal, ended_at: Number.NaN } }))
    expect(Either.getLeft(writeBundle({ ...input, scenarios }))).toMatchObject({ value: { why: expect.stringContaining("ended_at") } })
  })

  it("refuses a key that is not Ed25519", () => {
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 })
    expect(Either.isLeft(writeBundle({ ...inputOf(freshDir()), key: privateKey }))).toBe(true)
  })
})

describe("a written bundle", () => {
  const dir = written()

  it("holds exactly the documented files and leaves nothing beside it", () => {
    const files = readdirSync(dir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1)).sort()
    expect(files).toEqual([
      "README.md", "REPORT.md", "SHA256SUMS", ...attestationFiles(release, key).toSorted(), "config/effective-config.json",
      ...scenarioIds.map((id) => `effects/${id}.jsonl`), ...scenarioIds.map((id) => `events/${id}.jsonl`),
      "gate/gate.sarif", "gate/junit.xml", "keys/gate.pub.pem", "keys/gate.pub.ssh", "manifest.json", "metrics.json", "policy/board.json", "policy/scorecard.json",
      "release/opsgate-0.1.0.tgz", "sbom/sbom.cdx.json", ...scenarioIds.map((id) => `scenarios/${id}.json`), "verify/recheck.sh", "verify/verify.mjs"
    ])
    expect(readdirSync(join(dir, ".."))).toEqual(["bundle"])
  })

  it("replaces what a crash left of an earlier attempt", () => {
    const again = freshDir()
    mkdirSync(`${again}.partial`)
    writeFileSync(join(`${again}.partial`, "README.md"), "half")
    expect(Either.isRight(writeBundle(inputOf(again)))).toBe(true)
    expect(existsSync(`${again}.partial`)).toBe(false)
    expect(text(again, "README.md")).toBe(text(dir, "README.md"))
  })

  it("has the same bytes for the same input", () => {
    expect(filesOf(inputOf("/nowhere"))).toEqual(filesOf(inputOf("/nowhere")))
  })

  it("keeps scorecards and logs byte for byte", () => {
    expect(text(dir, "policy/scorecard.json")).toBe(run.scorecardText)
    expect(text(dir, "events/calm.jsonl")).toBe(run.scenarios[0]?.eventsText)
  })

  it("names no source for a tree without a commit, rather than a made-up digest", () => {
    const names = (commit: string) => statementOf(written((input) => ({ ...input, commit }))).subject.map(({ name }: { name: string }) => name)
    expect(names("unknown")).toEqual(["SHA256SUMS", "manifest.json", "opsgate-0.1.0.tgz"])
    expect(names("a".repeat(40))).toEqual(["SHA256SUMS", "manifest.json", "opsgate-0.1.0.tgz", "source"])
  })

  it("keeps a log that does not decode, without an end for it", () => {
    const garbled = written((input) => ({ ...input, scenarios: input.scenarios.map((scenario) => ({ ...scenario, eventsText: "{\n" })) }))
    expect(text(garbled, "events/calm.jsonl")).toBe("{\n")
    expect(JSON.parse(text(garbled, "manifest.json")).logs.calm).toBeNull()
  })
})

describe("outside tools", () => {
  it("sha256sum accepts the digests, and not those of a changed file", () => {
    const dir = written()
    const sums = () => spawnSync("sha256sum", ["-c", "--strict", "SHA256SUMS"], { cwd: dir, encoding: "utf8" }).status
    expect(sums()).toBe(0)
    writeFileSync(join(dir, "REPORT.md"), "GO\n")
    expect(sums()).toBe(1)
  })

  it("openssl accepts the signature over the PAE, and not over another payload", () => {
    const dir = written()
    const { payload, payloadType, signatures } = envelopeOf(dir)
    writeFileSync(join(dir, "sig.bin"), Buffer.from(signatures[0]?.sig ?? "", "base64"))
    const openssl = (body: Buffer) => {
      writeFileSync(join(dir, "pae.bin"), pae(payloadType, body))
      const options = ["pkeyutl", "-verify", "-pubin", "-inkey", "keys/gate.pub.pem", "-rawin", "-in", "pae.bin", "-sigfile", "sig.bin"]
      return spawnSync("openssl", options, { cwd: dir, encoding: "utf8" })
    }
    expect(openssl(Buffer.from(payload, "base64"))).toMatchObject({ status: 0, stdout: "Signature Verified Successfully\n" })
    expect(openssl(Buffer.from(payload, "base64").fill("x", 10, 11)).status).toBe(1)
  })

  it("ssh-keygen's kind of fingerprint is the keyid", () => {
    const dir = written()
    const raw = Buffer.from(publicPem(key).split("\n")[1] ?? "", "base64").subarray(-32)
    const wire = Buffer.concat([Buffer.from("0000000b", "hex"), Buffer.from("ssh-ed25519"), Buffer.from("00000020", "hex"), raw])
    const printed = bash(dir, `printf %s '${wire.toString("base64")}' | base64 -d | sha256sum | cut -d' ' -f1 | tr -d '\\n'`).stdout
    expect(envelopeOf(dir).signatures[0]?.keyid).toBe(`SHA256:${Buffer.from(printed, "hex").toString("base64").replace("=", "")}`)
  })
})

describe("the commands in a bundle's README", () => {
  it("all succeed, and print the verified signature, the key's name and the decision", () => {
    const dir = written()
    const ran = bash(dir, readmeCommands(dir))
    expect({ status: ran.status, stderr: ran.stderr }).toEqual({ status: 0, stderr: "" })
    expect(ran.stdout.split("\n").slice(0, 5)).toEqual([
      "Signature Verified Successfully", envelopeOf(dir).signatures[0]?.keyid, "SHA256SUMS: OK", "manifest.json: OK", "GO"
    ])
    expect(ran.stdout).toContain("PASS chain 42/42")
    expect(ran.stdout).toContain("\nGO\n")
    expect(ran.stdout).toMatch(/\nGO {7}all \d+ that were compared are the same\n$/)
  })

  it("are twelve lines at most", () => {
    expect(readmeCommands(written()).trim().split("\n").filter((line) => line !== "").length).toBeLessThanOrEqual(12)
  })

  it.each([
    ["a changed file", (dir: string) => writeFileSync(join(dir, "REPORT.md"), "GO\n")],
    ["an extra file", (dir: string) => writeFileSync(join(dir, "extra"), "")],
    ["changed digests", (dir: string) => writeFileSync(join(dir, "SHA256SUMS"), text(dir, "SHA256SUMS").split("\n").slice(1).join("\n"))],
    ["another key", (dir: string) => writeFileSync(join(dir, "keys/gate.pub.pem"), publicPem(generateKeyPairSync("ed25519").privateKey))]
  ])("fail on %s", (_, change) => {
    const dir = written()
    change(dir)
    expect(bash(dir, readmeCommands(dir)).status).not.toBe(0)
  })

  it("fail when the trusted key is another than the one that signed", () => {
    const dir = written()
    writeFileSync(join(dir, "..", "trusted.pem"), publicPem(generateKeyPairSync("ed25519").privateKey))
    expect(bash(dir, `KEY=../trusted.pem\n${readmeCommands(dir)}`).status).not.toBe(0)
  })
})

describe("the published schemas", () => {
  const ajv = new Ajv2020({ strict: true, allowUnionTypes: true })
  const schemas = { manifest: ajv.compile(manifestSchema), journal: ajv.compile(journalSchema), decision: ajv.compile(decisionSchema) }
  const dir = written()

  it("describe what is written", () => {
    expect(schemas.manifest(JSON.parse(text(dir, "manifest.json"))), JSON.stringify(schemas.manifest.errors)).toBe(true)
    expect(schemas.decision(statementOf(dir).predicate), JSON.stringify(schemas.decision.errors)).toBe(true)
    for (const id of scenarioIds) {
      expect(schemas.journal(JSON.parse(text(dir, `scenarios/${id}.json`))), JSON.stringify(schemas.journal.errors)).toBe(true)
    }
  })

  it("refuse what is not", () => {
    const manifest = JSON.parse(text(dir, "manifest.json"))
    const { predicate } = statementOf(dir)
    expect(schemas.manifest({ ...manifest, commit: "main" })).toBe(false)
    expect(schemas.manifest({ ...manifest, files: [{ ...manifest.files[0], path: "../x" }] })).toBe(false)
    expect(schemas.decision({ ...predicate, decision: "MAYBE" })).toBe(false)
    expect(schemas.decision({ ...predicate, checks: [{ ...predicate.checks[0], good: 1.5 }] })).toBe(false)
    expect(schemas.journal({ ...journalOf("calm", 1), status: "fine" })).toBe(false)
    expect(schemas.journal({ ...journalOf("calm", 1), extra: 1 })).toBe(false)
  })

  it("are what the files in evidence/schema say they are", () => {
    expect(readFileSync(new URL("../../../evidence/schema/manifest.schema.json", import.meta.url), "utf8")).toContain("https://opsgate.dev/schema/manifest/v1")
    expect(JSON.parse(text(dir, "manifest.json")).schema).toBe(manifestSchema.$id)
    expect(statementOf(dir).predicateType).toBe(decisionSchema.$id)
  })
})
