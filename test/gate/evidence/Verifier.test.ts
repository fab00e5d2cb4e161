import { execFileSync } from "node:child_process"
import { generateKeyPairSync, sign } from "node:crypto"
import { cpSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { sha256 } from "../../../gate/evidence/Canonical.ts"
import { pae, payloadType } from "../../../gate/evidence/Dsse.ts"
import type { PinnedKey } from "../../../gate/evidence/Keys.ts"
import { isAttestation, renderSums } from "../../../gate/evidence/Sums.ts"
import { problemsMax, verificationExit, verify } from "../../../gate/evidence/Verifier.ts"
import { broken, bytes, envelope, honest, json, pinned, problemsOf, relisted, resigned } from "./Forgery.ts"
import { forge, freshDir, key, pin, run, scenarioIds, text, written } from "./SyntheticRun.ts"

const paths = [...honest().keys()]

describe("what is not a bundle", () => {
  it.each([
    ["nothing", () => freshDir(), "does not exist"],
    ["a file", () => join(written(), "README.md"), "is not a directory"],
    ["some other directory", () => forge(new Map([["manifest.json", "{}"]])), "is not an evidence bundle: it has no SHA256SUMS and no attestations/decision.dsse.json"]
  ])("is said of %s, with exit code 254", (_, make, why) => {
    const dir = make()
    const verification = verify(dir, { pinned })
    expect(verification).toEqual({ _tag: "NotABundle", why: `${dir} ${why}` })
    expect(verificationExit(verification)).toBe(254)
  })
})

describe("the signature", () => {
  it("proves nothing without a pinned key", () => {
    expect(problemsOf(written(), [])).toEqual([`${envelope}: no key is pinned, so no signature can be trusted`])
  })

  it("by another key is refused with both fingerprints", () => {
    const other = pin(generateKeyPairSync("ed25519").privateKey)
    expect(problemsOf(written(), [other])).toEqual([
      `${envelope}: it is not signed by a pinned key: signed by ${pin(key).fingerprint}, pinned is ${other.fingerprint}`
    ])
  })

  it("by a forger who put his own key into the bundle is refused", () => {
    const forger = generateKeyPairSync("ed25519").privateKey
    expect(problemsOf(written((input) => ({ ...input, key: forger })))).toEqual([
      `${envelope}: it is not signed by a pinned key: signed by ${pin(forger).fingerprint}, pinned is ${pin(key).fingerprint}`
    ])
  })

  it("by an RSA key that is labelled ed25519 is refused even when that key is pinned", () => {
    const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 })
    const label: PinnedKey = { name: "ed25519.pub.pem", fingerprint: pin(key).fingerprint, key: rsa.publicKey }
    const files = honest()
    const payload = Buffer.from(json(files, envelope).payload, "base64")
    const sig = sign(null, pae(payloadType, payload), rsa.privateKey).toString("base64")
    files.set(envelope, JSON.stringify({ ...json(files, envelope), signatures: [{ keyid: label.fingerprint, sig }] }))
    expect(problemsOf(forge(files), [label])).toEqual([`${envelope}: a pinned key is not ed25519: ed25519.pub.pem is rsa`])
  })

  it.each([
    ["a swapped payload type", { payloadType: "application/json" }, "its payload type is not application/vnd.in-toto+json: application/json"],
    ["no signature", { signatures: [] }, "it carries no signature"],
    ["an empty signature", { signatures: [{ keyid: pin(key).fingerprint, sig: "" }] }, `its signature does not fit its payload: key ${pin(key).fingerprint}`],
    ["no signatures at all", { signatures: undefined }, "it is not a DSSE envelope"]
  ])("is refused with %s", (_, change, problem) => {
    const files = honest()
    files.set(envelope, JSON.stringify({ ...json(files, envelope), ...change }))
    expect(problemsOf(forge(files))).toEqual([`${envelope}: ${problem}`])
  })

  it("over a statement of another type is refused", () => {
    const files = honest()
    resigned(files, (statement) => ({ ...statement, predicateType: "https://example.com/other" }))
    expect(problemsOf(forge(files))[0]).toContain(`${envelope} is malformed: predicateType`)
  })

  it("must be by the key whose copy lies in the bundle", () => {
    const other = generateKeyPairSync("ed25519").privateKey
    const files = honest()
    files.set("keys/gate.pub.pem", other.export({ type: "pkcs8", format: "pem" }))
    expect(problemsOf(forge(resigned(relisted(files))))).toEqual([`keys/gate.pub.pem is not the key that signed, ${pin(key).fingerprint}`])
  })
})

