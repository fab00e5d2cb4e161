/**
 * The statements beside the decision, for readers who know their form and not ours: in-toto test-result v0.1, SLSA Verification
 * Summary v1 and SLSA Provenance v1 (https://in-toto.io, https://slsa.dev). Each follows from the signed decision and the manifest, so a
 * verifier makes it again and compares; none says anything of its own.
 */
import { sha256 } from "./Canonical.ts"
import { configFile } from "./EffectiveConfig.ts"
import type { Manifest } from "./Manifest.ts"
import { instantOf } from "./Sbom.ts"
import { judgedIn, statementType, type Statement, type Subject } from "./Statement.ts"
import { sumsFile } from "./Sums.ts"

export const testResultType = "https://in-toto.io/attestation/test-result/v0.1"
export const vsaType = "https://slsa.dev/verification_summary/v1"
export const provenanceType = "https://slsa.dev/provenance/v1"

/** Who verified, for `--verifier-id` of tools that read a summary. */
export const verifierId = "https://opsgate.dev/gate"
const builderId = "https://opsgate.dev/builder/own-machine"
const buildType = "https://opsgate.dev/build/packed-folder/v1"

/** What all statements are about. */
export interface About {
  readonly manifest: Manifest
  /** The decision. */
  readonly statement: Statement
}

interface Made {
  readonly _type: typeof statementType
  readonly subject: ReadonlyArray<Subject>
  readonly predicateType: string
  readonly predicate: object
}

const made = ({ manifest }: About, predicateType: string, predicate: object): Made => ({ _type: statementType, subject: judgedIn(manifest), predicateType, predicate })

/**
 * PASSED and WARNED stand for GO, the latter where somebody answers for a check that did not pass; everything else is FAILED. The form knows no
 * "not enough evidence": such a check is listed as `insufficient/<id>`, and once more under a name of ours.
 */
export const testResultOf = (about: About): Made => {
  const { checks, configHash, decision, scorecard, waivers } = about.statement.predicate
  const waived = new Set(waivers.filter(({ state }) => state === "applied").map(({ check }) => check))
  const named = checks.map(({ id, verdict }) => ({ id, verdict, name: verdict === "PASS" || verdict === "FAIL" ? id : `insufficient/${id}` }))
  const open = named.filter(({ verdict }) => verdict !== "PASS")
  const warnedTests = open.filter(({ id }) => waived.has(id)).map(({ name }) => name)
  return made(about, testResultType, {
    result: decision !== "GO" ? "FAILED" : warnedTests.length > 0 ? "WARNED" : "PASSED",
    configuration: [{ name: "policy/scorecard.json", digest: scorecard.digest }, { name: configFile, digest: { sha256: configHash } }],
    passedTests: named.filter(({ verdict }) => verdict === "PASS").map(({ name }) => name),
    warnedTests,
    failedTests: open.filter(({ id }) => !waived.has(id)).map(({ name }) => name),
    "https://opsgate.dev/attestation/notEvaluated": named.filter(({ id, name }) => name !== id).map(({ id }) => id)
  })
}

/** The name of what a GO by this scorecard attests. Names that begin with `SLSA_` belong to SLSA. */
export const levelOf = (scorecard: string): string => `OPSGATE_GATE_${scorecard.toUpperCase().replace(/[^A-Z0-9]+/g, "_")}`

/** `inputs`: the file and the text of every other envelope. PASSED for GO and for nothing else. */
export const vsaOf = (about: About, inputs: ReadonlyArray<readonly [file: string, text: string]>): Made => {
  const { manifest, statement: { predicate } } = about
  const { decision, scorecard, window } = predicate
  const isGo = decision === "GO"
  return made(about, vsaType, {
    verifier: { id: verifierId, version: { opsgate: manifest.product.version } },
    timeVerified: instantOf(window.end_ms),
    resourceUri: manifest.release.uri,
    policy: { uri: `https://opsgate.dev/scorecards/${encodeURIComponent(scorecard.name)}`, digest: scorecard.digest },
    inputAttestations: inputs.map(([file, text]) => ({ uri: `file:${file}`, digest: { sha256: sha256(text) } })),
    verificationResult: isGo ? "PASSED" : "FAILED",
    verifiedLevels: isGo ? [levelOf(scorecard.name)] : ["FAILED"]
  })
}

/**
 * How the artifact was packed, and from what. It claims build level 1, that provenance exists, and no more: it was made on the machine of whoever ran
 * the gate, with a key that lies there. Only for what was packed here; of a file that somebody brought, nobody here knows how it was made.
 */
export const provenanceOf = (about: About): Made => {
  const { manifest: { commit, product, release, run, window }, statement: { subject } } = about
  const sums = subject.find(({ name }) => name === sumsFile)
  return {
    ...made(about, provenanceType, {
      buildDefinition: {
        buildType,
        externalParameters: { artifact: release.name },
        internalParameters: {},
        resolvedDependencies: [
          ...(commit === "unknown" ? [] : [{ name: "source", digest: { gitCommit: commit } }]),
          { name: "package-lock.json", digest: { sha256: product.lockfile_sha256 } }
        ]
      },
      runDetails: {
        builder: { id: builderId, version: { opsgate: product.version }, builderDependencies: [] },
        metadata: { invocationId: run, startedOn: instantOf(window.start_ms), finishedOn: instantOf(window.end_ms) },
        byproducts: [{ name: `${release.name} before compression`, digest: { sha256: release.tar_sha256 ?? "" } }, ...(sums === undefined ? [] : [{ name: sumsFile, digest: sums.digest }])]
      }
    }),
    subject: [{ name: release.name, digest: { sha256: release.sha256 } }]
  }
}
