/**
 * A machine that runs one server: boots it from the image, kills it at any instant, stops it and lets it go on, and keeps its files. What
 * a killed server had written is there at the next boot as it was, its write-ahead log too.
 */
import { existsSync, readdirSync, readFileSync, unlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Draw } from "./Chance.ts"
import { type Commands, type ExitRecord, type Job, type Ref, type Seen } from "./Commands.ts"
import { type Disk, type Handles, sqliteError } from "./Handles.ts"
import type { Kernel, Process, TurnTaker } from "./Kernel.ts"

/** How a call of the Bot API went. */
export type Reply = { readonly status: number; readonly json: unknown } | { readonly failed: string }
export type Call = (process: Process, method: string, params: Readonly<Record<string, unknown>>, signal: AbortSignal) => Promise<Reply>

/** The machine as a server sees it; the same as `Host` of the image. */
interface Host {
  readonly pid: number
  readonly scheduler: TurnTaker
  readonly wallMs: () => number
  readonly monoMs: () => number
  readonly later: (delayMs: number, run: () => void) => () => void
  readonly soon: (run: () => void) => void
  readonly chance: Draw
  readonly die: (sentence: string) => void
  readonly says: (sentence: string) => void
  readonly commands: {
    readonly prepare: (job: Job) => { readonly pid: number; readonly startTicks: number } | null
    readonly go: (ref: Ref, startBeforeMonoMs: number) => boolean
    readonly discard: (ref: Ref) => void
    readonly inspect: (ref: Ref) => Seen
    readonly awaitEnd: (ref: Ref, signal: AbortSignal) => Promise<ExitRecord | "gone">
    readonly abort: (ref: Ref) => void
    readonly tail: () => string
  }
  readonly call: (method: string, params: Readonly<Record<string, unknown>>, signal: AbortSignal) => Promise<Reply>
}

interface Server {
  readonly ask: (actor: string, line: string) => Promise<string>
  readonly stop: () => void
  readonly ended: Promise<string | null>
}

/** Whoever reads the log of the machine beside its server, as `opsgate events` does. */
export interface LogReader {
  readonly behind: (seq: number) => ReadonlyArray<string>
  readonly close: () => void
}

/** What the loader found in the image. */
export interface Image {
  readonly configure: (file: string) => Promise<unknown>
  readonly boot: (config: unknown, host: Host) => Server
  readonly readLog: (config: unknown) => LogReader
  readonly exitOf: (refused: string) => number
  /** What tasks in code are written with; nobody here looks inside. */
  readonly Schema: unknown
  readonly Task: unknown
}

const isFunction = (value: unknown): value is (...args: ReadonlyArray<unknown>) => unknown => typeof value === "function"

export const isImage = (value: unknown): value is Image =>
  typeof value === "object" && value !== null && "configure" in value && isFunction(value.configure) && "boot" in value && isFunction(value.boot) && "readLog" in value && isFunction(value.readLog) && "exitOf" in value && isFunction(value.exitOf) && "Schema" in value && "Task" in value

/** Thrown where a process ends in the middle of a turn. */
class Killed extends Error {}

/** A point of the writer at which a process is killed. */
export type Point = "before_begin" | "before_commit" | "after_commit"

export type Trouble = "busy" | "full" | "io"
const troubleCodes = { busy: "SQLITE_BUSY", full: "SQLITE_FULL", io: "SQLITE_IOERR_WRITE" } as const satisfies Record<Trouble, string>

export interface MachineOptions {
  readonly kernel: Kernel
  readonly image: Image
  readonly config: unknown
  /** The data folder of the configuration. */
  readonly data: string
  readonly handles: Handles
  readonly commands: Commands
  readonly call: Call
  readonly draw: Draw
  readonly says: (sentence: string) => void
}

export class Machine {
  process: Process | null = null
  server: Server | null = null
  /** What the disk does at this time. */
  trouble: Trouble | null = null
  /** The next sync fails; `kept` says whether what it should have synced is there afterwards. */
  failSync: { readonly kept: boolean; readonly then: () => void } | null = null
  /** Transactions that the disk refused in its present trouble. */
  troubled = 0
  /** Called with how a server ended that was not told to. */
  onEnd: (why: string) => void = () => undefined
  private log: LogReader | null = null
  private killAt: { readonly point: Point; left: number; readonly then: () => void } | null = null
  private readonly options: MachineOptions

  constructor(options: MachineOptions) {
    this.options = options
  }

  boot(): void {
    const { config, image, kernel } = this.options
    const process = kernel.spawn()
    this.process = process
    kernel.soon(process, () => {
      const server = image.boot(config, this.hostOf(process))
      this.server = server
      void server.ended.then((why) => {
        if (process.state !== "dead") this.ended(process, why)
      })
    })
  }

