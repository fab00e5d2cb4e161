/**
 * The whole runs of a profile on this machine, as their bundles prove: each is opened once, verified and judged anew, and what does not
 * verify is named and not used. An audit report is made of nothing else.
 */
import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { Either, Schema } from "effect"
import { boardFile, scorecardFile } from "../../evidence/Bundle.ts"
import { digestOf } from "../../evidence/Canonical.ts"
import { Environment, environmentFile } from "../../evidence/Environment.ts"
import type { Files } from "../../evidence/Files.ts"
import type { PinnedKey } from "../../evidence/Keys.ts"
import { readBundle } from "../../evidence/Reader.ts"
import { sumsFile } from "../../evidence/Sums.ts"
import { openBundle, verifyOpened } from "../../evidence/Verifier.ts"
import type { RunHistory } from "../../History.ts"
import { parseScorecard } from "../../scorecard/Decode.ts"
import { judge } from "../../scorecard/Judge.ts"
import type { Result, Scorecard } from "../../scorecard/Scorecard.ts"

export interface AuditRun {
  /** Its folder in `evidence/runs`. */
  readonly name: string
  readonly run: string
  readonly commit: string
  /** Of Opsgate; null for a bundle that does not say it. */
  readonly version: string | null
  /** Unix milliseconds. */
  readonly window: { readonly start_ms: number; readonly end_ms: number }
  /** Of the key that signed. */
  readonly fingerprint: string
  /** SHA-256 of its SHA256SUMS, which has the digest of every other file. */
  readonly digest: string
  readonly scorecardSha256: string
  /** Both judged anew from the raw files. */
  readonly result: Result
  readonly board: Result
}

/** What only the newest run is asked for. */
export interface Detail {
  readonly scorecard: Scorecard
  readonly history: RunHistory
}

export interface AuditRuns {
  /** Newest first. */
  readonly runs: ReadonlyArray<AuditRun>
  /** Of the newest; null where there is none. */
  readonly detail: Detail | null
  /** Bundles that do not verify, newest first. */
  readonly unused: ReadonlyArray<{ readonly name: string; readonly why: string }>
}

/** How many runs a trend has, and how many bundles are looked at for them. */
export const trendMax = 10
const lookedAtMax = 50

/** The newest runs of `profile` in `folder`, at most `most`. A run of single scenarios is none. `step` is called for each bundle that was looked at. */
export const auditRuns = (folder: string, profile: string, pinned: ReadonlyArray<PinnedKey>, most = trendMax, step: (done: number) => void = () => {}): AuditRuns => {
  const runs: Array<AuditRun> = []
  const unused: Array<{ readonly name: string; readonly why: string }> = []
  let detail: Detail | null = null
  for (const [index, name] of namesIn(folder, profile).entries()) {
    if (runs.length >= most) break
    const found = runAt(join(folder, name), name, pinned)
    step(index + 1)
    if (found === "partial") continue
    if (Either.isLeft(found)) unused.push({ name, why: found.left })
    else {
      detail ??= found.right.detail
      runs.push(found.right.run)
    }
  }
  return { runs, detail, unused }
}

const namesIn = (folder: string, profile: string): ReadonlyArray<string> =>
  (existsSync(folder) ? readdirSync(folder) : [])
    .filter((name) => /^\d{8}T\d{9}Z-/.test(name) && name.slice(name.indexOf("-") + 1) === profile)
    .sort().reverse().slice(0, lookedAtMax)

const runAt = (dir: string, name: string, pinned: ReadonlyArray<PinnedKey>): Either.Either<{ readonly run: AuditRun; readonly detail: Detail }, string> | "partial" => {
  const opened = openBundle(dir)
  if (Either.isLeft(opened)) return Either.left(opened.left._tag === "NotABundle" ? "it is no bundle" : (opened.left.problems[0] ?? "it cannot be read"))
  const found = verifyOpened(opened.right, { pinned })
  if (found._tag !== "Verified") return Either.left(found._tag === "NotABundle" ? "it is no bundle" : (found.problems[0] ?? "it does not verify"))
  // Its name says when it was, and a copy under another name would be a run that never was.
  if (name !== `${found.run}-${found.profile}`) return Either.left(`it holds run ${found.run} of profile ${found.profile}`)
  const { files } = opened.right
  const environment = Either.getOrNull(Schema.decodeUnknownEither(Schema.parseJson(Environment))(textOf(files, environmentFile)))
  if (environment?.partial === true) return "partial"
  const { history } = readBundle(files)
  const scorecards = Either.all({ scorecard: scorecardOf(files, scorecardFile), board: scorecardOf(files, boardFile) })
  return Either.map(scorecards, ({ board, scorecard }) => ({
    run: {
      name,
      run: found.run,
      commit: found.commit,
      version: environment?.version ?? null,
      window: found.statement.predicate.window,
      fingerprint: found.by.fingerprint,
      digest: digestOf(files.get(sumsFile) ?? new Uint8Array()),
      scorecardSha256: found.scorecardSha256,
      result: found.result,
      board: judge(board, history)
    },
    detail: { scorecard, history }
  }))
}

const textOf = (files: Files, file: string): string => Buffer.from(files.get(file) ?? new Uint8Array()).toString("utf8")

const scorecardOf = (files: Files, file: string): Either.Either<Scorecard, string> =>
  Either.try({ try: (): unknown => JSON.parse(textOf(files, file)), catch: () => `${file} is not JSON` }).pipe(
    Either.flatMap((json) => Either.mapLeft(parseScorecard(json), ({ message }) => message))
  )
