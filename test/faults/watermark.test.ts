/** The watermark: what a truncated or replaced file has lost is noticed, and nothing else ever is. */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import Database from "better-sqlite3"
import { Effect } from "effect"
import { describe, it, vi } from "vitest"
import { examine, read, watermarkFile } from "../../src/engine/sqlite/Watermark.ts"
import { type AtTheEnd, heavy, type Home, ledger, light, opsgate, until, waiting } from "../edge/cli/Opsgate.ts"
import { expectKept, inForce, load, opsOf, pinLog } from "./Faults.ts"

vi.setConfig({ maxConcurrency: 3, testTimeout: 60_000 })

const kinds = { report: light(["/bin/true"]), ship: heavy(waiting), later: heavy(["/bin/sh", "-c", "echo later >> ledger"]) }

/** A server that was killed under load, and what it had acknowledged. */
const killed = async (home: Home, atTheEnd: AtTheEnd, asks = 40) => {
  const server = await home.serve()
  const unpin = pinLog(home, atTheEnd)
  const clients = load(home, atTheEnd)
  await until("some work", () => clients.acknowledged.length > asks)
  server.signal("SIGKILL")
  await server.ended
  await clients.stop()
  unpin()
  return clients.acknowledged
}

const standing = (file: string) => Effect.runPromise(examine(file))

/** A copy of the database and what lies beside it, in a folder of its own. */
const copied = (home: Home, atTheEnd: AtTheEnd): string => {
  const folder = mkdtempSync(join(tmpdir(), "opsgate-copy-"))
  atTheEnd(() => rmSync(folder, { recursive: true, force: true }))
  for (const name of ["", "-wal", ".watermark"]) if (existsSync(home.file + name)) cpSync(home.file + name, join(folder, `opsgate.db${name}`))
  return join(folder, "opsgate.db")
}

const idsIn = (file: string): ReadonlySet<string> => {
  const db = new Database(file, { readonly: true })
  try {
    return new Set(db.prepare<[], { id: string }>("SELECT id FROM task").all().map(({ id }) => id))
  } finally {
    db.close()
  }
}

// The write-ahead log: a header of 32 bytes, then frames of a header of 24 and a page (sqlite.org/fileformat.html, "The Write-Ahead Log").
const headerBytes = 32
const frameBytes = 24 + 4096

describe.concurrent("a server that was killed", () => {
  it("leaves no false alarm, however often, and has all that it acknowledged", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    const acknowledged: Array<string> = []
    for (const asks of [1, 7, 23]) {
      acknowledged.push(...await killed(home, onTestFinished, asks))
      expect(await standing(home.file)).toEqual({ _tag: "Whole" })
      const head = home.query<{ seq: number }>("SELECT MAX(seq) AS seq FROM event")[0]?.seq ?? 0
      // Not more than the one transaction between its commit and its mark.
      expect(read(home.file)?.seq).toBeGreaterThan(0)
      expect(read(home.file)?.seq).toBeLessThanOrEqual(head)
    }
    await home.serve()
    await expectKept(home, acknowledged)
  })
})

describe.concurrent("a write-ahead log that was cut", () => {
  it("at any length is noticed whenever something acknowledged is missing, and by how much", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds, { workers: 1 })
    const acknowledged = await killed(home, onTestFinished)
    const marked = read(home.file)?.seq ?? 0
    const wal = readFileSync(`${home.file}-wal`)
    const frames = Math.floor((wal.length - headerBytes) / frameBytes)
    const lengths = [0, 1, headerBytes, ...Array.from({ length: 12 }, (_, index) => headerBytes + Math.floor((frames * (index + 1)) / 12) * frameBytes)]
      .flatMap((length) => [length, Math.max(0, length - 1), Math.min(wal.length, length + 2000)])
    let noticed = 0
    for (const length of new Set(lengths)) {
      const file = copied(home, onTestFinished)
      truncateSync(`${file}-wal`, length)
      const found = await standing(file)
      const there = idsIn(file)
      const missing = acknowledged.filter((id) => !there.has(id))
      expect([length, found._tag === "Whole" ? missing : []]).toEqual([length, []])
      if (found._tag !== "Behind") continue
      noticed += 1
      expect(found.lost.missing).toBe(marked - found.lost.seq)
      expect(found.lost.missing).toBeGreaterThan(0)
    }
    expect(noticed).toBeGreaterThan(10)
  })

  it("stops a server and every changing command, leaves the file as it is, and is told by those that only look", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds, { workers: 0 })
    await killed(home, onTestFinished)
    truncateSync(`${home.file}-wal`, Math.floor(readFileSync(`${home.file}-wal`).length / 2))
    const before = [readFileSync(home.file), readFileSync(`${home.file}-wal`)]
    const words = /^opsgate: .*opsgate\.db is behind its watermark: \d+ acknowledged events are missing \(\d+ to \d+\), from after 20\S+ on; restore a backup, or put the loss on record: opsgate accept-loss --reason <why>\n$/
    for (const args of [["serve"], ["task", "submit", "report"]]) {
      expect(await home.run(args)).toMatchObject({ code: 1, stdout: "", stderr: expect.stringMatching(words) })
    }
    expect(await home.run(["task", "list"])).toMatchObject({ code: 0, stderr: expect.stringMatching(words) })
    const ops = await opsOf(home)
    expect(ops).toMatchObject({ code: 7, reasons: ["events_lost"] })
    expect(ops.reason_details[0]).toMatchObject({ next: "opsgate accept-loss --reason <why>", since: expect.stringMatching(/^20/) })
    expect([readFileSync(home.file), readFileSync(`${home.file}-wal`)].map((bytes, index) => bytes.equals(before[index] ?? Buffer.of()))).toEqual([true, true])
    expect(existsSync(join(home.dataDir, "opsgate.sock"))).toBe(true)
  })
})

