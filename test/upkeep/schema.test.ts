/** What the doctor tells to type repairs what it found, and what a verb meets is said in words. */
import { execFileSync } from "node:child_process"
import { existsSync, readdirSync, rmSync, truncateSync } from "node:fs"
import Database from "better-sqlite3"
import { describe, it, vi } from "vitest"
import { EngineUnavailable } from "../../src/engine/Engine.ts"
import { columns, schema, starts } from "../../src/engine/sqlite/ExamineSchema.ts"
import { migrations } from "../../src/engine/sqlite/Migrations.ts"
import { light, opsgate } from "../edge/cli/Opsgate.ts"

vi.setConfig({ testTimeout: 60_000 })

const kinds = { wait: light(["/bin/true"]) }

describe("the schema of a file", () => {
  it("of every version is the one that its steps make", ({ expect }) => {
    for (let version = 1; version <= migrations.length; version++) {
      const db = new Database(":memory:")
      for (const step of migrations.slice(0, version)) db.exec(step)
      db.pragma(`user_version = ${version}`)
      expect([version, schema(db, "x.db"), columns(db, "x.db"), starts(db, "x.db")]).toEqual([version, [], [], []])
      db.close()
    }
  })

  it("is whole again after what is to be typed for an index", ({ expect }) => {
    const db = new Database(":memory:")
    for (const step of migrations) db.exec(step)
    db.pragma(`user_version = ${migrations.length}`)
    db.exec("DROP INDEX event_prunable; DROP INDEX task_lane; INSERT INTO queue_start VALUES ('it''s', 'no')")
    const remedies = [...schema(db, "x.db"), ...starts(db, "x.db")].map(({ remedy }) => remedy)
    expect(remedies).toHaveLength(3)
    // What the shell makes of the line.
    for (const remedy of remedies) db.exec(execFileSync("sh", ["-c", `sqlite3() { printf %s "$2"; }; ${remedy}`], { encoding: "utf8" }))
    expect([...schema(db, "x.db"), ...starts(db, "x.db")]).toEqual([])
    db.close()
  })
})

describe("a verb", () => {
  it("says that an empty file is empty", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    await home.submit("wait")
    rmSync(`${home.file}.watermark`)
    for (const end of ["-wal", "-shm"]) rmSync(home.file + end, { force: true })
    truncateSync(home.file, 0)
    expect(await home.run(["task", "list"])).toMatchObject({ code: expect.any(Number), stderr: expect.stringMatching(/opsgate\.db is empty: it has 0 bytes/) })
  })

  it("names what it met in the file, in one line and without secrets", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    await home.submit("wait")
    const db = new Database(home.file)
    db.exec("DROP TABLE outbox")
    db.close()
    expect(await home.run(["task", "submit", "wait"])).toMatchObject({ code: 1, stderr: "opsgate: the store cannot read the database: no such table: outbox; look at it with: opsgate doctor\n" })
    const cause = new Error("outer", { cause: new Error("token=abc\nhttps://ada:pw@host") })
    expect(new EngineUnavailable({ operation: "read", why: "other", cause }).message).toBe("the store cannot read: token=[redacted] https://[redacted]@host; look at it with: opsgate doctor")
  })
})

describe("accept-loss where the file is gone", () => {
  it("sets the log that is left aside instead of having it deleted", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    const server = await home.serve()
    await home.submit("wait")
    server.signal("SIGKILL")
    await server.ended
    rmSync(home.file)
    expect(existsSync(`${home.file}-wal`)).toBe(true)
    expect(await home.run(["accept-loss", "--reason", "a new beginning"])).toMatchObject({ code: 0 })
    expect(readdirSync(home.dataDir).filter((name) => /^opsgate\.db\.log-\d+-wal$/.test(name))).toHaveLength(1)
    expect(await home.run(["task", "submit", "wait"])).toMatchObject({ code: 0 })
  })
})
