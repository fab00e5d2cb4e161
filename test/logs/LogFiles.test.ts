import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { lineBytesMax, type LogRecord, readLine } from "../../src/domain/LogRecord.ts"
import { plainly } from "../../src/domain/Redaction.ts"
import { logFile, LogSink, olderLogFile, readLog, segmentMax } from "../../src/LogFiles.ts"
import { keyedRedactorIn, redactionKeyFile, redactorIn } from "../../src/RedactionKey.ts"

let folder = ""
let database = ""
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "opsgate-log-"))
  database = join(folder, "opsgate.db")
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const record = (change: Partial<LogRecord> = {}): LogRecord => ({ at: 1, level: "info", message: "said", task: null, trace: null, step: null, actor: null, code: null, facts: {}, ...change })

/** A sink whose moments of writing are called here. */
const made = () => {
  const due: Array<() => void> = []
  const sink = new LogSink(database, { redactor: () => plainly, later: (_delay, run) => void due.push(run), wallMs: () => 99 })
  return { sink, due }
}

const said = (count: number, from = 0): ReadonlyArray<LogRecord> => Array.from({ length: count }, (_, index) => record({ message: `said ${from + index}`, at: from + index }))
const lines = (path: string): ReadonlyArray<string> => (existsSync(path) ? readFileSync(path, "utf8").split("\n").slice(0, -1) : [])

describe("the files of the log", () => {
  it("hold the latest 500 records at least, and never more than twice as many", async () => {
    for (let round = 0; round < 13; round++) {
      const { sink } = made()
      for (const one of said(97, round * 97)) sink.put(one)
      await sink.end()
      const kept = readLog(database, {}, Infinity)
      expect(kept.length).toBeGreaterThanOrEqual(Math.min(segmentMax, (round + 1) * 97))
      expect(kept.length).toBeLessThanOrEqual(2 * segmentMax)
      expect(kept.map(({ at }) => at)).toEqual(Array.from({ length: kept.length }, (_, index) => (round + 1) * 97 - kept.length + index))
      expect(Math.max(lines(logFile(database)).length, lines(olderLogFile(database)).length)).toBeLessThanOrEqual(segmentMax)
    }
  })

  it("are written behind the work: nothing is there before it is due, and nothing waits for it", async () => {
    const { due, sink } = made()
    sink.put(record())
    sink.put(record())
    expect([existsSync(logFile(database)), due.length]).toEqual([false, 1])
    due[0]?.()
    await sink.end()
    expect(lines(logFile(database)).length).toBe(2)
  })

  it("keep the latest where more come than can be written, and say how many were dropped", async () => {
    const { sink } = made()
    for (const one of said(3 * segmentMax)) sink.put(one)
    await sink.end()
    const kept = readLog(database, {}, Infinity)
    expect(kept.filter(({ code }) => code === "log_dropped").map(({ text }) => JSON.parse(text).count)).toEqual([2 * segmentMax])
    expect(kept.at(-1)?.message).toBe(`said ${3 * segmentMax - 1}`)
    expect(kept.length).toBe(segmentMax + 1)
  })

  it("drop what the disk does not take, and say so once it does; nothing fails", async () => {
    const { due, sink } = made()
    mkdirSync(logFile(database))
    for (const one of said(3)) sink.put(one)
    due.shift()?.()
    await vi.waitUntil(() => sink.lost === 3)
    rmSync(logFile(database), { recursive: true })
    sink.put(record({ message: "again" }))
    await sink.end()
    expect(readLog(database, {}, Infinity).map(({ code, message }) => code ?? message)).toEqual(["log_dropped", "again"])
    expect(JSON.parse(lines(logFile(database))[0] ?? "").count).toBe(3)
  })

  it("are read past a line that was torn, which stays a line of its own", async () => {
    writeFileSync(logFile(database), "{\"v\":1,\"at\":1,\"level\":\"info\",\"message\":\"whole\"}\n{\"v\":1,\"at\":2,\"lev")
    const { sink } = made()
    sink.put(record({ message: "next" }))
    await sink.end()
    expect(readLog(database, {}, Infinity).map(({ message }) => message)).toEqual(["whole", "next"])
    expect(lines(logFile(database)).length).toBe(3)
  })

  it("can be read by their owner alone", async () => {
    const { sink } = made()
    sink.put(record())
    await sink.end()
    expect(statSync(logFile(database)).mode & 0o777).toBe(0o600)
  })

  it("hold one line for a record, of 4 kB at most, with nothing in it that a terminal obeys", async () => {
    const { sink } = made()
    const nasty = "a\u001b[2J\nb\u009b31m\u202e\u2028\u0000"
    sink.put(record({ message: nasty, actor: nasty, code: nasty, facts: { text: nasty, long: "x".repeat(100_000), many: Array.from({ length: 5000 }, (_, index) => index) } }))
    sink.put(record({ message: "é".repeat(50_000), facts: Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`member ${index}`, "€".repeat(500)])) }))
    await sink.end()
    const [first = "", second = ""] = lines(logFile(database))
    // oxlint-disable-next-line no-control-regex -- control characters are what this is about
    expect(first).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e]/)
    for (const line of [first, second]) expect(Buffer.byteLength(line)).toBeLessThanOrEqual(lineBytesMax)
    expect([readLine(first)?.message, JSON.parse(second).cut.length]).toEqual([nasty, 20])
  })

  it("are found by level, task and trace", async () => {
    const { sink } = made()
    const task = "01KAJ3Q7ZC6Z3Q5T7V9WX0YZ12"
    sink.put(record({ message: "a", level: "warn", task, trace: "a".repeat(32) }))
    sink.put(record({ message: "b", level: "debug" }))
    sink.put(record({ message: "c", level: "error", trace: "a".repeat(32), facts: { at: 7, level: "debug", task: "forged" } }))
    await sink.end()
    const of = (filter: Parameters<typeof readLog>[1]) => readLog(database, filter, Infinity).map(({ message }) => message)
    expect([of({ level: "warn" }), of({ task: task.slice(-4).toLowerCase() }), of({ trace: "A".repeat(32) }), of({ level: "error", task })]).toEqual([["a", "c"], ["a"], ["a", "c"], []])
  })
})

describe("the key of a data folder", () => {
  it("is drawn once, for its owner alone, and gives the same marks to whoever only reads", () => {
    const before = redactorIn(folder).text("password=hunter2")
    const written = keyedRedactorIn(folder).text("password=hunter2")
    expect(before).toBe("password=[redacted]")
    expect(written).toMatch(/^password=\[redacted:[0-9a-f]{6}\]$/)
    expect([redactorIn(folder).text("password=hunter2"), keyedRedactorIn(folder).text("password=hunter2")]).toEqual([written, written])
    expect(statSync(redactionKeyFile(folder)).mode & 0o777).toBe(0o600)
  })

  it("is not used when others can read it, or when it is none: then secrets all look alike", () => {
    keyedRedactorIn(folder)
    chmodSync(redactionKeyFile(folder), 0o640)
    expect(redactorIn(folder).text("password=hunter2")).toBe("password=[redacted]")
    chmodSync(redactionKeyFile(folder), 0o600)
    writeFileSync(redactionKeyFile(folder), "short")
    expect(keyedRedactorIn(folder).text("password=hunter2")).toBe("password=[redacted]")
  })
})
