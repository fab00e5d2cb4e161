/**
 * A window of production, read from a database by the product's own verbs: while its server runs, or from a backup. They open the file
 * read-only; the gate itself never touches it. All of the log is read, since a task may have begun, and an approval been given, before the window, and
 * since only the whole chain can be checked.
 */
import { spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { Clock, DateTime, Effect, Either } from "effect"
import { fileBytesMax } from "../evidence/Files.ts"
import { clip, plain } from "../evidence/Plain.ts"
import { eventsFile, readEvents } from "../evidence/Reader.ts"
import type { Journal, LogEvent } from "../History.ts"
import { longestLength, type Window, WindowRefused } from "./Words.ts"

export interface Source {
  /** The built program. */
  readonly program: string
  /** The whole environment of its processes. */
  readonly env: Readonly<Record<string, string>>
  /** The database; the one of the configuration when it is not named. */
  readonly db: string | undefined
  readonly config: string | undefined
}

/** As a scenario that was played. Nobody keeps a ledger of effects beside a product in use. */
export interface WindowRead {
  readonly id: string
  readonly journal: Journal
  readonly eventsText: string
  readonly effectsText: null
  /** The configuration that names the database; null when the database was named itself. */
  readonly configuration: unknown
}

/** Under which name the history of a window stands in a bundle. */
const id = "window"
/** The longest that a verb may take to read a file. */
const readingMs = 120_000

/** Reads all that is known of a window. Refused when the file cannot be read, is empty, or begins after the window does. */
export const readWindow = (window: Window, source: Source): Effect.Effect<WindowRead, WindowRefused> =>
  Effect.gen(function*() {
    // First, so that no epoch of it is newer than the log: until when the server was there is a lower bound then.
    const seen = yield* verb(source, "ops-summary", "--json")
    const summary = yield* Effect.try({ try: (): unknown => JSON.parse(seen.stdout), catch: () => new WindowRefused({ issue: "ops-summary printed no JSON" }) })
    const at = yield* Clock.currentTimeMillis
    const { stderr, stdout } = yield* verb(source, "events")
    const events = yield* Either.mapLeft(readEvents(eventsFile(id), stdout), ({ message }) => new WindowRefused({ issue: `the log cannot be judged: ${message}` }))
    yield* checkReach(window, events)
    const pruned = events.filter((event) => event.payload === null && event.at >= window.start_ms && event.at < window.end_ms).length
    const notes = [
      ...(pruned === 0 ? [] : [`the window misses the words of ${pruned} ${pruned === 1 ? "event" : "events"}, which retention has cut away`]),
      ...linesIn(stderr)
    ]
    return { id, journal: journalOf(window, events, { summary, at, pruned, note: notes.length === 0 ? null : clip(notes.join("; "), 600) }), eventsText: stdout, effectsText: null, configuration: configurationOf(source) }
  })

// The verbs have read it before, so it is there; what it says of secrets is replaced where it is written down.
const configurationOf = ({ config = "opsgate.config.json", db }: Source): unknown => {
  if (db !== undefined) return null
  try {
    const configured: unknown = JSON.parse(readFileSync(config, "utf8"))
    return { config: configured }
  } catch {
    return null
  }
}

const checkReach = (window: Window, events: ReadonlyArray<LogEvent>): Either.Either<void, WindowRefused> => {
  const [first] = events
  if (first === undefined) return Either.left(new WindowRefused({ issue: "the log is empty: there is nothing to judge" }))
  if (first.at <= window.start_ms) return Either.void
  const begins = DateTime.formatIso(DateTime.unsafeMake(first.at))
  const longest = longestLength(first.at, window.end_ms)
  const hint = longest === null ? "not even a second of it can be judged" : `the longest that it fills is --window ${longest}`
  return Either.left(new WindowRefused({ issue: `the window of ${window.length} is longer than the log, which begins at ${begins}; ${hint}` }))
}

interface Beside {
  readonly summary: unknown
  readonly at: number
  readonly pruned: number
  readonly note: string | null
}

const journalOf = (window: Window, events: ReadonlyArray<LogEvent>, { at, note, pruned, summary }: Beside): Journal => ({
  v: 1,
  scenario: {
    v: 1,
    id,
    title: `${window.length} of production`,
    hypothesis: "In use, by people and under its own load, the product meets its targets.",
    traffic_class: "operator",
    seed: 0,
    workload: { script: "window", tasks: new Set(events.flatMap(({ task }) => task ?? [])).size, heavy_ppm: 0, concurrency: 1 },
    faults: [],
    limits: { wall_ms: window.end_ms - window.start_ms, lease_ms: 0, summaries: 1 }
  },
  seed: 0,
  started_at: window.start_ms,
  ended_at: window.end_ms,
  status: "completed",
  note,
  requests: [],
  replays: [],
  faults: [],
  summaries: [{ at, summary }],
  restarts: [],
  world: "production",
  window: { zone: DateTime.zoneToString(DateTime.zoneMakeLocal()), pruned }
})

interface Printed {
  readonly stdout: string
  readonly stderr: string
}

/** Runs a verb that only looks; a file that it cannot read is refused with its own sentence. */
const verb = ({ config, db, env, program }: Source, ...words: ReadonlyArray<string>): Effect.Effect<Printed, WindowRefused> =>
  Effect.async<Printed, WindowRefused>((resume) => {
    const place = [...(db === undefined ? [] : ["--db", db]), ...(config === undefined ? [] : ["--config", config])]
    const child = spawn(process.execPath, [program, ...words, ...place], { env, stdio: ["ignore", "pipe", "pipe"] })
    const stdout: Array<Buffer> = []
    const stderr: Array<Buffer> = []
    let bytes = 0
    const refuse = (issue: string) => resume(new WindowRefused({ issue }))
    child.stdout.on("data", (chunk: Buffer) => {
      bytes += chunk.length
      stdout.push(chunk)
      if (bytes <= fileBytesMax) return
      child.kill("SIGKILL")
      refuse(`the log is larger than ${fileBytesMax} bytes, which is more than a bundle holds`)
    })
    child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk))
    child.on("error", (error) => refuse(`opsgate ${words[0]} could not be started: ${error.message}`))
    child.on("close", (code, signal) => {
      const text = (all: ReadonlyArray<Buffer>) => Buffer.concat([...all]).toString("utf8")
      if (code === 0) resume(Effect.succeed({ stdout: text(stdout), stderr: text(stderr) }))
      else refuse(sentenceIn(text(stderr)) ?? `opsgate ${words[0]} ended with ${code ?? signal}`)
    })
    return Effect.sync(() => child.kill("SIGKILL"))
  }).pipe(
    Effect.timeoutFail({ duration: readingMs, onTimeout: () => new WindowRefused({ issue: `opsgate ${words[0]} did not end within ${readingMs} ms` }) })
  )

/** What the product said last, without its name before it. */
const sentenceIn = (stderr: string): string | null => {
  const line = linesIn(stderr).at(-1)?.replace(/^opsgate: /, "")
  return line === undefined ? null : clip(line, 400)
}

const linesIn = (text: string): ReadonlyArray<string> => text.split("\n").map((line) => plain(line).trim()).filter((line) => line !== "")
