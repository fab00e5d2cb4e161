/**
 * What lies beside the decision, broken: the statements in the forms of others, and the artifact, the configuration and the list of components that
 * the decision is about. Somebody with the key makes everything else fit, so each has to be caught by what it contradicts.
 */
import type { KeyObject } from "node:crypto"
import { Either, Schema } from "effect"
import { copiesOf, listFileOf } from "../evidence/Attestations.ts"
import { verifyEnvelope, signEnvelope } from "../evidence/Dsse.ts"
import { configFile } from "../evidence/EffectiveConfig.ts"
import { inTotoFiles, linkFileOf } from "../evidence/InToto.ts"
import { Manifest, manifestFile } from "../evidence/Manifest.ts"
import { releaseFileOf } from "../evidence/Release.ts"
import { sbomFile } from "../evidence/Sbom.ts"
import { isAttestation, layoutFile, provenanceFile, sigstoreFile, testResultFile, vsaFile } from "../evidence/Sums.ts"
import { type Draft, keyFrom, NotMade, selfTestKey } from "./Draft.ts"
import { aspect, type Mutant } from "./Mutant.ts"

const mutant = (family: "tampering" | "absence", hand: Mutant["hand"], name: string, what: string, flip: "attestations" | "release", apply: Mutant["apply"]): Mutant =>
  ({ id: `${family}/${name}`, family, hand, what, flips: [aspect(flip)], apply })

const made = <A>(either: Either.Either<A, { readonly message: string }>): A => Either.getOrThrowWith(either, ({ message }) => new NotMade({ why: message }))

/** Signs what `change` makes of the payload of an envelope. */
const resaid = (draft: Draft, file: string, change: (text: string) => string, key: KeyObject = selfTestKey): void => {
  const { payload } = made(verifyEnvelope(draft.text(file), draft.pinned))
  draft.write(file, made(signEnvelope(Buffer.from(change(Buffer.from(payload).toString("utf8"))), key)))
}

/** The same by somebody who thinks of everything: the copies of the envelope, and link and layout over all files, fit it. */
const resaidEverywhere = (draft: Draft, file: string, change: (text: string) => string): void => {
  resaid(draft, file, change)
  const envelopes = new Map([...draft.files.keys()].filter((path) => path.endsWith(".dsse.json")).map((path) => [path, draft.text(path)]))
  const others = new Map([...draft.files].filter(([path]) => !isAttestation(path)))
  for (const [path, text] of copiesOf(others, envelopes, draft.read(manifestFile, Manifest), selfTestKey)) draft.write(path, text)
}

/** Changes a copy, and makes link and layout fit. */
const recopied = (draft: Draft, file: string, change: (text: string) => string): void => {
  draft.write(file, change(draft.text(file)))
  const { window } = draft.read(manifestFile, Manifest)
  const others = new Map([...draft.files].filter(([path]) => path !== layoutFile && path !== linkFileOf(selfTestKey)))
  for (const [path, text] of inTotoFiles(others, selfTestKey, window.end_ms)) draft.write(path, text)
}

const releaseIn = (draft: Draft): Manifest["release"] => draft.read(manifestFile, Manifest).release

const sealed = (draft: Draft): void => {
  draft.relist()
  draft.resign()
}

const Enveloped = Schema.Struct({ payload: Schema.String })

const swappedResult = (text: string): string =>
  text.replace(/"verificationResult":"(PASSED|FAILED)"/, (_, result) => `"verificationResult":"${result === "PASSED" ? "FAILED" : "PASSED"}"`)

