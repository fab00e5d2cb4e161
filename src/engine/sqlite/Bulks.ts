/** Bulk commands and their items in rows. */
import type Database from "better-sqlite3"
import { type Bulk, type BulkChange, type BulkCounts, type BulkItem, bulkStates, type FoundBulk, type ItemOutcome, itemOutcomes, type Matching } from "../../domain/Bulk.ts"
import { TaskId } from "../../domain/Task.ts"

export interface BulkRow {
  readonly id: string
  readonly record: string
}

/** Throws a `SyntaxError` when the row is damaged. */
export const bulkOf = ({ id, record }: BulkRow): Bulk => {
  const bulk: Bulk = JSON.parse(record)
  if (bulk.id !== id || !bulkStates.includes(bulk.state)) throw new SyntaxError(`bulk command ${id} is damaged`)
  return bulk
}

export interface ItemRow {
  readonly bulk: string
  readonly number: number
  readonly task: string
  readonly outcome: string | null
  readonly code: string | null
  readonly at_ms: number | null
}

const isOutcome = (outcome: string): outcome is ItemOutcome => itemOutcomes.some((known) => known === outcome)

/** Throws a `SyntaxError` when the row is damaged. */
export const itemOf = ({ at_ms, bulk, code, number, outcome, task }: ItemRow): BulkItem => {
  if (outcome !== null && !isOutcome(outcome)) throw new SyntaxError(`item ${number} of bulk command ${bulk} is damaged`)
  return { bulk, number, task: TaskId.make(task), outcome, code, atMs: at_ms }
}

export interface OutcomeRow {
  readonly outcome: string | null
  readonly count: number
  readonly last: number | null
}

export const countsSql = "SELECT outcome, COUNT(*) AS count, MAX(at_ms) AS last FROM bulk_item WHERE bulk = ? GROUP BY outcome"

export const countsOf = (rows: ReadonlyArray<OutcomeRow>): BulkCounts => {
  const of = (outcome: ItemOutcome | null) => rows.find((row) => row.outcome === outcome)?.count ?? 0
  const last = rows.reduce<number | null>((latest, row) => (row.last === null ? latest : Math.max(latest ?? row.last, row.last)), null)
  return { done: of("done"), skipped: of("skipped"), refused: of("refused"), pending: of(null), lastAtMs: last }
}

/** The tasks that a page looks at, and of these the ones that fit. It says what `fits` in `domain/Bulk.ts` says. */
export const matchingSql = ({ beforeMs, code, dead, kind, states, tasks }: Matching, after: string, limit: number): readonly [string, ReadonlyArray<string | number>] => {
  const conditions: Array<string> = [`state IN (${states.map(() => "?").join(", ")})`]
  const values: Array<string | number> = [...states]
  const where = (condition: string, value: string | number) => {
    conditions.push(condition)
    values.push(value)
  }
  if (kind !== null) where("json_extract(spec, '$.kind') = ?", kind)
  if (code !== null) where("json_extract(progress, '$.failure.code') = ?", code)
  if (beforeMs !== null) where("json_extract(progress, '$.updatedAtMs') <= ?", beforeMs)
  if (dead) conditions.push("dead_since_ms IS NOT NULL")
  // The states first: they are a column of their own, and JSON is parsed for nobody else.
  const fit = conditions.map((condition) => `(${condition})`).join(" AND ")
  const among = tasks === null ? "" : ` AND id IN (${tasks.map(() => "?").join(", ")})`
  return [`SELECT id, ${fit} AS fits FROM task WHERE id > ?${among} ORDER BY id LIMIT ?`, [...values, after, ...tasks ?? [], limit]]
}

const prepare = (db: Database.Database) => ({
  putBulk: db.prepare("INSERT INTO bulk (id, state, record) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET state = excluded.state, record = excluded.record"),
  insertItem: db.prepare("INSERT INTO bulk_item (bulk, number, task) VALUES (?, ?, ?)"),
  endItem: db.prepare("UPDATE bulk_item SET outcome = ?, code = ?, at_ms = ? WHERE bulk = ? AND number = ? AND outcome IS NULL"),
  bulk: db.prepare<[string], BulkRow>("SELECT id, record FROM bulk WHERE id = ?"),
  item: db.prepare<[string, number], ItemRow>("SELECT bulk, number, task, outcome, code, at_ms FROM bulk_item WHERE bulk = ? AND number = ?"),
  counts: db.prepare<[string], OutcomeRow>(countsSql)
})

export const make = (db: Database.Database) => {
  const sql = prepare(db)
  return {
    store: (change: BulkChange): void => {
      if (change._tag === "Item") {
        sql.endItem.run(change.outcome, change.code, change.atMs, change.bulk, change.number)
        return
      }
      sql.putBulk.run(change.bulk.id, change.bulk.state, JSON.stringify(change.bulk))
      change.items.forEach((task, index) => sql.insertItem.run(change.bulk.id, index + 1, task))
    },
    find: (id: string, number: number | undefined): FoundBulk | undefined => {
      const row = sql.bulk.get(id)
      if (row === undefined) return undefined
      if (number === undefined) return { bulk: bulkOf(row), item: undefined, counts: countsOf(sql.counts.all(id)) }
      const item = sql.item.get(id, number)
      return { bulk: bulkOf(row), item: item === undefined ? undefined : itemOf(item), counts: undefined }
    }
  }
}

export type Bulks = ReturnType<typeof make>
