/**
 * Writes the evidence of one run as a directory that can be checked without us (`docs/gate.md`, "The bundle").
 * It records what it is given and judges nothing; the same input gives the same bytes.
 */
import type { KeyObject } from "node:crypto"
import { Either, Schema } from "effect"
import type { Journal } from "../History.ts"
import type { Result } from "../scorecard/Scorecard.ts"
import { attest, attestationFiles } from "./Attestations.ts"
import { canonical, sha256 } from "./Canonical.ts"
import { signEnvelope } from "./Dsse.ts"
import { configFile, configSaltOf, renderConfig } from "./EffectiveConfig.ts"
import { type Environment, environmentFile } from "./Environment.ts"
import { BundleNotWritten, type Files, isPath, writeFiles } from "./Files.ts"
import { fingerprint, publicPem, publicSsh } from "./Keys.ts"
import { createdBy, listFiles, type LogEnd, type Manifest, manifestFile, manifestSchema, type Window } from "./Manifest.ts"
import { endOf } from "./Chain.ts"
import { checkers } from "./Checkers.ts"
import { metricsFile, metricsOf } from "./Metrics.ts"
import { readme } from "./Readme.ts"
import { type Aside, controlFile, effectsFile, eventsFile, journalFile, readEvents, selfTestFile, simulationFile } from "./Reader.ts"
import { type Release, releaseFileOf } from "./Release.ts"
import { type Product, sbomFile, sbomOf } from "./Sbom.ts"
import { adrFile, type Released, releasedFile } from "./Released.ts"
import { statementOf } from "./Statement.ts"
import { renderSums, sumsFile } from "./Sums.ts"

export interface BundleInput {
  /** Where the bundle will be; nothing may be there. */
  readonly dir: string
  readonly run: string
  /** 40 hex digits, or `unknown`. */
  readonly commit: string
  readonly profile: string
  readonly window: Window
  readonly scenarios: ReadonlyArray<{
    readonly id: string
    readonly journal: Journal
    /** As `opsgate events` printed it; null when there is no log. */
    readonly eventsText: string | null
    /** As the commands wrote it; null when there is no ledger. */
    readonly effectsText: string | null
    /** What the product was configured with; without it, nobody wrote a configuration. */
    readonly configuration?: unknown
  }>
  /** What was played. */
  readonly product: Product
  /** What is judged. */
  readonly release: Release
  /** What was run beside the scenarios. */
  readonly aside?: Aside
  /** The bytes of the two scorecards, as text. */
  readonly scorecardText: string
  readonly boardText: string
  /** What the scorecard was held against; none where no scorecard of its name was released. */
  readonly released?: Released | null
  /** On what the run was made. */
  readonly environment?: Environment
  readonly result: Result
  readonly boardResult: Result
  /** REPORT.md, gate/junit.xml and gate/gate.sarif, from `gate/report`. */
  readonly report: string
  readonly junit: string
  /** Charts that the report shows. */
  readonly charts?: ReadonlyArray<{ readonly path: string; readonly text: string }>
  readonly sarif: string
  /** The same of the tests of the control invariants, if they were run. */
  readonly controlJunit?: string
  /** Ed25519 private key. */
  readonly key: KeyObject
}

export interface WrittenBundle {
  readonly dir: string
  readonly fingerprint: string
}

export const scorecardFile = "policy/scorecard.json"
export const controlJunitFile = "tests/control.junit.xml"
export const boardFile = "policy/board.json"
export const publicKeyFile = "keys/gate.pub.pem"
export const sshKeyFile = "keys/gate.pub.ssh"
export const sarifFile = "gate/gate.sarif"

/** A bundle is smaller than this, in bytes; a release artifact that would make it larger is named by its digest alone. */
export const bundleBytesMax = 20_000_000
// What `attestations/`, manifest and SHA256SUMS take at most; they are not written yet when this is decided.
const signedBytesMax = 500_000

/** Writes the bundle. Refused when `dir` exists, a value has no JSON form, an id is no file name, or the key is not Ed25519. */
export const writeBundle = (input: BundleInput): Either.Either<WrittenBundle, BundleNotWritten> =>
  bundleFiles(input).pipe(
    Either.flatMap((files) => writeFiles(input.dir, files)),
    Either.map(() => ({ dir: input.dir, fingerprint: fingerprint(input.key) }))
  )

/** The files of a bundle without writing them. */
export const bundleFiles = (input: BundleInput): Either.Either<Files, BundleNotWritten> =>
  Either.gen(function*() {
    const refuse = (why: string) => new BundleNotWritten({ dir: input.dir, why })
    const ids = input.scenarios.map(({ id }) => id)
    const unfit = ids.find((id, index) => !isPath(id) || id.includes("/") || ids.indexOf(id) !== index)
    if (unfit !== undefined) return yield* Either.left(refuse(`scenario id ${unfit} is no file name or not unique`))

    const texts = yield* contentOf(input).pipe(Either.mapLeft(({ message }) => refuse(message)))
    const content = withRelease(bytesOf(texts), input.release)
    const manifest = manifestOf(input, content)
    const manifestText = yield* document(manifest).pipe(Either.mapLeft(({ message }) => refuse(message)))
    const listed = new Map([...content, ...bytesOf(new Map([[manifestFile, manifestText]]))])
    const sums = renderSums(listed)
    const declaredChecks = yield* declaredIn(input.scorecardText).pipe(Either.mapLeft(refuse))
    const seeds = Object.fromEntries(input.scenarios.map(({ id, journal }) => [id, journal.seed]))
    const { key, result, scorecardText } = input
    const statement = statementOf({ sums, manifestText, manifest, scorecardText, declaredChecks, result, seeds })
    const payload = yield* canonical(statement).pipe(Either.mapLeft(({ message }) => refuse(message)))
    const envelope = yield* signEnvelope(Buffer.from(payload), key).pipe(Either.mapLeft(({ message }) => refuse(message)))
    const files = new Map([...listed, ...bytesOf(new Map([[sumsFile, sums]]))])
    const attestations = yield* attest(files, { manifest, statement }, envelope, key).pipe(Either.mapLeft(({ message }) => refuse(message)))
    return new Map([...files, ...bytesOf(attestations)])
  })

