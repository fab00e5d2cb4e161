/**
 * From the files of a run to its history. Every line of every log, ledger and journal is decoded before it is
 * trusted; one that is not what `docs/gate.md` describes makes its whole file unreadable, because a history
 * with holes would be judged as if it were complete.
 */
import { Either, ParseResult, Schema } from "effect"
import type { ParseOptions } from "effect/SchemaAST"
import { actSorts, type ChatHistory, type ControlTests, type Effect, faultClasses, scripts, type Journal, type LogEvent, mutantFamilies, operationNames, type OwnHistory, type RunHistory, type ScenarioHistory, type SelfTest, type Simulation, standings, targets, trialKinds, witnessKinds, worlds } from "../History.ts"
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

// Present or not there at all: a member that is undefined has no canonical form.
const maybe = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true })

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
  limits: Schema.Struct({ wall_ms: Schema.Int, lease_ms: Schema.Int, summaries: Schema.Int, command_ms: maybe(Schema.Int), trials: maybe(Schema.Int) })
})

const Witness = Schema.NullOr(Schema.Struct({ kind: Schema.Literal(...witnessKinds), detail: Schema.String }))

const Row = Schema.Struct({ id: Schema.String, state: Schema.String }, Schema.Record({ key: Schema.String, value: Schema.Unknown }))

const Chat: Schema.Schema<ChatHistory> = Schema.Struct({
  commands: Schema.Array(Schema.Struct({
    update: Schema.Int,
    key: Schema.String,
    chat: Schema.Int,
    person: Schema.String,
    op: Schema.Literal("submit", "approve", "resume"),
    task: Schema.NullOr(Schema.String),
    expect: Schema.Literal("once", "nothing"),
    at: maybe(Schema.Int),
    message: maybe(Schema.NullOr(Schema.Int)),
    query: maybe(Schema.NullOr(Schema.String)),
    standing: maybe(Schema.Literal(...standings))
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
    answered: Schema.Boolean,
    replies: maybe(Schema.NullOr(Schema.Int)),
    query: maybe(Schema.NullOr(Schema.String))
  })),
  violations: Schema.Array(Schema.Struct({ at: Schema.Int, scope: Schema.String, method: Schema.String, early: Schema.Boolean }))
})

const Own: Schema.Schema<OwnHistory> = Schema.Struct({
  kind: Schema.NonEmptyString,
  kinds: Schema.Array(Schema.Struct({ kind: Schema.NonEmptyString, unjudged: Schema.NullOr(Schema.String) })),
  steps: Schema.Array(Schema.Struct({ place: Schema.NonEmptyString, effect: Schema.String, timeout: Schema.Boolean, probe: Schema.Boolean })),
  acts: Schema.Array(Schema.Struct({
    task: Schema.NonEmptyString,
    place: Schema.NonEmptyString,
    step: Schema.Boolean,
    pass: Schema.NonEmptyString,
    n: Schema.Int,
    what: Schema.NullOr(Schema.String),
    sort: Schema.Literal(...actSorts),
    keyed: Schema.Boolean
  }))
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
    expect: Schema.Struct({ states: Schema.Array(Schema.String), done_min: Schema.Int, done_max: Schema.Int }),
    due_at: maybe(Schema.Int),
    spec: maybe(Schema.String)
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
    witness: Witness,
    until: maybe(Schema.Int),
    service_at: maybe(Schema.Int),
    service_until: maybe(Schema.Int),
    point: maybe(Schema.NonEmptyString),
    by_ms: maybe(Schema.Int)
  })),
  summaries: Schema.Array(Schema.Struct({ at: Schema.Int, summary: Schema.Unknown })),
  restarts: Schema.Array(Schema.Struct({ before: Schema.Array(Row), after: Schema.Array(Row) })),
  chat: maybe(Chat),
  world: maybe(Schema.Literal(...worlds)),
  window: maybe(Schema.Struct({ zone: Schema.NonEmptyString, pruned: Schema.NonNegativeInt })),
  operations: maybe(Schema.Array(Schema.Struct({
    op: Schema.Literal(...operationNames),
    key: Schema.NullOr(Schema.String),
    task: Schema.NullOr(Schema.String),
    invoked: Schema.Finite,
    answered: Schema.NullOr(Schema.Finite),
    answer: Schema.NullOr(Schema.String)
  }))),
  points: maybe(Schema.Array(Schema.NonEmptyString)),
  own: maybe(Own),
  kinds: maybe(Schema.Record({
    key: Schema.String,
    value: Schema.Struct({ attempts: Schema.Int, base_ms: Schema.Int, cap_ms: Schema.Int, approval_ttl_ms: Schema.Int, fails: Schema.Boolean })
  })),
  trials: maybe(Schema.Array(Schema.Struct({
    id: Schema.NonEmptyString,
    kind: Schema.Literal(...trialKinds),
    sort: Schema.NonEmptyString,
    digest: Digest,
    witness: Witness,
    looks: Schema.Array(Schema.Struct({ what: Schema.NonEmptyString, promised: Schema.Array(Schema.String), seen: Schema.String })),
    log: maybe(Schema.Struct({ acknowledged: Schema.NonNegativeInt, found: Schema.NullOr(Schema.Struct({ seq: Schema.NonNegativeInt, hash: Digest })) })),
    lie: maybe(Schema.Literal(true))
  }))),
  encounters: maybe(Schema.Array(Schema.Struct({
    fault: Schema.NonEmptyString,
    asked: Schema.NonEmptyString,
    pid: Schema.Int,
    from: Schema.Int,
    to: Schema.Int,
    code: Schema.NullOr(Schema.Int),
    signal: Schema.NullOr(Schema.String),
    said: Schema.String,
    files: maybe(Schema.Struct({ before: Digest, after: Digest }))
  })))
})

