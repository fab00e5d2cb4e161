/**
 * The product as its users meet it: the built program, started as a process, in a folder of its own. Nothing here
 * looks behind the command line.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs"
import { join } from "node:path"
import { Data, Deferred, Effect, type Scope } from "effect"

/** The product did not do what a scenario needs in order to go on. The scenario is aborted; its evidence is kept. */
export class ProductFailed extends Data.TaggedError("ProductFailed")<{ readonly what: string; readonly detail: string }> {
  override get message() {
    return `${this.what}: ${this.detail}`
  }
}

export interface Workspace {
  readonly dir: string
  /** The built program. */
  readonly program: string
  /** The program that plays the chat service to it. */
  readonly chatService: string
  /** The whole environment of every process that is started. */
  readonly env: Readonly<Record<string, string>>
}

export interface Ended {
  readonly pid: number
  readonly code: number | null
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
}

const commandMs = 20_000

/** Runs one verb to its end. */
export const opsgate = (workspace: Workspace, ...words: ReadonlyArray<string>): Effect.Effect<Ended, ProductFailed> =>
  Effect.async<Ended, ProductFailed>((resume) => {
    const child = start(workspace, words)
    const stdout: Array<Buffer> = []
    const stderr: Array<Buffer> = []
    child.stdout?.on("data", (chunk: Buffer) => stdout.push(chunk))
    child.stderr?.on("data", (chunk: Buffer) => stderr.push(chunk))
    child.on("error", (error) => resume(new ProductFailed({ what: `opsgate ${words.join(" ")}`, detail: error.message })))
    child.on("close", (code, signal) => {
      const text = (all: ReadonlyArray<Buffer>) => Buffer.concat([...all]).toString("utf8")
      resume(Effect.succeed({ pid: child.pid ?? 0, code, signal, stdout: text(stdout), stderr: text(stderr) }))
    })
    return Effect.sync(() => child.kill("SIGKILL"))
  }).pipe(
    Effect.timeoutFail({ duration: commandMs, onTimeout: () => new ProductFailed({ what: `opsgate ${words.join(" ")}`, detail: `did not end within ${commandMs} ms` }) })
  )

/** The JSON that a verb prints with `--json`; fails when it exits otherwise than with 0. */
export const opsgateJson = (workspace: Workspace, ...words: ReadonlyArray<string>): Effect.Effect<unknown, ProductFailed> =>
  Effect.flatMap(opsgate(workspace, ...words, "--json"), ({ code, stderr, stdout }) => {
    const failed = (detail: string) => new ProductFailed({ what: `opsgate ${words.join(" ")}`, detail })
    if (code !== 0) return failed(`exit ${code}: ${stderr.trim().slice(0, 400)}`)
    return Effect.try({ try: (): unknown => JSON.parse(stdout), catch: () => failed("printed no JSON") })
  })

const start = ({ dir, env, program }: Workspace, words: ReadonlyArray<string>, before: ReadonlyArray<string> = []): ChildProcess =>
  spawn(process.execPath, [...before, program, ...words], { cwd: dir, env, stdio: ["ignore", "pipe", "pipe"] })

export interface Server {
  readonly pid: number
  readonly signal: (name: "SIGKILL" | "SIGSTOP" | "SIGCONT" | "SIGTERM") => Effect.Effect<void>
  /** How the operating system says that the process ended. */
  readonly ended: Effect.Effect<{ readonly code: number | null; readonly signal: string | null }>
  /** The end of what it has logged so far. */
  readonly said: () => string
}

const readyMs = 20_000
/** What the server logs when it claims work. */
const readyLine = "the runtime is ready"

/** Starts the server and waits until it is ready for work. It is killed when the scope closes. `before` are words for node itself. */
export const serve = (workspace: Workspace, before: ReadonlyArray<string> = []): Effect.Effect<Server, ProductFailed, Scope.Scope> =>
  Effect.gen(function*() {
    const child = start(workspace, ["serve"], before)
    const ended = yield* Deferred.make<{ readonly code: number | null; readonly signal: string | null }>()
    const ready = yield* Deferred.make<void, ProductFailed>()
    let log = ""
    child.stderr?.on("data", (chunk: Buffer) => {
      log = (log + chunk.toString("utf8")).slice(-8000)
      if (log.includes(readyLine)) Deferred.unsafeDone(ready, Effect.void)
    })
    child.stdout?.resume()
    child.on("error", (error) => Deferred.unsafeDone(ready, new ProductFailed({ what: "opsgate serve", detail: error.message })))
    child.on("exit", (code, signal) => {
      Deferred.unsafeDone(ready, new ProductFailed({ what: "opsgate serve", detail: `ended with ${code ?? signal}: ${log.slice(-600)}` }))
      Deferred.unsafeDone(ended, Effect.succeed({ code, signal }))
    })
    yield* Effect.addFinalizer(() => Effect.sync(() => void (child.exitCode === null && child.signalCode === null && child.kill("SIGKILL"))))
    yield* Deferred.await(ready).pipe(
      Effect.timeoutFail({ duration: readyMs, onTimeout: () => new ProductFailed({ what: "opsgate serve", detail: `was not ready within ${readyMs} ms: ${log.slice(-600)}` }) })
    )
    return {
      pid: child.pid ?? 0,
      signal: (name) => Effect.sync(() => void child.kill(name)),
      ended: Deferred.await(ended),
      said: () => log
    }
  })

/** The state letter of a process as the kernel tells it (`T` is stopped), or null when it is gone. */
export const processState = (pid: number): string | null => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1")
    return stat.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3)
  } catch {
    return null
  }
}

/** Every event that the product's log holds, as printed. */
export const eventsText = (workspace: Workspace): Effect.Effect<string, ProductFailed> =>
  Effect.flatMap(opsgate(workspace, "events"), ({ code, stderr, stdout }) =>
    code === 0 ? Effect.succeed(stdout) : new ProductFailed({ what: "opsgate events", detail: `exit ${code}: ${stderr.trim().slice(0, 400)}` }))

/** The ledger that the executed commands wrote. No command ran: empty. */
export const ledgerText = ({ dir }: Workspace): string => {
  const file = join(dir, ledgerName)
  return existsSync(file) ? readFileSync(file, "utf8") : ""
}

export const ledgerName = "effects.jsonl"

/**
 * Ends with SIGKILL every process that works in the workspace: commands outlive their server, and must not outlive the
 * scenario. Nothing else has a reason to be there, since the folder was made for this scenario.
 */
export const endAll = ({ dir }: Workspace): void => {
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      if (readlinkSync(`/proc/${pid}/cwd`) === dir) process.kill(Number(pid), "SIGKILL")
    } catch {
      // It has ended by itself, or belongs to somebody else.
    }
  }
}
