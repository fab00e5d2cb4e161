import { chmodSync, cpSync, existsSync, mkdirSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import Database from "better-sqlite3"
import { describe, it, vi } from "vitest"
import { type AtTheEnd, heavy, type Home, light, opsgate, until, waiting } from "../edge/cli/Opsgate.ts"
import { disk, scribble } from "../disk.ts"
import { headIn, mark } from "./mark.ts"

vi.setConfig({ maxConcurrency: 4, testTimeout: 120_000 })

const kinds = { echo: light(["/bin/echo", "hello"]), deploy: { ...heavy(["/bin/true"]), approval: "required" }, wait: light(["/bin/true"]) }

interface Report {
  readonly status: string
  readonly findings: ReadonlyArray<{ readonly code: string; readonly severity: string; readonly found: string; readonly since_ms: number | null; readonly remedy: string }>
  readonly unchecked: ReadonlyArray<unknown>
}

const examined = async (home: Home, args: ReadonlyArray<string> = []): Promise<Report & { readonly code: number | null }> => {
  const { code, stderr, stdout } = await home.run(["doctor", "--json", ...args])
  if (stderr !== "") throw new Error(stderr)
  const report: Report = JSON.parse(stdout)
  return { ...report, code }
}

/** A file with a task that ran, one that waits for people, and one in the queue. Made once, and copied for each damage. */
const made = async (atTheEnd: AtTheEnd): Promise<{ readonly home: Home; readonly ran: string; readonly held: string; readonly waits: string }> => {
  const home = opsgate(atTheEnd, kinds)
  const server = await home.serve()
  const ran = await home.submit("echo")
  const held = await home.submit("deploy")
  await home.untilTask(ran, "SUCCEEDED")
  server.signal("SIGTERM")
  await server.ended
  return { home, ran, held, waits: await home.submit("wait") }
}

const copyOf = (atTheEnd: AtTheEnd, { home }: { readonly home: Home }, folder?: string): Home => {
  const copy = folder === undefined ? opsgate(atTheEnd, kinds) : opsgate(atTheEnd, kinds, {}, folder)
  cpSync(home.dataDir, copy.dataDir, { recursive: true })
  rmSync(join(copy.dataDir, "opsgate.sock"), { force: true })
  return copy
}

const change = (home: Home, act: (db: Database.Database) => void): void => {
  const db = new Database(home.file)
  act(db)
  db.close()
}
const sql = (text: string) => (home: Home): void => change(home, (db) => void db.exec(text))
// What an older copy in the place of the file, or an edit, looks like: the server's own watermark knows more, or something else.
const lastEvent = "(SELECT MAX(seq) FROM event)"
const stray = "01M7YQ6NZ20FPPQ4H3D42NXP7D"

// The index is taken out of the schema, a row changes, and it is put back: it does not know the change.
const outOfStep = (home: Home): void => {
  let row: unknown
  change(home, (db) => {
    db.unsafeMode(true)
    db.pragma("writable_schema = ON")
    row = db.prepare("SELECT rowid, * FROM sqlite_schema WHERE name = 'task_lane'").get()
    db.exec("DELETE FROM sqlite_schema WHERE name = 'task_lane'")
  })
  change(home, (db) => void db.exec("UPDATE task SET available_at_ms = available_at_ms - 1 WHERE state = 'QUEUED'"))
  change(home, (db) => {
    db.unsafeMode(true)
    db.pragma("writable_schema = ON")
    db.prepare("INSERT INTO sqlite_schema (rowid, type, name, tbl_name, rootpage, sql) VALUES (@rowid, @type, @name, @tbl_name, @rootpage, @sql)").run(row)
  })
}

const damagedPage = (home: Home): void => {
  let page = 0
  change(home, (db) => {
    db.pragma("wal_checkpoint(TRUNCATE)")
    page = db.prepare<[], { rootpage: number }>("SELECT rootpage FROM sqlite_schema WHERE name = 'attempt'").get()?.rootpage ?? 0
  })
  scribble(home.file, (page - 1) * 4096, "\u00ff".repeat(64))
}

const step = (task: string, number: number, place: object): string =>
  `INSERT INTO step (task, number, name, state, place, started_at_ms) VALUES ('${task}', ${number}, 'x', 'open', '${JSON.stringify(place)}', 1)`

type Planted = readonly [code: string, exit: 1 | 7, plant: (home: Home, ids: Awaited<ReturnType<typeof made>>) => void, remedy: RegExp]

const planted: ReadonlyArray<Planted> = [
  ["page_damaged", 1, damagedPage, /opsgate restore <backup>/],
  ["index_out_of_step", 1, outOfStep, /REINDEX "task_lane"/],
  ["chain_broken", 1, sql("UPDATE event SET actor = 'cli:mallory' WHERE seq = 2"), /opsgate restore/],
  ["event_payload_changed", 1, sql("UPDATE event SET payload = '{}' WHERE seq = 2"), /opsgate restore/],
  ["event_missing", 1, sql("DELETE FROM event WHERE seq = 3"), /opsgate restore/],
  ["behind_watermark", 1, sql(`DELETE FROM event WHERE seq > ${lastEvent} - 2`), /opsgate restore .* accept-loss/],
  ["behind_watermark", 1, (home) => rmSync(home.file), /opsgate restore .* accept-loss/],
  ["watermark_differs", 1, sql(`UPDATE event SET hash = '${"0".repeat(64)}' WHERE seq = ${lastEvent}`), /opsgate restore/],
  ["watermark_foreign", 7, (home) => mark(home.file, { ...headIn(home), stream: "db-other" }), /^mv /],
  ["counter_drift", 1, sql("UPDATE counter SET value = value + 1 WHERE name = 'queued'"), /opsgate restore/],
  ["state_unexplained", 1, (home, { waits }) => sql(`UPDATE task SET state = 'APPROVED', progress = json_set(progress, '$.state', 'APPROVED') WHERE id = '${waits}'`)(home), /opsgate task show/],
  ["task_missing", 1, (home, { waits }) => sql(`DELETE FROM task WHERE id = '${waits}'`)(home), /opsgate restore/],
  ["row_contradicts_itself", 1, (home, { waits }) => sql(`UPDATE task SET epoch = 1 WHERE id = '${waits}'`)(home), /opsgate restore/],
  ["lease_not_taken_back", 7, (home, { waits }) => sql(`UPDATE task SET epoch = 0, progress = json_set(progress, '$.lease', json('{"epoch":0,"worker":"w"}')) WHERE id = '${waits}'; UPDATE counter SET value = value + 1 WHERE name = 'leased'; INSERT INTO counter VALUES ('leased', 1) ON CONFLICT DO NOTHING`)(home), /^opsgate serve/],
  ["step_without_task", 1, sql(step(stray, 1, {})), /opsgate restore/],
  ["step_unknown_to_task", 1, (home, { waits }) => sql(step(waits, 9, {}))(home), /opsgate restore/],
  ["step_orphaned", 1, (home, { ran }) => sql(`UPDATE step SET state = 'open', place = json_set(place, '$.effect', 'dangerous') WHERE task = '${ran}'`)(home), /opsgate task steps/],
  ["schema_newer", 1, sql("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA user_version = 99; PRAGMA wal_checkpoint(TRUNCATE)"), /use the newer opsgate/],
  ["other_application", 1, sql("PRAGMA application_id = 1; PRAGMA wal_checkpoint(TRUNCATE)"), /opsgate restore/],
  ["not_a_database", 1, (home) => writeFileSync(home.file, "not a database at all"), /opsgate restore/],
  ["database_missing", 1, (home) => rmSync(home.file), /opsgate restore/],
  ["readable_by_others", 1, (home) => {
    chmodSync(home.dataDir, 0o755)
    chmodSync(home.file, 0o644)
  }, /^chmod 600 .*opsgate\.db/],
  ["database_empty", 1, (home) => truncateSync(home.file, 0), /opsgate restore/],
  ["schema_differs", 1, sql("DROP INDEX task_lane"), /^sqlite3 .*DROP INDEX IF EXISTS task_lane; CREATE INDEX task_lane ON task/],
  ["schema_differs", 1, sql("DROP INDEX task_expiry; CREATE INDEX task_expiry ON task (id)"), /^sqlite3 .*CREATE INDEX task_expiry ON task \(expires_at_ms\)/],
  ["schema_differs", 1, sql("DROP TABLE outbox"), /^opsgate restore/],
  ["schema_differs", 1, sql("CREATE TRIGGER lazy BEFORE UPDATE ON task BEGIN SELECT RAISE(IGNORE); END"), /DROP TRIGGER "lazy"/],
  ...(["lane = 99", "lane = NULL", "unique_name = 'x'", "available_at_ms = 9e15", "ended_at_ms = 1", "dead_since_ms = 1", "parent = 'x'", "schedule = 'x'", "progress = 'x'"])
    .map((set): Planted => ["row_contradicts_itself", 1, (home, { waits }) => sql(`UPDATE task SET ${set} WHERE id = '${waits}'`)(home), /opsgate restore/]),
  ["row_contradicts_itself", 1, (home, { ran }) => sql(`UPDATE task SET ended_at_ms = NULL WHERE id = '${ran}'`)(home), /opsgate restore/],
  ["approval_contradicts_itself", 1, sql("INSERT INTO approved VALUES ('deploy', '01ARZ3NDEKTSV4RRFFQ69G5FAV', '{}')"), /DELETE FROM approved/],
  ["schedule_contradicts_itself", 1, sql("INSERT INTO schedule VALUES ('daily', NULL, 0, '{\"name\":\"daily\",\"cursorMs\":1,\"dueMs\":5,\"waiting\":[]}')"), /opsgate restore/],
  ["queue_starts_damaged", 1, sql("INSERT INTO queue_start VALUES ('it''s', '[1')"), /^sqlite3 .*DELETE FROM queue_start/],
  ["journal_mode", 1, sql("PRAGMA journal_mode = DELETE"), /^opsgate serve/],
  ["wal_large", 7, (home) => {
    writeFileSync(`${home.file}-wal`, "")
    truncateSync(`${home.file}-wal`, 65 * 1024 * 1024)
  }, /^fuser /],
  ["config_invalid", 1, (home) => home.write("opsgate.config.json", "{\"v\":1,\"workers\":-1}"), /opsgate doctor --config/],
  ["config_invalid", 1, (home) => home.write("opsgate.config.json", "{"), /opsgate doctor --config/],
  ["kind_gone", 7, (home) => home.write("opsgate.config.json", "{\"v\":1}"), /opsgate task cancel/],
  ["run_without_task", 7, (home) => void mkdirSync(join(home.dataDir, "runs", stray), { recursive: true }), /OPSGATE_RUN=/],
  ["artifact_missing", 7, sql("UPDATE step SET place = json_set(place, '$.supervisor.dir', '/nowhere')"), /opsgate task show/],
  ["unfinished_file", 7, (home) => writeFileSync(join(home.dataDir, ".opsgate.db.999999999.part"), ""), /^rm /],
  ["restore_hold", 7, sql(`INSERT INTO restored VALUES (1, 1, 'cli:ada', 1, '${"0".repeat(64)}', 1, NULL)`), /opsgate release --reason/]
]

describe("the doctor", () => {
  it("finds nothing in a file that is well, and each planted damage with its remedy", async ({ expect, onTestFinished }) => {
    const base = await made(onTestFinished)
    expect(await examined(base.home)).toMatchObject({ code: 0, status: "ok", findings: [], unchecked: [] })
    const all = [...planted]
    const next = async (): Promise<void> => {
      const one = all.shift()
      if (one === undefined) return
      const [code, exit, plant, remedy] = one
      const home = copyOf(onTestFinished, base)
      plant(home, base)
      const report = await examined(home)
      const found = report.findings.find((finding) => finding.code === code)
      expect.soft({ code, exit: report.code, remedy: found?.remedy }).toEqual({ code, exit, remedy: expect.stringMatching(remedy) })
      expect.soft(found?.found).not.toBe("")
      return next()
    }
    await Promise.all([next(), next(), next()])
  })

  it("looks while a server works, changes nothing, and says when the server does not answer", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    const server = await home.serve()
    const id = await home.submit("echo")
    await home.untilTask(id, "SUCCEEDED")
    const before = home.events().length
    expect(await examined(home)).toMatchObject({ code: 0, findings: [] })
    expect(home.events().slice(before).map(({ type }) => type)).toEqual([])
    server.signal("SIGSTOP")
    const { code, findings } = await examined(home)
    expect({ code, codes: findings.map((finding) => finding.code) }).toEqual({ code: 1, codes: ["lock_silent"] })
    expect(findings[0]?.remedy).toContain(`kill -CONT ${server.pid}`)
    server.signal("SIGCONT")
    expect((await examined(home)).findings.filter((finding) => finding.code === "lock_silent")).toEqual([])
  })

  it("notices runs of a server that was killed, until a start has taken them back", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, { slow: light(waiting) })
    const server = await home.serve()
    const id = await home.submit("slow")
    await home.untilTask(id, ({ intents }) => intents.length > 0)
    server.signal("SIGKILL")
    await server.ended
    await until("the end of its leases", () => home.query<{ at: number }>("SELECT lease_until_ms AS at FROM epoch")[0]!.at < Date.now())
    const { code, findings } = await examined(home)
    expect({ code, codes: findings.map((finding) => finding.code) }).toEqual({ code: 7, codes: ["lease_not_taken_back"] })
    expect(findings[0]?.since_ms).toBeGreaterThan(0)
    home.write("release", "")
    await home.serve()
    await home.untilTask(id, "SUCCEEDED")
    expect(await examined(home)).toMatchObject({ code: 0, findings: [] })
  })

  it("notices a clock that is before the last event", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    const later = "const now = Date.now; Date.now = () => now() + 3_600_000"
    expect((await home.run(["task", "submit", "wait"], { node: ["--import", `data:text/javascript,${encodeURIComponent(later)}`] })).code).toBe(0)
    const { code, findings } = await examined(home)
    expect({ code, codes: findings.map((finding) => finding.code) }).toEqual({ code: 1, codes: ["clock_behind"] })
    expect(findings[0]?.remedy).toMatch(/^timedatectl/)
  })

  it("notices that the disk is nearly full", async ({ expect, onTestFinished, skip }) => {
    const folder = disk(8192, onTestFinished)
    if (folder === undefined) return skip("a small disk can be mounted by root only")
    const home = opsgate(onTestFinished, kinds, {}, folder)
    await home.submit("wait")
    const { code, findings } = await examined(home)
    expect({ code, codes: findings.map((finding) => finding.code) }).toEqual({ code: 7, codes: ["disk_low"] })
    expect(findings[0]?.remedy).toMatch(/^df -h/)
  })

  it("says what it could not look at, and prints nothing of a file raw", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished, kinds)
    await home.submit("wait")
    change(home, (db) => void db.exec("UPDATE task SET spec = json_set(spec, '$.kind', 'x' || char(27) || '[31m')"))
    change(home, (db) => void db.exec("DROP TABLE counter"))
    const { code, stdout } = await home.run(["doctor"])
    expect(code).toBe(1)
    expect(stdout).toContain("not checked: counters")
    expect(stdout).toContain("kind_gone")
    expect(stdout).not.toContain("\u001b")
    expect(existsSync(home.file)).toBe(true)
  })
})
