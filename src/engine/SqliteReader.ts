/** Reading the file through a read-only connection of its own: it waits for no writer, and works while another process writes. */
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as Reactivity from "@effect/experimental/Reactivity"
import type { SqlError } from "@effect/sql/SqlError"
import { Effect, Layer, type Scope } from "effect"
import { type Counter, noCounts, noTallies, type Tally, tallyMinuteMs } from "../domain/Census.ts"
import type { Epoch } from "../domain/Lease.ts"
import { shortIdLength } from "../domain/TaskState.ts"
import type { Step } from "../domain/Step.ts"
import { chainStart, type TaskEvent } from "../domain/TaskEvent.ts"
import { EngineReader, type EngineUnavailable, type TaskFilter } from "./Engine.ts"
import { DatabaseRefused, readVersion } from "./sqlite/Database.ts"
import { attemptOf, type AttemptRow, eventOf, type EventRow, stepOf, type StepRow, taskOf, type TaskRow } from "./sqlite/Rows.ts"
import { orUnavailable, unavailable } from "./sqlite/SqliteError.ts"

interface CountRow {
  readonly what: "counter" | "tally" | "seq" | "leased_earlier" | "epoch" | "lease_until_ms" | "lease_until_mono_ms"
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

const listSql = ({ forkedFrom, leasedBefore, limit, parent, state, suffix }: TaskFilter): readonly [string, ReadonlyArray<string | number>] => {
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
  if (suffix !== undefined) {
    if (suffix.length >= shortIdLength) where(`substr(id, -${shortIdLength}) = ?`, suffix.slice(-shortIdLength))
    where("id LIKE '%' || ?", suffix)
  }
  return [`SELECT id, spec, progress FROM task WHERE ${conditions.join(" AND ")} ORDER BY id DESC LIMIT ?`, [...values, limit]]
}

export const make = (file: string): Effect.Effect<EngineReader["Type"], DatabaseRefused | EngineUnavailable, Scope.Scope> =>
  Effect.gen(function*() {
    if ((yield* readVersion(file)) === 0) return yield* new DatabaseRefused({ file, why: "missing", version: 0 })
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
      get: (id) => all<TaskRow, ReturnType<typeof taskOf> | undefined>("SELECT id, spec, progress FROM task WHERE id = ?", [id], (rows) => rows.map(taskOf)[0]),
      list: (filter) => {
        const [statement, values] = listSql(filter)
        return all<TaskRow, ReadonlyArray<ReturnType<typeof taskOf>>>(statement, values, (rows) => rows.map(taskOf))
      },
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
      summary: (sinceMs) => {
        const wholeMinute = sinceMs - (sinceMs % tallyMinuteMs)
        return all<CountRow, ReturnType<typeof summarised>>(summarySql, [wholeMinute], (rows) => summarised(rows, wholeMinute))
      }
    }
  })

// Each event carries the hash of the one before it, so the row at `after` is read too and only lends its hash.
const linked = (rows: ReadonlyArray<EventRow>, stream: string, after: number): ReadonlyArray<TaskEvent> =>
  rows.map((row, index) => eventOf(row, stream, rows[index - 1]?.hash ?? chainStart)).filter((event) => event.seq > after)

const summarised = (rows: ReadonlyArray<CountRow>, sinceMs: number) => {
  const counts: Record<Counter, number> = noCounts()
  const tallies: Record<Tally, number> = noTallies()
  const single = { seq: 0, leased_earlier: 0, epoch: 0, lease_until_ms: 0, lease_until_mono_ms: 0 }
  for (const { name, value, what } of rows) {
    if (what === "counter" && isName(counts, name)) counts[name] = value
    else if (what === "tally" && isName(tallies, name)) tallies[name] = value
    else if (what !== "counter" && what !== "tally") single[what] = value
  }
  const epoch: Epoch | null = single.epoch === 0
    ? null
    : { epoch: single.epoch, leaseUntilMs: single.lease_until_ms, leaseUntilMonoMs: single.lease_until_mono_ms }
  return { counts, tallies, leasedEarlier: single.leased_earlier, asOfSeq: single.seq, sinceMs, epoch }
}

const isName = <K extends string>(table: Readonly<Record<K, number>>, name: string): name is K => name in table

/** Only reads: for command-line verbs that look, whether or not a server runs. */
export const layer = (file: string) => Layer.scoped(EngineReader, make(file))
