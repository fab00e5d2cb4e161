/**
 * The server as a value: the same parts as `Serve.ts` puts together, on ports that the host gives instead of a machine. A host boots it as
 * often as it likes, and ends it by never running it again. What crosses the border are plain values and functions, so that a host
 * needs nothing of this program but this file as it is built.
 */
import { Clock, Context, Deferred, Duration, Effect, Exit, FiberSet, Layer, Logger, Random, type Scheduler, Scope } from "effect"
import * as Config from "./Config.ts"
import { databaseFile } from "./DataDir.ts"
import { callerOf } from "./domain/People.ts"
import { toLine } from "./domain/TaskEvent.ts"
import { answerTo } from "./edge/cli/CommandSocket.ts"
import { exitCodeOf } from "./edge/cli/ExitCode.ts"
import { Maker, overReplies, type Reply } from "./edge/telegram/BotApi.ts"
import { Chance, EngineReader, Fatal, Flush, Instants } from "./engine/Engine.ts"
import * as SqliteReader from "./engine/SqliteReader.ts"
import * as Layers from "./Layers.ts"
import { Alarms } from "./runtime/Alarms.ts"
import { Exec, ExecUnavailable, type JobRef } from "./runtime/Exec.ts"
import type { ExitRecord } from "./runtime/ExecRecord.ts"
import type { Job } from "./runtime/supervisor/Job.ts"
import { serving } from "./Server.ts"
import "./Bot.ts"

/** What tasks in code are written with. */
export { Schema } from "effect"
export * as Task from "./runtime/TaskDefinition.ts"

/** Commands of the machine, which outlive the server that started them. Promises settle when the host lets them. */
export interface Commands {
  /** Null: the supervisor could not be started. */
  readonly prepare: (job: Job) => { readonly pid: number; readonly startTicks: number } | null
  /** False: the supervisor has ended and did not hear it. */
  readonly go: (ref: JobRef, startBeforeMonoMs: number) => boolean
  readonly discard: (ref: JobRef) => void
  /** `alive`, `gone`, or the record that the supervisor left. */
  readonly inspect: (ref: JobRef) => ExitRecord | "alive" | "gone"
  readonly awaitEnd: (ref: JobRef, signal: AbortSignal) => Promise<ExitRecord | "gone">
  readonly abort: (ref: JobRef) => void
  readonly tail: (ref: JobRef, file: "stdout.log" | "stderr.log") => string
}

/** The machine that a server runs on. Instants and delays are milliseconds. */
export interface Host {
  readonly pid: number
  /** Runs what fibers have to do next. */
  readonly scheduler: Scheduler.Scheduler
  readonly wallMs: () => number
  readonly monoMs: () => number
  /** Calls `run` once after a delay, unless the answered function is called before. */
  readonly later: (delayMs: number, run: () => void) => () => void
  readonly soon: (run: () => void) => void
  /** A number from 0 to below 1. */
  readonly chance: () => number
  /** The end of the process, at once. */
  readonly die: (sentence: string) => void
  readonly says: (sentence: string) => void
  readonly commands: Commands
  /** A call of the Bot API. */
  readonly call: (method: string, params: Readonly<Record<string, unknown>>, signal: AbortSignal) => Promise<Reply>
}

/** A server that was booted. */
export interface Server {
  /** What the command socket answers to a line, sent by whoever the operating system says it is. Never settles once the server is gone. */
  readonly ask: (actor: string, line: string) => Promise<string>
  /** SIGTERM. */
  readonly stop: () => void
  /** How it ended: null when it was told to, otherwise why. */
  readonly ended: Promise<string | null>
}

const clockOf = ({ later, monoMs, wallMs }: Host): Clock.Clock => ({
  [Clock.ClockTypeId]: Clock.ClockTypeId,
  unsafeCurrentTimeMillis: wallMs,
  unsafeCurrentTimeNanos: () => BigInt(monoMs()) * 1_000_000n,
  currentTimeMillis: Effect.sync(wallMs),
  currentTimeNanos: Effect.sync(() => BigInt(monoMs()) * 1_000_000n),
  sleep: (duration) =>
    Effect.async<void>((resume) => {
      const cancel = later(Math.ceil(Duration.toMillis(duration)), () => resume(Effect.void))
      return Effect.sync(cancel)
    })
})

