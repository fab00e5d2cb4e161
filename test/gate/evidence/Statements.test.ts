/** What a bundle says beside its decision, and what else it is about. */
import { readFileSync } from "node:fs"
import { Ajv } from "ajv"
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { type BundleInput, bundleBytesMax } from "../../../gate/evidence/Bundle.ts"
import { sha256 } from "../../../gate/evidence/Canonical.ts"
import { renderConfig } from "../../../gate/evidence/EffectiveConfig.ts"
import { levelOf } from "../../../gate/evidence/Predicates.ts"
import type { Release } from "../../../gate/evidence/Release.ts"
import { sbomOf, serialOf } from "../../../gate/evidence/Sbom.ts"
import { verify } from "../../../gate/evidence/Verifier.ts"
import { renderSarif } from "../../../gate/report/Sarif.ts"
import { honest, json, pinned, problemsOf, relisted, resigned } from "./Forgery.ts"
import { filesOf, forge, inputOf, product, release, type Run, run, scorecard, written } from "./SyntheticRun.ts"

type Said = ReadonlyMap<string, Uint8Array | string>

const said = (files: Said, name: string) => JSON.parse(Buffer.from(json(new Map(files), `attestations/${name}.dsse.json`).payload, "base64").toString("utf8"))

const filesFrom = (from: Run = run, change: (input: BundleInput) => BundleInput = (input) => input): Map<string, Uint8Array> => filesOf(change(inputOf("/nowhere", from)))

/** Without ledgers one check has too little, and the decision is INSUFFICIENT. */
const unledgered: Run = { ...run, scenarios: run.scenarios.map((scenario) => ({ ...scenario, effectsText: null })) }
/** With empty ledgers no task ended as it should, and the decision is NO-GO. */
const failed: Run = { ...run, scenarios: run.scenarios.map((scenario) => ({ ...scenario, effectsText: "" })) }
const waived = (from: Run): Run => ({ ...from, scorecardText: JSON.stringify({ ...scorecard, waivers: [{ check: "ends", owner: "ada", reason: "we look into it", expires: "2026-12-31" }] }) })

const ids = scorecard.checks.map(({ id }) => id)

describe("the test result", () => {
  it("of a GO is PASSED, and lists every check", () => {
    const { predicate, predicateType, subject } = said(filesFrom(), "test-result")
    expect(predicateType).toBe("https://in-toto.io/attestation/test-result/v0.1")
    expect(predicate).toMatchObject({ result: "PASSED", passedTests: ids, warnedTests: [], failedTests: [], "https://opsgate.dev/attestation/notEvaluated": [] })
    expect(subject).toEqual([{ name: release.name, digest: { sha256: release.sha256 } }, { name: "source", digest: { gitCommit: "0123456789abcdef0123456789abcdef01234567" } }])
  })

  it("of a NO-GO is FAILED, with the check that failed", () => {
    const { predicate } = said(filesFrom(failed), "test-result")
    expect(predicate).toMatchObject({ result: "FAILED", failedTests: ["ends"], passedTests: ids.filter((id) => id !== "ends") })
  })

  it("says of missing evidence that it is insufficient, which its form does not know", () => {
    const { predicate } = said(filesFrom(unledgered), "test-result")
    expect(predicate.result).toBe("FAILED")
    expect(predicate.failedTests.length).toBeGreaterThan(0)
    expect(predicate.failedTests.every((name: string) => name.startsWith("insufficient/"))).toBe(true)
    expect(predicate["https://opsgate.dev/attestation/notEvaluated"]).toEqual(predicate.failedTests.map((name: string) => name.slice("insufficient/".length)))
  })

  it("of a GO with a waiver is WARNED", () => {
    const files = filesFrom(waived(failed))
    expect(said(files, "decision").predicate.decision).toBe("GO")
    expect(said(files, "test-result").predicate).toMatchObject({ result: "WARNED", warnedTests: ["ends"], failedTests: [] })
  })

  it("names the scorecard and the configuration by their digests", () => {
    const files = filesFrom()
    expect(said(files, "test-result").predicate.configuration).toEqual(
      ["policy/scorecard.json", "config/effective-config.json"].map((name) => ({ name, digest: { sha256: sha256(files.get(name) ?? "") } }))
    )
  })
})

