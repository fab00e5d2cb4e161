/** Backups, the watermark, schedules, bulk commands and the hold of a restored file, as they meet. */
import { copyFileSync, existsSync, readdirSync, rmSync } from "node:fs"
import { describe, it, vi } from "vitest"
import { type AtTheEnd, heavy, type Home, ledger, light, opsgate, until } from "../edge/cli/Opsgate.ts"
import { read } from "../../src/engine/sqlite/Watermark.ts"
import { headIn } from "./mark.ts"

vi.setConfig({ maxConcurrency: 3, testTimeout: 120_000 })

const noting = (word: string) => ["/bin/sh", "-c", `echo ${word} $OPSGATE_DISPATCH_KEY >> ledger`]
const kinds = { report: light(["/bin/true"]), beat: light(noting("beat")), charge: heavy(noting("charge")) }
const always = { every: "1s", overlap: "allow", catch_up: "all" }
const schedules = { pulse: { kind: "beat", ...always }, billing: { kind: "charge", ...always } }

const ended = async (home: Home, act: () => Promise<unknown>): Promise<void> => {
  const server = await home.serve()
  await act()
  server.signal("SIGTERM")
  await server.ended
}
const notes = (home: Home, word: string) => ledger(home).filter((line) => line.startsWith(word))
const both = (home: Home, count: number) => until(`${count} notes of both`, () => ["beat", "charge"].every((word) => notes(home, word).length >= count))
const payloads = (home: Home, type: string): ReadonlyArray<Record<string, unknown>> => home.events(type).map(({ payload }) => JSON.parse(payload ?? "{}"))
const dueMs = (home: Home) => home.query<{ due: number }>("SELECT MAX(due_ms) AS due FROM schedule")[0]?.due ?? Infinity

/** A heartbeat of the server that came after an instant: it had time to do what was due. */
const outlives = (home: Home, ms: number) =>
  until("a later heartbeat", () => (home.query<{ at: number }>("SELECT lease_until_ms AS at FROM epoch ORDER BY epoch DESC LIMIT 1")[0]?.at ?? 0) > ms + 2000)

const release = (home: Home) => home.run(["release", "--reason", "looked at all of it", "--json"])

describe.concurrent("ticks that the lost part may have run", () => {
  it("are missed after a restore where they may do harm twice, caught up where not; none runs before the release, and all go on with it", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds, { workers: 4, schedules })
    await ended(home, async () => {
      await both(home, 1)
      expect((await home.run(["backup", "copy.db"])).code).toBe(0)
      const before = Math.max(notes(home, "beat").length, notes(home, "charge").length)
      await both(home, before + 2)
    })
    const lost = notes(home, "charge")
    const { code, stdout } = await home.run(["restore", "copy.db", "--force", "--json"])
    expect({ code, ...JSON.parse(stdout) }).toMatchObject({ code: 0, schedules_passed: 1, bulks_stopped: 0 })
    const missed = payloads(home, "schedule.missed").filter(({ reason }) => reason === "restored")
    expect(missed).toMatchObject([{ schedule: "billing", reason: "restored" }])
    expect(Number(missed[0]?.["count"])).toBeGreaterThanOrEqual(2)

    const begins = home.events().length
    await home.serve()
    await until("ticks that are due", () => dueMs(home) < Date.now() - 1000)
    await outlives(home, Date.now())
    expect(home.events().slice(begins).filter(({ type }) => type === "task.requested" || type === "task.running")).toEqual([])
    const charges = notes(home, "charge").length
    expect(JSON.parse((await release(home)).stdout)).toMatchObject({ moved: true })
    await until("further charges", () => notes(home, "charge").length > charges + 1)
    // No tick of the lost part was charged twice; of the harmless ones some came again, under their own keys.
    expect(new Set(notes(home, "charge")).size).toBe(notes(home, "charge").length)
    expect(notes(home, "charge")).toEqual(expect.arrayContaining([...lost]))
    await until("beats that came again", () => new Set(notes(home, "beat")).size < notes(home, "beat").length)
    // Whoever has looked has them run after all.
    const [range] = missed
    const [from, to] = [range?.["from_ms"], range?.["to_ms"]].map((ms) => new Date(Number(ms)).toISOString())
    const filled = await home.run(["schedule", "backfill", "billing", "--from", from ?? "", "--to", to ?? "", "--reason", "it had not happened", "--json"])
    expect({ code: filled.code, ...JSON.parse(filled.stdout) }).toMatchObject({ code: 0, existing: 0 })
    expect(payloads(home, "schedule.backfilled")).toMatchObject([{ count: range?.["count"] }])
  })

  it("are missed after an accepted loss too", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds, { workers: 4, schedules })
    await ended(home, () => both(home, 1))
    copyFileSync(home.file, home.path("older.db"))
    await ended(home, () => both(home, notes(home, "beat").length + 2))
    copyFileSync(home.path("older.db"), home.file)
    expect(await home.run(["accept-loss", "--reason", "an old copy was put back"])).toMatchObject({ code: 0, stderr: "" })
    expect(payloads(home, "schedule.missed").filter(({ reason }) => reason === "loss_accepted")).toMatchObject([{ schedule: "billing" }])
    const charges = notes(home, "charge").length
    await ended(home, () => until("further charges", () => notes(home, "charge").length > charges))
    expect(new Set(notes(home, "charge")).size).toBe(notes(home, "charge").length)
  })
})