export const aboutStatements: ReadonlyArray<Mutant> = [
  mutant("tampering", "signer", "vsa-other-result", "The verification summary says PASSED where the decision is not GO, or the other way round, and is signed.", "attestations", (draft) => resaidEverywhere(draft, vsaFile, swappedResult)),
  mutant("tampering", "signer", "vsa-other-artifact", "The verification summary is about another artifact, and is signed.", "attestations", (draft) => resaidEverywhere(draft, vsaFile, (text) => text.replace(releaseIn(draft).sha256, "f".repeat(64)))),
  mutant("tampering", "stranger", "test-result-other-key", "The test result is signed by a key that nobody trusts.", "attestations", (draft) => resaid(draft, testResultFile, (text) => text, keyFrom("somebody else"))),
  mutant("tampering", "signer", "test-result-check-moved", "A check that the test result lists is called by another name.", "attestations", (draft) => resaidEverywhere(draft, testResultFile, (text) => text.replace(/"(passed|failed)Tests":\["([^"]+)"/, '"$1Tests":["$2-2"'))),
  mutant("tampering", "signer", "provenance-other-source", "The provenance names another lock file than the one that was built from.", "attestations", (draft) => {
    // Of a file that was not packed here there is no provenance, and one that appears is as wrong.
    if (draft.files.has(provenanceFile)) resaidEverywhere(draft, provenanceFile, (text) => text.replace(/[0-9a-f]{64}(?="},"name":"package-lock.json")/, "0".repeat(64)))
    else draft.write(provenanceFile, draft.text(testResultFile))
  }),
  mutant("tampering", "signer", "list-line-repeated", "A line of the list of envelopes is there twice.", "attestations", (draft) => recopied(draft, listFileOf(releaseIn(draft).name), (text) => text.replace(/^.*\n/, "$&$&"))),
  mutant("tampering", "signer", "sigstore-other-statement", "The Sigstore bundle holds another statement than the verification summary.", "attestations", (draft) => {
    const { payload } = draft.read(vsaFile, Enveloped)
    const { payload: another } = draft.read(testResultFile, Enveloped)
    recopied(draft, sigstoreFile, (text) => text.replace(payload, another))
  }),
  mutant("tampering", "stranger", "layout-without-a-file", "The layout for in-toto no longer wants one of the files.", "attestations", (draft) => draft.write(layoutFile, draft.text(layoutFile).replace(/\[\s*"REQUIRE",\s*"REPORT.md"\s*\],/, ""))),
  mutant("tampering", "signer", "artifact-swapped", "Another artifact lies in the bundle than the one that was judged; both lists fit, and everything is signed.", "release", (draft) => {
    // As long as the right one, so that only its digest can tell.
    const { bytes, kept, name } = releaseIn(draft)
    draft.files.set(releaseFileOf(name), new Uint8Array(kept ? bytes : 1))
    sealed(draft)
  }),
  mutant("tampering", "signer", "config-swapped", "The configuration is another than the one that was played; both lists fit, and everything is signed.", "release", (draft) => {
    draft.write(configFile, draft.text(configFile).replace('"scenarios":{', '"scenarios":{"calmer":null,'))
    sealed(draft)
  }),
  mutant("tampering", "signer", "sbom-of-another", "The list of components is that of another lock file.", "release", (draft) => {
    draft.write(sbomFile, draft.text(sbomFile).replace(/urn:uuid:[0-9a-f]{8}/, "urn:uuid:00000000"))
    sealed(draft)
  }),
  mutant("absence", "stranger", "statement", "The verification summary was deleted.", "attestations", (draft) => draft.remove(vsaFile)),
  mutant("absence", "signer", "list-line", "A line of the list of envelopes is not there.", "attestations", (draft) => recopied(draft, listFileOf(releaseIn(draft).name), (text) => text.replace(/^.*\n/, ""))),
  mutant("absence", "signer", "sbom", "There is no list of components; both lists of files fit, and everything is signed.", "release", (draft) => {
    draft.remove(sbomFile)
    sealed(draft)
  }),
  mutant("absence", "signer", "config", "There is no configuration; both lists fit, and everything is signed.", "release", (draft) => {
    draft.remove(configFile)
    sealed(draft)
  }),
  mutant("absence", "signer", "artifact", "The artifact that is said to be kept is not there; both lists fit, and everything is signed.", "release", (draft) => {
    draft.files.delete(releaseFileOf(releaseIn(draft).name))
    draft.relist((manifest) => ({ ...manifest, release: { ...manifest.release, kept: true } }))
    draft.resign()
  })
]
