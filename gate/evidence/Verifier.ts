/**
 * Checks a bundle offline and decides anew. It trusts the pinned keys and nothing in the bundle: not its
 * key, not its digests, not its counts, not its decision. All problems are collected, because whoever made a
 * mistake wants to see all of it, and whoever forged something has to answer for all of it.
 */
import { lstatSync } from "node:fs"
import { join } from "node:path"
import { Either } from "effect"
import type { Result } from "../scorecard/Scorecard.ts"
import { type Decision, exitCode } from "../Verdict.ts"
import { checkAttestations } from "./Attestations.ts"
import { publicKeyFile, sshKeyFile } from "./Bundle.ts"
import { isOwn } from "./Checkers.ts"
import { checkChains, checkConfig, checkKeyCopy, checkLogs, checkManifest, checkRelease, checkSbom, checkScenarios, checkSshKey, checkSubjects } from "./Consistency.ts"
import { verifyEnvelope } from "./Dsse.ts"
import { type Files, readFiles } from "./Files.ts"
import type { PinnedKey } from "./Keys.ts"
import { checkFiles, Manifest, manifestFile } from "./Manifest.ts"
import { clip } from "./Plain.ts"
import { decodeJson, decodeUtf8, readBundle } from "./Reader.ts"
import { rejudge } from "./Rejudge.ts"
import { Statement } from "./Statement.ts"
import { checkSums, envelopeFile, sumsFile } from "./Sums.ts"

export interface VerifyOptions {
  /** The keys that may sign. None means that no bundle verifies. */
  readonly pinned: ReadonlyArray<PinnedKey>
}

export type Verification =
  | { readonly _tag: "NotABundle"; readonly why: string }
  | {
    readonly _tag: "Refuted"
    /** At most `problemsMax` sentences, each naming a file, a stream and seq, or a check. */
    readonly problems: ReadonlyArray<string>
    /** How many there are in all. */
    readonly total: number
  }
  | {
    readonly _tag: "Verified"
    readonly decision: Decision
    readonly run: string
    readonly commit: string
    readonly profile: string
    readonly by: PinnedKey
    /** Which scorecard decided. The signer chose it, so whoever relies on the decision compares this with the one he accepts. */
    readonly scorecardSha256: string
    /** Whether the programs in `verify/` are those of this version; others may agree with anything. */
    readonly ownCheckers: boolean
    /** What was judged. Whoever ships something compares its digest with this one. */
    readonly release: Manifest["release"]
    /** The judgement made just now from the raw files, not the stored one. */
    readonly result: Result
    /** What was signed. */
    readonly statement: Statement
  }

export const problemsMax = 20

/** 254 when there is no bundle, 1 when something is wrong with it, else what the decision exits with. */
export const verificationExit = (verification: Verification): number => {
  if (verification._tag === "NotABundle") return 254
  return verification._tag === "Refuted" ? 1 : exitCode[verification.decision]
}

/** Verifies the bundle in `dir`. It reads each file once and writes nothing. */
export const verify = (dir: string, options: VerifyOptions): Verification =>
  Either.match(openBundle(dir), { onLeft: (unopened) => unopened, onRight: (opened) => verifyOpened(opened, options) })

/** The files of a bundle as they were read, once, and what was wrong with reading them. */
export interface Opened {
  readonly files: Files
  readonly problems: ReadonlyArray<string>
}

