/** Retention in a real file: it shrinks, old files learn to, and a reader that stays is noticed. */
import { mkdtempSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import Sqlite from "better-sqlite3"
import { Effect, Layer } from "effect"
import { describe, expect, it, onTestFinished } from "vitest"
import { chainIntact } from "../../gate/invariant/chainIntact.ts"
import type { LogEvent } from "../../gate/History.ts"
import { nothingPruned, prunableTypes, queuedMax } from "../../src/domain/Retention.ts"
import { toLine } from "../../src/domain/TaskEvent.ts"
import { Engine, EngineReader } from "../../src/engine/Engine.ts"
import * as Live from "../../src/engine/Live.ts"
import { applicationId, migrations } from "../../src/engine/sqlite/Migrations.ts"
import * as SqliteEngine from "../../src/engine/SqliteEngine.ts"
import { prunePass, shrinkFile } from "../../src/runtime/Pruning.ts"
import { run, scenario, score } from "../gate/invariant/Story.ts"
import { claimed, epochOpened, kindOf, settled, submitted } from "./tasks.ts"

const fresh = (): string => {
  const folder = mkdtempSync(join(tmpdir(), "opsgate-retention-"))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, "opsgate.db")
}

const layer = (file: string) => SqliteEngine.layer({ file, streamId: "db-test" }).pipe(Layer.provideMerge(Live.layer))
const on = <A, E>(file: string, body: Effect.Effect<A, E, Layer.Layer.Success<ReturnType<typeof layer>>>): Promise<A> => Effect.runPromise(Effect.provide(body, layer(file)))

const atOnce = { tasks: { SUCCEEDED: 0, FAILED: 0, CANCELED: 0, EXPIRED: 0 }, keysMs: 0 }
const text = "x".repeat(3000)

const finished = (count: number) =>
  Effect.gen(function*() {
    yield* epochOpened(60_000)
    yield* Effect.forEach(Array.from({ length: count }), (_, index) => submitted(kindOf(), { key: `k${index}`, payload: { text } }), { concurrency: "unbounded" })
    for (const { held, task } of yield* claimed(count)) yield* settled(task.id, held, { _tag: "Succeeded", result: { text } })
  })

const storage = Effect.flatMap(EngineReader, (reader) => reader.storage)

/** A file as the first version of the schema left it, with one finished task. */
const olderFile = async (file: string): Promise<void> => {
  const model = fresh()
  await on(model, finished(1))
  const [old, now] = [new Sqlite(file), new Sqlite(model)]
  old.exec(migrations[0] ?? "")
  old.pragma(`application_id = ${applicationId}`)
  old.pragma("user_version = 1")
  for (const table of ["store", "task", "event", "idempotency", "outbox", "epoch", "counter", "tally"]) {
    const columns = old.pragma(`table_info(${table})`) as ReadonlyArray<{ readonly name: string }>
    const names = columns.map(({ name }) => name).join(", ")
    const insert = old.prepare(`INSERT INTO ${table} (${names}) VALUES (${columns.map(() => "?").join(", ")})`)
    for (const row of now.prepare(`SELECT ${names} FROM ${table}${table === "counter" ? " WHERE name <> 'dead'" : ""}`).raw().all()) insert.run(...row as ReadonlyArray<unknown>)
  }
  old.close()
  now.close()
}

