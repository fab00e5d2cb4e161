/**
 * The earlier runs of a profile, as their bundles on this machine tell: what they decided, by which scorecard. They are read to
 * be compared with and not to decide, so they are not verified again; what cannot be read is counted.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { Either, Schema } from "effect"
import { scorecardFile } from "../evidence/Bundle.ts"
import { Environment, environmentFile } from "../evidence/Environment.ts"
import { Manifest, manifestFile } from "../evidence/Manifest.ts"
import { metricsFile } from "../evidence/Metrics.ts"
import { type Card, cardOf } from "../scorecard/Diff.ts"
import { type Decision, decisions, type Verdict, verdicts } from "../Verdict.ts"

export interface Earlier {
  readonly run: string
  readonly commit: string
  /** Of Opsgate; null for a bundle that does not say it. */
  readonly version: string | null
  readonly decision: Decision
  readonly verdicts: ReadonlyMap<string, Verdict>
  readonly scorecard: Card
}

export interface EarlierRuns {
  /** Newest first. */
  readonly runs: ReadonlyArray<Earlier>
  readonly unreadable: number
}

/** How far back a report looks. */
export const earlierMax = 50

/** The whole runs of this profile in `folder`, newest first. A run of single scenarios is none. */
export const earlierRuns = (folder: string, profile: string): EarlierRuns => {
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => /^\d{8}T\d{9}Z-/.test(name) && name.slice(name.indexOf("-") + 1) === profile) : []
  const read = names.sort().reverse().slice(0, earlierMax).map((name) => readEarlier(join(folder, name)))
  return { runs: read.filter((one) => one !== "unreadable" && one !== "partial"), unreadable: read.filter((one) => one === "unreadable").length }
}

/** What bundles of every version have in common. */
const Decided = Schema.Struct({
  result: Schema.Struct({ decision: Schema.Literal(...decisions), lines: Schema.Array(Schema.Struct({ id: Schema.String, verdict: Schema.Literal(...verdicts) })) })
})
const About = Schema.Struct({ run: Manifest.fields.run, commit: Manifest.fields.commit })

const readEarlier = (dir: string): Earlier | "unreadable" | "partial" =>
  Either.gen(function*() {
    const manifest = yield* read(About, join(dir, manifestFile))
    const metrics = yield* read(Decided, join(dir, metricsFile))
    const environment = existsSync(join(dir, environmentFile)) ? yield* read(Environment, join(dir, environmentFile)) : null
    if (environment?.partial === true) return "partial"
    const scorecard = cardOf(yield* read(Schema.Unknown, join(dir, scorecardFile)))
    if (scorecard === undefined) return "unreadable"
    const { decision, lines } = metrics.result
    return { run: manifest.run, commit: manifest.commit, version: environment?.version ?? null, decision, verdicts: new Map(lines.map(({ id, verdict }) => [id, verdict])), scorecard }
  }).pipe(Either.getOrElse((): "unreadable" => "unreadable"))

const read = <A, I>(schema: Schema.Schema<A, I>, file: string) =>
  Either.flatMap(Either.try(() => readFileSync(file, "utf8")), (text) => Schema.decodeUnknownEither(Schema.parseJson(schema))(text))
