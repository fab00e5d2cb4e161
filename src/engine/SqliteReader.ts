/** Reading the file through a read-only connection of its own: it waits for no writer, and works while another process writes. */
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as Reactivity from "@effect/experimental/Reactivity"
import type { SqlError } from "@effect/sql/SqlError"
import { Effect, Layer, type Scope } from "effect"
import { tallyMinuteMs } from "../domain/Census.ts"
import type { ApprovedRun } from "../domain/LastApproved.ts"
import { TaskId } from "../domain/Task.ts"
import type { Schedule, TickRange, TickRow } from "../domain/Schedule.ts"
import type { Step } from "../domain/Step.ts"
import { chainStart, type TaskEvent } from "../domain/TaskEvent.ts"
import { type Contention, EngineReader, type EngineUnavailable, type FileSizes, type QueueView, type Summary, type TaskFilter } from "./Engine.ts"
import * as Audits from "./sqlite/Audits.ts"
import * as Bulks from "./sqlite/Bulks.ts"
import * as Beside from "./sqlite/Contention.ts"
import { DatabaseRefused, readVersion } from "./sqlite/Database.ts"
import { approvalsVersion, queuesVersion } from "./sqlite/Migrations.ts"
import { approvedOf, attemptOf, type AttemptRow, eventOf, type EventRow, stepOf, type StepRow, taskOf, type TaskRow } from "./sqlite/Rows.ts"
import { rangeOf, scheduleOf, type ScheduleRow, type StoredRange, type StoredTick, tickOf } from "./sqlite/ScheduleStore.ts"
import { orUnavailable, unavailable } from "./sqlite/SqliteError.ts"
import * as Summaries from "./sqlite/Summaries.ts"
import * as Traces from "./sqlite/Traces.ts"

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

const listSql = ({ before, dead, forkedFrom, leasedBefore, limit, parent, since, state, suffix, trace }: TaskFilter): readonly [string, ReadonlyArray<string | number>] => {
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
  if (since !== undefined) where("id >= ?", since)
  if (trace !== undefined) where("spec ->> '$.trace' = ?", trace)
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
    const all = <Row, A>(statement: string, values: ReadonlyArray<string | number | null>, decode: (rows: ReadonlyArray<Row>) => A) =>
      sql.unsafe<Row & object>(statement, values).pipe(
        Effect.mapError((cause: SqlError) => unavailable("read", cause.cause)),
        Effect.flatMap((rows) => orUnavailable("read", () => decode(rows)))
      )
    const stream = yield* all<{ id: string }, string>("SELECT id FROM store", [], (rows) => rows[0]?.id ?? "")

    return {
      ...upkeepOf(all, file),
      ...Audits.reading(all),
      traced: Traces.traced(all),
      get: (id) => all<TaskRow, ReturnType<typeof taskOf> | undefined>("SELECT id, spec, progress FROM task WHERE id = ?", [id], (rows) => rows.map(taskOf)[0]),
      lastApproved: (kind) =>
        version < approvalsVersion ? Effect.sync((): ApprovedRun | undefined => undefined) : all<{ facts: string }, ApprovedRun | undefined>("SELECT facts FROM approved WHERE kind = ?", [kind], (rows) => rows.map(approvedOf)[0]),
      list: (filter) => {
        const [statement, values] = listSql(filter)
        return all<TaskRow, ReadonlyArray<ReturnType<typeof taskOf>>>(statement, values, (rows) => rows.map(taskOf))
      },
      queues: (nowMs) => all<QueueRow, ReadonlyArray<QueueView>>(queuesSql, [nowMs, nowMs], (rows) => rows.map(queueOf)),
      contention: (queue, key, limit) =>
        version < queuesVersion ? Effect.succeed(Beside.nothing) : all<Beside.Row, Contention>(Beside.sql, [queue, key, limit], (rows) => Beside.contentionOf(rows, queue)),
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
      summary: (sinceMs, nowMs = Number.MAX_SAFE_INTEGER) => {
        const wholeMinute = sinceMs - (sinceMs % tallyMinuteMs)
        const read = ([statement, values]: readonly [string, ReadonlyArray<number>]) =>
          all<Summaries.Row, Summary>(statement, values, (rows) => Summaries.summaryOf(rows, version, wholeMinute, file))
        // Whoever asks what is wrong is told what can still be read.
        return Effect.catchIf(read(Summaries.sqlOf(version, wholeMinute, nowMs)), ({ why }) => why === "damaged", () =>
          Effect.map(read(Summaries.leanSqlOf(version, wholeMinute, nowMs)), (summary): Summary => ({ ...summary, standing: null, damaged: true })))
      }
    }
  })

type All = <Row, A>(statement: string, values: ReadonlyArray<string | number | null>, decode: (rows: ReadonlyArray<Row>) => A) => Effect.Effect<A, EngineUnavailable>

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
  storage: all<Summaries.PagesRow, FileSizes>(Summaries.pagesSql, [], ([row]) => Summaries.sizesOf(row, file))
}) satisfies Partial<EngineReader["Type"]>

// Each event carries the hash of the one before it, so the row at `after` is read too and only lends its hash.
const linked = (rows: ReadonlyArray<EventRow>, stream: string, after: number): ReadonlyArray<TaskEvent> =>
  rows.map((row, index) => eventOf(row, stream, rows[index - 1]?.hash ?? chainStart)).filter((event) => event.seq > after)

/** Only reads: for command-line verbs that look, whether or not a server runs. */
export const layer = (file: string) => Layer.scoped(EngineReader, make(file))
