/** Reading the file through a read-only connection of its own: it waits for no writer, and works while another process writes. */
import { statSync } from "node:fs"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as Reactivity from "@effect/experimental/Reactivity"
import type { SqlError } from "@effect/sql/SqlError"
import { Effect, Layer, type Scope } from "effect"
import { type Counter, noCounts, noTallies, type Tally, tallyMinuteMs } from "../domain/Census.ts"
import type { Epoch } from "../domain/Lease.ts"
import { TaskId } from "../domain/Task.ts"
import type { Schedule, TickRange, TickRow } from "../domain/Schedule.ts"
import type { Step } from "../domain/Step.ts"
import { chainStart, type TaskEvent } from "../domain/TaskEvent.ts"
import { EngineReader, type EngineUnavailable, type FileSizes, type QueueView, type TaskFilter } from "./Engine.ts"
import * as Bulks from "./sqlite/Bulks.ts"
import { incremental } from "./sqlite/Retention.ts"
import { DatabaseRefused, readVersion } from "./sqlite/Database.ts"
import { restoresVersion } from "./sqlite/Migrations.ts"
import { attemptOf, type AttemptRow, eventOf, type EventRow, stepOf, type StepRow, taskOf, type TaskRow } from "./sqlite/Rows.ts"
import { rangeOf, scheduleOf, type ScheduleRow, type StoredRange, type StoredTick, tickOf } from "./sqlite/ScheduleStore.ts"
import { orUnavailable, unavailable } from "./sqlite/SqliteError.ts"

interface CountRow {
  readonly what: "counter" | "tally" | "seq" | "leased_earlier" | "held_since_ms" | "epoch" | "lease_until_ms" | "lease_until_mono_ms"
  readonly name: string
  readonly value: number
}

// One statement is one read transaction: the counts and the event they are true for belong together.
const summarySql = `
  SELECT 'counter' AS what, name, value FROM counter
  UNION ALL SELECT 'tally', name, SUM(value) FROM tally WHERE minute_ms >= ? GROUP BY name
  UNION ALL SELECT 'seq', '', COALESCE(MAX(seq), 0) FROM event
  UNION ALL SELECT 'leased_earlier', '', COUNT(*) FROM task WHERE epoch IS NOT NULL AND epoch < (SELECT MAX(epoch) FROM epoch)
  UNION ALL SELECT * FROM (SELECT 'epoch', '', epoch FROM epoch ORDER BY epoch DESC LIMIT 1)
  UNION ALL SELECT * FROM (SELECT 'lease_until_ms', '', lease_until_ms FROM epoch ORDER BY epoch DESC LIMIT 1)
  UNION ALL SELECT * FROM (SELECT 'lease_until_mono_ms', '', lease_until_mono_ms FROM epoch ORDER BY epoch DESC LIMIT 1)`

interface QueueRow {
  readonly queue: string
  readonly depth: number
  readonly due: number
  readonly running: number
  readonly oldest: number | null
  readonly paused: number | null
  readonly since_ms: number | null
  readonly actor: string | null
  readonly reason: string | null
}

// Each count reads the index of the queued tasks alone.
const queuesSql = `
  WITH leased (lane) AS MATERIALIZED (SELECT lane FROM task WHERE epoch IS NOT NULL)
  SELECT names.queue, COALESCE(SUM(depth), 0) AS depth, COALESCE(SUM(due), 0) AS due, COALESCE(SUM(running), 0) AS running, MIN(oldest) AS oldest,
    state.paused, state.since_ms, state.actor, state.reason
  FROM (SELECT queue FROM lane UNION SELECT name FROM queue) AS names
  LEFT JOIN (
    SELECT queue,
      (SELECT COUNT(*) FROM task WHERE state = 'QUEUED' AND task.lane = lane.id) AS depth,
      (SELECT COUNT(*) FROM task WHERE state = 'QUEUED' AND task.lane = lane.id AND available_at_ms <= ?) AS due,
      (SELECT MIN(available_at_ms) FROM task WHERE state = 'QUEUED' AND task.lane = lane.id AND available_at_ms <= ?) AS oldest,
      (SELECT COUNT(*) FROM leased WHERE leased.lane = lane.id) AS running
    FROM lane
  ) AS counted ON counted.queue = names.queue
  LEFT JOIN queue AS state ON state.name = names.queue
  GROUP BY names.queue ORDER BY names.queue`

const queueOf = ({ actor, depth, due, oldest, paused, queue, reason, running, since_ms }: QueueRow): QueueView => ({
  queue,
  depth,
  due,
  running,
  oldestDueMs: oldest,
  state: paused === null ? null : { queue, paused: paused === 1, sinceMs: since_ms ?? 0, actor: actor ?? "", reason: reason ?? "" }
})

// Files of the first versions do not know it: they are read as they are.
const heldSql = `
  UNION ALL SELECT * FROM (SELECT 'held_since_ms', '', at_ms FROM restored WHERE released_at_ms IS NULL ORDER BY number DESC LIMIT 1)`