/** Reads the bundle in `dir`, whether or not anything in it is true. */
export const openBundle = (dir: string): Either.Either<Opened, Exclude<Verification, { readonly _tag: "Verified" }>> => {
  const why = whyNoBundle(dir)
  if (why !== null) return Either.left({ _tag: "NotABundle", why })
  return Either.try({
    try: () => readFiles(dir),
    catch: (cause) => ({ _tag: "Refuted", problems: [clip(`the bundle cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, 400)], total: 1 })
  })
}

/** What a verifier looks at, in the order in which it reports. Each finds what no other does. */
export const aspects = ["signature", "subjects", "key", "listing", "records", "statement", "chains", "log-ends", "journals", "counts", "attestations", "release"] as const
export type Aspect = (typeof aspects)[number]

/** What was found, by aspect, and the verdict that was made anew; null when there was nothing sound to judge. */
export interface Inspection {
  readonly problems: Readonly<Record<Aspect, ReadonlyArray<string>>>
  readonly signed: { readonly statement: Statement; readonly by: PinnedKey } | null
  readonly manifest: Manifest | null
  readonly result: Result | null
}

/** Everything that `verify` checks, on files that were read already. `found` is what was wrong with reading them. */
export const inspect = (files: Files, pinned: ReadonlyArray<PinnedKey>, found: ReadonlyArray<string> = []): Inspection => {
  const signed = readSigned(files, pinned)
  const manifest = part(files, manifestFile, (text) => decodeJson(Manifest, manifestFile, text))
  const sums = part(files, sumsFile, Either.right)
  const reading = readBundle(files)
  const statement = signed.value?.statement ?? null
  const predicate = statement?.predicate ?? null
  const listed = [...(sums.value === null ? [] : checkSums(sums.value, files)), ...(manifest.value === null ? [] : checkFiles(manifest.value, files))]
  // Files that are known to be wrong would only repeat what has been said, once for every check.
  const anew = found.length + listed.length + reading.problems.length > 0 ? null : rejudge(files, reading.history, predicate)
  const subjects = statement === null ? [] : checkSubjects(statement, files, manifest.value)
  const listing = [...sums.problems, ...manifest.problems, ...found, ...listed]
  const problems = {
    signature: signed.problems,
    subjects,
    key: signed.value === null ? [] : [...checkKeyCopy(files, publicKeyFile, signed.value.by), ...checkSshKey(files, sshKeyFile, signed.value.by)],
    listing,
    records: reading.problems,
    statement: manifest.value === null || statement === null ? [] : checkManifest(manifest.value, statement),
    chains: checkChains(reading.history),
    "log-ends": [
      ...(predicate === null ? [] : checkLogs(reading.history, files, predicate.logs, "the signed statement")),
      ...(manifest.value === null ? [] : checkLogs(reading.history, files, manifest.value.logs, manifestFile))
    ],
    journals: checkScenarios(reading.history, files, predicate?.seeds ?? null),
    counts: anew?.problems ?? [],
    attestations: signed.value === null || manifest.value === null
      ? []
      : checkAttestations(files, { manifest: manifest.value, statement: signed.value.statement }, signed.value.by, subjects.length + listing.length === 0),
    release: manifest.value === null ? [] : [...checkRelease(files, manifest.value), ...checkConfig(files, manifest.value), ...checkSbom(files, manifest.value)]
  } satisfies Record<Aspect, ReadonlyArray<string>>
  return { problems, signed: signed.value, manifest: manifest.value, result: anew?.result ?? null }
}

/** Verifies files that were read already. */
export const verifyOpened = ({ files, problems: found }: Opened, { pinned }: VerifyOptions): Verification => {
  const { manifest, problems, result, signed } = inspect(files, pinned, found)
  const all = [...new Set(aspects.flatMap((aspect) => problems[aspect]).map((problem) => clip(problem, 400)))]
  if (all.length > 0 || signed === null || manifest === null || result === null) {
    return { _tag: "Refuted", problems: all.slice(0, problemsMax), total: all.length }
  }
  const { commit, profile, release, run } = manifest
  const { by, statement } = signed
  return { _tag: "Verified", decision: result.decision, run, commit, profile, by, scorecardSha256: statement.predicate.scorecard.digest.sha256, ownCheckers: isOwn(files), release, result, statement }
}

interface Part<A> {
  readonly value: A | null
  readonly problems: ReadonlyArray<string>
}

const part = <A>(files: Files, file: string, read: (text: string) => Either.Either<A, { readonly message: string }>): Part<A> => {
  const bytes = files.get(file)
  if (bytes === undefined) return { value: null, problems: [`${file} is missing`] }
  const value: Either.Either<A, { readonly message: string }> = Either.flatMap(decodeUtf8(file, bytes), read)
  return Either.match(value, {
    onLeft: ({ message }) => ({ value: null, problems: [message] }),
    onRight: (right) => ({ value: right, problems: [] })
  })
}

// The statement is decoded from the bytes that were verified, and from nothing when the signature is not good.
const readSigned = (files: Files, pinned: ReadonlyArray<PinnedKey>) =>
  part(files, envelopeFile, (text) =>
    verifyEnvelope(text, pinned).pipe(
      Either.mapLeft(({ message }) => ({ message: `${envelopeFile}: ${message}` })),
      // No digest covers this file, and the signature covers its payload alone: any other spelling is a change.
      Either.filterOrLeft(({ asWritten }) => asWritten, () => ({ message: `${envelopeFile}: the file was changed around what is signed` })),
      Either.flatMap(({ by, payload }) =>
        decodeUtf8(envelopeFile, payload).pipe(
          Either.flatMap((json) => decodeJson(Statement, envelopeFile, json)),
          Either.map((statement) => ({ statement, by }))
        )
      ),
      // The end of the run is what the signer says; a stolen key can lie about it, and is taken out of the folder.
      Either.filterOrLeft(
        ({ by: { retired }, statement }) => retired === undefined || statement.predicate.window.end_ms < retired.at_ms,
        ({ by }) => ({ message: `${envelopeFile}: it is signed by ${by.fingerprint}, which was retired before the run ended` })
      )
    ))

// Two of the three files that every bundle has: one may have been removed, and that is a problem to name.
const whyNoBundle = (dir: string): string | null => {
  const stats = lookAt(dir)
  if (stats === null) return clip(`${dir} does not exist`, 400)
  if (!stats.isDirectory()) return clip(`${dir} is not a directory`, 400)
  const marks = [sumsFile, manifestFile, envelopeFile]
  const there = marks.filter((file) => lookAt(join(dir, file)) !== null)
  return there.length < 2 ? clip(`${dir} is not an evidence bundle: it has no ${marks.filter((file) => !there.includes(file)).join(" and no ")}`, 400) : null
}

const lookAt = (path: string) => Either.getOrNull(Either.try(() => lstatSync(path)))
