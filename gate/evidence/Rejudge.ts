/**
 * Judges the raw files of a bundle anew, by the scorecard in it, and compares every count with what was
 * signed and with metrics.json. This catches what no signature can: a signed decision that the evidence
 * does not bear out.
 */
import { Either } from "effect"
import type { RunHistory } from "../History.ts"
import { parseScorecard } from "../scorecard/Decode.ts"
import { restrained } from "../scorecard/Diff.ts"
import { judge } from "../scorecard/Judge.ts"
import type { Result, Scorecard } from "../scorecard/Scorecard.ts"
import { boardFile, scorecardFile } from "./Bundle.ts"
import { canonical, sha256 } from "./Canonical.ts"
import type { Files } from "./Files.ts"
import { type Judged, Metrics, metricsFile } from "./Metrics.ts"
import { decodeJson, decodeUtf8 } from "./Reader.ts"
import { adrFile, objectionsIn, releasedFile } from "./Released.ts"
import { type CheckCounts, countsOf, evaluated, type Predicate } from "./Statement.ts"

export interface Rejudged {
  /** Null when there was nothing to judge by. */
  readonly result: Result | null
  readonly board: Result | null
  readonly problems: ReadonlyArray<string>
}

/** Bounds are floating-point figures for people, rounded to parts per million; another processor may round the last one differently. */
const boundTolerancePpm = 1

/** Compares against the predicate if there is a signed one, and against metrics.json always. */
export const rejudge = (files: Files, history: RunHistory, predicate: Predicate | null): Rejudged => {
  const problems: Array<string> = []
  const kept = <A>(either: Either.Either<A, string>): A | null => {
    if (Either.isLeft(either)) problems.push(either.left)
    return Either.getOrNull(either)
  }
  const scorecard = kept(readScorecard(files, scorecardFile))
  const board = kept(readScorecard(files, boardFile))
  const metrics = kept(readMetrics(files))
  const objections = objectionsIn(textIn(files, scorecardFile) ?? "", releasedIn(files))
  const result = scorecard === null ? null : kept(Either.map(judgeSafely(scorecardFile, scorecard, history), (judged) => restrained(judged, objections)))
  const boardResult = board === null ? null : kept(judgeSafely(boardFile, board, history))
  if (scorecard !== null && predicate !== null) problems.push(...compareScorecard(files, scorecard, predicate))
  if (result !== null && predicate !== null) {
    const signed = { scorecard: predicate.scorecard.name, decision: predicate.decision, lines: predicate.checks }
    problems.push(...compare("the signed statement", signed, result), ...compareEvaluated(predicate))
    if (spelled(predicate.waivers) !== spelled(result.waivers)) problems.push("the signed statement lists other waivers than the scorecard and the end of the run give")
  }
  if (result !== null && metrics !== null) problems.push(...compare(metricsFile, metrics.result, result))
  if (boardResult !== null && metrics !== null) problems.push(...compare(`the board in ${metricsFile}`, metrics.board, boardResult))
  return { result, board: boardResult, problems }
}

const readText = (files: Files, file: string): Either.Either<string, string> => {
  const bytes = files.get(file)
  return bytes === undefined ? Either.left(`${file} is missing`) : Either.mapLeft(decodeUtf8(file, bytes), ({ message }) => message)
}

const textIn = (files: Files, file: string): string | null => Either.getOrNull(readText(files, file))

const releasedIn = (files: Files) => {
  const text = textIn(files, releasedFile)
  return text === null ? null : { text, adrText: textIn(files, adrFile) }
}

const readScorecard = (files: Files, file: string): Either.Either<Scorecard, string> =>
  readText(files, file).pipe(
    Either.flatMap((text) => Either.try({ try: (): unknown => JSON.parse(text), catch: () => `${file} is not JSON` })),
    Either.flatMap((json) => Either.mapLeft(parseScorecard(json), ({ message }) => `${file} is no scorecard: ${message}`))
  )

const readMetrics = (files: Files) =>
  Either.flatMap(readText(files, metricsFile), (text) => Either.mapLeft(decodeJson(Metrics, metricsFile, text), ({ message }) => message))

// A measure that fails on a history nobody foresaw must not end the verification without a word.
const judgeSafely = (file: string, scorecard: Scorecard, history: RunHistory): Either.Either<Result, string> =>
  Either.try({
    try: () => judge(scorecard, history),
    catch: (cause) => `judging anew by ${file} failed: ${cause instanceof Error ? cause.message : String(cause)}`
  })

const compareScorecard = (files: Files, scorecard: Scorecard, predicate: Predicate): ReadonlyArray<string> => {
  const problems: Array<string> = []
  if (sha256(files.get(scorecardFile) ?? "") !== predicate.scorecard.digest.sha256) {
    problems.push(`${scorecardFile} is not the scorecard that was signed: its digest differs`)
  }
  if (scorecard.checks.map(({ id }) => id).join("\n") !== predicate.declaredChecks.join("\n")) {
    problems.push(`${scorecardFile} declares other checks than the signed statement`)
  }
  return problems
}

const compareEvaluated = (predicate: Predicate): ReadonlyArray<string> =>
  evaluated(predicate.checks).join("\n") === predicate.evaluatedChecks.join("\n")
    ? []
    : ["the signed statement lists other evaluated checks than its verdicts say"]

const compare = (said: string, claim: Judged, result: Result): ReadonlyArray<string> => {
  const problems: Array<string> = []
  if (claim.decision !== result.decision) {
    problems.push(`${said} says ${claim.decision}, but the raw files judged anew say ${result.decision}`)
  }
  if (claim.scorecard !== result.scorecard) problems.push(`${said} names scorecard ${claim.scorecard}, judged anew is ${result.scorecard}`)
  const claimed = new Map(claim.lines.map((line) => [line.id, line]))
  if (claimed.size !== claim.lines.length) problems.push(`${said} lists a check twice`)
  for (const line of result.lines) {
    const counts = claimed.get(line.id)
    claimed.delete(line.id)
    problems.push(...(counts === undefined ? [`${said} leaves out check ${line.id}`] : compareCounts(said, counts, countsOf(line))))
  }
  for (const id of claimed.keys()) problems.push(`${said} has check ${id}, which the scorecard does not have`)
  return problems
}

const compareCounts = (said: string, claim: CheckCounts, anew: CheckCounts): ReadonlyArray<string> => {
  const differs = (name: string, claimed: unknown, judged: unknown) =>
    spelled(claimed) === spelled(judged) ? [] : [`check ${anew.id}: ${said} says ${name} ${spelled(claimed)}, judged anew it is ${spelled(judged)}`]
  return [
    ...differs("verdict", claim.verdict, anew.verdict),
    ...differs("good", claim.good, anew.good),
    ...differs("total", claim.total, anew.total),
    ...differs("excluded", claim.excluded, anew.excluded),
    ...differs("censored", claim.censored, anew.censored),
    ...differs("strata", claim.strata, anew.strata),
    ...differs("rule", claim.rule, anew.rule),
    ...differs("n_min", claim.n_min, anew.n_min),
    ...(nearly(claim.bound_ppm, anew.bound_ppm) ? [] : differs("bound_ppm", claim.bound_ppm, anew.bound_ppm))
  ]
}

const nearly = (a: number | null, b: number | null): boolean =>
  a === null || b === null ? a === b : Math.abs(a - b) <= boundTolerancePpm

const spelled = (value: unknown): string => (typeof value === "string" ? value : Either.getOrElse(canonical(value), ({ message }) => message))