const TestName = { file: Schema.NonEmptyString, name: Schema.NonEmptyString }

const ControlSchema: Schema.Schema<ControlTests> = Schema.Struct({
  v: Schema.Literal(1),
  declared: Schema.Array(Schema.Struct(TestName)),
  results: Schema.Array(Schema.Struct({ ...TestName, status: Schema.Literal("passed", "failed", "skipped") }))
})

const Counts = Schema.Record({ key: Schema.String, value: Schema.NonNegativeInt })

const SimulationSchema: Schema.Schema<Simulation> = Schema.Struct({
  v: Schema.Literal(1),
  declared: Schema.Struct({ seeds: Schema.NonNegativeInt, twice: Schema.NonNegativeInt, fault_classes: Schema.Array(Schema.String), measures: Schema.Array(Schema.String) }),
  seeds: Schema.Array(Schema.Struct({
    seed: Schema.Int,
    digest: Digest,
    events: Schema.NonNegativeInt,
    virtual_ms: Schema.NonNegativeInt,
    failed: Schema.Array(Schema.String),
    hits: Counts,
    seen: Counts,
    twice: Schema.NullOr(Schema.Boolean)
  }))
})

const Verdicts = Schema.Record({ key: Schema.String, value: Schema.String })

const SelfTestSchema: Schema.Schema<SelfTest> = Schema.Struct({
  v: Schema.Literal(1),
  baselines: Schema.Record({ key: Schema.String, value: Schema.Struct({ digest: Digest, verdicts: Verdicts }) }),
  mutations: Schema.Array(Schema.Struct({
    id: Schema.NonEmptyString,
    family: Schema.Literal(...mutantFamilies),
    what: Schema.NonEmptyString,
    baseline: Schema.String,
    must_flip: Schema.Array(Schema.String),
    may_flip: Schema.Record({ key: Schema.String, value: Schema.String }),
    digest: Schema.NullOr(Digest),
    after: Verdicts,
    error: Schema.NullOr(Schema.String)
  }))
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
export const controlFile = "tests/control.json"
export const simulationFile = "simulation/seeds.json"
export const selfTestFile = "selftest/mutations.json"

/** What a run keeps beside its scenarios. A part that is null was not there. */
export interface Aside {
  readonly control?: ControlTests | null
  readonly simulation?: Simulation | null
  readonly selfTest?: SelfTest | null
}

export const readEvents = (file: string, text: string): Either.Either<ReadonlyArray<LogEvent>, FileRefused> =>
  // An unknown member is refused: no hash covers it.
  decodeLines(LogEventSchema, file, text, { onExcessProperty: "error" })

export const readEffects = (file: string, text: string): Either.Either<ReadonlyArray<Effect>, FileRefused> =>
  decodeLines(EffectSchema, file, text, {})

/** What a run left, before it is a bundle. Scenarios are in C order, as they will be when the bundle is read again. */
export const readRun = (scenarios: ReadonlyArray<ScenarioTexts>, { control = null, selfTest = null, simulation = null }: Aside = {}): Reading => {
  const problems: Array<string> = []
  const keep = keeper(problems)
  const byId = [...scenarios].sort((a, b) => (a.id < b.id ? -1 : 1))
  const history = byId.map(({ effectsText, eventsText, id, journal }): ScenarioHistory => ({
    id,
    journal,
    events: eventsText === null ? null : keep(readEvents(eventsFile(id), eventsText)),
    effects: effectsText === null ? null : keep(readEffects(effectsFile(id), effectsText))
  }))
  return { history: { scenarios: history, control, simulation, selfTest }, problems }
}

/** The history in the files of a bundle. A scenario is whatever has a journal, a log or a ledger. */
export const readBundle = (files: Files): Reading => {
  const problems: Array<string> = []
  const keep = keeper(problems)
  const part = <A>(file: string, read: Once<A>): A | null => {
    const bytes = files.get(file)
    return bytes === undefined ? null : keep(read(file, bytes))
  }
  const scenarios = scenarioIds(files).map((id): ScenarioHistory => ({
    id,
    journal: part(journalFile(id), journalOf),
    events: part(eventsFile(id), eventsOf),
    effects: part(effectsFile(id), effectsOf)
  }))
  const control = part(controlFile, controlOf)
  const simulation = part(simulationFile, simulationOf)
  const selfTest = part(selfTestFile, selfTestOf)
  return { history: { scenarios, control, simulation, selfTest }, problems }
}

type Once<A> = (file: string, bytes: Uint8Array) => Either.Either<A, FileRefused>

// The same bytes are read once: the self-test judges a hundred bundles that differ in one file each. Nobody writes into bytes that were read.
const readOnce = <A>(read: (file: string, text: string) => Either.Either<A, FileRefused>): Once<A> => {
  const known = new WeakMap<Uint8Array, { readonly file: string; readonly made: Either.Either<A, FileRefused> }>()
  return (file, bytes) => {
    const before = known.get(bytes)
    if (before?.file === file) return before.made
    const made = Either.flatMap(decodeUtf8(file, bytes), (text) => read(file, text))
    known.set(bytes, { file, made })
    return made
  }
}

const document = <A, I>(schema: Schema.Schema<A, I>) => readOnce((file, text) => decodeJson(schema, file, text))

const [journalOf, eventsOf, effectsOf] = [document(JournalSchema), readOnce(readEvents), readOnce(readEffects)]
const [controlOf, simulationOf, selfTestOf] = [document(ControlSchema), document(SimulationSchema), document(SelfTestSchema)]

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