describe("the verification summary", () => {
  it("says PASSED for GO, with a level of our own", () => {
    const files = filesFrom()
    const { predicate, predicateType } = said(files, "vsa")
    expect(predicateType).toBe("https://slsa.dev/verification_summary/v1")
    expect(predicate).toEqual({
      verifier: { id: "https://opsgate.dev/gate", version: { opsgate: "0.1.0" } },
      timeVerified: "2026-11-21T08:34:20Z",
      resourceUri: "pkg:npm/opsgate@0.1.0",
      policy: { uri: "https://opsgate.dev/scorecards/synthetic", digest: { sha256: sha256(run.scorecardText) } },
      inputAttestations: ["decision", "test-result", "provenance"].map((name) => ({ uri: `file:attestations/${name}.dsse.json`, digest: { sha256: sha256(files.get(`attestations/${name}.dsse.json`) ?? "") } })),
      verificationResult: "PASSED",
      verifiedLevels: ["OPSGATE_GATE_SYNTHETIC"]
    })
  })

  it.each([["NO-GO", failed], ["INSUFFICIENT", unledgered]])("says FAILED for %s, and no level", (decision, from) => {
    const files = filesFrom(from)
    expect(said(files, "decision").predicate.decision).toBe(decision)
    expect(said(files, "vsa").predicate).toMatchObject({ verificationResult: "FAILED", verifiedLevels: ["FAILED"] })
  })

  it("says PASSED for a GO with a waiver, which the decision lists", () => {
    expect(said(filesFrom(waived(failed)), "vsa").predicate.verificationResult).toBe("PASSED")
  })

  it("never uses a name of SLSA", () => {
    expect(["v1.2", "SLSA_BUILD", "żółw"].map(levelOf)).toEqual(["OPSGATE_GATE_V1_2", "OPSGATE_GATE_SLSA_BUILD", "OPSGATE_GATE__W"])
  })
})

describe("the provenance", () => {
  it("names commit, lock file and the archive before compression, and the artifact alone as its subject", () => {
    const { predicate, predicateType, subject } = said(filesFrom(), "provenance")
    expect(predicateType).toBe("https://slsa.dev/provenance/v1")
    expect(subject).toEqual([{ name: release.name, digest: { sha256: release.sha256 } }])
    expect(predicate.buildDefinition.resolvedDependencies).toEqual([
      { name: "source", digest: { gitCommit: "0123456789abcdef0123456789abcdef01234567" } }, { name: "package-lock.json", digest: { sha256: sha256(product.lockfile) } }
    ])
    expect(predicate.runDetails.byproducts[0]).toEqual({ name: "opsgate-0.1.0.tgz before compression", digest: { sha256: release.tar_sha256 } })
    expect(JSON.stringify(predicate)).not.toContain("SLSA_BUILD_LEVEL")
  })

  it("is not there for a file that somebody brought", () => {
    const dir = written((input) => ({ ...input, release: { ...release, name: "image.bin", uri: "pkg:generic/image.bin", tar_sha256: null } }))
    expect(verify(dir, { pinned })).toMatchObject({ _tag: "Verified", decision: "GO", release: { name: "image.bin", tar_sha256: null, kept: true } })
    expect(readFileSync(`${dir}/attestations/image.bin.intoto.jsonl`, "utf8").trim().split("\n")).toHaveLength(3)
  })
})

describe("the release artifact in a bundle", () => {
  const large = (bytes: number): Release => {
    const content = Buffer.alloc(bytes)
    return { ...release, sha256: sha256(content), bytes, content }
  }

  it("is left out where the bundle would reach its limit, and named all the same", () => {
    const dir = written((input) => ({ ...input, release: large(bundleBytesMax - 500_000) }))
    expect(verify(dir, { pinned })).toMatchObject({ _tag: "Verified", release: { kept: false, bytes: bundleBytesMax - 500_000 } })
    expect(verify(written((input) => ({ ...input, release: large(1_000_000) })), { pinned })).toMatchObject({ _tag: "Verified", release: { kept: true } })
  })

  it("cannot be joined by another, be one that was not kept, or be any other", () => {
    const problems = (path: string, from: Map<string, Uint8Array | string> = honest(), content = "another") => problemsOf(forge(resigned(relisted(from.set(path, content)))))
    expect(problems("release/more.tgz")).toEqual(["release/more.tgz is not the release artifact that manifest.json names, opsgate-0.1.0.tgz"])
    expect(problems("release/opsgate-0.1.0.tgz", honest(), "what is REleased")).toEqual(["release/opsgate-0.1.0.tgz is not the release artifact that was judged: its digest is not the one in manifest.json"])
    expect(problems("release/opsgate-0.1.0.tgz", filesFrom(run, (input) => ({ ...input, release: { ...release, content: null } })))).toEqual(["release/opsgate-0.1.0.tgz is there, and manifest.json says that it is not kept"])
  })
})

