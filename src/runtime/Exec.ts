/**
 * Commands of the machine, each under a supervisor process of its own that outlives this server.
 *
 * This is the server's hold on them: it prepares one, lets it go, and learns its end from the record in the run's
 * folder, in the same way for its own and for those an earlier server left. It decides nothing about tasks. A record
 * that is not there, or not whole, is never made up: the run is then `Gone`.
 */
import { Context, Duration, Effect, Layer, Option, Queue, Schema, type Scope } from "effect"
import { type ChildProcessByStdio, spawn } from "node:child_process"
import { type FSWatcher, watch } from "node:fs"
import { mkdir, open } from "node:fs/promises"
import { Socket } from "node:net"
import { dirname } from "node:path"
import type { Readable, Writable } from "node:stream"
import { matrix } from "../domain/Matrix.ts"
import { type ExitRecord, read, RECORD_FILE, tail } from "./ExecRecord.ts"
import * as ProcessTable from "./ProcessTable.ts"
import type { Job } from "./supervisor/Job.ts"

/** How long a supervisor may take to get ready. Usually it takes a twentieth of a second; a machine that swaps takes longer. */
const READY_WITHIN = Duration.millis(matrix.prepare.timeoutMs)

/** How often a supervisor is looked at, in case it is killed. Its record is noticed at once. */
const LIVENESS_POLL = Duration.millis(matrix.command_end.roundMs)

/** How long processes that outlived their supervisor may take to end by themselves when they are told to. */
const SURVIVOR_GRACE = Duration.millis(matrix.survivors.timeoutMs)

/** A supervisor's whole environment: where `mkfifo` is. What the server knows is not handed on. */
const SUPERVISOR_ENV = { PATH: "/usr/bin:/bin" } as const

/** The command could not be started. Nothing of it has run, nor will, and its folder holds no record. */
export class ExecUnavailable extends Schema.TaggedError<ExecUnavailable>()("ExecUnavailable", {
  operation: Schema.Literal("prepare", "go"),
  why: Schema.Literal("folder", "spawn", "silent", "refused", "ended", "used"),
  cause: Schema.Defect
}) {
  override get message() {
    const detail = this.cause instanceof Error ? `: ${this.cause.message}` : ""
    return `cannot ${this.operation} a command: ${sentences[this.why]}${detail}`
  }
}

const sentences = {
  folder: "the folder of the run cannot be made",
  spawn: "its supervisor cannot be started",
  silent: "its supervisor does not get ready",
  refused: "its supervisor refused the job",
  ended: "its supervisor has ended",
  used: "it was let go or discarded before"
} as const satisfies Record<ExecUnavailable["why"], string>

/** What is stored of a run, so that any later server finds it. */
export interface JobRef extends ProcessTable.ProcessRef {
  readonly dir: string
  readonly marker: string
}

/** A supervisor that waits. It ends by itself, without a trace, when this server ends before it lets it go. */
export interface Prepared extends JobRef {
  /**
   * Lets the command start, unless the machine's monotonic clock has reached that instant; then the record says so. When
   * this fails the supervisor did not hear it. When it succeeds the record decides.
   */
  readonly go: (startBeforeMonoMs: number) => Effect.Effect<void, ExecUnavailable>
  /** Ends the supervisor. Does nothing once it was let go. */
  readonly discard: Effect.Effect<void>
}

export interface Finished {
  readonly _tag: "Finished"
  readonly record: ExitRecord
}

/** The supervisor is dead and has left no record that can be trusted. How the command ended, or whether, is not known. */
export interface Gone {
  readonly _tag: "Gone"
  readonly reason: "no_record" | "damaged_record" | "unreadable_record"
}

export class Exec extends Context.Tag("opsgate/runtime/Exec")<Exec, {
  /** Starts a supervisor for a run whose folder is new. Exactly one of `go` and `discard` must follow. */
  readonly prepare: (job: Job) => Effect.Effect<Prepared, ExecUnavailable>
  /** What has become of a run. `survivors`: processes of it that still live. */
  readonly inspect: (ref: JobRef) => Effect.Effect<Finished | { readonly _tag: "Alive" } | (Gone & { readonly survivors: number })>
  /** Waits for the end of a run, whoever started it. */
  readonly awaitEnd: (ref: JobRef) => Effect.Effect<Finished | Gone>
  /** Tells the supervisor to end the command, with grace. The record tells when that is done. */
  readonly abort: (ref: JobRef) => Effect.Effect<void>
  /** Ends what is left of a run whose supervisor is dead, with grace, and says how many ended. Touches nothing while it lives. */
  readonly endSurvivors: (ref: JobRef) => Effect.Effect<number>
  /** The end of one of the run's logs, at most so many bytes; empty when it cannot be read. */
  readonly tail: (ref: JobRef, file: "stdout.log" | "stderr.log", bytes: number) => Effect.Effect<string>
}>() {}

