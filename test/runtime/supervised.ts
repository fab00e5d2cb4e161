/** The supervisor as a real program, bundled once for a test file, and the folders and jobs it is tried with. */
import { type ChildProcess, spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { rolldown } from "rolldown"
import type { ExitRecord } from "../../src/runtime/supervisor/ExitRecord.ts"
import type { Job } from "../../src/runtime/supervisor/Job.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))

/** A folder for the test files of one process; what is in it is named by `folder`. */
export const home = mkdtempSync(join(tmpdir(), "opsgate-exec-"))
process.once("exit", () => rmSync(home, { recursive: true, force: true }))

/** Empties it. The folder itself stays for the next file. */
export const removeHome = (): void => {
  for (const name of readdirSync(home)) rmSync(join(home, name), { recursive: true, force: true })
}

let folders = 0

/** A new empty folder for one run. */
export const folder = (): string => {
  const dir = join(home, `run-${++folders}`)
  mkdirSync(dir)
  return dir
}

/** Bundles the supervisor as the product ships it and answers its path. */
export const bundle = async (): Promise<string> => {
  const built = await rolldown({ cwd: root, input: { supervisor: "src/runtime/supervisor/main.ts" }, platform: "node" })
  await built.write({ dir: join(home, "program"), format: "esm", entryFileNames: "[name].mjs" })
  await built.close()
  return join(home, "program", "supervisor.mjs")
}

/** A job that runs a shell script, unless told otherwise. The marker is the folder: no other run has it. */
export const shell = (script: string, dir: string = folder(), more: Partial<Job> = {}): Job => ({
  v: 1,
  dir,
  argv: ["/bin/sh", "-c", script],
  cwd: dir,
  env: { PATH: "/usr/bin:/bin" },
  stdin: "{}",
  timeout_ms: 10_000,
  kill_grace_ms: 5_000,
  output_cap_bytes: 1_000_000,
  marker: dir,
  ...more
})

/** An instant of the machine's monotonic clock that no test reaches. */
export const never = (): number => monoMs() + 60_000

export const monoMs = (): number => Number(process.hrtime.bigint() / 1_000_000n)

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Waits until something holds, and fails when it does not in good time. */
export const until = async (what: string, holds: () => boolean): Promise<void> => {
  const deadline = monoMs() + 5_000
  while (!holds()) {
    if (monoMs() > deadline) throw new Error(`waited in vain until ${what}`)
    await sleep(5)
  }
}

export const sha256 = (content: string | Buffer): string => createHash("sha256").update(content).digest("hex")

/** Whether a process runs; one that has ended and waits to be collected does not. */
export const runs = (pid: number): boolean => {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "utf8"))
  } catch {
    return false
  }
}

/** The number a command has written into a file of its folder, once it is there. */
export const pidIn = async (path: string): Promise<number> => {
  const read = (): number => {
    try {
      return Number(/^(\d+)\n/.exec(readFileSync(path, "utf8"))?.[1] ?? 0)
    } catch {
      return 0
    }
  }
  await until(`there is a pid in ${path}`, () => read() > 0)
  return read()
}

export const filesIn = (dir: string): ReadonlyArray<string> => readdirSync(dir).toSorted()

/** The pipes among a process's descriptors that were made for a command's outputs. */
export const pipesOf = (pid: number): ReadonlyArray<string> =>
  readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`)).filter((target) => /\/std(out|err)\.pipe\b/.test(target))

/** Processes whose command line names that path. */
export const processesOf = (path: string): ReadonlyArray<number> =>
  readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").includes(path)
    } catch {
      return false
    }
  })

/** A supervisor started by hand, to say to it what no server would. */
export interface Supervised {
  readonly child: ChildProcess & { readonly pid: number }
  readonly say: (line: unknown) => void
  /** Its first line. */
  readonly answer: Promise<unknown>
  readonly hangUp: () => void
  /** Its exit code, or the signal it died of. */
  readonly ended: Promise<number | string | null>
}

export const startSupervisor = (path: string): Supervised => {
  const spawned = spawn(process.execPath, [path], { detached: true, stdio: ["pipe", "pipe", "inherit"], env: {} })
  const { pid, stdin, stdout } = spawned
  if (pid === undefined) throw new Error("the supervisor did not start")
  stdin.on("error", () => undefined)
  return {
    child: Object.assign(spawned, { pid }),
    say: (line) => void stdin.write(`${typeof line === "string" ? line : JSON.stringify(line)}\n`),
    answer: new Promise((resolve) => {
      let text = ""
      stdout.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk
        if (text.includes("\n")) resolve(JSON.parse(text))
      })
    }),
    hangUp: () => {
      stdin.destroy()
      stdout.destroy()
    },
    ended: new Promise((resolve) => spawned.once("exit", (code, signal) => resolve(code ?? signal)))
  }
}

/** The record in a folder. */
export const recordIn = (dir: string): ExitRecord => JSON.parse(readFileSync(join(dir, "exit.json"), "utf8"))