describe("a file of which much was pruned", () => {
  it("shrinks, and its log verifies", async () => {
    const file = fresh()
    await on(file, finished(400))
    const before = statSync(file).size
    const [counts, free, events] = await on(file, Effect.gen(function*() {
      const counts = yield* prunePass(atOnce)
      yield* shrinkFile
      yield* Effect.flatMap(Engine, (engine) => engine.checkpoint)
      return [counts, (yield* storage)?.freeBytes ?? 0, yield* Effect.flatMap(EngineReader, (reader) => reader.events(0, 10_000))] as const
    }))
    expect(counts).toMatchObject({ tasks: 400, keys: 400 })
    expect(statSync(file).size).toBeLessThan(before / 2)
    expect(free).toBeLessThanOrEqual(256 * 4096)
    const lines = events.map((event): LogEvent => JSON.parse(toLine(event)))
    expect(score(chainIntact(run({ ...scenario({}), events: lines })))).toBe(`${lines.length}/${lines.length}`)
    expect(lines.filter(({ payload, type }) => payload === null && !["task.queued", ...(prunableTypes as ReadonlyArray<string>)].includes(type))).toEqual([])
    const check = new Sqlite(file, { readonly: true })
    expect(check.pragma("integrity_check", { simple: true })).toBe("ok")
    check.close()
    expect(await on(file, prunePass(atOnce))).toEqual(nothingPruned)
  })

  it("keeps a key for as long as its task, however old it is", async () => {
    const file = fresh()
    await on(file, finished(2))
    const never = { SUCCEEDED: null, FAILED: null, CANCELED: null, EXPIRED: null }
    expect(await on(file, prunePass({ tasks: never, keysMs: 0 }))).toEqual(nothingPruned)
    expect((await on(file, prunePass(atOnce))).keys).toBe(2)
  })

  it("finds its way through indexes, however many tasks there are", async () => {
    const file = fresh()
    await on(file, finished(1))
    const db = new Sqlite(file, { readonly: true })
    const plan = (sql: string, values: ReadonlyArray<unknown>) => db.prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`).all(...values).map(({ detail }) => detail).join("; ")
    expect(plan("SELECT id FROM task WHERE state = ? AND ended_at_ms <= ? AND (ended_at_ms, id) > (?, ?) ORDER BY ended_at_ms, id LIMIT 9", ["FAILED", 1, 1, ""])).toMatch(/^SEARCH task USING (COVERING )?INDEX task_ended \(state=\? AND .*\)$/)
    const types = prunableTypes.map((type) => `type = '${type}'`).join(" OR ")
    expect(plan(`SELECT seq FROM event WHERE task = ? AND payload IS NOT NULL AND (${types} OR (type = 'task.queued' AND length(payload) > ${queuedMax}))`, ["x"])).toContain("USING INDEX event_prunable (task=?)")
    expect(plan("SELECT id FROM task WHERE dead_since_ms IS NOT NULL ORDER BY dead_since_ms DESC, id DESC LIMIT 9", [])).toContain("INDEX task_dead")
    db.close()
  })

  it("takes an event in without a table of its own for the conditions of its indexes", async () => {
    const file = fresh()
    await on(file, finished(1))
    const db = new Sqlite(file, { readonly: true })
    const values = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    const steps = db.prepare<unknown[], { opcode: string }>(`EXPLAIN INSERT INTO event (seq, v, at, type, task, trace, actor, payload, payload_sha256, hash) VALUES ${values}`).all(1, 1, 1, "a", "b", "c", "d", "{}", "x", "y").map(({ opcode }) => opcode)
    db.close()
    expect(steps.filter((step) => step === "IdxInsert")).toHaveLength(2)
    expect(steps).not.toContain("OpenEphemeral")
  })
})

describe("a file of the first version", () => {
  it("is taken over, prunes, and shrinks once it was written anew", async () => {
    const file = fresh()
    await olderFile(file)
    const before = await on(file, Effect.gen(function*() {
      const counts = yield* prunePass(atOnce)
      return [counts.tasks, (yield* storage)?.shrinks, yield* Effect.flatMap(Engine, (engine) => engine.shrink(10))] as const
    }))
    expect(before).toEqual([1, false, { left: 0, tookMs: 0 }])
    await Effect.runPromise(SqliteEngine.rebuild(file, 0))
    expect(await on(file, Effect.map(storage, (found) => [found?.shrinks, found?.freeBytes]))).toEqual([true, 0])
  })
})

describe("the write-ahead log", () => {
  it("grows in sight while somebody reads, and is emptied afterwards", async () => {
    const file = fresh()
    await on(file, Effect.gen(function*() {
      const engine = yield* Engine
      yield* submitted(kindOf())
      const reader = new Sqlite(file, { readonly: true })
      reader.exec("BEGIN")
      reader.prepare("SELECT COUNT(*) FROM task").get()
      yield* Effect.forEach(Array.from({ length: 200 }), () => submitted(kindOf(), { payload: { text } }), { concurrency: "unbounded" })
      expect(yield* engine.checkpoint).toBe(false)
      expect((yield* storage)?.walBytes).toBeGreaterThan(500_000)
      reader.exec("COMMIT")
      reader.close()
      expect(yield* engine.checkpoint).toBe(true)
      expect((yield* storage)?.walBytes).toBe(0)
    }))
  })
})