/** Supervisors run the bundled program at `supervisorPath`, an absolute path. */
export const layer = (options: { readonly supervisorPath: string }): Layer.Layer<Exec> =>
  Layer.succeed(Exec, {
    prepare: (job) => prepare(options.supervisorPath, job),
    inspect,
    awaitEnd: (ref) => Effect.scoped(awaitEnd(ref)),
    abort: (ref) => Effect.asVoid(ProcessTable.signal(ref, "SIGTERM")),
    endSurvivors,
    tail: (ref, file, bytes) => tail(ref.dir, file, bytes)
  })

type Child = ChildProcessByStdio<Writable, Readable, null>

const unavailable = (operation: "prepare" | "go", why: ExecUnavailable["why"]) => (cause: unknown): ExecUnavailable =>
  new ExecUnavailable({ operation, why, cause })

const prepare = Effect.fn("Exec.prepare")(function*(supervisorPath: string, job: Job) {
  yield* Effect.tryPromise({ try: () => makeFolder(job.dir), catch: unavailable("prepare", "folder") })
  return yield* Effect.acquireUseRelease(
    Effect.try({ try: () => launch(supervisorPath), catch: unavailable("prepare", "spawn") }),
    (child) => handshake(child, job),
    (child, exit) =>
      Effect.sync(() => {
        // Its input ends before it was let go, and so does the supervisor.
        if (exit._tag === "Failure") child.stdin.destroy()
        release(child)
      })
  )
})

/** Node's own recursive mkdir says ENOENT where a disk has no room for a folder. Answers the first that was made, if any. */
const makeFolders = async (dir: string): Promise<string | undefined> => {
  const made = (): Promise<string> => mkdir(dir, { mode: 0o700 }).then(() => dir)
  try {
    return await made()
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : null
    if (code === "EEXIST") return undefined
    if (code !== "ENOENT" || dir === dirname(dir)) throw cause
    const first = await makeFolders(dirname(dir))
    return first === undefined ? made() : made().then(() => first)
  }
}

/** The names of a folder are in the folder above: that one is synced, or a power cut could take the record with its folder. */
const makeFolder = async (dir: string): Promise<void> => {
  const first = await makeFolders(dir)
  if (first === undefined) return
  for (let above = dirname(dir); above.length >= dirname(first).length; above = dirname(above)) {
    const handle = await open(above, "r")
    await handle.sync().finally(() => handle.close())
    if (above === dirname(above)) return
  }
}

const isThere = (stream: unknown): boolean => stream !== undefined && stream !== null

/** Starts a supervisor in a session of its own, so that neither a terminal nor the end of this server's group reaches it. */
const launch = (supervisorPath: string): Child => {
  const child = spawn(process.execPath, [supervisorPath], {
    cwd: "/",
    env: SUPERVISOR_ENV,
    detached: true,
    stdio: ["pipe", "pipe", "ignore"]
  })
  // Errors reach whoever waits at that moment; without a listener any later one would end this server.
  child.on("error", () => undefined)
  // Node returns a child without streams where it finds no descriptors for them, whatever its types say.
  if (!isThere(child.stdin)) throw new Error("EMFILE: no file descriptors left for its streams")
  child.stdin.on("error", () => undefined)
  return child
}

/** From now on this server may end without waiting for the supervisor. */
const release = (child: Child): void => {
  child.stdout.destroy()
  child.unref()
  if (child.stdin instanceof Socket) child.stdin.unref()
}

const Answer = Schema.parseJson(Schema.Union(
  Schema.Struct({ ready: Schema.Literal(true) }),
  Schema.Struct({ ready: Schema.Literal(false), error: Schema.String })
))