describe.concurrent("a loss", () => {
  it("that is accepted is on record; what may have run in it waits for a person, and nothing of it runs by itself", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds, { workers: 1 })
    const server = await home.serve()
    const unpin = pinLog(home, onTestFinished)
    const ship = await home.submit("ship")
    await until("a start", () => ledger(home).includes("start"))
    const later = await home.submit("later")
    const length = readFileSync(`${home.file}-wal`).length
    // From here on it is lost: the second command runs and ends in it.
    home.write("release", "")
    await home.untilTask(later, "SUCCEEDED")
    server.signal("SIGKILL")
    await server.ended
    unpin()
    truncateSync(`${home.file}-wal`, length)
    expect(await home.run(["accept-loss", "--reason", " "])).toMatchObject({ code: 2 })
    const { code, stderr, stdout } = await home.run(["accept-loss", "--reason", "the disk was swapped", "--json"])
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
    expect(JSON.parse(stdout)).toMatchObject({ missing: expect.any(Number), unknown: 1, held: 1 })
    expect(await home.run(["accept-loss", "--reason", "again"])).toMatchObject({ code: 5, stderr: expect.stringContaining("there is no loss to accept") })
    await home.serve()
    await home.untilTask(await home.submit("report"), "SUCCEEDED")
    expect(home.task(ship)).toMatchObject({ state: "RUNNING", unknown: { code: "loss_accepted" } })
    expect(home.task(later)).toMatchObject({ state: "REQUESTED", unknown: null })
    expect(ledger(home)).toEqual(["start", "done", "later"])
    const [event] = home.events("loss.accepted")
    expect(JSON.parse(event?.payload ?? "{}")).toMatchObject({ missing: expect.any(Number), unknown: 1, held: 1, command: { op: "accept-loss", reason: "the disk was swapped" } })
    expect((await home.run(["task", "reconcile", ship, "--outcome", "succeeded", "--reason", "the ledger says so"])).code).toBe(0)
    await home.untilTask(ship, "SUCCEEDED")
    expect(ledger(home)).toEqual(["start", "done", "later"])
    await expectKept(home, [ship, later])
    expect(inForce(await opsOf(home))).not.toContain("events_lost")
  })

  it("of the whole file is noticed too, instead of a new one being made in its place", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    await home.submit("report")
    rmSync(home.file)
    expect(await home.run(["task", "submit", "report"])).toMatchObject({ code: 1, stderr: expect.stringMatching(/is behind its watermark: \d+ acknowledged events are missing \(1 to/) })
    expect(await home.run(["ops-summary", "--check"])).toMatchObject({ code: 1, stdout: "", stderr: expect.stringMatching(/is behind its watermark/) })
    expect(existsSync(home.file)).toBe(false)
    expect((await home.run(["accept-loss", "--reason", "a new beginning"])).code).toBe(0)
    await home.submit("report")
    expect(home.tasks()).toHaveLength(1)
  })
})

describe.concurrent("a watermark", () => {
  it("is not missed where a database was copied without it", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    await home.submit("report")
    rmSync(watermarkFile(home.file))
    await home.submit("report")
    expect(home.tasks()).toHaveLength(2)
  })

  it("of another file is not compared, and the server says so", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    const other = opsgate(onTestFinished, kinds)
    await home.submit("report")
    for (let count = 0; count < 3; count++) await other.submit("report")
    cpSync(watermarkFile(other.file), watermarkFile(home.file))
    const submitted = await home.run(["task", "submit", "report", "--json"])
    expect(submitted).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\{.*\}\n$/) })
    cpSync(watermarkFile(other.file), watermarkFile(home.file))
    const server = await home.serve()
    expect(server.stderr()).toMatch(/another file's, and was not compared/)
  })

  it("that is torn is no record: the one before it stands", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    for (let count = 0; count < 3; count++) await home.submit("report")
    const path = watermarkFile(home.file)
    const whole = readFileSync(path)
    const last = read(home.file)
    const at = whole.subarray(0, 512).includes(`"seq":${last?.seq},`) ? 0 : 512
    const torn = Buffer.from(whole)
    // The new record's beginning, and zeros where the rest of it did not arrive.
    torn.fill(0, at + 100, at + 512)
    writeFileSync(path, torn)
    const before = read(home.file)
    expect(before?.seq).toBeLessThan(last?.seq ?? 0)
    expect(await standing(home.file)).toEqual({ _tag: "Whole" })
    torn.write("9", whole.indexOf("\"seq\":", (at + 512) % 1024) + 6)
    writeFileSync(path, torn)
    expect(read(home.file)).toBeNull()
    await home.submit("report")
    expect(read(home.file)?.seq).toBeGreaterThan(last?.seq ?? 0)
  })
})
