/** `opsgate evidence require`: the one line of a deploy script that lets nothing out but what was proven (`docs/deploy.md`). */
import { readdirSync, readFileSync, statSync } from "node:fs"
import { basename, dirname, join, resolve } from "node:path"
import { Clock, Effect, Either, Schema } from "effect"
import { scorecardFile } from "../evidence/Bundle.ts"
import { sha256 } from "../evidence/Canonical.ts"
import { Environment, environmentFile } from "../evidence/Environment.ts"
import { Digest, manifestFile } from "../evidence/Manifest.ts"
import { clip } from "../evidence/Plain.ts"
import { readOnce } from "../evidence/Release.ts"
import { vsaFile } from "../evidence/Sums.ts"
import { openBundle } from "../evidence/Verifier.ts"
import { profiles } from "../Profiles.ts"
import { lengthMs } from "../window/Words.ts"
import { headline } from "../report/Wording.ts"
import { type House, pinnedOf, places, printJson, printLine, refused, words, type WordsRefused } from "./House.ts"
import { type Demand, demanded, type Denied, type Granted, instant } from "./Required.ts"

export const requireUsage = "opsgate evidence require --artifact FILE [--key PUBLIC_KEY|FOLDER]… [--bundle BUNDLE|VSA] [--max-age 30d] [--scorecard SHA256|FILE] [--json]"

export const requireVerb = (given: ReadonlyArray<string>, house: House): Effect.Effect<number, WordsRefused> =>
  Effect.gen(function*() {
    const text = { type: "string" } as const
    const { positionals, values } = yield* words({ args: [...given], allowPositionals: true, options: { artifact: text, bundle: text, key: { ...text, multiple: true, default: [] }, "max-age": text, scorecard: text, json: { type: "boolean", default: false } } })
    yield* places(positionals, [], `usage: ${requireUsage}`)
    const file = values.artifact
    if (file === undefined) return yield* refused(`--artifact is missing: what is to be let out? usage: ${requireUsage}`)
    const pinned = yield* pinnedOf(house, values.key)
    if (pinned.length === 0) return yield* refused(`no key is pinned in ${values.key.length === 0 ? house.pinnedDir : values.key.join(", ")}: without one nothing can be trusted`)
    const maxAge = yield* maxAgeOf(values["max-age"])
    const digest = yield* Effect.try({ try: () => readOnce(file).digest, catch: (cause) => refused(`the artifact ${file} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`) })
    const demand: Demand = {
      artifact: { name: basename(file), sha256: digest },
      pinned,
      scorecardSha256: yield* scorecardOf(values.scorecard, house),
      nowMs: yield* Clock.currentTimeMillis,
      maxAge
    }
    const runs = join(house.root, "evidence", "runs")
    const found = Either.flatMap(values.bundle === undefined ? newestFor(runs, demand) : folderOf(values.bundle), (dir) => decided(dir, demand))
    if (values.json) printJson(house, Either.match(found, { onLeft: (denied) => ({ go: false, why: denied.why }), onRight: ({ dir, granted }) => granting(dir, granted) }))
    if (Either.isLeft(found)) {
      house.progress.say(clip(`DENIED: ${found.left.why}`, 1000))
      return found.left.exit
    }
    if (!values.json) linesOf(found.right, demand).forEach((line) => printLine(house, line))
    return 0
  })

const decided = (dir: string, demand: Demand) =>
  openBundle(dir).pipe(
    Either.mapLeft((unopened): Denied => (unopened._tag === "NotABundle" ? { exit: 2, why: `there is no bundle: ${unopened.why}` } : { exit: 1, why: unopened.problems[0] ?? `${dir} cannot be read` })),
    Either.flatMap((opened) => demanded(opened, demand)),
    Either.map((granted) => ({ dir, granted }))
  )

