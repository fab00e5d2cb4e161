/** Verifiers that are not ours, on whole bundles and on broken ones. Each trusts a key that it got elsewhere. */
import { spawnSync } from "node:child_process"
import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto"
import { cpSync, existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { bundleFromJSON } from "@sigstore/bundle"
import { toSignedEntity, Verifier } from "@sigstore/verify"
import { describe, expect, it } from "vitest"
import { pae, payloadType } from "../../../gate/evidence/Dsse.ts"
import { fingerprint, publicPem } from "../../../gate/evidence/Keys.ts"
import { broken } from "./Forgery.ts"
import { key, text, written } from "./SyntheticRun.ts"

const sigstoreFile = "attestations/vsa.sigstore.json"
const statements = ["decision", "test-result", "provenance", "vsa"].map((name) => `attestations/${name}.dsse.json`)
const other = generateKeyPairSync("ed25519").privateKey
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey

interface Envelope {
  readonly payload: string
  readonly payloadType: string
  readonly signatures: ReadonlyArray<{ readonly keyid: string; readonly sig: string }>
}

const signed = (payload: Buffer, by: KeyObject, keyid: string, type = payloadType): Envelope =>
  ({ payload: payload.toString("base64"), payloadType: type, signatures: [{ sig: sign(null, pae(type, payload), by).toString("base64"), keyid }] })

const payloadOf = ({ payload }: Envelope): Buffer => Buffer.from(payload, "base64")

/** What becomes of an envelope in the wrong hands. */
const forgeries: ReadonlyArray<readonly [what: string, change: (envelope: Envelope) => Envelope]> = [
  ["another payload", (envelope) => ({ ...envelope, payload: Buffer.from(payloadOf(envelope).toString("utf8").replace(/"(PASSED|GO)"/, '"FAILED"')).toString("base64") })],
  ["another payload type", (envelope) => ({ ...envelope, payloadType: "application/json" })],
  ["the signature of another key, under its own name", (envelope) => signed(payloadOf(envelope), other, fingerprint(other))],
  ["the signature of another key, under the name of the trusted one", (envelope) => signed(payloadOf(envelope), other, fingerprint(key))],
  ["the signature of an RSA key that calls itself Ed25519", (envelope) => signed(payloadOf(envelope), rsa, fingerprint(key))],
  ["a signature that was cut short", (envelope) => ({ ...envelope, signatures: envelope.signatures.map(({ keyid, sig }) => ({ keyid, sig: sig.slice(0, 40) })) })],
  ["no signature", (envelope) => ({ ...envelope, signatures: [] })]
]

/** A verifier with one trusted key, by its name, and no log, no certificate and no time to trust. */
const bySigstore = (json: string): void => {
  const trusted = createPublicKey(publicPem(key))
  const publicKey = (hint: string) => {
    if (hint !== fingerprint(key)) throw new Error(`nobody trusts ${hint}`)
    return { publicKey: trusted, validFor: () => true }
  }
  const nothing = { certificateAuthorities: [], timestampAuthorities: [], tlogs: [], ctlogs: [] }
  new Verifier({ ...nothing, publicKey }, { tlogThreshold: 0, ctlogThreshold: 0, timestampThreshold: 0 }).verify(toSignedEntity(bundleFromJSON(JSON.parse(json))))
}

describe("@sigstore/verify", () => {
  const dir = written()
  const bundle = JSON.parse(text(dir, sigstoreFile))
  const around = (dsseEnvelope: Envelope) => JSON.stringify({ ...bundle, dsseEnvelope, verificationMaterial: { publicKey: { hint: dsseEnvelope.signatures[0]?.keyid ?? fingerprint(key) } } })

  it("accepts the Sigstore bundle, and every other envelope in its place", () => {
    bySigstore(text(dir, sigstoreFile))
    for (const file of statements) bySigstore(around(JSON.parse(text(dir, file))))
  })

  it.each(forgeries)("refuses %s", (_, change) => {
    const before: Envelope = bundle.dsseEnvelope
    const after = change(before)
    expect(after).not.toEqual(before)
    expect(() => bySigstore(around(after))).toThrow()
  })

  it("refuses a bundle that was cut short, and one with a signature more", () => {
    expect(() => bySigstore(text(dir, sigstoreFile).slice(0, -40))).toThrow()
    expect(() => bySigstore(JSON.stringify({ ...bundle, dsseEnvelope: { ...bundle.dsseEnvelope, signatures: [...bundle.dsseEnvelope.signatures, ...signed(payloadOf(bundle.dsseEnvelope), other, fingerprint(other)).signatures] } }))).toThrow()
  })
})

const bash = (dir: string, script: string, settings: Readonly<Record<string, string>> = {}) =>
  spawnSync("bash", ["-c", `set -euo pipefail\n${script}`], { cwd: dir, encoding: "utf8", env: { ...process.env, ...settings } })

/** The block of the bundle's own README that has these words. */
const block = (dir: string, words: string): string =>
  [...text(dir, "README.md").matchAll(/```sh\n([\s\S]*?)```/g)].map(([, found = ""]) => found).find((found) => found.includes(words)) ?? "exit 99"

/** The key that is trusted, beside the bundle and not in it. */
const trustedFile = (dir: string, pem = publicPem(key)): string => {
  const file = join(dirname(dir), "trusted.pem")
  writeFileSync(file, pem)
  return file
}

describe("openssl, with the words of the README", () => {
  const ran = (dir: string) => bash(dir, `CHECK=$(mktemp -d)\ntrap 'rm -rf "$CHECK"' EXIT\n${block(dir, "openssl pkeyutl")}`, { KEY: trustedFile(dir) })

  it("accepts every statement, and shows that all are about the same artifact", () => {
    const dir = written()
    const { status, stdout } = ran(dir)
    expect(status).toBe(0)
    expect(stdout.match(/Signature Verified Successfully/g)).toHaveLength(4)
    expect(stdout.match(/^  opsgate-0\.1\.0\.tgz [0-9a-f]{64}$/gm)).toHaveLength(4)
    expect(new Set(stdout.match(/^  opsgate-0\.1\.0\.tgz .*$/gm)).size).toBe(1)
  })

  it.each(forgeries)("refuses %s", (_, change) => {
    const dir = broken((bundle) => {
      const file = join(bundle, "attestations/vsa.dsse.json")
      const envelope: Envelope = JSON.parse(readFileSync(file, "utf8"))
      writeFileSync(file, JSON.stringify(change(envelope)))
    })
    expect(ran(dir).status).not.toBe(0)
  })

  it("refuses a statement that is not there, and a key that is not the one that signed", () => {
    expect(ran(broken((dir) => rmSync(join(dir, "attestations/test-result.dsse.json")))).status).not.toBe(0)
    const dir = written()
    expect(bash(dir, `CHECK=$(mktemp -d)\n${block(dir, "openssl pkeyutl")}`, { KEY: trustedFile(dir, publicPem(other)) }).status).not.toBe(0)
  })
})

describe("ssh-keygen", () => {
  it("gives the key the name under which it signed", () => {
    const dir = written()
    const { stdout } = bash(dir, "ssh-keygen -lf keys/gate.pub.ssh")
    expect(stdout).toContain(` ${fingerprint(key)} opsgate (ED25519)`)
  })
})

const hasInToto = spawnSync("in-toto-verify", ["--version"]).status === 0

describe.skipIf(!hasInToto)(`in-toto-verify${hasInToto ? "" : " (skipped: it is not installed here, apt-get install in-toto)"}`, () => {
  const ran = (dir: string, pem?: string) => bash(dir, `CHECK=$(mktemp -d)\ntrap 'rm -rf "$CHECK"' EXIT\n${block(dir, "in-toto-verify")}`, { KEY: trustedFile(dir, pem) })

  it("accepts the bundle", () => {
    const dir = written()
    const { status, stderr } = ran(dir)
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" })
    expect(existsSync(join(dir, "bundle.link"))).toBe(true)
  })

  it.each([
    ["a file was changed", /DISALLOW.*REPORT\.md/, (dir: string) => writeFileSync(join(dir, "REPORT.md"), "GO\n")],
    ["a file was cut short", /DISALLOW.*calm\.jsonl/, (dir: string) => truncateSync(join(dir, "events/calm.jsonl"), 100)],
    ["a file was deleted", /REQUIRE REPORT\.md/, (dir: string) => rmSync(join(dir, "REPORT.md"))],
    ["a file was added", /DISALLOW.*more\.jsonl/, (dir: string) => writeFileSync(join(dir, "events/more.jsonl"), "")],
    ["a statement was changed", /DISALLOW.*vsa\.dsse/, (dir: string) => writeFileSync(join(dir, "attestations/vsa.dsse.json"), text(dir, "attestations/test-result.dsse.json"))],
    ["a statement was deleted", /REQUIRE attestations\/vsa/, (dir: string) => rmSync(join(dir, "attestations/vsa.dsse.json"))],
    ["a statement was added", /DISALLOW.*vsa2/, (dir: string) => cpSync(join(dir, "attestations/vsa.dsse.json"), join(dir, "attestations/vsa2.dsse.json"))],
    ["layout and link are those of another gate", /No signature found for key/, (dir: string) => cpSync(join(written((input) => ({ ...input, key: other })), "attestations"), join(dir, "attestations"), { recursive: true })]
  ])("refuses it when %s", (_, why, change) => {
    const { status, stderr } = ran(broken(change))
    expect(status).toBe(1)
    expect(stderr.split("\n")[0]).toMatch(why)
  })

  it("refuses it with another key, and an RSA key that calls itself Ed25519", () => {
    expect(ran(written(), publicPem(other)).status).toBe(1)
    expect(ran(written(), createPublicKey(rsa).export({ type: "spki", format: "pem" }).toString()).status).toBe(1)
  })
})
