/**
 * The end of a signing key: a statement by the key itself that it signs nothing any more from an instant on, and which key signs in its
 * place (`docs/adr/0017-key-rotation.md`). It takes trust away and gives none: that the successor may sign is told by its public half
 * among the pinned keys.
 */
import type { KeyObject } from "node:crypto"
import { Either, Schema } from "effect"
import { sha256 } from "./Canonical.ts"
import { signEnvelope, verifyEnvelope } from "./Dsse.ts"
import { fingerprint, KeyRefused, type PinnedKey, publicKeyOf, publicPem } from "./Keys.ts"
import { Digest } from "./Manifest.ts"
import { decodeJson, decodeUtf8 } from "./Reader.ts"
import { statementType } from "./Statement.ts"

export const rotationType = "https://opsgate.dev/attestation/key-rotation/v0.1"

const RotationStatement = Schema.Struct({
  _type: Schema.Literal(statementType),
  /** The public half of the successor, by the digest of its PEM. */
  subject: Schema.Tuple(Schema.Struct({ name: Schema.String, digest: Schema.Struct({ sha256: Digest }) })),
  predicateType: Schema.Literal(rotationType),
  predicate: Schema.Struct({
    retired: Schema.String,
    /** Unix milliseconds. */
    at_ms: Schema.NonNegativeInt,
    successor: Schema.String,
    public_key: Schema.String
  })
})

export interface Rotation {
  /** Fingerprints. */
  readonly retired: string
  readonly successor: string
  readonly at_ms: number
}

/** The text of the statement, signed by the key that retires. Refused when one of the two is no Ed25519 private key. */
export const signRotation = (old: KeyObject, next: KeyObject, atMs: number): Either.Either<string, KeyRefused> => {
  const pem = publicPem(next)
  const statement: typeof RotationStatement.Type = {
    _type: statementType,
    subject: [{ name: fingerprint(next), digest: { sha256: sha256(pem) } }],
    predicateType: rotationType,
    predicate: { retired: fingerprint(old), at_ms: atMs, successor: fingerprint(next), public_key: pem }
  }
  return signEnvelope(Buffer.from(JSON.stringify(statement)), old)
}

/**
 * What a statement says, when the key that it retires is one of these and has signed it. Null when none of these has signed it: it
 * is about a key that nobody trusts, and takes nothing away.
 */
export const readRotation = (file: string, text: string, keys: ReadonlyArray<PinnedKey>): Either.Either<Rotation | null, KeyRefused> => {
  const refuse = (why: string) => new KeyRefused({ file, why })
  const verified = verifyEnvelope(text, keys)
  if (Either.isLeft(verified) && (verified.left.reason === "unknown_key" || verified.left.reason === "no_pinned_key")) return Either.right(null)
  return Either.gen(function*() {
    const { by, payload } = yield* Either.mapLeft(verified, ({ message }) => refuse(message))
    const json = yield* Either.mapLeft(decodeUtf8(file, payload), ({ why }) => refuse(why))
    const { predicate, subject: [successor] } = yield* Either.mapLeft(decodeJson(RotationStatement, file, json), ({ why }) => refuse(why))
    if (predicate.retired !== by.fingerprint) return yield* Either.left(refuse(`it retires ${predicate.retired} and is signed by ${by.fingerprint}`))
    const next = yield* publicKeyOf(file, predicate.public_key)
    if (next.fingerprint !== predicate.successor || successor.name !== predicate.successor || successor.digest.sha256 !== sha256(predicate.public_key)) {
      return yield* Either.left(refuse("it names another successor than the key that it holds"))
    }
    if (next.fingerprint === by.fingerprint) return yield* Either.left(refuse("it names the retired key as its own successor"))
    return { retired: predicate.retired, successor: predicate.successor, at_ms: predicate.at_ms }
  })
}
