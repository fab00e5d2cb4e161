/** Ways to make a bundle lie, by somebody without the key and by somebody with it. */
import { Either, Schema } from "effect"
import { attest } from "../../../gate/evidence/Attestations.ts"
import { signEnvelope } from "../../../gate/evidence/Dsse.ts"
import type { PinnedKey } from "../../../gate/evidence/Keys.ts"
import { listFiles, type Manifest } from "../../../gate/evidence/Manifest.ts"
import { Statement, subjectsOf } from "../../../gate/evidence/Statement.ts"
import { isAttestation, renderSums } from "../../../gate/evidence/Sums.ts"
import { verify } from "../../../gate/evidence/Verifier.ts"
import { filesOf, inputOf, key, pin, written } from "./SyntheticRun.ts"

export const envelope = "attestations/decision.dsse.json"
export const pinned: ReadonlyArray<PinnedKey> = [pin(key)]

export type Forged = Map<string, Uint8Array | string>

/** The sentences against a bundle, or in parentheses that there are none. */
export const problemsOf = (dir: string, keys: ReadonlyArray<PinnedKey> = pinned): ReadonlyArray<string> => {
  const verification = verify(dir, { pinned: keys })
  return verification._tag === "Refuted" ? verification.problems : [`(${verification._tag})`]
}

export const honest = (): Forged => filesOf(inputOf("/nowhere"))

export const bytes = (files: Forged): Map<string, Uint8Array> => new Map([...files].map(([path, content]) => [path, Buffer.from(content)]))

export const json = (files: Forged, path: string) => JSON.parse(Buffer.from(files.get(path) ?? "").toString("utf8"))

/** A forger without the key: makes manifest.json and SHA256SUMS fit the files again. */
export const relisted = (files: Forged, change: (manifest: Record<string, unknown>) => object = (manifest) => manifest): Forged => {
  const manifest = { ...json(files, "manifest.json"), files: listFiles(bytes(files)) }
  files.set("manifest.json", `${JSON.stringify(change(manifest), null, 2)}\n`)
  files.set("SHA256SUMS", renderSums(bytes(files)))
  return files
}

/** A dishonest signer: makes everything fit again and signs it with the pinned key. */
export const resigned = (files: Forged, change: (statement: Statement) => unknown = (statement) => statement): Forged => {
  const statement: Statement = JSON.parse(Buffer.from(json(files, envelope).payload, "base64").toString("utf8"))
  const manifest: Manifest = json(files, "manifest.json")
  const subject = subjectsOf(files.get("SHA256SUMS") ?? "", files.get("manifest.json") ?? "", manifest)
  const said = change({ ...statement, subject })
  const decision = Either.getOrThrow(signEnvelope(Buffer.from(JSON.stringify(said)), key))
  for (const path of [...files.keys()].filter(isAttestation)) files.delete(path)
  const decoded = Schema.decodeUnknownEither(Statement)(said)
  files.set(envelope, decision)
  if (Either.isRight(decoded)) {
    const others = bytes(new Map([...files].filter(([path]) => path !== envelope)))
    for (const [path, text] of Either.getOrThrow(attest(others, { manifest, statement: decoded.right }, decision, key))) files.set(path, text)
  }
  return files
}

/** An honest bundle on disk, to which something happened afterwards. */
export const broken = (change: (dir: string) => void): string => {
  const dir = written()
  change(dir)
  return dir
}
