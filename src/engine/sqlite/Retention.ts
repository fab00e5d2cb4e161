/**
 * Pruning in the file: what is old of finished tasks goes, and the space it took is returned.
 *
 * SQLite does not merge pages that an UPDATE leaves half empty. So the rows of a batch are taken out together and put back smaller:
 * those of tasks behind all others, which empties whole pages, and events in their old place, packed.
 */
import type Database from "better-sqlite3"
import { nothingPruned, type PrunedCounts, prunableTypes, queuedMax } from "../../domain/Retention.ts"
import type { Task } from "../../domain/Task.ts"
import type { Cursor, PruneKeysRequest, PruneRequest, PruneResult } from "../Engine.ts"
import type { EventRow } from "./Rows.ts"
import type { Store } from "./Store.ts"

// As the index `event_prunable` has it: SQLite uses a partial index only where the condition is the same.
const prunableEvents = `task = ? AND payload IS NOT NULL AND (${prunableTypes.map((type) => `type = '${type}'`).join(" OR ")} OR (type = 'task.queued' AND length(payload) > ${queuedMax}))
  AND json_extract(payload, '$.command') IS NULL AND json_extract(payload, '$.bulk') IS NULL`

interface EndedRow {
  readonly id: string
  readonly ended_at_ms: number
}

interface KeyRow {
  readonly key: string
  readonly at: number
  readonly bytes: number
  readonly task: string | null
}

type PrunedRow = Omit<EventRow, "payload"> & { readonly bytes: number }

const prepare = (db: Database.Database) => ({
  ended: db.prepare<[string, number, number, string, number], EndedRow>(
    "SELECT id, ended_at_ms FROM task WHERE state = ? AND ended_at_ms <= ? AND (ended_at_ms, id) > (?, ?) ORDER BY ended_at_ms, id LIMIT ?"
  ),
  events: db.prepare<[string], PrunedRow>(
    `SELECT seq, v, at, type, task, trace, actor, payload_sha256, hash, length(payload) AS bytes FROM event WHERE ${prunableEvents}`
  ),
  deleteEvent: db.prepare("DELETE FROM event WHERE seq = ?"),
  insertEvent: db.prepare("INSERT INTO event (seq, v, at, type, task, trace, actor, payload, payload_sha256, hash) VALUES (?, ?, ?, ?, ?, ?, ?, NULL, ?, ?)"),
  stepBytes: db.prepare<[string], { bytes: number | null }>("SELECT SUM(COALESCE(length(result), 0) + COALESCE(length(error), 0)) AS bytes FROM step WHERE task = ?"),
  clearSteps: db.prepare("UPDATE step SET result = NULL, error = NULL WHERE task = ? AND (result IS NOT NULL OR error IS NOT NULL)"),
  attemptBytes: db.prepare<[string], { bytes: number | null }>("SELECT SUM(length(error)) AS bytes FROM attempt WHERE task = ?"),
  clearAttempts: db.prepare("UPDATE attempt SET error = '' WHERE task = ? AND error <> ''"),
  keys: db.prepare<[number, number, string, number], KeyRow>(
    `SELECT key, at, length(answer) AS bytes, COALESCE(json_extract(answer, '$.granted.task'), json_extract(answer, '$.refused.task')) AS task
     FROM idempotency WHERE at <= ? AND (at, key) > (?, ?) ORDER BY at, key LIMIT ?`
  ),
  deleteKey: db.prepare("DELETE FROM idempotency WHERE key = ?")
})

const start: Cursor = { atMs: -1, id: "" }

const bytesOf = (task: Task): number => task.payload.length + (task.result?.length ?? 0) + (task.failure?.error.length ?? 0)