const granting = (dir: string, { by, commit, profile, release, result, run, scorecardSha256, statement }: Granted) => ({
  go: true, bundle: dir, run, profile, commit, artifact: release.sha256, signer: by.fingerprint, scorecard: { name: result.scorecard, sha256: scorecardSha256 },
  ended_ms: statement.predicate.window.end_ms, waivers: result.waivers.filter(({ state }) => state === "applied")
})

const linesOf = ({ dir, granted }: { readonly dir: string; readonly granted: Granted }, { artifact }: Demand): ReadonlyArray<string> => [
  `${headline(granted.result)}  ${artifact.name} sha256 ${artifact.sha256}`,
  `run ${granted.run}, profile ${granted.profile}, commit ${granted.commit}, ended ${instant(granted.statement.predicate.window.end_ms)}, scorecard ${granted.result.scorecard}`,
  `signed by ${granted.by.fingerprint} (${granted.by.name}); the whole bundle was verified and judged anew: ${dir}`
]

/** The folder that is named, or the one that the named summary lies in: a summary by itself leaves everything to whoever signed it. */
const folderOf = (named: string): Either.Either<string, Denied> => {
  const place = resolve(named)
  if (statSync(place, { throwIfNoEntry: false })?.isFile() !== true) return Either.right(place)
  const folder = dirname(dirname(place))
  return join(folder, vsaFile) === place ? Either.right(folder) : Either.left({ exit: 2, why: `${named} is no bundle, and not the ${vsaFile} of one` })
}

/** The scorecard that has to have decided: by its digest, by a file, else the one that releases are judged by here. */
const scorecardOf = (named: string | undefined, house: House): Effect.Effect<string, WordsRefused> => {
  if (named !== undefined && /^[0-9a-f]{64}$/i.test(named)) return Effect.succeed(named.toLowerCase())
  const file = named ?? join(house.root, "scorecards", profiles.get("release")?.scorecard ?? "")
  return Effect.try({ try: () => sha256(readFileSync(file)), catch: () => refused(`the scorecard ${file} cannot be read, and is no SHA-256`) })
}

const maxAgeOf = (given: string | undefined): Effect.Effect<Demand["maxAge"], WordsRefused> => {
  if (given === undefined) return Effect.succeed(null)
  const ms = lengthMs(given)
  return ms === null ? refused(`--max-age wants a whole number of seconds, minutes, hours or days, as in 36h or 30d, and not ${given}`) : Effect.succeed({ words: given, ms })
}

const Mark = Schema.parseJson(Schema.Struct({ release: Schema.Struct({ sha256: Digest }) }))

/**
 * The newest whole run on this machine that says it is about the artifact, by the scorecard that is asked for. What it says is only believed when it
 * verifies; a later NO-GO stands before an earlier GO.
 */
const newestFor = (runs: string, { artifact, scorecardSha256 }: Demand): Either.Either<string, Denied> => {
  const found = namesIn(runs).toSorted().toReversed().map((name) => join(runs, name)).find((dir) => {
    const about = Either.getOrNull(Either.flatMap(textAt(join(dir, manifestFile)), Schema.decodeUnknownEither(Mark)))
    const card = Either.getOrNull(textAt(join(dir, scorecardFile)))
    const environment = Either.getOrNull(Either.flatMap(textAt(join(dir, environmentFile)), Schema.decodeUnknownEither(Schema.parseJson(Environment))))
    return about?.release.sha256 === artifact.sha256 && card !== null && sha256(card) === scorecardSha256 && environment?.partial !== true
  })
  return found === undefined ? Either.left({ exit: 2, why: `there is no bundle in ${runs} about ${artifact.name} (sha256 ${artifact.sha256}) by the scorecard that is asked for` }) : Either.right(found)
}

const textAt = (file: string): Either.Either<string, unknown> => Either.try(() => readFileSync(file, "utf8"))

const namesIn = (dir: string): ReadonlyArray<string> => Either.getOrElse(Either.try(() => readdirSync(dir)), () => [])
