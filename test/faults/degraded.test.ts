/** A running server whose storage takes no changes for a while: what it says, what it goes on doing, and that nothing acknowledged is lost. */
import { rmSync } from "node:fs"
import Database from "better-sqlite3"
import { describe, it, vi } from "vitest"
import type { Ask } from "../../src/domain/Command.ts"
import { isAnswer, send } from "../../src/edge/cli/CommandClient.ts"
import { heavy, ledger, light, opsgate, until, waiting } from "../edge/cli/Opsgate.ts"
import { disk } from "../disk.ts"
import { canInject, expectKept, fill, inForce, injected, load, noMount, noStrace, opsOf, skipLoudly } from "./Faults.ts"

vi.setConfig({ maxConcurrency: 3, testTimeout: 60_000 })

const kinds = { report: light(["/bin/true"]), ship: heavy(waiting) }

describe.concurrent("a disk that fills up under a running server", () => {
  it("is told at once and in /ops; reads are answered, and work goes on when there is room", async ({ expect, onTestFinished, skip }) => {
    const folder = disk(8000, onTestFinished)
    if (folder === undefined) return skipLoudly(skip, noMount)
    const home = opsgate(onTestFinished, kinds, { workers: 1 }, folder)
    await home.serve()
    const clients = load(home, onTestFinished)
    await until("some work", () => clients.acknowledged.length > 20)
    fill(folder)
    await until("refusals", () => clients.refused.length > 3)
    expect(clients.refused[0]).toEqual({ tag: "EngineUnavailable", text: "the store cannot write: the disk is full" })
    const ops = await opsOf(home)
    expect(ops).toMatchObject({ code: 7, status: "degraded" })
    expect(ops.reason_details.find(({ code }) => code === "storage_full")).toMatchObject({
      observed: expect.any(Number),
      since: expect.stringMatching(/^20/),
      next: expect.stringMatching(/^df -h \//)
    })
    expect((await home.run(["ops-summary"])).stdout).toMatch(/^status: degraded\n(.*\n)*why: storage_full: observed \d+ since .*; next: df -h \//m)
    expect((await home.run(["task", "list"])).code).toBe(0)
    expect(await home.run(["task", "submit", "report"])).toMatchObject({ code: 1, stdout: "", stderr: "opsgate: the store cannot write: the disk is full\n" })
    const before = clients.acknowledged.length
    rmSync(`${folder}/ballast`)
    await until("work again", () => clients.acknowledged.length > before)
    await clients.stop()
    await until("the end of all work", () => home.tasks().every(({ state }) => state === "SUCCEEDED" || state === "FAILED"))
    await expectKept(home, clients.acknowledged)
    expect(inForce(await opsOf(home))).not.toContain("storage_full")
  })
})

const failing: ReadonlyArray<readonly [string, string, string]> = [
  ["ENOSPC", "storage_full", "the disk is full"],
  ["EIO", "storage_io", "the disk reports an error"],
  ["EROFS", "storage_io", "the disk reports an error"]
]

describe.concurrent("writes that fail under a running server for longer than its lease", () => {
  it.for(failing)("(%s) begin nothing; a run that ends meanwhile is settled once, in a new epoch", async ([error, code, words], { expect, onTestFinished, skip }) => {
    if (!canInject) return skipLoudly(skip, noStrace)
    const home = opsgate(onTestFinished, kinds, { workers: 2 })
    const server = await home.serve()
    const ship = await home.submit("ship")
    await until("a start", () => ledger(home).includes("start"))
    const clients = load(home, onTestFinished, 2)
    await until("some work", () => clients.acknowledged.length > 10)
    const fault = await injected(server.pid, `pwrite64,pwritev:error=${error}`, `${home.file}-wal`, onTestFinished)
    await until("refusals", () => clients.refused.length > 3)
    await clients.stop()
    expect(clients.refused[0]).toEqual({ tag: "EngineUnavailable", text: `the store cannot write: ${words}` })
    const begun = home.events("effect.intent").length
    home.write("release", "")
    await until("its end", () => ledger(home).includes("done"))
    const [lease] = home.query<{ until: number }>("SELECT lease_until_ms AS until FROM epoch ORDER BY epoch DESC LIMIT 1")
    await until("the end of the lease", () => Date.now() > (lease?.until ?? 0) + 200)
    const ops = await opsOf(home)
    expect(ops).toMatchObject({ code: 7, reasons: expect.arrayContaining([code]) })
    expect(await home.run(["task", "cancel", ship, "--reason", "x"])).toMatchObject({ code: 1, stderr: `opsgate: the store cannot write: ${words}\n` })
    expect(home.events("effect.intent")).toHaveLength(begun)
    await fault.end()
    await home.untilTask(ship, "SUCCEEDED")
    await until("the end of all work", () => home.tasks().every(({ state }) => state === "SUCCEEDED"))
    expect(ledger(home)).toEqual(["start", "done"])
    expect(home.events("task.succeeded").filter(({ task }) => task === ship)).toHaveLength(1)
    expect(home.events("epoch.started").map(({ payload }) => payload)).toEqual([expect.stringContaining("\"boot\""), expect.stringContaining("\"lease_expired\"")])
    await expectKept(home, clients.acknowledged)
    expect(inForce(await opsOf(home))).not.toContain(code)
  })

  it("do not hold up its stop: it ends on SIGTERM with a result that it could not store, and the next server settles that", async ({ expect, onTestFinished, skip }) => {
    if (!canInject) return skipLoudly(skip, noStrace)
    const home = opsgate(onTestFinished, kinds, { workers: 2, stop_grace_ms: 200 })
    const server = await home.serve()
    const ship = await home.submit("ship")
    await until("a start", () => ledger(home).includes("start"))
    await injected(server.pid, "pwrite64,pwritev:error=ENOSPC", `${home.file}-wal`, onTestFinished)
    home.write("release", "")
    await until("its end", () => ledger(home).includes("done"))
    await until("the failure", () => server.stderr().includes("the heartbeat could not be stored"))
    server.signal("SIGTERM")
    expect(await server.ended).toMatchObject({ code: 0, signal: null })
    await home.serve()
    await home.untilTask(ship, "SUCCEEDED")
    expect(ledger(home)).toEqual(["start", "done"])
  })
})

describe.concurrent("a checkpoint whose sync fails", () => {
  it("takes nothing back: the log has it all, and the pages are written once more", async ({ expect, onTestFinished, skip }) => {
    if (!canInject) return skipLoudly(skip, noStrace)
    const home = opsgate(onTestFinished, kinds, { workers: 0 })
    const server = await home.serve()
    const fault = await injected(server.pid, "fdatasync,fsync:error=EIO", home.file, onTestFinished)
    const acknowledged: Array<string> = []
    const ask = async () => {
      const wanted: Ask = { op: "submit", kind: "report", payload: { text: "x".repeat(400_000) }, reason: null }
      const reply = await send(home.socket, wanted, null, isAnswer)
      if (reply._tag === "Granted") acknowledged.push(reply.answer.task)
    }
    for (let count = 0; count < 40 && fault.hits() < 2; count++) await ask()
    expect(fault.hits()).toBeGreaterThanOrEqual(2)
    await fault.end()
    for (let count = 0; count < 3; count++) await ask()
    server.signal("SIGKILL")
    await server.ended
    await home.serve()
    await expectKept(home, acknowledged)
  })
})

describe.concurrent("a file that another program locks for longer than is waited", () => {
  it("is refused in words, told in /ops, and is over when the lock is free", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    await home.serve()
    const clients = load(home, onTestFinished, 2)
    await until("some work", () => clients.acknowledged.length > 10)
    const stranger = new Database(home.file, { timeout: 5000 })
    onTestFinished(() => void stranger.close())
    stranger.exec("BEGIN EXCLUSIVE")
    await until("refusals", () => clients.refused.length > 0)
    expect(clients.refused[0]).toEqual({ tag: "EngineUnavailable", text: "the store cannot write: another program holds its lock" })
    const ops = await opsOf(home)
    expect(ops).toMatchObject({ code: 7, reasons: expect.arrayContaining(["storage_busy"]) })
    expect(await home.run(["task", "submit", "report"])).toMatchObject({ code: 1, stderr: "opsgate: the store cannot write: another program holds its lock\n" })
    expect((await home.run(["task", "list"])).code).toBe(0)
    const before = clients.acknowledged.length
    stranger.exec("COMMIT")
    await until("work again", () => clients.acknowledged.length > before)
    await clients.stop()
    await until("the end of all work", () => home.tasks().every(({ state }) => state === "SUCCEEDED"))
    await expectKept(home, clients.acknowledged)
    expect(inForce(await opsOf(home))).not.toContain("storage_busy")
  })
})
