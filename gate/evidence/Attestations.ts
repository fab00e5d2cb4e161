/**
 * The folder `attestations/`: the decision, what is said of it in the forms of others, and all of it once more as a list, as a Sigstore
 * bundle and for in-toto. Everything but the decision follows from it, from the manifest and from the files, so whoever checks makes it again.
 */
import type { KeyObject } from "node:crypto"
import { Either, Schema } from "effect"
import { canonical } from "./Canonical.ts"
import { signEnvelope, verifyEnvelope } from "./Dsse.ts"
import type { Files } from "./Files.ts"
import { checkInToto, inTotoFiles, linkFileOf } from "./InToto.ts"
import type { PinnedKey } from "./Keys.ts"
import type { Manifest } from "./Manifest.ts"
import { type About, provenanceOf, testResultOf, vsaOf } from "./Predicates.ts"
import { decodeUtf8 } from "./Reader.ts"
import { envelopeFile, isAttestation, layoutFile, provenanceFile, sigstoreFile, testResultFile, vsaFile } from "./Sums.ts"

/** Every envelope one per line. The list as a whole is not signed: a line may be missing or come from elsewhere, so each has to be looked at. */
export const listFileOf = (release: string): string => `attestations/${release}.intoto.jsonl`

type Envelopes = ReadonlyMap<string, string>

type Judged = Pick<Manifest["release"], "name" | "tar_sha256">

interface Saying {
  readonly file: string
  readonly make: (about: About, before: Envelopes) => unknown
}

/** What is said beside the decision, in the order in which it is signed. */
const sayingsFor = (release: Judged): ReadonlyArray<Saying> => [
  { file: testResultFile, make: testResultOf },
  ...(release.tar_sha256 === null ? [] : [{ file: provenanceFile, make: provenanceOf }]),
  { file: vsaFile, make: (about, before) => vsaOf(about, [...before]) }
]

/** The paths that there must be below `attestations/`. */
export const attestationFiles = (release: Judged, key: KeyObject): ReadonlyArray<string> => [
  envelopeFile, ...sayingsFor(release).map(({ file }) => file), listFileOf(release.name), sigstoreFile, layoutFile, linkFileOf(key)
]

/**
 * The texts of `attestations/`, by path. `files` are all other files of the bundle, `decision` is the signed envelope of `about.statement`,
 * `key` an Ed25519 private key. Signatures of Ed25519 are deterministic, so the same input gives the same bytes.
 */
export const attest = (files: Files, about: About, decision: string, key: KeyObject): Either.Either<Envelopes, { readonly message: string }> =>
  Either.gen(function*() {
    const envelopes = new Map([[envelopeFile, decision]])
    for (const { file, make } of sayingsFor(about.manifest.release)) {
      const payload = yield* canonical(make(about, envelopes))
      envelopes.set(file, yield* signEnvelope(Buffer.from(payload), key))
    }
    return new Map([...envelopes, ...copiesOf(files, envelopes, about.manifest, key)])
  })

/** The rest of the folder for these envelopes: the list, the Sigstore bundle, and link and layout over all files. */
export const copiesOf = (files: Files, envelopes: Envelopes, { release, window }: Manifest, key: KeyObject): Envelopes => {
  const copies = new Map([[listFileOf(release.name), listed(envelopes)], [sigstoreFile, sigstore(envelopes.get(vsaFile) ?? "")]])
  return new Map([...copies, ...inTotoFiles(new Map([...files, ...bytesOf(envelopes), ...bytesOf(copies)]), key, window.end_ms)])
}

const bytesOf = (texts: Envelopes): Files => new Map([...texts].map(([path, text]) => [path, Buffer.from(text, "utf8")]))

const Envelope = Schema.parseJson(Schema.Struct({
  payload: Schema.String,
  payloadType: Schema.String,
  signatures: Schema.Array(Schema.Struct({ keyid: Schema.String, sig: Schema.String }))
}))

const envelopeIn = (text: string): typeof Envelope.Type => Either.getOrElse(Schema.decodeUnknownEither(Envelope)(text), () => ({ payload: "", payloadType: "", signatures: [] }))

const listed = (envelopes: Envelopes): string => [...envelopes.values()].map((text) => `${JSON.stringify(envelopeIn(text))}\n`).join("")

// Sigstore bundle v0.3: exactly one signature, and the key as a hint, since nobody certified it.
const sigstore = (vsa: string): string => {
  const { payload, payloadType, signatures } = envelopeIn(vsa)
  const [{ keyid: hint } = { keyid: "" }] = signatures
  const bundle = {
    mediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
    verificationMaterial: { publicKey: { hint } },
    dsseEnvelope: { payload, payloadType, signatures: signatures.map(({ keyid, sig }) => ({ sig, keyid })) }
  }
  return `${JSON.stringify(bundle, null, 2)}\n`
}

/**
 * Every way in which the folder is not the one that belongs to this decision, one sentence each. `sound`: manifest and files were found to be as they were
 * signed; otherwise only what does not depend on them is looked at, since the rest has been said.
 */
export const checkAttestations = (files: Files, about: About, by: PinnedKey, sound: boolean): ReadonlyArray<string> => {
  const expected = attestationFiles(about.manifest.release, by.key)
  const missing = expected.filter((file) => !files.has(file))
  const extra = [...files.keys()].filter((file) => isAttestation(file) && !expected.includes(file))
  const envelopes = new Map([[envelopeFile, textOf(files, envelopeFile)]])
  const problems = [...missing.map((file) => `${file} is missing`), ...extra.map((file) => `${file} is an extra file that belongs to no statement of this bundle`)]
  for (const { file, make } of sayingsFor(about.manifest.release)) {
    if (!files.has(file)) continue
    problems.push(...checkEnvelope(file, textOf(files, file), by, sound && missing.length === 0 ? make(about, envelopes) : null))
    envelopes.set(file, textOf(files, file))
  }
  // A copy of what is wrong, or of what is missing, would say the same again.
  if (problems.length > 0 || !sound) return problems
  const copies = new Map([[listFileOf(about.manifest.release.name), listed(envelopes)], [sigstoreFile, sigstore(envelopes.get(vsaFile) ?? "")]])
  for (const [file, text] of copies) {
    if (textOf(files, file) !== text) problems.push(`${file} does not hold the envelopes that lie beside it`)
  }
  return problems.length > 0 ? problems : checkInToto(files, by.key, about.manifest.window.end_ms)
}

const textOf = (files: Files, file: string): string => Buffer.from(files.get(file) ?? "").toString("utf8")

const checkEnvelope = (file: string, text: string, by: PinnedKey, expected: unknown): ReadonlyArray<string> => {
  const verified = verifyEnvelope(text, [by])
  if (Either.isLeft(verified)) return [`${file}: ${verified.left.message}`]
  const { asWritten, payload } = verified.right
  if (!asWritten) return [`${file}: the file was changed around what is signed`]
  if (expected === null) return []
  const said = Either.getOrElse(decodeUtf8(file, payload), () => "")
  const due = Either.getOrElse(canonical(expected), ({ message }) => message)
  return said === due ? [] : [`${file} says something else than the decision that it is about: ${difference(said, due)}`]
}

// Where two spellings part, with the member that they part in: enough to find it, and short.
const difference = (said: string, due: string): string => {
  let at = 0
  while (at < said.length && said[at] === due[at]) at++
  const from = Math.max(0, at - 30)
  return `it has ${said.slice(from, at + 30)} where ${due.slice(from, at + 30)} belongs`
}
