/** What /ops says of files of earlier versions, and what becomes of their rows. */
import { mkdirSync } from "node:fs"
import Database from "better-sqlite3"
import { Effect, Layer } from "effect"
import { describe, it } from "vitest"
import { opsSummary } from "../../src/control/OpsSummary.ts"
import * as Live from "../../src/engine/Live.ts"
import { counters } from "../../src/engine/sqlite/ExamineRows.ts"
import { columns } from "../../src/engine/sqlite/ExamineSchema.ts"
import { applicationId, latestVersion, migrations, operationsVersion } from "../../src/engine/sqlite/Migrations.ts"
import * as SqliteEngine from "../../src/engine/SqliteEngine.ts"
import * as SqliteReader from "../../src/engine/SqliteReader.ts"
import { opsgate } from "../edge/cli/Opsgate.ts"

const id = (number: number) => `01M7YQ6NZ20FPPQ4H3D42NXP${String(number).padStart(2, "0")}`
const spec = JSON.stringify({ kind: "report", class: "light", payload: "{}", payloadSha256: "0".repeat(64), requester: "cli:ada", trace: "1".repeat(32), limits: { startToCloseMs: 1, scheduleToStartMs: null, scheduleToCloseMs: null, approvalTtlMs: 1 }, retry: { attemptsMax: 1, baseMs: 0, capMs: 0 }, createdAtMs: 5 })
const progress = (more: object) => JSON.stringify({ kindVersion: "v1", budget: 1, availableAtMs: 7, updatedAtMs: 7, ...more })

/** A file of the version before, with tasks that are blocked, leased and neither. */
const earlier = (file: string, nowMs: number): void => {
  const db = new Database(file)
  for (const step of migrations.slice(0, operationsVersion - 1)) db.exec(step)
  db.exec("INSERT INTO store VALUES ('db-old', 1); INSERT INTO lane VALUES (1, 'light', 'default', 0, 'report', 'light', 0); INSERT INTO epoch VALUES (1, 3, 4, 5)")
  const put = db.prepare("INSERT INTO task (id, state, available_at_ms, epoch, spec, progress, lane) VALUES (?, ?, 7, ?, ?, ?, 1)")
  put.run(id(1), "REQUESTED", null, spec, progress({ state: "REQUESTED", held: true, holds: ["approval"] }))
  put.run(id(2), "RUNNING", null, spec, progress({ state: "RUNNING", unknown: { step: 1, code: "x", attempt: 1, generation: 1, sinceMs: 9 } }))
  put.run(id(3), "RUNNING", 1, spec, progress({ state: "RUNNING", attempt: 1, generation: 1, startedAtMs: 11, lease: { epoch: 1, worker: "w" } }))
  put.run(id(4), "QUEUED", null, spec, progress({ state: "QUEUED" }))
  db.prepare("INSERT INTO tally (minute_ms, name, value) VALUES (?, 'conflict', 2), (?, 'failed', 3), (60000, 'failed', 9)").run(nowMs - (nowMs % 60_000), nowMs - (nowMs % 60_000))
  db.exec("INSERT INTO counter VALUES ('blocked', 2), ('running', 1), ('queued', 1), ('leased', 1), ('state.REQUESTED', 1), ('state.RUNNING', 2), ('state.QUEUED', 1), ('dead', 0) ON CONFLICT (name) DO UPDATE SET value = excluded.value")
  db.pragma(`application_id = ${applicationId}`)
  db.pragma(`user_version = ${operationsVersion - 1}`)
  db.pragma("journal_mode = WAL")
  db.close()
}

const summaryOf = (file: string) => Effect.runPromise(Effect.provide(opsSummary(24), Layer.merge(SqliteReader.layer(file), Live.instants)))

describe("a file of the version before", () => {
  it("is read as it is, and knows no ages; opened by a server it has them, of the rows that it had", async ({ expect, onTestFinished }) => {
    const home = opsgate(onTestFinished)
    mkdirSync(home.dataDir, { recursive: true, mode: 0o700 })
    earlier(home.file, Date.now())
    expect(await summaryOf(home.file)).toMatchObject({
      tasks: { blocked: 2, running: 1, queued: 1, failed_window: 3, blocked_by: null, blocked_oldest_ms: null, queued_oldest_ms: null },
      idempotency: { conflict_window: 2 },
      reasons: ["stale_leases", "running_with_stale_leases", "idempotency_conflicts"]
    })
    await Effect.runPromise(Effect.void.pipe(Effect.provide(SqliteEngine.layer({ file: home.file, streamId: "db-old" }).pipe(Layer.provide(Live.layer)))))
    const before = Date.now()
    const after = await summaryOf(home.file)
    expect(after).toMatchObject({
      tasks: { blocked: 2, failed_window: 3, blocked_by: { approval: 1, outcome_unknown: 1, plan: 0, review: 0, policy: 0 } },
      idempotency: { conflict_window: 2 },
      reasons: ["stale_leases", "running_with_stale_leases", "idempotency_conflicts", "queue_age"]
    })
    const { blocked_oldest_ms: blocked, queued_oldest_ms: queued, running_oldest_ms: running } = after.tasks
    for (const [age, sinceMs] of [[blocked, 5], [running, 11], [queued, 7]] as const) expect((age ?? 0) - (before - sinceMs)).toBeLessThan(60_000)
    const db = new Database(home.file, { readonly: true })
    onTestFinished(() => void db.close())
    expect(db.pragma("user_version", { simple: true })).toBe(latestVersion)
    expect([...columns(db, home.file), ...counters(db, home.file)]).toEqual([])
  })
})
