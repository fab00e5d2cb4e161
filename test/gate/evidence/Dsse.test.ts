import { generateKeyPairSync, sign } from "node:crypto"
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { pae, payloadType, signEnvelope, verifyEnvelope } from "../../../gate/evidence/Dsse.ts"
import { key, pin } from "./SyntheticRun.ts"

const body = Buffer.from(`{"héllo":"wörld >>>???","with":"more bytes than a hundred to flip, whatever key signs it"}`)
const signed = Either.getOrThrow(signEnvelope(body, key))
const pinned = [pin(key)]
const outcome = (text: string, keys = pinned) =>
  Either.match(verifyEnvelope(text, keys), { onLeft: ({ reason }) => reason, onRight: ({ payload }) => Buffer.from(payload).toString("utf8") })
const changed = (change: object) => JSON.stringify({ ...JSON.parse(signed), ...change })

describe("an envelope", () => {
  it.each([
    ["text that is no JSON", "{", "not_an_envelope"],
    ["an array", "[]", "not_an_envelope"],
    ["no payload", changed({ payload: undefined }), "not_an_envelope"],
    ["another payload type", changed({ payloadType: "application/vnd.in-toto+json " }), "payload_type"],
    ["no signature", changed({ signatures: [] }), "no_signature"],
    ["a payload that is not base64", changed({ payload: "!!!!" }), "base64"],
    ["a payload with white space", changed({ payload: ` ${body.toString("base64")}` }), "base64"],
    ["a payload with three equals signs", changed({ payload: `${body.toString("base64").replace(/=*$/, "")}===` }), "base64"],
    ["a payload with too much padding", changed({ payload: "e30==" }), "base64"],
    ["another payload", changed({ payload: Buffer.from("{}").toString("base64") }), "bad_signature"]
  ])("is refused with %s", (_, text, reason) => {
    expect(outcome(text)).toBe(reason)
  })

  it("is refused when its bytes were signed without their type", () => {
    const sig = sign(null, body, key).toString("base64")
    expect(outcome(changed({ signatures: [{ keyid: pin(key).fingerprint, sig }] }))).toBe("bad_signature")
  })

  it("is refused when it names another key than the one that signed", () => {
    const [{ sig }] = JSON.parse(signed).signatures
    expect(outcome(changed({ signatures: [{ keyid: "SHA256:other", sig }] }))).toBe("wrong_keyid")
  })

  it.each(["rsa", "ec", "ed448"] as const)("is refused when the pinned key is %s, although Node would verify it", (type) => {
    const pair = type === "rsa" ? generateKeyPairSync("rsa", { modulusLength: 2048 }) : type === "ec" ? generateKeyPairSync("ec", { namedCurve: "P-256" }) : generateKeyPairSync("ed448")
    const sig = sign(null, pae(payloadType, body), pair.privateKey).toString("base64")
    const foreign = { ...pin(key), key: pair.publicKey }
    expect(outcome(changed({ signatures: [{ keyid: foreign.fingerprint, sig }] }), [foreign])).toBe("pinned_key_type")
  })

  it("never verifies another payload, whichever byte is flipped", () => {
    const bytes = Buffer.from(signed)
    const outcomes = [...bytes.keys()].map((index) => {
      const flipped = Buffer.from(bytes)
      flipped.writeUInt8(flipped.readUInt8(index) ^ 1, index)
      return outcome(flipped.toString("latin1"))
    })
    expect(outcomes.filter((found) => found.includes("{") && found !== body.toString("utf8"))).toEqual([])
    expect(outcomes.filter((found) => found === "bad_signature").length).toBeGreaterThan(100)
  })

  it("gives back the bytes that were signed, and the key", () => {
    expect(verifyEnvelope(signed, pinned)).toMatchObject(Either.right({ by: { fingerprint: pin(key).fingerprint } }))
    expect(outcome(signed)).toBe(body.toString("utf8"))
  })

  it.each([
    ["url-safe base64 without padding", changed({ payload: body.toString("base64url") })],
    ["an absent keyid", changed({ signatures: [{ sig: JSON.parse(signed).signatures[0].sig }] })],
    ["an unknown member", changed({ extra: 1 })],
    ["a second signature by somebody else", changed({ signatures: [{ keyid: "x", sig: "AAAA" }, ...JSON.parse(signed).signatures] })]
  ])("may have %s", (_, text) => {
    expect(outcome(text)).toBe(body.toString("utf8"))
  })

  it("is not made with a key that is not an Ed25519 private key", () => {
    expect(Either.isLeft(signEnvelope(body, generateKeyPairSync("ed448").privateKey))).toBe(true)
    expect(Either.isLeft(signEnvelope(body, pin(key).key))).toBe(true)
  })
})

describe("the pre-authentication encoding", () => {
  it("is the test vector of the protocol", () => {
    expect(pae("http://example.com/HelloWorld", Buffer.from("hello world")).toString()).toBe("DSSEv1 29 http://example.com/HelloWorld 11 hello world")
  })

  it("counts bytes, not characters", () => {
    expect(pae("ö", Buffer.from("ö")).toString()).toBe("DSSEv1 2 ö 2 ö")
  })
})
