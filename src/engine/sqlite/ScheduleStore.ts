/** Schedules and their ticks in rows. A second row for the same tick is refused by the table itself. */
import type Database from "better-sqlite3"
import type { Schedule, ScheduleChange, TickRange, TickRow } from "../../domain/Schedule.ts"
import type { Task } from "../../domain/Task.ts"
import { type FoundSchedule, openMax, type SchedulesDue, type WantedSchedule } from "../Engine.ts"

export interface ScheduleRow {
  readonly body: string
}

/** Throws a `SyntaxError` when the row is damaged. */
export const scheduleOf = ({ body }: ScheduleRow): Schedule => {
  const schedule: Schedule = JSON.parse(body)
  if (typeof schedule.name !== "string" || !Number.isSafeInteger(schedule.cursorMs)) throw new SyntaxError("a schedule is damaged")
  return schedule
}

export interface StoredTick {
  readonly schedule: string
  readonly nominal_ms: number
  readonly version: number
  readonly outcome: TickRow["outcome"]
  readonly reason: TickRow["reason"]
  readonly task: string | null
  readonly late_ms: number
  readonly at_ms: number
}

export const tickOf = (row: StoredTick): TickRow => ({
  schedule: row.schedule,
  nominalMs: row.nominal_ms,
  version: row.version,
  outcome: row.outcome,
  reason: row.reason,
  task: row.task,
  lateMs: row.late_ms,
  atMs: row.at_ms
})

export interface StoredRange {
  readonly schedule: string
  readonly from_ms: number
  readonly to_ms: number
  readonly count: number
  readonly version: number
  readonly outcome: TickRange["outcome"]
  readonly reason: TickRange["reason"]
  readonly at_ms: number
}

export const rangeOf = (row: StoredRange): TickRange => ({
  schedule: row.schedule,
  fromMs: row.from_ms,
  toMs: row.to_ms,
  count: row.count,
  version: row.version,
  outcome: row.outcome,
  reason: row.reason,
  atMs: row.at_ms
})

const prepare = (db: Database.Database) => ({
  put: db.prepare("INSERT INTO schedule (name, due_ms, waiting, body) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET due_ms = excluded.due_ms, waiting = excluded.waiting, body = excluded.body"),
  insertTick: db.prepare("INSERT INTO tick (schedule, nominal_ms, version, outcome, reason, task, late_ms, at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"),
  updateTick: db.prepare("UPDATE tick SET version = ?, outcome = ?, reason = ?, task = ?, late_ms = ?, at_ms = ? WHERE schedule = ? AND nominal_ms = ?"),
  insertRange: db.prepare("INSERT INTO tick_range (schedule, from_ms, to_ms, count, version, outcome, reason, at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"),
  schedule: db.prepare<[string], ScheduleRow>("SELECT body FROM schedule WHERE name = ?"),
  open: db.prepare<[string, number], { id: string }>(
    "SELECT id FROM task WHERE schedule = ? AND state IN ('REQUESTED', 'APPROVED', 'QUEUED', 'RUNNING') ORDER BY id LIMIT ?"
  ),
  ticks: db.prepare<[string, number, number], StoredTick>("SELECT * FROM tick WHERE schedule = ? AND nominal_ms >= ? AND nominal_ms <= ? ORDER BY nominal_ms"),
  due: db.prepare<[number, number], { name: string }>("SELECT name FROM schedule WHERE due_ms IS NOT NULL AND due_ms <= ? ORDER BY due_ms LIMIT ?"),
  waiting: db.prepare<[number], { name: string }>("SELECT name FROM schedule WHERE waiting > 0 ORDER BY name LIMIT ?"),
  next: db.prepare<[], { at: number | null }>("SELECT MIN(due_ms) AS at FROM schedule WHERE due_ms IS NOT NULL")
})

/** The part of the store about schedules. It runs inside the writer's transaction. */
export interface ScheduleStore {
  readonly store: (change: ScheduleChange) => void
  readonly found: (wanted: WantedSchedule) => FoundSchedule
  readonly due: (nowMs: number, limit: number) => SchedulesDue
}

/** `load` answers a task by its id, from memory where it can. */
export const make = (db: Database.Database, load: (id: string) => Task | undefined): ScheduleStore => {
  const sql = prepare(db)
  return {
    store: (change) => {
      if (change._tag === "Put") {
        const { dueMs, name, waiting } = change.schedule
        sql.put.run(name, dueMs, waiting.length, JSON.stringify(change.schedule))
      } else if (change._tag === "Range") {
        const { atMs, count, fromMs, outcome, reason, schedule, toMs, version } = change.range
        sql.insertRange.run(schedule, fromMs, toMs, count, version, outcome, reason, atMs)
      } else {
        const { atMs, lateMs, nominalMs, outcome, reason, schedule, task, version } = change.tick
        if (change._tag === "Tick") sql.insertTick.run(schedule, nominalMs, version, outcome, reason, task, lateMs, atMs)
        else sql.updateTick.run(version, outcome, reason, task, lateMs, atMs, schedule, nominalMs)
      }
    },
    found: ({ name, range }) => {
      const row = sql.schedule.get(name)
      const schedule = row === undefined ? undefined : scheduleOf(row)
      const { fromMs, toMs } = range ?? { fromMs: (schedule?.cursorMs ?? 0) + 1, toMs: Number.MAX_SAFE_INTEGER }
      return {
        schedule,
        open: schedule === undefined ? [] : sql.open.all(name, openMax).flatMap(({ id }) => load(id) ?? []),
        ticks: schedule === undefined ? [] : sql.ticks.all(name, fromMs, toMs).map(tickOf)
      }
    },
    due: (nowMs, limit) => ({
      due: sql.due.all(nowMs, limit).map(({ name }) => name),
      waiting: sql.waiting.all(limit).map(({ name }) => name),
      nextMs: sql.next.get()?.at ?? null
    })
  }
}
