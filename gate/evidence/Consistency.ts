/**
 * Whether the parts of a bundle say the same: the signed statement, the manifest, the logs and the journals.
 * Each function returns one sentence per contradiction and nothing when there is none.
 */
import { Either, Schema } from "effect"
import type { RunHistory, ScenarioHistory } from "../History.ts"
import { digestOf } from "./Canonical.ts"
import { checkChain, checkEnd, endOf } from "./Chain.ts"
import { configFile, configSaltOf, configSchema } from "./EffectiveConfig.ts"
import type { Files } from "./Files.ts"
import { type PinnedKey, publicKeyOf, publicSsh } from "./Keys.ts"
import { type LogEnd, type Logs, type Manifest, manifestFile } from "./Manifest.ts"
import { effectsFile, eventsFile, journalFile } from "./Reader.ts"
import { releaseFileOf } from "./Release.ts"
import { sbomFile, serialOf } from "./Sbom.ts"
import { type Statement, subjectsOf } from "./Statement.ts"
import { sumsFile } from "./Sums.ts"

type Problems = ReadonlyArray<string>

/** The digests in the signed statement against the two files that name all others, and the commit. */
export const checkSubjects = (statement: Statement, files: Files, manifest: Manifest | null): Problems => {
  const named = statement.subject.map(({ name }) => name)
  const expected = subjectsOf(files.get(sumsFile) ?? "", files.get(manifestFile) ?? "", manifest)
  const wrong = expected.filter(({ digest, name }) => {
    const subject = statement.subject.find((candidate) => candidate.name === name)
    return subject?.digest.sha256 !== digest.sha256 || subject?.digest.gitCommit !== digest.gitCommit
  })
  const extra = manifest === null ? [] : named.filter((name) => !expected.some((subject) => subject.name === name))
  const repeated = named.filter((name, index) => named.indexOf(name) !== index)
  return [
    ...wrong.map(({ name }) =>
      name === "source"
        ? `${manifestFile} names a commit that the signed statement does not name`
        : name === manifest?.release.name
        ? `${manifestFile} names a release artifact that the signed statement does not name`
        : `${name} is not the one that was signed: its digest is not in the signed statement`
    ),
    ...extra.map((name) => `the signed statement is about ${name}, which this bundle does not have`),
    ...repeated.map((name) => `the signed statement names ${name} twice`)
  ]
}

/** The parts of the manifest that were signed a second time, word for word. */
export const checkManifest = (manifest: Manifest, { predicate }: Statement): Problems => {
  const problems: Array<string> = []
  if (manifest.profile !== predicate.profile) problems.push(`${manifestFile} says profile ${manifest.profile}, signed was ${predicate.profile}`)
  if (manifest.window.start_ms !== predicate.window.start_ms || manifest.window.end_ms !== predicate.window.end_ms) {
    problems.push(`${manifestFile} has another window than the signed statement`)
  }
  if (manifest.configHash !== predicate.configHash) problems.push(`${manifestFile} has the digest of another configuration than the signed statement`)
  return problems
}

/** Every log against the chain it must be and the end it was said to have. `said` names who said so. */
export const checkLogs = (history: RunHistory, files: Files, logs: Logs, said: string): Problems => [
  ...history.scenarios.flatMap(({ events, id }) => {
    const expected = logs[id]
    const file = eventsFile(id)
    if (expected === undefined) return [`${said} does not name the log of scenario ${id}`]
    if (events !== null) return compareEnd(file, endOf(events), expected, said)
    // A log that is there but does not decode has been named by the reader.
    return expected === null || files.has(file) ? [] : [`${file} is missing: ${said} has ${expected.events} events`]
  }),
  ...Object.keys(logs)
    .filter((id) => !history.scenarios.some((scenario) => scenario.id === id))
    .map((id) => `scenario ${id} is missing: ${said} names its log`)
]

export const checkChains = (history: RunHistory): Problems =>
  history.scenarios.flatMap(({ events, id }) => checkChain(eventsFile(id), events ?? []))

/** One journal, its own seed and its own log for every scenario. The same log under two names would count twice. */
export const checkScenarios = ({ scenarios }: RunHistory, files: Files, seeds: Readonly<Record<string, number>> | null): Problems => {
  const problems: Array<string> = []
  const streams = new Map<string, string>()
  for (const scenario of scenarios) {
    problems.push(...checkJournal(scenario, files, seeds))
    const stream = scenario.events?.at(0)?.stream
    if (stream === undefined) continue
    const first = streams.get(stream)
    if (first !== undefined) problems.push(`${eventsFile(scenario.id)} is the log of ${eventsFile(first)} once more: both are stream ${stream}`)
    streams.set(stream, scenario.id)
  }
  const known = new Set(scenarios.map(({ id }) => id))
  for (const id of Object.keys(seeds ?? {})) {
    if (!known.has(id)) problems.push(`scenario ${id} is missing: the signed statement has its seed`)
  }
  return problems
}

