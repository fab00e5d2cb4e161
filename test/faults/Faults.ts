/** Faults of a disk, done for real: a small disk that is filled, system calls that fail under strace, and a ledger kept outside. */
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { chmodSync, closeSync, openSync, writeSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import Database from "better-sqlite3"
import { expect } from "vitest"
import { chainIntact } from "../../gate/invariant/chainIntact.ts"
import type { LogEvent } from "../../gate/History.ts"
import type { Ask } from "../../src/domain/Command.ts"
import { isAnswer, send } from "../../src/edge/cli/CommandClient.ts"
import type { AtTheEnd, Home } from "../edge/cli/Opsgate.ts"
import { run, scenario, score } from "../gate/invariant/Story.ts"

/** Says why a fault cannot be tried here where nobody overlooks it, and leaves the test as skipped. */
export const skipLoudly = (skip: (note?: string) => void, why: string): void => {
  process.stderr.write(`\nNOT TESTED: ${why}\n`)
  skip(why)
}

const canRun = (file: string, args: ReadonlyArray<string>): boolean => {
  try {
    execFileSync(file, args, { stdio: "ignore" })
    return true
  } catch {
    return false
  }
}

/** Whether system calls can be made to fail here: strace is there, and may trace. */
export const canInject = canRun("strace", ["-o", "/dev/null", "true"])

export const noStrace = "strace is not installed, or may not trace (package strace)"
export const noMount = "a disk of its own can be mounted by root only"
export const noProtection = "files cannot be protected from writing here (chattr +i, for root)"

/** Lets nobody write the files until it is undone; null where that cannot be done. Their mode is enough, but for root. */
export const protect = (files: ReadonlyArray<string>): (() => void) | null => {
  const isRoot = process.getuid?.() === 0
  const set = (on: boolean): boolean => {
    if (isRoot) return canRun("chattr", [on ? "+i" : "-i", ...files])
    files.forEach((file) => chmodSync(file, on ? 0o400 : 0o600))
    return true
  }
  return set(true) ? () => void set(false) : null
}

/** Keeps what is written from now on out of the file itself, until it is undone: a checkpoint goes no further than the oldest reader. */
export const pinLog = (home: Home, atTheEnd: AtTheEnd): (() => void) => {
  const db = new Database(home.file, { readonly: true })
  db.exec("BEGIN")
  db.prepare("SELECT COUNT(*) FROM sqlite_schema").get()
  const unpin = () => void db.close()
  atTheEnd(unpin)
  return unpin
}

/** Takes all the room that is left. */
export const fill = (inside: string): void => {
  const descriptor = openSync(join(inside, "ballast"), "a")
  for (const size of [65_536, 4096]) while (canWrite(descriptor, size)) continue
  closeSync(descriptor)
}

const canWrite = (descriptor: number, size: number): boolean => {
  try {
    return writeSync(descriptor, Buffer.alloc(size, 1)) === size
  } catch {
    return false
  }
}

/** Lets system calls of a running process fail until `end` is called. `path`: only those on this file. */
export const injected = async (pid: number, what: string, path: string, atTheEnd: AtTheEnd): Promise<{ readonly end: () => Promise<void>; readonly hits: () => number }> => {
  const [calls = ""] = what.split(":")
  const tracer = spawn("strace", ["-f", "-p", String(pid), "-P", path, "-e", `trace=${calls}`, "-e", `inject=${what}`], { stdio: ["ignore", "ignore", "pipe"] })
  let text = ""
  tracer.stderr.setEncoding("utf8").on("data", (chunk: string) => (text += chunk))
  const ended = once(tracer, "close")
  atTheEnd(() => void tracer.kill("SIGKILL"))
  const deadline = performance.now() + 10_000
  while (!text.includes("attached")) {
    if (performance.now() > deadline || tracer.exitCode !== null) throw new Error(`strace did not attach: ${text}`)
    await sleep(5)
  }
  return {
    hits: () => text.split("(INJECTED)").length - 1,
    end: async () => {
      tracer.kill("SIGINT")
      await ended
    }
  }
}

export interface Refused {
  readonly tag: string
  readonly text: string
}

/** Clients that ask a server for work, one request after the other, and keep a ledger of what was acknowledged. */
export const load = (home: Home, atTheEnd: AtTheEnd, clients = 4, kind = "report") => {
  const acknowledged: Array<string> = []
  const refused: Array<Refused> = []
  let unanswered = 0
  let isOver = false
  const client = async () => {
    while (!isOver) {
      const ask: Ask = { op: "submit", kind, payload: { text: "x".repeat(500) }, reason: null }
      const reply = await send(home.socket, ask, null, isAnswer)
      if (reply._tag === "Granted") acknowledged.push(reply.answer.task)
      else if (reply._tag === "Refused") refused.push({ tag: reply.tag, text: reply.text })
      else unanswered += 1
      if (reply._tag !== "Granted") await sleep(10)
    }
  }
  const all = Promise.all(Array.from({ length: clients }, client))
  atTheEnd(() => {
    isOver = true
  })
  return {
    acknowledged,
    refused,
    unanswered: () => unanswered,
    stop: async () => {
      isOver = true
      await all
    }
  }
}

/** Which acknowledged tasks the file does not hold. */
export const missingIn = (home: Home, acknowledged: ReadonlyArray<string>): ReadonlyArray<string> => {
  const there = new Set(home.query<{ id: string }>("SELECT id FROM task").map(({ id }) => id))
  return acknowledged.filter((id) => !there.has(id))
}

/** Everything acknowledged is in the file, in its log, and the log is whole. */
export const expectKept = async (home: Home, acknowledged: ReadonlyArray<string>): Promise<void> => {
  expect(acknowledged.length).toBeGreaterThan(0)
  expect(missingIn(home, acknowledged)).toEqual([])
  expect(home.query("PRAGMA integrity_check")).toEqual([{ integrity_check: "ok" }])
  const { code, stdout } = await home.run(["events"])
  expect(code).toBe(0)
  const events = stdout.split("\n").filter((line) => line !== "").map((line): LogEvent => JSON.parse(line))
  const requested = new Set(events.filter(({ type }) => type === "task.requested").map(({ task }) => task))
  expect(acknowledged.filter((id) => !requested.has(id))).toEqual([])
  expect(score(chainIntact(run({ ...scenario({}), events })))).toBe(`${events.length}/${events.length}`)
}

/** The summary as JSON, with the exit code of `--check`. */
export const opsOf = async (home: Home) => {
  const { code, stderr, stdout } = await home.run(["ops-summary", "--json", "--check"])
  if (stdout === "") throw new Error(`no summary: ${stderr}`)
  const summary: {
    readonly status: string
    readonly reasons: ReadonlyArray<string>
    readonly reason_details: ReadonlyArray<{ readonly code: string; readonly observed: number; readonly since?: string; readonly ended?: string; readonly next: string }>
  } = JSON.parse(stdout)
  return { code, ...summary }
}

/** The reasons whose conditions have not ended: one that ended just now is told for a minute more. */
export const inForce = ({ reason_details: details }: Awaited<ReturnType<typeof opsOf>>): ReadonlyArray<string> =>
  details.filter(({ ended }) => ended === undefined).map(({ code }) => code)