const listSql = ({ before, dead, forkedFrom, leasedBefore, limit, parent, state, suffix }: TaskFilter): readonly [string, ReadonlyArray<string | number>] => {
  const conditions: Array<string> = ["1"]
  const values: Array<string | number> = []
  const where = (condition: string, value: string | number) => {
    conditions.push(condition)
    values.push(value)
  }
  if (state !== undefined) where("state = ?", state)
  if (leasedBefore !== undefined) where("epoch IS NOT NULL AND epoch < ?", leasedBefore)
  if (parent !== undefined) where("parent = ?", parent)
  if (forkedFrom !== undefined) where("forked_from = ?", forkedFrom)
  if (before !== undefined) where("id < ?", before)
  if (suffix !== undefined) where("id LIKE '%' || ?", suffix)
  if (dead !== undefined) conditions.push("dead_since_ms IS NOT NULL")
  if (dead !== undefined && dead.kind !== null) where("json_extract(spec, '$.kind') = ?", dead.kind)
  if (dead !== undefined && dead.code !== null) where("json_extract(progress, '$.failure.code') = ?", dead.code)
  const order = dead === undefined ? "id DESC" : "dead_since_ms DESC, id DESC"
  return [`SELECT id, spec, progress FROM task WHERE ${conditions.join(" AND ")} ORDER BY ${order} LIMIT ?`, [...values, limit]]
}

export const make = (file: string): Effect.Effect<EngineReader["Type"], DatabaseRefused | EngineUnavailable, Scope.Scope> =>
  Effect.gen(function*() {
    const version = yield* readVersion(file)
    if (version === 0) return yield* DatabaseRefused.absent(file)
    const sql = yield* SqliteClient.make({ filename: file, readonly: true, disableWAL: true }).pipe(
      Effect.provide(Reactivity.layer),
      Effect.catchAllDefect((cause) => Effect.fail(unavailable("open the database", cause)))
    )
    const all = <Row, A>(statement: string, values: ReadonlyArray<string | number>, decode: (rows: ReadonlyArray<Row>) => A) =>
      sql.unsafe<Row & object>(statement, values).pipe(
        Effect.mapError((cause: SqlError) => unavailable("read", cause.cause)),
        Effect.flatMap((rows) => orUnavailable("read", () => decode(rows)))
      )
    const stream = yield* all<{ id: string }, string>("SELECT id FROM store", [], (rows) => rows[0]?.id ?? "")

    return {
      ...upkeepOf(all, file),
      get: (id) => all<TaskRow, ReturnType<typeof taskOf> | undefined>("SELECT id, spec, progress FROM task WHERE id = ?", [id], (rows) => rows.map(taskOf)[0]),
      list: (filter) => {
        const [statement, values] = listSql(filter)
        return all<TaskRow, ReadonlyArray<ReturnType<typeof taskOf>>>(statement, values, (rows) => rows.map(taskOf))
      },
      queues: (nowMs) => all<QueueRow, ReadonlyArray<QueueView>>(queuesSql, [nowMs, nowMs], (rows) => rows.map(queueOf)),
      steps: (id) =>
        all<StepRow, ReadonlyArray<Step>>(
          "SELECT task, number, name, state, place, result, code, error, started_at_ms, ended_at_ms FROM step WHERE task = ? ORDER BY number",
          [id],
          (rows) => rows.map(stepOf)
        ),
      attempts: (id) =>
        all<AttemptRow, ReadonlyArray<ReturnType<typeof attemptOf>>>("SELECT * FROM attempt WHERE task = ? ORDER BY number, generation", [id], (rows) => rows.map(attemptOf)),
      events: (after, limit) =>
        all<EventRow, ReadonlyArray<TaskEvent>>("SELECT * FROM event WHERE seq >= ? ORDER BY seq LIMIT ?", [after, limit + 1], (rows) => linked(rows, stream, after)),
      // A file of an earlier version that nobody has written since has no such table.
      schedules: all<{ name: string }, boolean>("SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'schedule'", [], (rows) => rows.length > 0).pipe(
        Effect.flatMap((isThere) => (isThere ? all<ScheduleRow, ReadonlyArray<Schedule>>("SELECT body FROM schedule ORDER BY name", [], (rows) => rows.map(scheduleOf)) : Effect.succeed([])))
      ),
      ticks: (name, limit) =>
        all<StoredTick, ReadonlyArray<TickRow>>("SELECT * FROM tick WHERE schedule = ? ORDER BY nominal_ms DESC LIMIT ?", [name, limit], (rows) => rows.map(tickOf)),
      tickRanges: (name, limit) =>
        all<StoredRange, ReadonlyArray<TickRange>>("SELECT * FROM tick_range WHERE schedule = ? ORDER BY from_ms DESC LIMIT ?", [name, limit], (rows) => rows.map(rangeOf)),
      summary: (sinceMs) => {
        const wholeMinute = sinceMs - (sinceMs % tallyMinuteMs)
        return all<CountRow, ReturnType<typeof summarised>>(version < restoresVersion ? summarySql : `${summarySql}${heldSql}`, [wholeMinute], (rows) => summarised(rows, wholeMinute))
      }
    }
  })

