/** Folders, programs and a look at the log, for the tests of the workflow runtime. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import Database from "better-sqlite3"
import { rolldown } from "rolldown"
import { checkChain } from "../../../gate/evidence/Chain.ts"
import type { LogEvent } from "../../../gate/History.ts"

const root = fileURLToPath(new URL("../../..", import.meta.url))

/** A folder for one test file. */
export const makeHome = () => {
  const home = mkdtempSync(join(tmpdir(), "opsgate-workflow-"))
  let folders = 0
  return {
    home,
    folder: (): string => {
      const dir = join(home, `run-${++folders}`)
      mkdirSync(dir)
      return dir
    },
    remove: (): void => rmSync(home, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** Bundles a program of this folder together with the product's sources and answers its path. */
export const bundle = async (home: string, name: string): Promise<string> => {
  const built = await rolldown({ cwd: root, input: { [name]: `test/runtime/workflow/${name}.ts` }, platform: "node", external: ["better-sqlite3"] })
  await built.write({ dir: join(home, "program"), format: "esm", entryFileNames: "[name].mjs", minify: { compress: true, mangle: false, codegen: { removeWhitespace: true } } })
  await built.close()
  symlinkSync(join(root, "node_modules"), join(home, "node_modules"))
  return join(home, "program", `${name}.mjs`)
}

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** The longest that a program may take; it is killed then, and said to have taken too long. */
const patienceMs = 20_000

/** Runs a program to its end. */
export const start = (program: string, orders: unknown) => {
  const child = spawn(process.execPath, [program, JSON.stringify(orders)], { stdio: ["ignore", "pipe", "pipe"] })
  let stdout = ""
  let stderr = ""
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (stdout += chunk))
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (stderr += chunk))
  let tooLong = false
  const timer = setTimeout(() => {
    tooLong = true
    child.kill("SIGKILL")
  }, patienceMs)
  const ended = once(child, "close").then(([code, signal]): Ended => {
    clearTimeout(timer)
    if (tooLong) throw new Error(`the program took too long; it said ${stderr}`)
    return { code, signal, stdout, stderr }
  })
  return { ended, signal: (name: NodeJS.Signals) => void child.kill(name), stdout: () => stdout }
}

/** The log of a file, in the form in which the gate reads it. */
export const logOf = (file: string): ReadonlyArray<LogEvent> => {
  const db = new Database(file, { readonly: true, timeout: 5000 })
  try {
    const stream = db.prepare<[], { readonly id: string }>("SELECT id FROM store").get()?.id ?? ""
    // A row keeps its own hash only: that of the one before is `prev`.
    let prev = "0".repeat(64)
    return db.prepare<[], Omit<LogEvent, "payload" | "prev" | "stream"> & { readonly payload: string | null }>("SELECT * FROM event ORDER BY seq").all().map((row): LogEvent => {
      const event = { ...row, stream, prev, payload: row.payload === null ? null : JSON.parse(row.payload) }
      prev = row.hash
      return event
    })
  } finally {
    db.close()
  }
}

/** Where the log's chain is broken; empty: nowhere. */
export const breaksOf = (file: string): ReadonlyArray<string> => checkChain(file, logOf(file))
