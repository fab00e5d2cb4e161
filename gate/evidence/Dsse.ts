/**
 * DSSE envelopes (secure-systems-lab/dsse, protocol 1.0.2): one payload, its type, and Ed25519 signatures
 * over both. A verifier gets the bytes that were verified and must use these and no others.
 */
import { type KeyObject, sign as signBytes, verify as verifyBytes } from "node:crypto"
import { Either, Schema } from "effect"
import { fingerprint, isEd25519, KeyRefused, type PinnedKey } from "./Keys.ts"

export const payloadType = "application/vnd.in-toto+json"

const EnvelopeSchema = Schema.Struct({
  payload: Schema.String,
  payloadType: Schema.String,
  signatures: Schema.Array(Schema.Struct({ keyid: Schema.optional(Schema.NullOr(Schema.String)), sig: Schema.String }))
})

const reasons = {
  not_an_envelope: "it is not a DSSE envelope",
  payload_type: `its payload type is not ${payloadType}`,
  base64: "it holds text that is not base64",
  no_signature: "it carries no signature",
  no_pinned_key: "no key is pinned, so no signature can be trusted",
  pinned_key_type: "a pinned key is not ed25519",
  unknown_key: "it is not signed by a pinned key",
  bad_signature: "its signature does not fit its payload",
  wrong_keyid: "it names another key than the one that signed it"
} as const satisfies Record<string, string>

type Reason = keyof typeof reasons

/** Raised when an envelope proves nothing. `detail` names what was found; it may be empty. */
export class EnvelopeRefused extends Schema.TaggedError<EnvelopeRefused>()("EnvelopeRefused", {
  reason: Schema.Literal(
    "not_an_envelope",
    "payload_type",
    "base64",
    "no_signature",
    "no_pinned_key",
    "pinned_key_type",
    "unknown_key",
    "bad_signature",
    "wrong_keyid"
  ),
  detail: Schema.String
}) {
  override get message() {
    return `${reasons[this.reason]}${this.detail === "" ? "" : `: ${this.detail}`}`
  }
}

/** What was verified, and by which pinned key. */
export interface Verified {
  readonly payload: Uint8Array
  readonly by: PinnedKey
  /** Whether the text is byte for byte what `signEnvelope` writes; the signature itself covers the payload alone. */
  readonly asWritten: boolean
}

/** Pre-authentication encoding (protocol 1.0.2, "PAE"): `DSSEv1 LEN(type) type LEN(body) body`; lengths count bytes. */
export const pae = (type: string, body: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from(`DSSEv1 ${Buffer.byteLength(type)} ${type} ${body.byteLength} `), body])

/** The text of an envelope around `payload`, signed with an Ed25519 private key. The same input gives the same bytes. */
export const signEnvelope = (payload: Uint8Array, key: KeyObject): Either.Either<string, KeyRefused> => {
  if (key.type !== "private" || !isEd25519(key)) {
    return Either.left(new KeyRefused({ file: "for signing", why: "it is not an ed25519 private key" }))
  }
  const sig = signBytes(null, pae(payloadType, payload), key).toString("base64")
  return Either.right(render(payload, fingerprint(key), sig))
}

const render = (payload: Uint8Array, keyid: string, sig: string): string =>
  `${JSON.stringify({ payload: Buffer.from(payload).toString("base64"), payloadType, signatures: [{ keyid, sig }] }, null, 2)}\n`

/**
 * Verifies the text of an envelope against pinned keys. One good signature by one of them is enough. `keyid`
 * is not authenticated: it serves to say which key is missing, and one that contradicts the key is refused.
 */
export const verifyEnvelope = (text: string, pinned: ReadonlyArray<PinnedKey>): Either.Either<Verified, EnvelopeRefused> =>
  Either.gen(function*() {
    const envelope = yield* Schema.decodeUnknownEither(Schema.parseJson(EnvelopeSchema))(text).pipe(
      Either.mapLeft(() => refuse("not_an_envelope"))
    )
    if (envelope.payloadType !== payloadType) return yield* Either.left(refuse("payload_type", envelope.payloadType))
    if (envelope.signatures.length === 0) return yield* Either.left(refuse("no_signature"))
    if (pinned.length === 0) return yield* Either.left(refuse("no_pinned_key"))
    const foreign = pinned.find(({ key }) => key.type !== "public" || !isEd25519(key))
    if (foreign !== undefined) {
      return yield* Either.left(refuse("pinned_key_type", `${foreign.name} is ${foreign.key.asymmetricKeyType ?? foreign.key.type}`))
    }
    const payload = yield* decodeBase64(envelope.payload, "payload")
    const body = pae(payloadType, payload)
    for (const { keyid, sig } of envelope.signatures) {
      const signature = yield* decodeBase64(sig, "sig")
      const by = pinned.find(({ key }) => verifyBytes(null, body, key, signature))
      if (by === undefined) continue
      if (keyid !== undefined && keyid !== null && keyid !== "" && keyid !== by.fingerprint) {
        return yield* Either.left(refuse("wrong_keyid", `named ${keyid}, signed by ${by.fingerprint}`))
      }
      return { payload, by, asWritten: text === render(payload, by.fingerprint, Buffer.from(signature).toString("base64")) }
    }
    return yield* Either.left(unverified(envelope.signatures.map(({ keyid }) => keyid ?? ""), pinned))
  })

const refuse = (reason: Reason, detail = ""): EnvelopeRefused => new EnvelopeRefused({ reason, detail })

const unverified = (keyids: ReadonlyArray<string>, pinned: ReadonlyArray<PinnedKey>): EnvelopeRefused => {
  const known = pinned.find(({ fingerprint }) => keyids.includes(fingerprint))
  if (known !== undefined) return refuse("bad_signature", `key ${known.fingerprint}`)
  const named = keyids.map((keyid) => (keyid === "" ? "a key without a name" : keyid)).join(", ")
  return refuse("unknown_key", `signed by ${named}, pinned is ${pinned.map(({ fingerprint }) => fingerprint).join(", ")}`)
}

// Node's decoder skips what it does not know. Two spellings of one signature must not both pass, so the
// bytes are encoded again and compared with the text, in either alphabet, with or without padding.
const decodeBase64 = (text: string, where: string): Either.Either<Uint8Array, EnvelopeRefused> => {
  const bytes = Buffer.from(text, "base64")
  const bare = text.replace(/={1,2}$/, "")
  const padded = text.length === bare.length || text.length % 4 === 0
  const same = bytes.toString("base64url") === bare.replaceAll("+", "-").replaceAll("/", "_")
  return padded && same ? Either.right(new Uint8Array(bytes)) : Either.left(refuse("base64", where))
}