describe("the copies of what is signed", () => {
  it("must be of the key that signed, in every spelling", () => {
    expect(problemsOf(forge(resigned(relisted(honest().set("keys/gate.pub.ssh", "ssh-ed25519 AAAA opsgate\n")))))).toEqual([expect.stringContaining("keys/gate.pub.ssh is not the key that signed")])
  })

  it.each(["link", "root.layout"])("for in-toto must be signed too: %s", (name) => {
    const files = honest()
    const path = [...files.keys()].find((one) => one.startsWith("attestations/") && one.endsWith(name)) ?? ""
    files.set(path, Buffer.from(files.get(path) ?? "").toString("utf8").replace(/"sig": "[0-9a-f]{8}/, '"sig": "00000000'))
    expect(problemsOf(forge(files))).toEqual([`${path} is not signed by the key that signed the decision`])
  })
})

describe("the effective configuration", () => {
  const rendered = (value: unknown) => Either.getOrThrow(renderConfig({ calm: value }, "salt"))

  it("hides what is called a secret or looks like one, each by its salted digest", () => {
    const token = `1234567890:${"a".repeat(35)}`
    const secrets = { password: "hunter2", api_key: 4711, bot_token: "t", db: "postgres://ada:pw@host/x", argv: ["--as", token], pem: "-----BEGIN PRIVATE KEY-----" }
    const text = rendered(secrets)
    for (const secret of ["hunter2", "4711", "\"t\"", "ada:pw", token, "BEGIN"]) expect(text).not.toContain(secret)
    expect(text).toContain(`"password":"sha256:${sha256("salthunter2")}"`)
    expect(Either.getOrThrow(renderConfig({ calm: secrets }, "other"))).not.toContain(sha256("salthunter2"))
  })

  it("keeps everything else, also where a secret lies", () => {
    const config = { telegram: { token_file: "token", notify: [1] }, keys: ["a"], approvals: { self: false } }
    expect(JSON.parse(rendered(config)).scenarios.calm).toEqual(config)
  })

  it("is the same for two runs that differ only in the port of a service", () => {
    expect(rendered({ api_root: "http://127.0.0.1:40001/" })).toBe(rendered({ api_root: "http://127.0.0.1:40002/" }))
    expect(rendered({ api_root: "http://127.0.0.1:40001/" })).not.toBe(rendered({ api_root: "http://127.0.0.1:40001/x" }))
  })

  it("has an entry for every scenario, also where nothing was configured", () => {
    const files = filesFrom(run, (input) => ({ ...input, scenarios: input.scenarios.map((scenario, index) => (index === 0 ? { ...scenario, configuration: { config: { v: 1 }, policy: {} } } : scenario)) }))
    expect(json(files, "config/effective-config.json").scenarios).toEqual({ calm: { config: { v: 1 }, policy: {} }, "kill-server": null, "stop-worker": null })
    expect(json(files, "manifest.json").configHash).toBe(sha256(files.get("config/effective-config.json") ?? ""))
    expect(said(files, "decision").predicate.configHash).toBe(json(files, "manifest.json").configHash)
  })

  it("must be whole, even when its digest is made to fit", () => {
    const text = "{}\n"
    const files = relisted(honest().set("config/effective-config.json", text), (manifest) => ({ ...manifest, configHash: sha256(text) }))
    files.set("SHA256SUMS", Buffer.from(files.get("SHA256SUMS") ?? ""))
    expect(problemsOf(forge(resigned(files, (statement) => ({ ...statement, predicate: { ...statement.predicate, configHash: sha256(text) } }))))).toEqual(["config/effective-config.json does not have the scenarios of this bundle"])
  })

  it("cannot be another than the decision names", () => {
    expect(problemsOf(forge(resigned(honest(), (statement) => ({ ...statement, predicate: { ...statement.predicate, configHash: "0".repeat(64) } }))))).toContain(
      "manifest.json has the digest of another configuration than the signed statement"
    )
  })
})

const schemaOf = (name: string): object => JSON.parse(readFileSync(new URL(`../../../node_modules/@cyclonedx/cyclonedx-library/res/schema/${name}.SNAPSHOT.schema.json`, import.meta.url), "utf8"))

describe("the list of components", () => {
  const isValid = new Ajv({ strict: false, validateFormats: false }).addSchema(schemaOf("spdx"), "http://cyclonedx.org/schema/spdx.SNAPSHOT.schema.json").addSchema(schemaOf("jsf-0.82"), "http://cyclonedx.org/schema/jsf-0.82.SNAPSHOT.schema.json").compile(schemaOf("bom-1.5"))
  const lockfile = readFileSync(new URL("../../../package-lock.json", import.meta.url), "utf8")
  const own = JSON.parse(JSON.stringify(Either.getOrThrow(sbomOf({ version: "0.1.0", lockfile, committed_ms: 1_795_250_000_000 }))))

  it("fits the schema of CycloneDX 1.5, which refuses what does not", () => {
    expect(isValid(own), JSON.stringify(isValid.errors?.slice(0, 3))).toBe(true)
    expect(isValid({ ...own, serialNumber: "urn:uuid:none" })).toBe(false)
    expect(isValid({ ...own, components: [{ ...own.components[0], type: "thing" }] })).toBe(false)
  })

  it("has every package that is installed with the product, once, and none that only builds", () => {
    const names: ReadonlyArray<string> = own.components.map(({ name }: { name: string }) => name)
    const { packages } = JSON.parse(lockfile)
    const { dependencies } = packages[""]
    expect(Object.keys(dependencies).filter((name) => !names.includes(name))).toEqual([])
    expect(["vitest", "typescript", "@sigstore/verify"].filter((name) => names.includes(name) || packages[`node_modules/${name}`].dev !== true)).toEqual([])
    const refs = own.components.map((component: Record<string, string>) => component["bom-ref"])
    expect(new Set(refs).size).toBe(refs.length)
    expect(own.dependencies.find(({ ref }: { ref: string }) => ref === "opsgate@0.1.0").dependsOn).toEqual(Object.entries(dependencies).map(([name, version]) => `${name}@${String(version)}`).sort())
  })

  it("says which of two versions a package uses, as node finds them", () => {
    const { components, dependencies } = JSON.parse(JSON.stringify(Either.getOrThrow(sbomOf(product))))
    expect(components.map((component: Record<string, string>) => component["bom-ref"])).toEqual(["@a/b@1.0.0", "c@3.0.0"])
    expect(dependencies).toEqual([{ ref: "@a/b@1.0.0", dependsOn: ["c@3.0.0"] }, { ref: "c@3.0.0", dependsOn: [] }, { ref: "opsgate@0.1.0", dependsOn: ["@a/b@1.0.0"] }])
  })

  it("follows from the lock file and the time of the commit alone", () => {
    expect(sbomOf(product)).toEqual(sbomOf(product))
    expect(own.metadata.timestamp).toBe("2026-11-21T08:33:20Z")
    expect(Either.getOrThrow(sbomOf({ ...product, committed_ms: null }))).not.toHaveProperty("metadata.timestamp")
    expect(serialOf(sha256("a"))).toMatch(/^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(serialOf(sha256("a"))).not.toBe(serialOf(sha256("b")))
    expect(JSON.stringify(own)).not.toMatch(/registry|resolved|https?:\/\/(?!cyclonedx)/)
  })

  it("is refused for a lock file of another form", () => {
    expect(Either.isLeft(sbomOf({ ...product, lockfile: JSON.stringify({ lockfileVersion: 1 }) }))).toBe(true)
  })
})

describe("the SARIF log", () => {
  const log = (from: Run) => JSON.parse(renderSarif(inputOf("/nowhere", from).result, "0.1.0"))
  const results = (from: Run) => log(from).runs[0].results

  // The constraints of SARIF 2.1.0 that viewers stumble over: sections 3.13.2, 3.27.5, 3.27.6, 3.27.9, 3.27.10, 3.11.8, 3.49.3.
  it.each([["GO", run], ["NO-GO", failed], ["INSUFFICIENT", unledgered]])("of a %s keeps the rules of its form", (_, from) => {
    const { $schema, runs, version } = log(from)
    expect({ $schema, version, runs: runs.length }).toEqual({ $schema: "https://json.schemastore.org/sarif-2.1.0.json", version: "2.1.0", runs: 1 })
    const { rules } = runs[0].tool.driver
    expect(rules.map(({ id }: { id: string }) => id)).toEqual(ids)
    for (const result of runs[0].results) {
      expect(rules[result.ruleIndex].id).toBe(result.ruleId)
      expect(["fail error", "open none"]).toContain(`${result.kind} ${result.level}`)
      expect(result.message.text).not.toBe("")
      expect(result.locations[0].physicalLocation.artifactLocation.uri).toBe("policy/scorecard.json")
    }
  })

  it("has what failed and what is open, and nothing that passed", () => {
    expect(results(run)).toEqual([])
    expect(results(failed).map(({ kind, ruleId }: Record<string, string>) => `${ruleId} ${kind}`)).toEqual(["ends fail"])
    expect(results(unledgered).every(({ kind }: Record<string, string>) => kind === "open")).toBe(true)
    expect(results(unledgered).length).toBeGreaterThan(0)
  })

  it("says who answers for a check that was waived", () => {
    expect(results(waived(failed))).toMatchObject([{ ruleId: "ends", kind: "fail", suppressions: [{ kind: "external", status: "accepted", justification: "we look into it (ada, until 2026-12-31)" }] }])
    expect(results(failed)[0]).not.toHaveProperty("suppressions")
  })
})