const withRelease = (content: Files, { content: artifact, name }: Release): Files => {
  const bytes = [...content.values()].reduce((total, one) => total + one.byteLength, 0)
  return artifact === null || bytes + artifact.byteLength + signedBytesMax > bundleBytesMax ? content : new Map([...content, [releaseFileOf(name), artifact]])
}

const contentOf = (input: BundleInput) =>
  Either.gen(function*() {
    const texts = new Map<string, string>()
    texts.set("README.md", readme({ run: input.run, decision: input.result.decision, fingerprint: fingerprint(input.key), attestations: attestationFiles(input.release, input.key) }))
    texts.set("REPORT.md", input.report)
    texts.set("gate/junit.xml", input.junit)
    for (const { path, text } of input.charts ?? []) texts.set(path, text)
    for (const [path, program] of checkers()) texts.set(path, Buffer.from(program).toString("utf8"))
    texts.set(sarifFile, input.sarif)
    texts.set(sbomFile, yield* Either.flatMap(sbomOf(input.product), document))
    texts.set(configFile, yield* renderConfig(Object.fromEntries(input.scenarios.map(({ configuration = null, id }) => [id, configuration])), configSaltOf(input.run)))
    texts.set(scorecardFile, input.scorecardText)
    texts.set(boardFile, input.boardText)
    const { environment, released = null } = input
    if (released !== null) texts.set(releasedFile, released.text)
    if (released !== null && released.adrText !== null) texts.set(adrFile, released.adrText)
    if (environment !== undefined) texts.set(environmentFile, yield* document(environment))
    texts.set(publicKeyFile, publicPem(input.key))
    texts.set(sshKeyFile, `${publicSsh(input.key)}\n`)
    texts.set(metricsFile, yield* document(metricsOf(input.result, input.boardResult)))
    const { control = null, selfTest = null, simulation = null } = input.aside ?? {}
    if (control !== null) texts.set(controlFile, yield* document(control))
    if (input.controlJunit !== undefined) texts.set(controlJunitFile, input.controlJunit)
    if (simulation !== null) texts.set(simulationFile, yield* document(simulation))
    if (selfTest !== null) texts.set(selfTestFile, yield* document(selfTest))
    for (const { effectsText, eventsText, id, journal } of input.scenarios) {
      texts.set(journalFile(id), yield* document(journal))
      if (eventsText !== null) texts.set(eventsFile(id), eventsText)
      if (effectsText !== null) texts.set(effectsFile(id), effectsText)
    }
    return texts
  })

const manifestOf = (input: BundleInput, content: Files): Manifest => ({
  schema: manifestSchema,
  run: input.run,
  commit: input.commit,
  profile: input.profile,
  created_by: createdBy,
  window: { start_ms: input.window.start_ms, end_ms: input.window.end_ms },
  files: listFiles(content),
  logs: Object.fromEntries(input.scenarios.map(({ eventsText, id }) => [id, eventsText === null ? null : logEnd(id, eventsText)])),
  product: { version: input.product.version, lockfile_sha256: sha256(input.product.lockfile) },
  release: releasedAs(input.release, content.has(releaseFileOf(input.release.name))),
  configHash: sha256(content.get(configFile) ?? ""),
  configSalt: configSaltOf(input.run)
})

const releasedAs = ({ bytes, name, sha256, tar_sha256, uri }: Release, kept: boolean): Manifest["release"] => ({ name, uri, sha256, bytes, tar_sha256, kept })

// A log that does not decode is evidence all the same: it is kept, and has no end that could be signed.
const logEnd = (id: string, text: string): LogEnd | null => Either.getOrNull(Either.map(readEvents(eventsFile(id), text), endOf))

/** What is longer, in characters, nobody reads without a program, and its indentation would be a third of it. */
const indentedMax = 1_048_576

// Indented for people. What has no canonical form is refused here too: JSON.stringify would write null for NaN.
const document = (value: unknown) => Either.map(canonical(value), (text) => `${text.length > indentedMax ? JSON.stringify(value) : JSON.stringify(value, null, 2)}\n`)

const declaredIn = (scorecardText: string): Either.Either<ReadonlyArray<string>, string> =>
  Schema.decodeUnknownEither(Schema.parseJson(Schema.Struct({ checks: Schema.Array(Schema.Struct({ id: Schema.String })) })))(scorecardText).pipe(
    Either.mapBoth({ onLeft: () => "the scorecard has no checks", onRight: ({ checks }) => checks.map(({ id }) => id) })
  )

const bytesOf = (texts: ReadonlyMap<string, string>): Files => new Map([...texts].map(([path, text]) => [path, Buffer.from(text, "utf8")]))
