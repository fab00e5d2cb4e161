import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { spawn } from "node:child_process"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import Database from "better-sqlite3"
import { describe, it } from "vitest"

const program = fileURLToPath(new URL("./queues-program.mjs", import.meta.url))

interface Event {
  readonly at: number
  readonly type: string
  readonly task: string
  readonly payload: string
}

interface Asked {
  readonly queue: string
  readonly tenant: string
  readonly concurrency_key?: string
}

const read = <A>(file: string, use: (db: Database.Database) => A): A => {
  const db = new Database(file, { readonly: true, fileMustExist: true })
  try {
    return use(db)
  } finally {
    db.close()
  }
}

const count = (file: string, sql: string): number => {
  try {
    return read(file, (db) => Number(db.prepare(sql).pluck().get()))
  } catch {
    // It is not made yet.
    return 0
  }
}

/** What a recount of the log finds. Only what it says by itself is used. */
const recounted = (events: ReadonlyArray<Event>) => {
  const asked = new Map<string, Asked>()
  const running = new Set<string>()
  const starts: Array<Asked & { readonly at: number }> = []
  const highest = { limited: 0, key: 0 }
  const runs = (fits: (one: Asked) => boolean): number => [...running].filter((task) => fits(asked.get(task) ?? { queue: "", tenant: "" })).length
  for (const { at, payload, task, type } of events) {
    if (type === "task.requested") asked.set(task, JSON.parse(payload))
    else if (type === "task.running") {
      running.add(task)
      const one = asked.get(task)
      if (one !== undefined) starts.push({ ...one, at })
      highest.limited = Math.max(highest.limited, runs(({ queue }) => queue === "limited"))
      for (const key of ["k0", "k1"]) highest.key = Math.max(highest.key, runs(({ concurrency_key }) => concurrency_key === key))
    } else if (type.startsWith("task.")) running.delete(task)
  }
  return { asked: [...asked.values()], highest, starts }
}

/** The most instants in any span of this length. */
const densest = (instants: ReadonlyArray<number>, spanMs: number): number =>
  Math.max(...instants.map((from) => instants.filter((at) => at >= from && at < from + spanMs).length))

describe("slots, keys, rates, shares and unique keys", () => {
  it("hold over SIGKILL, as the log tells", { timeout: 120_000 }, async ({ expect, onTestFinished }) => {
    const folder = mkdtempSync(join(tmpdir(), "opsgate-queues-"))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const file = join(folder, "opsgate.db")
    const allEnded = "SELECT (SELECT COUNT(*) FROM task) = 353 AND (SELECT COUNT(*) FROM task WHERE state = 'SUCCEEDED') = 352"
    const started = "SELECT COUNT(*) FROM event WHERE type = 'task.running'"
    let kills = 0
    for (let isDone = false; !isDone;) {
      const before = count(file, started)
      const child = spawn(process.execPath, [program, file], { stdio: ["ignore", "ignore", "inherit"] })
      onTestFinished(() => void child.kill("SIGKILL"))
      const ended = once(child, "exit")
      while (child.exitCode === null && !isDone && (kills >= 6 || count(file, started) < before + 25)) {
        isDone = count(file, allEnded) === 1
        await sleep(5)
      }
      child.kill("SIGKILL")
      await ended
      kills += 1
    }
    expect(kills).toBeGreaterThan(4)

    const events = read(file, (db) => db.prepare<[], Event>("SELECT at, type, task, payload FROM event WHERE task IS NOT NULL ORDER BY seq").all())
    const { asked, highest, starts } = recounted(events)
    expect(highest).toEqual({ limited: 2, key: 1 })
    expect(densest(starts.filter(({ queue }) => queue === "paced").map(({ at }) => at), 700)).toBe(3)
    expect(starts.filter(({ queue }) => queue === "halted")).toEqual([])
    expect(asked.filter(({ queue }) => queue === "halted").length).toBe(1)
    // As long as all three have a backlog.
    const shares = ["a", "b", "c"].map((tenant) => starts.filter(({ queue }) => queue === "shared").slice(0, 150).filter((one) => one.tenant === tenant).length)
    for (const share of shares) expect(Math.abs(share - 50)).toBeLessThanOrEqual(5)
  })
})
