/** A server under strace: its system calls fail as they are told to, or are put on record. What strace writes is the witness. */
import { spawn } from "node:child_process"
import { existsSync, readFileSync, readlinkSync, realpathSync } from "node:fs"
import { join } from "node:path"
import { Effect, type Scope } from "effect"
import { processState, type Workspace } from "./Product.ts"
import { type ScenarioStuck, until } from "./Stage.ts"

export interface Traced {
  /** What strace wrote so far. */
  readonly trace: () => string
  readonly stderr: () => string
  /** How the server ended, in the words of strace; null while it runs. */
  readonly ended: () => string | null
  readonly signal: (name: "SIGKILL" | "SIGTERM") => void
}

/** Starts a server under strace, with these flags. It is killed when the scope closes; its commands go on, as ever. */
export const traced = ({ dir, env, program }: Workspace, name: string, flags: ReadonlyArray<string>): Effect.Effect<Traced, ScenarioStuck, Scope.Scope> =>
  Effect.gen(function*() {
    const file = join(dir, name)
    const tracer = yield* Effect.sync(() => spawn("strace", ["-f", "--seccomp-bpf", "-y", "-e", "signal=kill", "-o", file, ...flags, process.execPath, program, "serve"], { cwd: dir, env, stdio: ["ignore", "ignore", "pipe"] }))
    let log = ""
    tracer.stderr.setEncoding("utf8").on("data", (chunk: string) => (log = (log + chunk).slice(-20_000)))
    const pid = yield* until("a server under strace", Effect.sync(() => childOf(tracer.pid)), 5, 20_000)
    const signal = (wanted: "SIGKILL" | "SIGTERM") => {
      try {
        process.kill(pid, wanted)
      } catch {
        // It has ended by itself.
      }
    }
    yield* Effect.addFinalizer(() => Effect.sync(() => signal("SIGKILL")))
    const trace = () => (existsSync(file) ? readFileSync(file, "latin1") : "")
    const end = new RegExp(`^${pid} +\\+\\+\\+ (exited with \\d+|killed by \\w+)`, "m")
    return { trace, stderr: () => log, signal, ended: () => (isGone(pid) ? end.exec(trace())?.[1] ?? null : null) }
  })

const isGone = (pid: number): boolean => {
  const state = processState(pid)
  return state === null || state === "Z" || state === "X"
}

// strace tries its own means with children of its own first: the server is the one that runs node.
const childOf = (pid: number | undefined): number | null => {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").split(" ").filter((child) => child !== "")
    const server = children.find((child) => readlinkSync(`/proc/${child}/exe`) === realpathSync(process.execPath))
    return server === undefined ? null : Number(server)
  } catch {
    return null
  }
}

/** The first line of strace that says that a call was made to fail, without the paths of this machine; null: none did. */
export const injectedLine = (trace: string): string | null => {
  const line = trace.split("\n").find((one) => one.includes("(INJECTED)"))
  return line === undefined ? null : line.replace(/<\/[^>]*\/([^/>]*)>/g, "<$1>").slice(0, 300)
}
