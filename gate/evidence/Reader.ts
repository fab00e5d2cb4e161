/**
 * From the files of a run to its history. Every line of every log, ledger and journal is decoded before it is
 * trusted; one that is not what `docs/gate.md` describes makes its whole file unreadable, because a history
 * with holes would be judged as if it were complete.
 */
import { Either, ParseResult, Schema } from "effect"
import type { ParseOptions } from "effect/SchemaAST"
import { type ChatHistory, type Effect, faultClasses, scripts, type Journal, type LogEvent, type RunHistory, type ScenarioHistory, targets } from "../History.ts"
import { type Files, inOrder } from "./Files.ts"
import { Digest } from "./Manifest.ts"
import { clip } from "./Plain.ts"

/** Raised when a file of a run does not decode. `line` is 0 for a file that is one document. */
export class FileRefused extends Schema.TaggedError<FileRefused>()("FileRefused", {
  file: Schema.String,
  line: Schema.Int,
  why: Schema.String
}) {
  override get message() {
    return `${this.file}${this.line === 0 ? "" : ` line ${this.line}`} is malformed: ${clip(this.why, 200)}`
  }
}

// The object is passed through as parsed: a copy would lose members such as `__proto__`, and with them the digest.
const JsonObject = Schema.declare(
  (value): value is Readonly<Record<string, unknown>> => typeof value === "object" && value !== null && !Array.isArray(value)
)

const LogEventSchema = Schema.Struct({
  v: Schema.Literal(1),
  stream: Schema.NonEmptyString,
  seq: Schema.Int,
  at: Schema.Int,
  type: Schema.NonEmptyString,
  task: Schema.NullOr(Schema.String),
  trace: Schema.NullOr(Schema.String.pipe(Schema.pattern(/^[0-9a-f]{32}$/))),
  actor: Schema.String,
  payload: Schema.NullOr(JsonObject),
  payload_sha256: Digest,
  prev: Digest,
  hash: Digest
})

const EffectSchema: Schema.Schema<Effect> = Schema.Struct({
  phase: Schema.Literal("start", "done"),
  task: Schema.NonEmptyString,
  dispatch_key: Schema.NonEmptyString,
  attempt: Schema.Int,
  generation: Schema.Int,
  pid: Schema.Int,
  mono_ms: Schema.Int
})

const ScenarioSchema = Schema.Struct({
  v: Schema.Literal(1),
  id: Schema.NonEmptyString,
  title: Schema.String,
  hypothesis: Schema.String,
  traffic_class: Schema.Literal("fault", "prodlike", "operator"),
  seed: Schema.Int,
  workload: Schema.Struct({ script: Schema.Literal(...scripts), tasks: Schema.Int, heavy_ppm: Schema.Int, concurrency: Schema.Int }),
  faults: Schema.Array(
    Schema.Struct({ class: Schema.Literal(...faultClasses), must_hit: Schema.Literal(...targets), count: Schema.Int })
  ),
  limits: Schema.Struct({ wall_ms: Schema.Int, lease_ms: Schema.Int, summaries: Schema.Int })
})

const Row = Schema.Struct({ id: Schema.String, state: Schema.String }, Schema.Record({ key: Schema.String, value: Schema.Unknown }))

const Chat: Schema.Schema<ChatHistory> = Schema.Struct({
  commands: Schema.Array(Schema.Struct({
    update: Schema.Int,
    key: Schema.String,
    chat: Schema.Int,
    person: Schema.String,
    op: Schema.Literal("submit", "approve", "resume"),
    task: Schema.NullOr(Schema.String),
    expect: Schema.Literal("once", "nothing")
  })),
  bursts: Schema.Array(Schema.Struct({ id: Schema.NonEmptyString, kind: Schema.String, at: Schema.Int, struck: Schema.Array(Schema.Int), keys: Schema.Array(Schema.String) })),
  calls: Schema.Array(Schema.Struct({
    seq: Schema.Int,
    at: Schema.Int,
    took_ms: Schema.NullOr(Schema.Number),
    method: Schema.String,
    chat: Schema.NullOr(Schema.Int),
    text: Schema.NullOr(Schema.String),
    updates: Schema.Array(Schema.Int),
    faults: Schema.Array(Schema.String),
    status: Schema.NullOr(Schema.Int),
    answered: Schema.Boolean
  })),
  violations: Schema.Array(Schema.Struct({ at: Schema.Int, scope: Schema.String, method: Schema.String, early: Schema.Boolean }))
})

export const JournalSchema: Schema.Schema<Journal> = Schema.Struct({
  v: Schema.Literal(1),
  scenario: ScenarioSchema,
  seed: Schema.Int,
  started_at: Schema.Int,
  ended_at: Schema.Int,
  status: Schema.Literal("completed", "aborted"),
  note: Schema.NullOr(Schema.String),
  requests: Schema.Array(Schema.Struct({
    key: Schema.String,
    kind: Schema.String,
    class: Schema.Literal("light", "heavy"),
    task: Schema.NullOr(Schema.String),
    expect: Schema.Struct({ states: Schema.Array(Schema.String), done_min: Schema.Int, done_max: Schema.Int })
  })),
  replays: Schema.Array(Schema.Struct({
    key: Schema.String,
    op: Schema.String,
    same_payload: Schema.Boolean,
    exit: Schema.Int,
    task: Schema.NullOr(Schema.String),
    first_task: Schema.NullOr(Schema.String)
  })),
  faults: Schema.Array(Schema.Struct({
    id: Schema.NonEmptyString,
    class: Schema.Literal(...faultClasses),
    must_hit: Schema.Literal(...targets),
    at: Schema.Int,
    seed: Schema.Int,
    hit: Schema.Array(Schema.String),
    witness: Schema.NullOr(Schema.Struct({ kind: Schema.Literal("exit", "proc_stat", "answer", "record"), detail: Schema.String }))
  })),
  summaries: Schema.Array(Schema.Struct({ at: Schema.Int, summary: Schema.Unknown })),
  restarts: Schema.Array(Schema.Struct({ before: Schema.Array(Row), after: Schema.Array(Row) })),
  chat: Schema.optionalWith(Chat, { exact: true })
})