describe.concurrent("a bulk command", () => {
  it("of the backup is stopped by the restore; one that is asked for while the file is held is carried out", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    for (let count = 0; count < 3; count++) await home.submit("report")
    expect((await home.run(["bulk", "cancel", "--kind", "report", "--reason", "not wanted", "--no-wait"])).code).toBe(0)
    expect((await home.run(["backup", "copy.db"])).code).toBe(0)
    const { stdout } = await home.run(["restore", "copy.db", "--force", "--json"])
    expect(JSON.parse(stdout)).toMatchObject({ bulks_stopped: 1 })
    expect(home.events("bulk.ended").map(({ payload }) => JSON.parse(payload ?? "{}"))).toMatchObject([{ state: "stopped", code: "restored", left: 3 }])
    const server = await home.serve()
    await outlives(home, Date.now())
    expect(home.tasks().map(({ state }) => state)).toEqual(["QUEUED", "QUEUED", "QUEUED"])
    expect(await home.run(["bulk", "cancel", "--kind", "report", "--reason", "still not wanted", "--json"])).toMatchObject({ code: 0, stderr: "" })
    expect(home.tasks().map(({ state }) => state)).toEqual(["CANCELED", "CANCELED", "CANCELED"])
    server.signal("SIGTERM")
  })
})

/** A file behind its watermark, and a backup from before. */
const behind = async (atTheEnd: AtTheEnd): Promise<Home> => {
  const home = opsgate(atTheEnd, kinds, { workers: 0 })
  await home.submit("report")
  await home.run(["backup", "copy.db"])
  copyFileSync(home.file, home.path("older.db"))
  for (let count = 0; count < 3; count++) await home.submit("report")
  copyFileSync(home.path("older.db"), home.file)
  return home
}

describe.concurrent("a restore over a file that is behind its watermark", () => {
  it("works, says what is lost, and the file needs a release then, and no loss accepted", async ({ expect, onTestFinished }) => {
    const home = await behind(onTestFinished)
    const marked = read(home.file)
    expect(await home.run(["task", "submit", "report"])).toMatchObject({ code: 1, stderr: expect.stringContaining("is behind its watermark") })
    expect(await home.run(["restore", "copy.db", "--old", home.file, "--force"])).toMatchObject({ code: 1, stderr: expect.stringContaining("was acknowledged") })
    const { code, stdout } = await home.run(["restore", "copy.db", "--force", "--json"])
    expect({ code, ...JSON.parse(stdout) }).toMatchObject({ code: 0, events_lost: (marked?.seq ?? 0) - 3 })
    expect(read(home.file)).toEqual(headIn(home))
    expect(await home.run(["accept-loss", "--reason", "nothing"])).toMatchObject({ code: 5, stderr: expect.stringContaining("there is no loss to accept") })
    expect(JSON.parse((await home.run(["doctor", "--json"])).stdout)).toMatchObject({ findings: [{ code: "restore_hold" }] })
    const server = await home.serve()
    expect((await release(home)).code).toBe(0)
    expect(await home.submit("report")).not.toBe("")
    server.signal("SIGTERM")
    await server.ended
    // It is told what it lost; what that was it cannot tell.
    expect(await home.run(["restore", "copy.db", "--old", home.file, "--force"])).toMatchObject({ code: 1, stderr: expect.stringContaining("went on behind a loss") })
  })

  // The program ends itself in place of a move: after a copy of the old watermark, after the old file is away, before the new watermark.
  const killedAt = (move: number) => `import fs from "node:fs"; import { syncBuiltinESMExports } from "node:module"; const move = fs.renameSync; let left = ${move}; fs.renameSync = (...names) => { if (left-- === 0) process.kill(process.pid, "SIGKILL"); return move(...names) }; syncBuiltinESMExports()`

  it("that dies between any two moves leaves nothing that begins, and is repeated", async ({ expect, onTestFinished }) => {
    const seen: Array<string> = []
    for (const move of [0, 1, 2]) {
      const home = await behind(onTestFinished)
      const lost = read(home.file)
      const { signal } = await home.run(["restore", "copy.db", "--force"], { node: ["--import", `data:text/javascript,${encodeURIComponent(killedAt(move))}`] })
      expect(signal).toBe("SIGKILL")
      seen.push(existsSync(home.file) ? "there" : "gone")
      expect(await home.run(["task", "submit", "report"])).toMatchObject({ code: 1, stderr: expect.stringContaining("is behind its watermark") })
      const again = await home.run(["restore", "copy.db", "--force", "--json"])
      expect(again).toMatchObject({ code: 0, stderr: "" })
      expect(JSON.parse(again.stdout)).toMatchObject({ events_lost: (lost?.seq ?? 0) - 3 })
      expect(readdirSync(home.dataDir).filter((name) => name.endsWith(".part"))).toEqual([])
      expect((await release(home)).code).toBe(0)
      rmSync(home.path("older.db"))
    }
    expect(seen).toEqual(["there", "gone", "there"])
  })
})