const execOf = ({ commands }: Host): Exec["Type"] => ({
  prepare: (job) =>
    Effect.suspend(() => {
      const started = commands.prepare(job)
      if (started === null) return new ExecUnavailable({ operation: "prepare", why: "spawn", cause: null })
      const ref = { ...started, dir: job.dir, marker: job.marker }
      return Effect.succeed({
        ...ref,
        go: (startBeforeMonoMs) => Effect.suspend(() => (commands.go(ref, startBeforeMonoMs) ? Effect.void : new ExecUnavailable({ operation: "go", why: "ended", cause: null }))),
        discard: Effect.sync(() => commands.discard(ref))
      })
    }),
  inspect: (ref) =>
    Effect.sync(() => {
      const found = commands.inspect(ref)
      if (found === "alive") return { _tag: "Alive" }
      return found === "gone" ? { _tag: "Gone", reason: "no_record", survivors: 0 } : { _tag: "Finished", record: found }
    }),
  awaitEnd: (ref) =>
    Effect.map(Effect.promise((signal) => commands.awaitEnd(ref, signal)), (found) =>
      found === "gone" ? { _tag: "Gone", reason: "no_record" } : { _tag: "Finished", record: found }),
  abort: (ref) => Effect.sync(() => commands.abort(ref)),
  endSurvivors: () => Effect.succeed(0),
  tail: (ref, file) => Effect.sync(() => commands.tail(ref, file))
})

const portsOf = (host: Host) =>
  Layer.mergeAll(
    Layer.succeed(Instants, { wallMs: host.wallMs, monoMs: host.monoMs }),
    Layer.succeed(Flush, { soon: host.soon, later: (delayMs, run) => void host.later(delayMs, run) }),
    Layer.succeed(Fatal, { die: host.die }),
    Layer.succeed(Exec, execOf(host)),
    Layer.succeed(Alarms, { after: host.later }),
    Layer.succeed(Chance, { next: host.chance }),
    Layer.succeed(Maker, { make: ({ token }) => overReplies(token, host.call) }),
    Layer.setClock(clockOf(host)),
    Layer.setRandom(Random.make(host.pid)),
    Logger.replace(Logger.defaultLogger, Logger.map(Logger.logfmtLogger, host.says))
  )

/** Reads and checks a configuration, with the modules that it names. */
export const configure = (file: string): Promise<Config.Config> => Effect.runPromise(Config.load(file))

/** Boots a server. It takes commands as soon as it holds its file. */
export const boot = (config: Config.Config, host: Host): Server => {
  const stop = Effect.runSync(Deferred.make<void>())
  let answer: ((actor: string, line: string) => Promise<string>) | null = null
  const early: Array<() => void> = []
  const door = Effect.gen(function*() {
    const run = yield* FiberSet.makeRuntimePromise<Effect.Effect.Context<ReturnType<typeof answerTo>>>()
    answer = (actor, line) => run(answerTo(line, callerOf(config.people, config.policy.roles, actor)).pipe(Effect.orDie))
    for (const go of early.splice(0)) go()
  })
  const engine = Layers.engineOver(databaseFile(config.dataDir))
  const program = serving(config, host.pid, stop, door).pipe(Effect.provide(Layer.provideMerge(engine, portsOf(host))))
  const fiber = Effect.runFork(program, { scheduler: host.scheduler })
  return {
    ask: (actor, line) =>
      new Promise((resolve, reject) => {
        const go = () => void answer?.(actor, line).then(resolve, reject)
        if (answer === null) early.push(go)
        else go()
      }),
    stop: () => Deferred.unsafeDone(stop, Effect.void),
    ended: new Promise((resolve) => fiber.addObserver((exit) => resolve(Exit.match(exit, { onSuccess: () => null, onFailure: String }))))
  }
}

/** With what a verb exits that was refused so. */
export const exitOf = (refused: string): number => exitCodeOf(refused)

/** The log of a file, as `opsgate events` prints it. */
export interface LogReader {
  /** The events behind one, a line each. */
  readonly behind: (seq: number) => ReadonlyArray<string>
  readonly close: () => void
}

/** Opens the log of a file beside whoever writes it. */
export const readLog = (config: Config.Config): LogReader => {
  const page = 1000
  const scope = Effect.runSync(Scope.make())
  const reader = Effect.runSync(Effect.map(Layer.buildWithScope(SqliteReader.layer(databaseFile(config.dataDir)), scope), (context) => Context.get(context, EngineReader)))
  const from = (after: number): Effect.Effect<ReadonlyArray<string>, unknown> =>
    Effect.flatMap(reader.events(after, page), (events) => {
      const last = events.at(-1)
      const lines = events.map(toLine)
      return last === undefined || events.length < page ? Effect.succeed(lines) : Effect.map(from(last.seq), (more) => [...lines, ...more])
    })
  return { behind: (seq) => Effect.runSync(from(seq)), close: () => Effect.runSync(Scope.close(scope, Exit.void)) }
}