/** The texts that one scenario left. A text that is `null` was not there. */
export interface ScenarioTexts {
  readonly id: string
  readonly journal: Journal | null
  readonly eventsText: string | null
  readonly effectsText: string | null
}

/** A history and why parts of it are `null` although their files are there. */
export interface Reading {
  readonly history: RunHistory
  readonly problems: ReadonlyArray<string>
}

export const eventsFile = (scenario: string): string => `events/${scenario}.jsonl`
export const effectsFile = (scenario: string): string => `effects/${scenario}.jsonl`
export const journalFile = (scenario: string): string => `scenarios/${scenario}.json`

export const readEvents = (file: string, text: string): Either.Either<ReadonlyArray<LogEvent>, FileRefused> =>
  // An unknown member is refused: no hash covers it.
  decodeLines(LogEventSchema, file, text, { onExcessProperty: "error" })

export const readEffects = (file: string, text: string): Either.Either<ReadonlyArray<Effect>, FileRefused> =>
  decodeLines(EffectSchema, file, text, {})

/** What a run left, before it is a bundle. Scenarios are in C order, as they will be when the bundle is read again. */
export const readRun = (scenarios: ReadonlyArray<ScenarioTexts>): Reading => {
  const problems: Array<string> = []
  const keep = keeper(problems)
  const byId = [...scenarios].sort((a, b) => (a.id < b.id ? -1 : 1))
  const history = byId.map(({ effectsText, eventsText, id, journal }): ScenarioHistory => ({
    id,
    journal,
    events: eventsText === null ? null : keep(readEvents(eventsFile(id), eventsText)),
    effects: effectsText === null ? null : keep(readEffects(effectsFile(id), effectsText))
  }))
  return { history: { scenarios: history }, problems }
}

/** The history in the files of a bundle. A scenario is whatever has a journal, a log or a ledger. */
export const readBundle = (files: Files): Reading => {
  const problems: Array<string> = []
  const keep = keeper(problems)
  const part = <A>(file: string, read: (text: string) => Either.Either<A, FileRefused>): A | null => {
    const bytes = files.get(file)
    return bytes === undefined ? null : keep(Either.flatMap(decodeUtf8(file, bytes), read))
  }
  const scenarios = scenarioIds(files).map((id): ScenarioHistory => ({
    id,
    journal: part(journalFile(id), (text) => decodeJson(JournalSchema, journalFile(id), text)),
    events: part(eventsFile(id), (text) => readEvents(eventsFile(id), text)),
    effects: part(effectsFile(id), (text) => readEffects(effectsFile(id), text))
  }))
  return { history: { scenarios }, problems }
}

const scenarioIds = (files: Files): ReadonlyArray<string> => {
  const ids = [...files.keys()].flatMap((path) => /^(?:(?:events|effects)\/(.+)\.jsonl|scenarios\/(.+)\.json)$/.exec(path)?.slice(1) ?? [])
  return inOrder(new Set(ids.filter((id) => id !== undefined)))
}

/** Text of a file. Bytes that are not UTF-8 are refused: replaced characters would be digested as if they had been there. */
export const decodeUtf8 = (file: string, bytes: Uint8Array): Either.Either<string, FileRefused> =>
  Either.try({
    try: () => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes),
    catch: () => new FileRefused({ file, line: 0, why: "it is not UTF-8" })
  })

/** One JSON document that fits a schema. */
export const decodeJson = <A, I>(
  schema: Schema.Schema<A, I>,
  file: string,
  text: string,
  line = 0,
  options: ParseOptions = {}
): Either.Either<A, FileRefused> =>
  Either.try({
    try: (): unknown => JSON.parse(text),
    catch: () => new FileRefused({ file, line, why: "it is not JSON" })
  }).pipe(
    Either.flatMap((json) =>
      Either.mapLeft(Schema.decodeUnknownEither(schema)(json, options), (error) => {
        const [issue] = ParseResult.ArrayFormatter.formatErrorSync(error)
        return new FileRefused({ file, line, why: `${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}` })
      })
    )
  )

const decodeLines = <A, I>(
  schema: Schema.Schema<A, I>,
  file: string,
  text: string,
  options: ParseOptions
): Either.Either<ReadonlyArray<A>, FileRefused> => {
  const lines = text.split("\n")
  if (lines.at(-1) === "") lines.pop()
  return Either.all(lines.map((line, index) => decodeJson(schema, file, line, index + 1, options)))
}

const keeper = (problems: Array<string>) => <A>(read: Either.Either<A, FileRefused>): A | null => {
  if (Either.isLeft(read)) problems.push(read.left.message)
  return Either.getOrNull(read)
}
