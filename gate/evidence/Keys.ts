/**
 * Ed25519 keys: making one, reading the private one, reading the public ones that a verifier trusts, and the
 * name of a key. A self-held key shows that nothing changed since signing; it does not show that the signer
 * was honest, nor when it happened.
 */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto"
import { closeSync, fsyncSync, linkSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, statSync, writeSync } from "node:fs"
import { dirname, join } from "node:path"
import { Either, Schema } from "effect"

/** Raised when a key is not there, not readable, not private enough or not Ed25519. Nothing was changed. */
export class KeyRefused extends Schema.TaggedError<KeyRefused>()("KeyRefused", {
  file: Schema.String,
  why: Schema.String
}) {
  override get message() {
    return `the key ${this.file} cannot be used: ${this.why}`
  }
}

/** A public key that a verifier trusts. `name` says where it came from. */
export interface PinnedKey {
  readonly name: string
  readonly fingerprint: string
  readonly key: KeyObject
  /** Nothing that ended from this instant on counts as signed by it. Without it, the key is in use. */
  readonly retired?: { readonly at_ms: number; readonly successor: string }
}

/**
 * Makes a key pair and writes the private key (PKCS #8 PEM, mode 0600). The file appears whole or not at
 * all; one that is there already is left alone and refused.
 */
export const generateKey = (file: string): Either.Either<KeyObject, KeyRefused> =>
  Either.try({
    try: () => {
      const { privateKey } = generateKeyPairSync("ed25519")
      createPrivately(file, privateKey.export({ type: "pkcs8", format: "pem" }).toString())
      return privateKey
    },
    catch: (cause) => new KeyRefused({ file, why: sentence(cause) })
  })

/** Reads a private key. One that others may read is refused: whoever reads it can sign a GO. */
export const loadPrivateKey = (file: string): Either.Either<KeyObject, KeyRefused> =>
  Either.try({
    try: () => ({ key: createPrivateKey(readFileSync(file)), mode: statSync(file).mode }),
    catch: (cause) => new KeyRefused({ file, why: sentence(cause) })
  }).pipe(
    Either.filterOrLeft(
      ({ mode }) => (mode & 0o077) === 0,
      () => new KeyRefused({ file, why: "others may read it; chmod 600" })
    ),
    Either.flatMap(({ key }) => requireEd25519(file, key))
  )

/** Reads one public key (SPKI PEM). */
export const loadPublicKey = (file: string): Either.Either<PinnedKey, KeyRefused> =>
  Either.try({
    try: () => readFileSync(file, "utf8"),
    catch: (cause) => new KeyRefused({ file, why: sentence(cause) })
  }).pipe(Either.flatMap((pem) => publicKeyOf(file, pem)))

/**
 * Reads every `*.pub.pem` of a directory, sorted by name. No directory is no key; a file that is no Ed25519 key is refused. Whoever trusts
 * these keys has to know which of them are retired: `loadPinnedKeys` of Pinned.ts.
 */
export const publicKeysIn = (dir: string): Either.Either<ReadonlyArray<PinnedKey>, KeyRefused> =>
  Either.try({
    try: () => readdirSync(dir).filter((name) => name.endsWith(".pub.pem")).sort(),
    catch: (cause) => (isMissing(cause) ? null : new KeyRefused({ file: dir, why: sentence(cause) }))
  }).pipe(
    Either.orElse((refused) => (refused === null ? Either.right<Array<string>>([]) : Either.left(refused))),
    Either.flatMap((names) => Either.all(names.map((name) => loadPublicKey(join(dir, name)))))
  )

/**
 * A public key from text. A private key in its place is refused although a public one could be derived: it
 * does not belong where public keys are published.
 */
export const publicKeyOf = (name: string, pem: string): Either.Either<PinnedKey, KeyRefused> =>
  /PRIVATE KEY/.test(pem)
    ? Either.left(new KeyRefused({ file: name, why: "it is a private key" }))
    : Either.try({
      try: () => createPublicKey(pem),
      catch: (cause) => new KeyRefused({ file: name, why: sentence(cause) })
    }).pipe(
      Either.flatMap((key) => requireEd25519(name, key)),
      Either.map((key) => ({ name, key, fingerprint: fingerprint(key) }))
    )

/** The public half as SPKI PEM, the form that `openssl pkeyutl -pubin` reads. */
export const publicPem = (key: KeyObject): string => publicHalf(key).export({ type: "spki", format: "pem" }).toString()

/**
 * The name of an Ed25519 key as `ssh-keygen -l` prints it: `SHA256:` and the unpadded base64 of the SHA-256
 * of the key in SSH wire form (RFC 4253, section 6.6; RFC 8709). It is the one form of `keyid` that the
 * common DSSE verifiers accept.
 */
export const fingerprint = (key: KeyObject): string => `SHA256:${createHash("sha256").update(wireOf(key)).digest("base64").replace(/=+$/, "")}`

const wireOf = (key: KeyObject): Buffer => Buffer.concat([sshString(Buffer.from("ssh-ed25519")), sshString(Buffer.from(publicHalf(key).export({ format: "jwk" }).x ?? "", "base64url"))])

/** Whether a key is Ed25519. Node's `verify(null, …)` accepts RSA and P-256 keys as well, so this must be asked first. */
export const isEd25519 = (key: KeyObject): boolean => key.asymmetricKeyType === "ed25519"

/** The public half as a line of OpenSSH (`ssh-keygen -lf` prints its fingerprint), without a line feed. */
export const publicSsh = (key: KeyObject): string => `ssh-ed25519 ${wireOf(key).toString("base64")} opsgate`

const requireEd25519 = (file: string, key: KeyObject): Either.Either<KeyObject, KeyRefused> =>
  isEd25519(key)
    ? Either.right(key)
    : Either.left(new KeyRefused({ file, why: `it is ${key.asymmetricKeyType ?? "not an asymmetric key"}, not ed25519` }))

const publicHalf = (key: KeyObject): KeyObject => (key.type === "private" ? createPublicKey(key) : key)

const sshString = (bytes: Buffer): Buffer => {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}

// `link` fails if the name is taken and is atomic, so a reader never sees half a key and no key is overwritten.
const createPrivately = (file: string, pem: string): void => {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  const partial = `${file}.${process.pid}.partial`
  rmSync(partial, { force: true })
  const descriptor = openSync(partial, "wx", 0o600)
  try {
    writeSync(descriptor, pem)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
  try {
    linkSync(partial, file)
  } finally {
    rmSync(partial, { force: true })
  }
}

const isMissing = (cause: unknown): boolean => cause instanceof Error && "code" in cause && cause.code === "ENOENT"

const sentence = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))
