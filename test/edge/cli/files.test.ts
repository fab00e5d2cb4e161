import { createRequire } from "node:module"
import { pathToFileURL } from "node:url"
import { describe, it, vi } from "vitest"
import { disk, remount } from "../../disk.ts"
import { light, opsgate } from "./Opsgate.ts"

vi.setConfig({ maxConcurrency: 4, testTimeout: 60_000 })

const kinds = { report: light(["/bin/true"]), big: light(["/bin/true"]) }

/** Makes the sync of commits fail from inside the program, as a broken disk does, as soon as there is a file `broken`. */
const brokenSync = (): ReadonlyArray<string> => {
  const source = `
    import { existsSync } from "node:fs"
    import Database from ${JSON.stringify(pathToFileURL(createRequire(import.meta.url).resolve("better-sqlite3")))}
    const { prepare } = Database.prototype
    Database.prototype.prepare = function(sql) {
      const statement = prepare.call(this, sql)
      const run = () => {
        if (existsSync("broken")) throw new Database.SqliteError("disk I/O error", "SQLITE_IOERR_FSYNC")
        return statement.run()
      }
      return sql === "COMMIT" ? { run } : statement
    }`
  return ["--import", `data:text/javascript,${encodeURIComponent(source)}`]
}

describe.concurrent("two programs on one file", () => {
  it("are kept apart, also while the first is stopped, until it is killed", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds, { workers: 0 })
    const first = await home.serve()
    first.signal("SIGSTOP")
    expect(await home.run(["serve"])).toMatchObject({ code: 5, stdout: "", stderr: expect.stringContaining("another opsgate process holds") })
    expect((await home.run(["task", "list"])).code).toBe(0)
    first.signal("SIGKILL")
    await first.ended
    await home.serve()
    expect(home.events("epoch.started")).toHaveLength(2)
  })

  it("that are the first ever make it once, and store what each was asked", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    const ended = await Promise.all(Array.from({ length: 4 }, () => home.run(["task", "submit", "report"])))
    expect(ended.map(({ code, stderr }) => ({ code, stderr }))).toEqual(Array.from({ length: 4 }, () => ({ code: 0, stderr: "" })))
    expect(home.tasks()).toHaveLength(4)
    expect(home.query("SELECT id FROM store")).toHaveLength(1)
    expect(home.query("PRAGMA integrity_check")).toEqual([{ integrity_check: "ok" }])
  })
})

describe.concurrent("a disk that fails to sync a commit", () => {
  it("ends the program, which answers nobody: only a new one that reads the file knows", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    await home.submit("report")
    home.write("broken", "")
    const { code, stderr, stdout } = await home.run(["task", "submit", "report", "--json"], { node: brokenSync() })
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" })
    expect(stderr).toMatch(/the disk failed to sync a commit; nobody knows whether it is stored/)
    expect((await home.run(["task", "list"])).code).toBe(0)
  })

  it("ends the server, and whoever waits for its answer learns that it may or may not be stored", async ({ expect, onTestFinished }) => {
    // No heartbeat comes in between, which would be the commit that fails.
    const home = opsgate(onTestFinished, kinds, { workers: 0, lease_ms: 600_000 })
    const server = await home.serve({ node: brokenSync() })
    await home.submit("report")
    home.write("broken", "")
    const asked = await home.run(["task", "submit", "report", "--key", "k"])
    expect(asked).toMatchObject({ code: 69, stdout: "", stderr: expect.stringContaining("it may or may not have decided: repeat the command with the same --key") })
    expect(await server.ended).toMatchObject({ code: 1, stderr: expect.stringContaining("the disk failed to sync a commit") })
    expect((await home.run(["task", "submit", "report", "--key", "k"])).code).toBe(0)
  })
})

describe.concurrent("a disk", () => {
  it("that is full refuses a submit, in words, and keeps what it had", async ({ expect, onTestFinished, skip }) => {
    const folder = disk(700, onTestFinished)
    if (folder === undefined) return skip("a disk to fill can be mounted by root only")
    const home = opsgate(onTestFinished, kinds, {}, folder)
    home.write("payload.json", JSON.stringify({ text: "x".repeat(90_000) }))
    const submit = () => home.run(["task", "submit", "big", "--payload-file", "payload.json"])
    let stored = 0
    let last = await submit()
    while (last.code === 0 && stored < 20) {
      stored += 1
      last = await submit()
    }
    expect(last).toMatchObject({ code: 1, stdout: "", stderr: "opsgate: the store cannot write: the disk is full\n" })
    expect(stored).toBeGreaterThan(0)
    remount(folder, "size=4m")
    expect((await home.run(["task", "list"])).code).toBe(0)
    expect(home.tasks()).toHaveLength(stored)
    await home.submit("report")
    expect(home.query("PRAGMA integrity_check")).toEqual([{ integrity_check: "ok" }])
  })

  it("that is full at the first submit refuses it, and is no obstacle later", async ({ expect, onTestFinished, skip }) => {
    const folder = disk(64, onTestFinished)
    if (folder === undefined) return skip("a disk to fill can be mounted by root only")
    const home = opsgate(onTestFinished, kinds, {}, folder)
    home.write("ballast", "x".repeat(36_000))
    const { code, stderr, stdout } = await home.run(["task", "submit", "report"])
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" })
    expect(stderr).toMatch(/the disk is full/)
    remount(folder, "size=4m")
    await home.submit("report")
    expect(home.tasks()).toHaveLength(1)
  })

  it("that is read-only is refused in words: SQLite cannot read there either without its shared memory beside the file", async ({ expect, onTestFinished, skip }) => {
    const folder = disk(4096, onTestFinished)
    if (folder === undefined) return skip("a read-only disk can be mounted by root only")
    const home = opsgate(onTestFinished, kinds, {}, folder)
    const id = await home.submit("report")
    remount(folder, "ro")
    for (const args of [["task", "submit", "report"], ["task", "cancel", id, "--reason", "x"], ["serve"], ["task", "list"]]) {
      const { code, stderr, stdout } = await home.run(args)
      expect({ args, code, stdout }).toEqual({ args, code: 1, stdout: "" })
      expect(stderr).toMatch(/the file or its folder is read-only/)
    }
    remount(folder, "rw")
    expect(home.task(id)?.state).toBe("QUEUED")
  })
})
