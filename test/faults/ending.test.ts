/** Faults after which a process must not go on: a sync that fails, a file that is gone from under it, and one that is damaged. */
import { closeSync, existsSync, openSync, readFileSync, renameSync, rmSync, writeSync } from "node:fs"
import { execFileSync } from "node:child_process"
import Database from "better-sqlite3"
import { describe, it, vi } from "vitest"
import { type Home, light, opsgate, until } from "../edge/cli/Opsgate.ts"
import { canInject, expectKept, injected, load, noStrace, opsOf, pinLog, skipLoudly } from "./Faults.ts"

vi.setConfig({ maxConcurrency: 3, testTimeout: 60_000 })

const kinds = { report: light(["/bin/true"]) }

describe.concurrent("a sync that the disk fails in the middle of load", () => {
  it("ends the server; the next one has all that was acknowledged", async ({ expect, onTestFinished, skip }) => {
    if (!canInject) return skipLoudly(skip, noStrace)
    const home = opsgate(onTestFinished, kinds)
    const server = await home.serve()
    const clients = load(home, onTestFinished)
    await until("some work", () => clients.acknowledged.length > 20)
    await injected(server.pid, "fdatasync,fsync:error=EIO:when=3+", `${home.file}-wal`, onTestFinished)
    expect(await server.ended).toMatchObject({ code: 1, stderr: expect.stringMatching(/opsgate: the disk failed to sync a commit; nobody knows whether it is stored\. Start again: the file decides\.\n$/) })
    await clients.stop()
    await home.serve()
    await until("the end of all work", () => home.tasks().every(({ state }) => state === "SUCCEEDED"))
    await expectKept(home, clients.acknowledged)
  })
})

const removals: ReadonlyArray<readonly [string, (home: Home) => void]> = [
  ["deleted", (home) => rmSync(home.file)],
  ["replaced", (home) => {
    const bytes = readFileSync(home.file)
    renameSync(home.file, `${home.file}.old`)
    const descriptor = openSync(home.file, "w")
    writeSync(descriptor, bytes)
    closeSync(descriptor)
    // Its own log does not come along with a copy.
    rmSync(`${home.file}-wal`)
  }],
  ["robbed of its write-ahead log", (home) => rmSync(`${home.file}-wal`)]
]

/** What every verb says that is to be typed. */
const adviceOn = async (home: Home) => {
  const typed = /put it in its place with the server stopped: (.*)\n$/.exec((await home.run(["task", "submit", "report"])).stderr)?.[1] ?? ""
  const doctor: { readonly findings: ReadonlyArray<{ readonly code: string; readonly remedy: string }> } = JSON.parse((await home.run(["doctor", "--json"])).stdout)
  const remedy = doctor.findings.find(({ code }) => code === "behind_watermark" || code === "watermark_differs")?.remedy ?? ""
  // The summary of a file that is not there is no summary.
  const summary = await home.run(["ops-summary", "--json"])
  const ops = summary.stdout === "" ? typed : String((await opsOf(home)).reason_details.find(({ code }) => code === "events_lost")?.next)
  return { typed, doctor: remedy.split("   #")[0], ops, accepts: await home.run(["accept-loss", "--reason", "gone"]) }
}

