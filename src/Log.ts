/**
 * The one logger: what was stored and is worth telling, and what a process says of itself, go into the same files (`LogFiles.ts`) in the
 * same form (`domain/LogRecord.ts`), redacted by the same rules.
 */
import { dirname } from "node:path"
import { Cause, Context, Effect, HashMap, Layer, Logger, type LogLevel as EffectLevel, Schema } from "effect"
import { Json } from "./domain/Canonical.ts"
import { lineOf, type LogLevel, type LogRecord, recordOf } from "./domain/LogRecord.ts"
import { plainly, type Redactor } from "./domain/Redaction.ts"
import { Flush, Instants } from "./engine/Engine.ts"
import { Witness } from "./engine/Witness.ts"
import { LogSink } from "./LogFiles.ts"
import { keyedRedactorIn } from "./RedactionKey.ts"

/** Where the records of this process go. */
export class Log extends Context.Reference<Log>()("opsgate/Log", {
  defaultValue: (): {
    readonly put: (record: LogRecord) => void
    readonly redactor: () => Redactor
    /** From now on these very values are taken out, wherever they stand. */
    readonly know: (values: ReadonlyArray<string>) => void
  } => ({ put: () => undefined, redactor: () => plainly, know: () => undefined })
}) {}

/** The log of a database, and its engine's witness. For the process that writes the database; what it has said is written when the scope closes. */
export const layer = (database: string): Layer.Layer<Log | Witness, never, Flush | Instants> =>
  Layer.scopedContext(
    Effect.gen(function*() {
      const { wallMs } = yield* Instants
      const { later } = yield* Flush
      let known: Redactor | null = null
      // With the first record: a process that is refused leaves nothing behind.
      const redactor = (): Redactor => (known ??= keyedRedactorIn(dirname(database)))
      const sink = yield* Effect.acquireRelease(
        Effect.sync(() => {
          const made = new LogSink(database, { redactor, later, wallMs })
          process.on("exit", made.endNow)
          return made
        }),
        (made) => Effect.zipRight(Effect.promise(() => made.end()), Effect.sync(() => void process.off("exit", made.endNow)))
      )
      const put = (record: LogRecord): void => sink.put(record)
      const know = (values: ReadonlyArray<string>): void => {
        known = redactor().knowing(values)
      }
      return Context.make(Log, { put, redactor, know }).pipe(Context.add(Witness, {
        saw: (events, tasks) => {
          for (const event of events) {
            const record = recordOf(event, tasks, wallMs())
            if (record !== null) put(record)
          }
        }
      }))
    })
  )

const levels: Readonly<Record<EffectLevel.LogLevel["_tag"], LogLevel>> = { All: "debug", Trace: "debug", Debug: "debug", Info: "info", Warning: "warn", Error: "error", Fatal: "error", None: "debug" }

const isJson = Schema.is(Json)
const jsonOf = (value: unknown): Json => (isJson(value) ? value : value instanceof Error ? value.message : typeof value)

const textIn = (facts: ReadonlyMap<string, Json>, name: string): string | null => {
  const value = facts.get(name)
  return typeof value === "string" ? value : null
}

/** What a program says by `Effect.log…`, as a record: its texts are the message, its objects the facts. */
const recordSaid = ({ annotations, cause, date, logLevel, message }: Logger.Logger.Options<unknown>): LogRecord => {
  const said: ReadonlyArray<unknown> = Array.isArray(message) ? message : [message]
  const objects = said.filter((part): part is object => typeof part === "object" && part !== null)
  const facts = new Map<string, Json>([...HashMap.toEntries(annotations), ...objects.flatMap((part): ReadonlyArray<readonly [string, unknown]> => Object.entries(part))].map(([name, value]) => [name, jsonOf(value)]))
  if (!Cause.isEmpty(cause)) facts.set("cause", Cause.pretty(cause))
  const step = facts.get("step")
  return {
    at: date.getTime(),
    level: levels[logLevel._tag],
    message: said.filter((part) => typeof part !== "object" || part === null).map(String).join(" "),
    task: textIn(facts, "task"),
    trace: textIn(facts, "trace"),
    step: typeof step === "number" ? step : null,
    actor: textIn(facts, "actor"),
    code: textIn(facts, "code"),
    facts: Object.fromEntries([...facts].filter(([name]) => name !== "step"))
  }
}

const toStderr = (record: LogRecord, redactor: Redactor): void => void process.stderr.write(`${lineOf(record, redactor)}\n`)

/** What is said before there is a log: on standard error alone. */
const early = Logger.make((said) => toStderr(recordSaid(said), plainly))
export const onStderr = Logger.replace(Logger.defaultLogger, early)

/** What a server says: on standard error and in its log. */
export const ofServer = Layer.unwrapEffect(Effect.map(Log, ({ put, redactor }) =>
  Logger.replace(early, Logger.make((said) => {
    const record = recordSaid(said)
    put(record)
    toStderr(record, redactor())
  }))))

/** What the runtime says inside another program: in the log, beside whatever the program does with it. */
export const beside = Layer.unwrapEffect(Effect.map(Log, ({ put }) => Logger.add(Logger.make((said) => put(recordSaid(said))))))