/** The convenience copy must be the key that signed; trust never comes from it. */
export const checkKeyCopy = (files: Files, file: string, by: PinnedKey): Problems => {
  const bytes = files.get(file)
  if (bytes === undefined) return [`${file} is missing`]
  const copy = Either.getOrNull(publicKeyOf(file, Buffer.from(bytes).toString("utf8")))
  return copy?.fingerprint === by.fingerprint ? [] : [`${file} is not the key that signed, ${by.fingerprint}`]
}

/** The same key once more, in the spelling of `ssh-keygen`. */
export const checkSshKey = (files: Files, file: string, by: PinnedKey): Problems => {
  const bytes = files.get(file)
  if (bytes === undefined) return [`${file} is missing`]
  return Buffer.from(bytes).toString("utf8") === `${publicSsh(by.key)}\n` ? [] : [`${file} is not the key that signed, ${by.fingerprint}`]
}

/** The artifact that was judged, if it is kept, and nothing else beside it. */
export const checkRelease = (files: Files, { release }: Manifest): Problems => {
  const file = releaseFileOf(release.name)
  const content = files.get(file)
  const others = [...files.keys()].filter((path) => path.startsWith("release/") && path !== file)
  const problems = others.map((path) => `${path} is not the release artifact that ${manifestFile} names, ${release.name}`)
  if (!release.kept) return content === undefined ? problems : [...problems, `${file} is there, and ${manifestFile} says that it is not kept`]
  if (content === undefined) return [...problems, `${file} is missing; ${manifestFile} says that it is kept`]
  return content.byteLength === release.bytes && digestOf(content) === release.sha256 ? problems : [...problems, `${file} is not the release artifact that was judged: its digest is not the one in ${manifestFile}`]
}

/** The configuration that was played, by its digest, with an entry for every scenario. */
export const checkConfig = (files: Files, { configHash, configSalt, logs, run }: Manifest): Problems => {
  const content = files.get(configFile)
  if (content === undefined) return [`${configFile} is missing`]
  if (digestOf(content) !== configHash) return [`${configFile} is not the configuration that was played: its digest is not the one in ${manifestFile}`]
  const scenarios = Either.getOrNull(Schema.decodeUnknownEither(Configured)(Buffer.from(content).toString("utf8")))?.scenarios ?? null
  const isWhole = scenarios !== null && Object.keys(scenarios).sort().join("\n") === Object.keys(logs).sort().join("\n")
  return [
    ...(isWhole ? [] : [`${configFile} does not have the scenarios of this bundle`]),
    ...(configSalt === configSaltOf(run) ? [] : [`${manifestFile} has another salt than the one of its run`])
  ]
}

const Configured = Schema.parseJson(Schema.Struct({ schema: Schema.Literal(configSchema), scenarios: Schema.Record({ key: Schema.String, value: Schema.Unknown }) }))

/** The list of components must be the one of the lock file that the product was built from. */
export const checkSbom = (files: Files, { product }: Manifest): Problems => {
  const content = files.get(sbomFile)
  if (content === undefined) return [`${sbomFile} is missing`]
  const serial = Either.getOrNull(Schema.decodeUnknownEither(Numbered)(Buffer.from(content).toString("utf8")))?.serialNumber ?? null
  return serial === serialOf(product.lockfile_sha256) ? [] : [`${sbomFile} does not list the components of the product that ${manifestFile} names`]
}

const Numbered = Schema.parseJson(Schema.Struct({ bomFormat: Schema.Literal("CycloneDX"), serialNumber: Schema.String }))

const checkJournal = ({ id, journal }: ScenarioHistory, files: Files, seeds: Readonly<Record<string, number>> | null): Problems => {
  const file = journalFile(id)
  if (journal === null) {
    const other = files.has(eventsFile(id)) ? eventsFile(id) : effectsFile(id)
    return files.has(file) ? [] : [`${file} is missing: there is ${other}`]
  }
  const problems: Array<string> = []
  if (journal.scenario.id !== id) problems.push(`${file} is the journal of scenario ${journal.scenario.id}`)
  if (seeds !== null && seeds[id] !== journal.seed) problems.push(`${file} has seed ${journal.seed}, signed was ${seeds[id] ?? "none"}`)
  return problems
}

const compareEnd = (file: string, found: LogEnd, expected: LogEnd | null, said: string): Problems =>
  expected === null ? [`${file} is a readable log, ${said} has none`] : checkEnd(file, found, expected, said)
