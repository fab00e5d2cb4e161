/** Files beside a database that hold more of its log: the fullest is found, and what belongs to another log never is. */
import { execFileSync } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import Database from "better-sqlite3"
import { describe, it } from "vitest"
import { find } from "../../src/engine/sqlite/Fuller.ts"

/** A log whose hashes say which way it went. */
const log = (file: string, stream: string, hashes: ReadonlyArray<string>): void => {
  const db = new Database(file)
  db.exec("CREATE TABLE store (id TEXT); CREATE TABLE event (seq INTEGER PRIMARY KEY, hash TEXT)")
  db.prepare("INSERT INTO store VALUES (?)").run(stream)
  hashes.forEach((hash, index) => db.prepare("INSERT INTO event VALUES (?, ?)").run(index + 1, hash))
  db.close()
}

describe("files beside a database", () => {
  it("are named when they go on from its last event, the fullest first, and not when they are of another log or went another way", ({ expect, onTestFinished }) => {
    const folder = mkdtempSync(join(tmpdir(), "opsgate fuller-"))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const file = join(folder, "opsgate.db")
    log(file, "ours", ["a", "b"])
    const found = () => find(file, "ours", { seq: 2, hash: "b" }, { seq: 4, hash: "d" })
    log(`${file}.saved-1`, "other", ["a", "b", "c", "d", "e"])
    log(`${file}.saved-2`, "ours", ["a", "x", "y", "z", "z"])
    log(`${file}.saved-3`, "ours", ["a", "b"])
    log(join(folder, "opsgate.db.old"), "ours", ["a", "b", "c", "d"])
    expect(found()).toBe(null)
    log(`${file}.replaced-20260101T000000Z`, "ours", ["a", "b", "c"])
    expect(found()).toMatchObject({ file: `${file}.replaced-20260101T000000Z`, seq: 3 })
    log(`${file}.saved-4`, "ours", ["a", "b", "c", "d"])
    expect(found()).toMatchObject({ file: `${file}.saved-4`, seq: 4 })
    // Two places that are taken: nothing is ever moved over anything.
    log(`${file}.behind`, "ours", [])
    log(`${file}-wal`, "stale", [])
    execFileSync("sh", ["-ec", found()?.next ?? "false"])
    expect(existsSync(`${file}-wal`)).toBe(false)
    expect(readdirSync(folder).filter((name) => name.includes("behind")).sort()).toEqual(["opsgate.db.behind", "opsgate.db.behind-2", "opsgate.db.behind-2-wal"])
    const db = new Database(file, { readonly: true })
    expect(db.prepare("SELECT MAX(seq) AS seq FROM event").get()).toEqual({ seq: 4 })
    db.close()
  })
})