describe("the envelope", () => {
  it.each([
    ["a line behind it", (text: string) => `${text}\n`],
    ["a space in front", (text: string) => ` ${text}`],
    ["a member more", (text: string) => text.replace("{", "{\"extra\":1,")],
    ["a second signature", (text: string) => text.replace("\"signatures\": [", "\"signatures\": [{\"keyid\":\"x\",\"sig\":\"AAAA\"},")],
    ["no padding", (text: string) => text.replace(/=+"/, "\"")]
  ])("is refused with %s, though its signature is good", (_, change) => {
    const files = honest()
    const before = Buffer.from(files.get(envelope) ?? "").toString("utf8")
    expect(change(before)).not.toBe(before)
    files.set(envelope, change(before))
    expect(problemsOf(forge(files)).join("\n")).toContain(envelope)
  })
})

describe("every file of a bundle", () => {
  it.each(paths)("%s is named when one byte of it is flipped", (path) => {
    const dir = broken((bundle) => {
      const content = readFileSync(join(bundle, path))
      const middle = Math.floor(content.length / 2)
      content.writeUInt8(content.readUInt8(middle) ^ 1, middle)
      writeFileSync(join(bundle, path), content)
    })
    expect(problemsOf(dir).join("\n")).toContain(path)
    expect(verificationExit(verify(dir, { pinned }))).toBe(1)
  })

  it.each(paths)("%s is named when it is deleted", (path) => {
    expect(problemsOf(broken((dir) => rmSync(join(dir, path))))).toContainEqual(expect.stringContaining(`${path} is missing`))
  })

  it.each(paths.filter((path) => !isAttestation(path)))("%s is named when a forger changes it and makes the digests fit", (path) => {
    const files = honest()
    files.set(path, `${Buffer.from(files.get(path) ?? "").toString("utf8")} `)
    if (path !== "SHA256SUMS" && path !== "manifest.json") relisted(files)
    const problems = problemsOf(forge(files))
    expect(problems).toContain(`${path === "manifest.json" ? path : "SHA256SUMS"} is not the one that was signed: its digest is not in the signed statement`)
  })
})