const handshake = (child: Child, job: Job): Effect.Effect<Prepared, ExecUnavailable> =>
  Effect.gen(function*() {
    const line = yield* answer(child, job).pipe(
      Effect.timeoutFail({
        duration: READY_WITHIN,
        onTimeout: () => {
          // It has started nothing, and does not listen.
          child.kill("SIGKILL")
          return unavailable("prepare", "silent")(undefined)
        }
      })
    )
    const said = yield* Effect.mapError(Schema.decodeUnknown(Answer)(line), unavailable("prepare", "refused"))
    if (!said.ready) return yield* unavailable("prepare", "refused")(new Error(said.error))
    const { pid } = child
    const startTicks = pid === undefined ? Option.none() : yield* ProcessTable.startTicks(pid)
    if (pid === undefined || Option.isNone(startTicks)) return yield* unavailable("prepare", "ended")(undefined)
    return { pid, startTicks: startTicks.value, dir: job.dir, marker: job.marker, ...orders(child) }
  })

/** Sends the job and waits for one line. */
const answer = (child: Child, job: Job): Effect.Effect<string, ExecUnavailable> =>
  Effect.async((resume) => {
    let text = ""
    child.once("error", (cause) => resume(unavailable("prepare", "spawn")(cause)))
    child.stdout.once("close", () => resume(unavailable("prepare", "ended")(undefined)))
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk
      const end = text.indexOf("\n")
      if (end >= 0) resume(Effect.succeed(text.slice(0, end)))
    })
    child.stdin.write(`${JSON.stringify(job)}\n`)
  })

const orders = (child: Child): Pick<Prepared, "go" | "discard"> => {
  let used = false
  return {
    go: (startBeforeMonoMs) =>
      Effect.async((resume) => {
        if (used) return resume(unavailable("go", "used")(undefined))
        used = true
        const order = { go: true, start_before_mono_ms: Math.floor(startBeforeMonoMs) }
        child.stdin.write(`${JSON.stringify(order)}\n`, (cause) =>
          resume(cause === undefined || cause === null ? Effect.void : unavailable("go", "ended")(cause)))
        child.stdin.end()
      }),
    discard: Effect.sync(() => {
      if (used) return
      used = true
      child.stdin.destroy()
    })
  }
}

/** The end of a run if it has one. The supervisor is looked at before the folder is looked at once more: it may have written and ended in between. */
const look = (ref: JobRef): Effect.Effect<Finished | Gone | { readonly _tag: "Alive" }> =>
  Effect.gen(function*() {
    const before = yield* read(ref.dir)
    if (before._tag === "Record") return { _tag: "Finished", record: before.record }
    if (yield* ProcessTable.isAlive(ref)) return { _tag: "Alive" }
    const after = yield* read(ref.dir)
    return after._tag === "Record" ? { _tag: "Finished", record: after.record } : { _tag: "Gone", reason: reasons[after._tag] }
  })

const reasons = { Absent: "no_record", Damaged: "damaged_record", Unreadable: "unreadable_record" } as const

const inspect = Effect.fn("Exec.inspect")(function*(ref: JobRef) {
  const found = yield* look(ref)
  return found._tag === "Gone" ? { ...found, survivors: (yield* ProcessTable.findByMarker(ref.marker)).length } : found
})

const awaitEnd = (ref: JobRef): Effect.Effect<Finished | Gone, never, Scope.Scope> =>
  Effect.gen(function*() {
    const changed = yield* changes(ref.dir)
    for (;;) {
      const found = yield* look(ref)
      if (found._tag !== "Alive") return found
      yield* Effect.timeoutOption(Queue.take(changed), LIVENESS_POLL)
    }
  })

/** Tells when the record may have come. The folder is watched from before the first look, so that nothing falls between. */
const changes = (dir: string): Effect.Effect<Queue.Dequeue<void>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const changed = yield* Queue.sliding<void>(1)
    yield* Effect.acquireRelease(
      Effect.sync((): FSWatcher | undefined => {
        try {
          const watcher = watch(dir, { persistent: false }, (_event, file) => {
            if (file === null || file === RECORD_FILE) changed.unsafeOffer(undefined)
          })
          return watcher.on("error", () => undefined)
        } catch {
          // No folder, or no watches left on this machine: the poll is slower and finds the same.
          return undefined
        }
      }),
      (watcher) => Effect.sync(() => watcher?.close())
    )
    return changed
  })

const endSurvivors = Effect.fn("Exec.endSurvivors")(function*(ref: JobRef) {
  if (yield* ProcessTable.isAlive(ref)) return 0
  return yield* ProcessTable.endAll(ref.marker, SURVIVOR_GRACE)
})