type All = <Row, A>(statement: string, values: ReadonlyArray<string | number>, decode: (rows: ReadonlyArray<Row>) => A) => Effect.Effect<A, EngineUnavailable>

const bulkColumns = "bulk, number, task, outcome, code, at_ms"

// What upkeep and bulk commands read.
const upkeepOf = (all: All, file: string) => ({
  matching: (matching, after, limit) => {
    const [statement, values] = Bulks.matchingSql(matching, after, limit)
    return all<{ id: string; fits: number }, { ids: ReadonlyArray<TaskId>; next: string | null }>(statement, values, (rows) => ({
      ids: rows.flatMap(({ fits, id }) => (fits === 1 ? [TaskId.make(id)] : [])),
      next: rows.length < limit ? null : rows.at(-1)?.id ?? null
    }))
  },
  bulks: ({ limit, running }) =>
    all<Bulks.BulkRow, ReadonlyArray<ReturnType<typeof Bulks.bulkOf>>>(
      `SELECT id, record FROM bulk${running ? " WHERE state = 'running'" : ""} ORDER BY id DESC LIMIT ?`,
      [limit],
      (rows) => rows.map(Bulks.bulkOf)
    ),
  bulk: (id) =>
    Effect.gen(function*() {
      const [bulk] = yield* all<Bulks.BulkRow, ReadonlyArray<ReturnType<typeof Bulks.bulkOf>>>("SELECT id, record FROM bulk WHERE id = ?", [id], (rows) => rows.map(Bulks.bulkOf))
      if (bulk === undefined) return undefined
      return { bulk, counts: yield* all<Bulks.OutcomeRow, ReturnType<typeof Bulks.countsOf>>(Bulks.countsSql, [id], Bulks.countsOf) }
    }),
  bulkItems: (id, { after, limit, pending }) =>
    all<Bulks.ItemRow, ReadonlyArray<ReturnType<typeof Bulks.itemOf>>>(
      `SELECT ${bulkColumns} FROM bulk_item WHERE bulk = ? AND number > ?${pending ? " AND outcome IS NULL" : ""} ORDER BY number LIMIT ?`,
      [id, after, limit],
      (rows) => rows.map(Bulks.itemOf)
    ),
  prunable: (state, throughMs) =>
    all<{ count: number }, number>("SELECT COUNT(*) AS count FROM task WHERE state = ? AND ended_at_ms <= ?", [state, throughMs], (rows) => rows[0]?.count ?? 0),
  storage: all<{ page_size: number; page_count: number; freelist_count: number; auto_vacuum: number }, FileSizes>(
    "SELECT page_size, page_count, freelist_count, auto_vacuum FROM pragma_page_size, pragma_page_count, pragma_freelist_count, pragma_auto_vacuum",
    [],
    ([row]) => {
      const pageBytes = row?.page_size ?? 0
      return { fileBytes: pageBytes * (row?.page_count ?? 0), freeBytes: pageBytes * (row?.freelist_count ?? 0), walBytes: sizeOf(`${file}-wal`), pageBytes, shrinks: row?.auto_vacuum === incremental }
    }
  )
}) satisfies Partial<EngineReader["Type"]>

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0

// Each event carries the hash of the one before it, so the row at `after` is read too and only lends its hash.
const linked = (rows: ReadonlyArray<EventRow>, stream: string, after: number): ReadonlyArray<TaskEvent> =>
  rows.map((row, index) => eventOf(row, stream, rows[index - 1]?.hash ?? chainStart)).filter((event) => event.seq > after)

const summarised = (rows: ReadonlyArray<CountRow>, sinceMs: number) => {
  const counts: Record<Counter, number> = noCounts()
  const tallies: Record<Tally, number> = noTallies()
  const single = { seq: 0, leased_earlier: 0, held_since_ms: 0, epoch: 0, lease_until_ms: 0, lease_until_mono_ms: 0 }
  for (const { name, value, what } of rows) {
    if (what === "counter" && isName(counts, name)) counts[name] = value
    else if (what === "tally" && isName(tallies, name)) tallies[name] = value
    else if (what !== "counter" && what !== "tally") single[what] = value
  }
  const epoch: Epoch | null = single.epoch === 0
    ? null
    : { epoch: single.epoch, leaseUntilMs: single.lease_until_ms, leaseUntilMonoMs: single.lease_until_mono_ms }
  return { counts, tallies, leasedEarlier: single.leased_earlier, asOfSeq: single.seq, sinceMs, epoch, heldSinceMs: single.held_since_ms === 0 ? null : single.held_since_ms }
}

const isName = <K extends string>(table: Readonly<Record<K, number>>, name: string): name is K => name in table

/** Only reads: for command-line verbs that look, whether or not a server runs. */
export const layer = (file: string) => Layer.scoped(EngineReader, make(file))