describe("the files of a bundle", () => {
  it.each(["extra.txt", "events/other.jsonl", "attestations/second.dsse.json"])("may not be joined by %s", (path) => {
    const problems = problemsOf(broken((dir) => writeFileSync(join(dir, path), "")))
    expect(problems).toContain(`${path} is an extra file that SHA256SUMS does not list`)
    expect(problems).toContain(`${path} is an extra file that manifest.json does not list`)
  })

  it("may not be symbolic links, not even to the same bytes", () => {
    const dir = broken((bundle) => {
      cpSync(join(bundle, "REPORT.md"), join(bundle, "..", "elsewhere"))
      rmSync(join(bundle, "REPORT.md"))
      symlinkSync("../elsewhere", join(bundle, "REPORT.md"))
    })
    expect(problemsOf(dir)[0]).toBe("REPORT.md is a symbolic link; a bundle holds plain files only")
  })

  it("may not lie behind a symbolic link to a directory", () => {
    const dir = broken((bundle) => {
      renameSync(join(bundle, "events"), join(bundle, "..", "events"))
      symlinkSync("../events", join(bundle, "events"))
    })
    expect(problemsOf(dir)).toContain("events is a symbolic link; a bundle holds plain files only")
  })

  it("may not be a pipe, which would never end", () => {
    expect(problemsOf(broken((dir) => execFileSync("mkfifo", [join(dir, "pipe")])))).toContain("pipe is not a plain file")
  })

  it.each(["../outside", "/etc/passwd", "events/../README.md", "attestations/decision.dsse.json", "./README.md"])("may not be listed as %s", (path) => {
    const files = honest()
    files.set("SHA256SUMS", `${sha256("")}  ${path}\n${Buffer.from(files.get("SHA256SUMS") ?? "").toString("utf8")}`)
    expect(problemsOf(forge(resigned(files)))).toContain(`SHA256SUMS line 1 lists ${path}, which it may not list`)
  })

  it("are listed once, in order, and line by line", () => {
    const sums = Buffer.from(honest().get("SHA256SUMS") ?? "").toString("utf8")
    const [first = "", second = ""] = sums.split("\n")
    const problems = (changed: string) => {
      const files = honest()
      files.set("SHA256SUMS", changed)
      return problemsOf(forge(resigned(files)))
    }
    expect(problems(sums.replace(first, `${first}\n${first}`))).toEqual(["SHA256SUMS line 2 lists README.md a second time"])
    expect(problems(sums.replace(`${first}\n${second}`, `${second}\n${first}`))).toEqual(["SHA256SUMS is not in C order"])
    expect(problems(sums.slice(0, -1))).toEqual(["SHA256SUMS does not end with a line feed"])
    expect(problems(sums.replace(first, first.replace(/^.{64}/, sha256(""))))).toEqual(["README.md was changed: its digest is not the one in SHA256SUMS"])
    expect(problems(`${sums}what\n`)).toEqual([`SHA256SUMS line ${sums.split("\n").length} is not a digest and a path`])
  })

  it("must be what the manifest says, even when digests and signature are made to fit", () => {
    const changed = (entry: object) => {
      const files = honest()
      const { files: listed, ...manifest } = json(files, "manifest.json")
      files.set("manifest.json", JSON.stringify({ ...manifest, files: [{ ...listed[0], ...entry }, ...listed.slice(1)] }))
      files.set("SHA256SUMS", renderSums(bytes(files)))
      return problemsOf(forge(resigned(files)))
    }
    expect(changed({ bytes: 1 })[0]).toMatch(/^README.md has \d+ bytes, manifest.json says 1$/)
    expect(changed({ sha256: sha256("") })).toEqual(["README.md was changed: its digest is not the one in manifest.json"])
    expect(changed({ role: "key" })).toEqual(["manifest.json gives README.md the role key"])
    expect(changed({ path: "gone" })).toContain("gone is missing; manifest.json lists it")
    expect(changed({ path: "manifest.json" })).toContain("manifest.json lists manifest.json, which it may not list")
    expect(changed({ path: "REPORT.md" })).toContain("manifest.json lists REPORT.md twice")
  })

  it("are all reported, up to a bound, with the number of all", () => {
    const verification = verify(broken((dir) => ["events", "effects", "scenarios", "policy", "gate"].forEach((part) => rmSync(join(dir, part), { recursive: true }))), { pinned })
    expect(verification).toMatchObject({ _tag: "Refuted", problems: { length: problemsMax } })
    expect(verification._tag === "Refuted" && verification.total > problemsMax).toBe(true)
  })

  it("cannot put control characters into a sentence", () => {
    const dir = broken((bundle) => writeFileSync(join(bundle, "\u001b[2Jgone"), ""))
    expect(problemsOf(dir)).toContain("⟨U+001B⟩[2Jgone is not a name that a bundle uses")
  })
})

describe("an honest bundle", () => {
  it("is verified with the decision made anew, and exits with it", () => {
    const verification = verify(written(), { pinned: [pin(generateKeyPairSync("ed25519").privateKey), ...pinned] })
    expect(verification).toMatchObject({ _tag: "Verified", decision: "GO", run: "20261120-1", profile: "full", scorecardSha256: sha256(run.scorecardText), by: { fingerprint: pin(key).fingerprint } })
    expect(verificationExit(verification)).toBe(0)
  })

  it("is verified after it was copied elsewhere", () => {
    const dir = written()
    const copy = freshDir()
    mkdirSync(copy)
    cpSync(dir, copy, { recursive: true })
    expect(verify(copy, { pinned })._tag).toBe("Verified")
  })

  it.each([
    ["NO-GO", 1, ""],
    ["INSUFFICIENT", 2, null]
  ])("of a run that is %s verifies, and exits with %d", (decision, exit, effectsText) => {
    const dir = written((input) => input, { ...run, scenarios: run.scenarios.map((scenario) => ({ ...scenario, effectsText })) })
    const verification = verify(dir, { pinned })
    expect(verification).toMatchObject({ _tag: "Verified", decision })
    expect(verificationExit(verification)).toBe(exit)
  })

  it("does not depend on the order in which scenarios were given", () => {
    expect(verify(written((input) => input, { ...run, scenarios: [...run.scenarios].reverse() }), { pinned })).toMatchObject({ decision: "GO" })
  })

  it("has all three scenarios in its manifest", () => {
    expect(Object.keys(JSON.parse(text(written(), "manifest.json")).logs)).toEqual([...scenarioIds])
  })
})