export const make = (db: Database.Database, store: Store) => {
  const sql = prepare(db)
  const freePages = () => Number(db.pragma("freelist_count", { simple: true }))
  const isIncremental = Number(db.pragma("auto_vacuum", { simple: true })) === incremental

  const clear = (tasks: ReadonlyArray<Task>): PrunedCounts => {
    const events = tasks.flatMap(({ id }) => sql.events.all(id)).sort((a, b) => a.seq - b.seq)
    for (const { seq } of events) sql.deleteEvent.run(seq)
    for (const { actor, at, hash, payload_sha256, seq, task, trace, type, v } of events) sql.insertEvent.run(seq, v, at, type, task, trace, actor, payload_sha256, hash)
    let [steps, attempts] = [0, 0]
    let bytes = events.reduce((total, event) => total + event.bytes, 0)
    for (const { id } of tasks) {
      bytes += (sql.stepBytes.get(id)?.bytes ?? 0) + (sql.attemptBytes.get(id)?.bytes ?? 0)
      steps += sql.clearSteps.run(id).changes
      attempts += sql.clearAttempts.run(id).changes
    }
    return { ...nothingPruned, events: events.length, steps, attempts, bytes }
  }

  return {
    prune: ({ after, event, limit, rule, state, throughMs }: PruneRequest): PruneResult => {
      const { atMs, id } = after ?? start
      const rows = sql.ended.all(state, throughMs, atMs, id, limit)
      const { monoMs, wallMs } = store.now()
      const took = () => store.now().monoMs - monoMs
      const pairs = rows.flatMap((row) => {
        const task = store.peek(row.id)
        const left = task === undefined ? null : rule(task, task.parent === null ? undefined : store.peek(task.parent.task), wallMs)
        return task === undefined || left === null ? [] : [{ task, left }]
      })
      const next = nextOf(rows.map((row) => ({ atMs: row.ended_at_ms, id: row.id })), limit)
      if (pairs.length === 0) return { counts: nothingPruned, next, tookMs: took() }
      const cleared = clear(pairs.map(({ task }) => task))
      store.replace(pairs.map(({ left }) => left))
      const bytes = pairs.reduce((total, { left, task }) => total + bytesOf(task) - bytesOf(left), cleared.bytes)
      const counts = { ...cleared, tasks: pairs.length, bytes }
      store.append(event(counts), wallMs)
      return { counts, next, tookMs: took() }
    },

    pruneKeys: ({ after, event, limit, rule, throughMs }: PruneKeysRequest): PruneResult => {
      const { atMs, id } = after ?? start
      const { monoMs, wallMs } = store.now()
      const rows = sql.keys.all(throughMs, atMs, id, limit)
      const gone = rows.filter(({ task }) => rule(task === null ? undefined : store.peek(task)))
      for (const { key } of gone) sql.deleteKey.run(key)
      const counts = { ...nothingPruned, keys: gone.length, bytes: gone.reduce((total, row) => total + row.bytes, 0) }
      if (gone.length > 0) store.append(event(counts), wallMs)
      return { counts, next: nextOf(rows.map((row) => ({ atMs: row.at, id: row.key })), limit), tookMs: store.now().monoMs - monoMs }
    },

    /** Runs inside the open transaction. `exec`, since a prepared statement would return one page and stop. */
    shrink: (pages: number) => {
      if (!isIncremental) return { left: 0, tookMs: 0 }
      const { monoMs } = store.now()
      if (freePages() > 0) db.exec(`PRAGMA incremental_vacuum(${Math.max(1, Math.floor(pages))})`)
      return { left: freePages(), tookMs: store.now().monoMs - monoMs }
    },

    /** Not while a transaction is open. */
    checkpoint: (): boolean => Number(db.pragma("wal_checkpoint(TRUNCATE)", { simple: true })) === 0
  }
}

/** `PRAGMA auto_vacuum`: 2 is INCREMENTAL. */
export const incremental = 2

const nextOf = (rows: ReadonlyArray<Cursor>, limit: number): Cursor | null => (rows.length < limit ? null : rows.at(-1) ?? null)

export type Retention = ReturnType<typeof make>