  /** SIGKILL. */
  kill(): void {
    const { process } = this
    if (process === null) return
    this.options.kernel.kill(process)
    this.options.commands.serverDied(process)
    this.freeze(process)
    this.process = null
    this.server = null
    this.killAt = null
  }

  /** The process ends by itself, in the middle of its turn. */
  crash(why: string): void {
    this.kill()
    this.onEnd(why)
  }

  /** SIGKILL at a point of one of the next commits; `then` is called when it has struck. */
  killAtCommit(point: Point, commits: number, then: () => void): void {
    this.killAt = { point, left: commits, then }
  }

  /** Nobody is killed any more. */
  spare(): void {
    this.killAt = null
  }

  stop(): void {
    if (this.process !== null) this.options.kernel.stop(this.process)
  }

  goOn(): void {
    if (this.process !== null) this.options.kernel.goOn(this.process)
  }

  /** What the disk of a process does. */
  readonly disk = (process: Process): Disk => ({
    beforeBegin: () => {
      if (this.trouble === "busy") this.refuse(this.trouble)
      this.strike(process, "before_begin")
    },
    beforeCommit: () => {
      if (this.trouble !== null) this.refuse(this.trouble)
      this.strike(process, "before_commit")
      if (this.failSync !== null && !this.failSync.kept) this.failed()
    },
    afterCommit: () => {
      if (this.failSync?.kept === true) this.failed()
      this.strike(process, "after_commit")
    }
  })

  private refuse(trouble: Trouble): never {
    this.troubled += 1
    throw sqliteError(troubleCodes[trouble])
  }

  /** The log behind an event. */
  readonly behind = (seq: number): ReadonlyArray<string> => {
    const { config, data, image } = this.options
    // A server that never got as far has no file.
    if (this.log === null && !existsSync(join(data, "opsgate.db"))) return []
    this.log ??= image.readLog(config)
    return this.log.behind(seq)
  }

  /** Whoever reads the log looks for it anew. */
  closeLog(): void {
    this.log?.close()
    this.log = null
  }

  private failed(): never {
    const { failSync } = this
    this.failSync = null
    failSync?.then()
    throw sqliteError("SQLITE_IOERR_FSYNC")
  }

  private strike(process: Process, point: Point): void {
    const { killAt } = this
    if (killAt === null || killAt.point !== point || process !== this.process) return
    killAt.left -= 1
    if (killAt.left > 0) return
    this.kill()
    killAt.then()
    throw new Killed()
  }

  private ended(process: Process, why: string | null): void {
    this.options.kernel.kill(process)
    this.options.commands.serverDied(process)
    this.options.handles.release(process)
    if (process !== this.process) return
    this.process = null
    this.server = null
    if (why !== null) this.onEnd(why)
  }

  // SQLite tidies up when a connection closes. The files of a killed process stay as they are: they are kept aside meanwhile.
  private freeze(process: Process): void {
    const { data, handles } = this.options
    this.closeLog()
    const kept = filesIn(data).filter(isLeft).map((file) => [file, readFileSync(file)] as const)
    handles.release(process)
    for (const file of filesIn(data)) unlinkSync(file)
    for (const [file, bytes] of kept) writeFileSync(file, bytes, { mode: 0o600 })
  }

  private hostOf(process: Process): Host {
    const { call, commands, draw, kernel, says } = this.options
    return {
      pid: process.pid,
      scheduler: kernel.turnTaker(process),
      wallMs: kernel.wallMs,
      monoMs: () => kernel.monoMs,
      later: (delayMs, run) => kernel.later(process, delayMs, run),
      soon: (run) => kernel.soon(process, run),
      chance: draw,
      die: (sentence) => {
        says(sentence)
        this.crash(sentence)
        throw new Killed()
      },
      says,
      commands: {
        prepare: (job) => commands.prepare(process, job),
        go: commands.go,
        discard: commands.discard,
        inspect: commands.inspect,
        awaitEnd: (ref) => commands.awaitEnd(process, ref),
        abort: commands.abort,
        tail: () => ""
      },
      call: (method, params, signal) => call(process, method, params, signal)
    }
  }
}

// The lock and the shared memory of a dead process mean nothing to the next one.
const isLeft = (name: string): boolean => !name.endsWith("-shm") && !name.endsWith(".lock") && !name.endsWith(".lock-journal")

// Those of the database; below its folder nobody writes but the commands.
const filesIn = (folder: string): ReadonlyArray<string> =>
  existsSync(folder) ? readdirSync(folder, { withFileTypes: true }).flatMap((entry) => (entry.isFile() ? [join(folder, entry.name)] : [])) : []