describe.concurrent("a database file", () => {
  it.for(removals)("that is %s under a running server ends it, and what was acknowledged is saved", async ([, remove], { expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    const server = await home.serve()
    const unpin = pinLog(home, onTestFinished)
    const clients = load(home, onTestFinished)
    await until("some work", () => clients.acknowledged.length > 20)
    remove(home)
    const { code, stderr } = await server.ended
    await clients.stop()
    unpin()
    expect(code).toBe(1)
    const saved = /was deleted or replaced while it was open; what is stored now would go nowhere\. All that was acknowledged was saved as (\S+): put that in its place/.exec(stderr)?.[1] ?? ""
    expect(existsSync(saved)).toBe(true)
    // What is left in its place is not taken for the whole.
    expect(await home.run(["serve"])).toMatchObject({ code: 1, stderr: expect.stringMatching(/acknowledged events? (is|are) missing|another event \d+ than/) })
    // A log without its file would be copied into the one that is put in its place.
    if (!existsSync(home.file)) expect(existsSync(`${home.file}-wal`)).toBe(false)
    const advice = await adviceOn(home)
    expect(advice).toMatchObject({ doctor: advice.typed, ops: advice.typed, accepts: { code: 5, stdout: "", stderr: expect.stringContaining(`put it in its place with the server stopped: ${advice.typed}.`) } })
    expect(advice.typed).toContain(`mv ${saved} ${home.file}`)
    execFileSync("sh", ["-ec", advice.typed])
    await home.serve()
    await expectKept(home, clients.acknowledged)
    await until("the end of all work", () => home.tasks().every(({ state }) => state === "SUCCEEDED"))
  })
})

/** Overwrites the middle of the root page of a table or index. */
const damage = (home: Home, name: string): void => {
  const db = new Database(home.file)
  const root = db.prepare<[string], { rootpage: number }>("SELECT rootpage FROM sqlite_schema WHERE name = ?").get(name)?.rootpage
  db.close()
  if (root === undefined) throw new Error(`there is no ${name}`)
  const descriptor = openSync(home.file, "r+")
  writeSync(descriptor, Buffer.alloc(2000, 0xa5), 0, 2000, (root - 1) * 4096)
  closeSync(descriptor)
}

describe.concurrent("a damaged page", () => {
  it("that a running server meets ends all changes, reads go on, and /ops says so until it is started again", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds, { workers: 1 })
    const id = await home.submit("report")
    damage(home, "task_lane")
    const server = home.launch(["serve"])
    onTestFinished(() => server.signal("SIGKILL"))
    await until("a server", () => server.stderr().includes("the runtime is ready"))
    await until("the damage", () => existsSync(home.socket))
    await expect.poll(async () => (await opsOf(home)).reasons, { timeout: 15_000 }).toContain("storage_damaged")
    for (const args of [["task", "submit", "report"], ["task", "cancel", id, "--reason", "x"]]) {
      expect(await home.run(args)).toMatchObject({ code: 1, stdout: "", stderr: "opsgate: the store cannot write: the file is damaged\n" })
    }
    expect(await home.run(["task", "show", id])).toMatchObject({ code: 0, stdout: expect.stringContaining(id) })
    expect(await opsOf(home)).toMatchObject({ code: 7, reason_details: expect.arrayContaining([expect.objectContaining({ code: "storage_damaged", next: "opsgate doctor" })]) })
    server.signal("SIGTERM")
    expect(await server.ended).toMatchObject({ code: 0 })
  })

  it("that one change meets ends all the others too: nothing more is written into the file", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds, { workers: 0 })
    await home.submit("report")
    damage(home, "idempotency")
    const server = await home.serve()
    await home.submit("report")
    const damaged = { code: 1, stdout: "", stderr: "opsgate: the store cannot write: the file is damaged\n" }
    expect(await home.run(["task", "submit", "report", "--key", "k"])).toMatchObject(damaged)
    expect(await home.run(["task", "submit", "report"])).toMatchObject(damaged)
    expect((await opsOf(home)).reasons).toEqual(["storage_damaged"])
    expect(home.tasks()).toHaveLength(2)
    server.signal("SIGTERM")
    await server.ended
    await home.submit("report")
  })

  it("refuses the command that meets it, in words", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    await home.submit("report")
    damage(home, "task")
    for (const args of [["task", "submit", "report"], ["task", "list"]]) {
      expect(await home.run(args)).toMatchObject({ code: 1, stdout: "", stderr: expect.stringMatching(/^opsgate: the store cannot (read|write|read the database): the file is damaged\n$/) })
    }
  })
})
