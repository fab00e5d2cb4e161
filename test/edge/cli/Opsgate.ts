/**
 * The shipped program in a folder of its own: verbs as processes that end, a server as one that is ended, and a look at
 * the database file from outside. Commands of a test end by themselves when its folder is gone, so nothing outlives it.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import Database from "better-sqlite3"
import { taskOf, type TaskRow } from "../../../src/engine/sqlite/Rows.ts"

export const program = fileURLToPath(new URL("../../../dist/opsgate.js", import.meta.url))

/** The longest that a process may take; it is killed then, and the test that waits for its exit code fails. */
const patienceMs = 20_000

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface Started {
  readonly pid: number
  readonly ended: Promise<Ended>
  readonly stderr: () => string
  readonly signal: (name: NodeJS.Signals) => void
}

export interface RunOptions {
  readonly input?: string
  readonly env?: Readonly<Record<string, string>>
  /** Words before the script: preloaded modules. */
  readonly node?: ReadonlyArray<string>
  readonly cwd?: string
  /** How long it may take, where that is longer than usual: a server that many tests share. */
  readonly mayTakeMs?: number
}

/** The part of a stored task that tests look at. */
export interface Stored {
  readonly id: string
  readonly state: string
  readonly attempt: number
  readonly generation: number
  readonly lease: unknown
  readonly unknown: { readonly code: string } | null
  readonly cancel: unknown
  readonly failure: { readonly code: string; readonly error: string } | null
  readonly intents: ReadonlyArray<{ readonly supervisor: { readonly pid: number } | null }>
}

export interface StoredEvent {
  readonly seq: number
  readonly type: string
  readonly task: string | null
  readonly payload: string | null
}

/** Something like vitest's `onTestFinished`. */
export type AtTheEnd = (act: () => void) => void

/** Waits until something is there, and fails when it does not come in good time. */
export const until = async <A>(what: string, look: () => A | undefined | false): Promise<A> => {
  const deadline = performance.now() + patienceMs
  for (;;) {
    const seen = look()
    if (seen !== undefined && seen !== false) return seen
    if (performance.now() > deadline) throw new Error(`${what}: it did not come`)
    await sleep(10)
  }
}

/** A process, killed by its id when it takes too long. */
export const start = (file: string, args: ReadonlyArray<string>, options: { readonly cwd: string; readonly input?: string; readonly env?: Readonly<Record<string, string>>; readonly mayTakeMs?: number }): Started => {
  const child = spawn(file, args, { cwd: options.cwd, env: { PATH: process.env.PATH ?? "", ...options.env }, stdio: ["pipe", "pipe", "pipe"] })
  let stdout = ""
  let stderr = ""
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (stdout += chunk))
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (stderr += chunk))
  child.stdin.on("error", () => undefined)
  child.stdin.end(options.input ?? "")
  const tooLong = setTimeout(() => child.kill("SIGKILL"), options.mayTakeMs ?? patienceMs)
  const ended = once(child, "close").then(([code, signal]): Ended => {
    clearTimeout(tooLong)
    return { code, signal, stdout, stderr }
  })
  return { pid: child.pid ?? 0, ended, stderr: () => stderr, signal: (name) => void child.kill(name) }
}

/** A command that writes `start` and `done` lines to `ledger` and in between waits for the file `release`. */
export const waiting = ["/bin/sh", "-c", "echo start >> ledger; while [ -e alive ] && [ ! -e release ]; do sleep 0.02; done; echo done >> ledger"]

export const light = (argv: ReadonlyArray<string>, more: object = {}, exec: object = {}) => ({ class: "light", ...more, exec: { argv, ...exec } })
export const heavy = (argv: ReadonlyArray<string>, more: object = {}, exec: object = {}) => ({ class: "heavy", approval: "none", ...more, exec: { argv, ...exec } })

/** A folder with a configuration, and the program in it. */
export const opsgate = (atTheEnd: AtTheEnd, kinds: object = {}, settings: object = {}, folder = mkdtempSync(join(tmpdir(), "opsgate-cli-"))) => {
  const dataDir = join(folder, ".opsgate")
  const file = join(dataDir, "opsgate.db")
  const path = (name: string) => join(folder, name)
  const servers: Array<Started> = []
  writeFileSync(path("opsgate.config.json"), JSON.stringify({ v: 1, lease_ms: 1000, stop_grace_ms: 5000, ...settings, kinds }))
  writeFileSync(path("alive"), "")
  atTheEnd(() => {
    servers.forEach((server) => server.signal("SIGKILL"))
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  })

  const launch = (args: ReadonlyArray<string>, { cwd = folder, env, input, mayTakeMs = patienceMs, node = [] }: RunOptions = {}): Started =>
    start(process.execPath, [...node, program, ...args], { cwd, mayTakeMs, ...(env === undefined ? {} : { env }), ...(input === undefined ? {} : { input }) })
  const run = (args: ReadonlyArray<string>, options: RunOptions = {}): Promise<Ended> => launch(args, options).ended

  const query = <Row>(sql: string): ReadonlyArray<Row> => {
    const db = new Database(file, { readonly: true, timeout: 5000 })
    try {
      return db.prepare<[], Row>(sql).all()
    } finally {
      db.close()
    }
  }
  const tasks = (): ReadonlyArray<Stored> =>
    query<TaskRow>("SELECT id, spec, progress FROM task ORDER BY id").map(taskOf)
  const task = (id: string): Stored | undefined => tasks().find((one) => one.id === id)

  return {
    folder,
    dataDir,
    file,
    socket: join(dataDir, "opsgate.sock"),
    path,
    launch,
    run,
    query,
    tasks,
    task,
    events: (type?: string): ReadonlyArray<StoredEvent> =>
      query<StoredEvent>("SELECT seq, type, task, payload FROM event ORDER BY seq").filter((event) => type === undefined || event.type === type),
    /** Asks for a task and answers its id. */
    submit: async (kind: string, payload: unknown = {}): Promise<string> => {
      const { code, stderr, stdout } = await run(["task", "submit", kind, JSON.stringify(payload), "--json"])
      if (code !== 0) throw new Error(`submit ended with ${code}: ${stderr}`)
      const answer: { readonly task: string } = JSON.parse(stdout)
      return answer.task
    },
    /** A server that is ready. */
    serve: async (options: RunOptions = {}): Promise<Started> => {
      const server = launch(["serve"], options)
      servers.push(server)
      await until(`a server that is ready; it said ${server.stderr()}`, () => server.stderr().includes("the runtime is ready"))
      return server
    },
    /** Waits until the task is as wanted. */
    untilTask: (id: string, wanted: string | ((task: Stored) => boolean)): Promise<Stored> =>
      until(`task ${String(wanted)}`, () => {
        const found = task(id)
        return found !== undefined && (typeof wanted === "string" ? found.state === wanted : wanted(found)) ? found : undefined
      }),
    write: (name: string, text: string): void => {
      mkdirSync(join(path(name), ".."), { recursive: true })
      writeFileSync(path(name), text)
    },
    read: (name: string): string => (existsSync(path(name)) ? readFileSync(path(name), "utf8") : "")
  }
}

export type Home = ReturnType<typeof opsgate>

/** The lines of a command's ledger. */
export const ledger = (home: Home): ReadonlyArray<string> => home.read("ledger").split("\n").filter((line) => line !== "")
