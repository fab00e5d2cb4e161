/** What runs beside a queued task: a look at the rows that are RUNNING, which are few, and at what was said of the queue. */
import { TaskId } from "../../domain/Task.ts"
import type { Contention } from "../Engine.ts"

export interface Row {
  readonly what: string
  readonly text: string
  readonly value: number
  readonly since_ms: number | null
  readonly actor: string | null
}

const ofQueue = "lane IN (SELECT id FROM lane WHERE queue = asked.queue)"

/** One statement, with the queue, the key, and the most holders. A file of a version that knew of no queues has none of it. */
export const sql = `
  WITH asked (queue, key, most) AS (SELECT ?, ?, ?)
  SELECT 'running' AS what, '' AS text, (SELECT COUNT(*) FROM task WHERE epoch IS NOT NULL AND ${ofQueue}) AS value, NULL AS since_ms, NULL AS actor FROM asked
  UNION ALL SELECT 'heavy', '', (SELECT COUNT(*) FROM task WHERE epoch IS NOT NULL AND lane IN (SELECT id FROM lane WHERE class = 'heavy')), NULL, NULL
  UNION ALL SELECT 'all', '', (SELECT COUNT(*) FROM task WHERE epoch IS NOT NULL), NULL, NULL
  UNION ALL SELECT 'key', '', (SELECT COUNT(*) FROM task WHERE state = 'RUNNING' AND concurrency_key IS NOT NULL AND concurrency_key = asked.key AND ${ofQueue}), NULL, NULL FROM asked
  UNION ALL SELECT 'starts', starts, 0, NULL, NULL FROM asked, queue_start WHERE queue_start.queue = asked.queue
  UNION ALL SELECT 'state', reason, paused, since_ms, actor FROM asked, queue WHERE queue.name = asked.queue
  UNION ALL SELECT * FROM (SELECT 'holder', task.id, 0, NULL, NULL FROM asked, task WHERE asked.key IS NOT NULL AND state = 'RUNNING' AND concurrency_key IS NOT NULL AND concurrency_key = asked.key AND ${ofQueue}
    ORDER BY json_extract(progress, '$.startedAtMs'), task.id LIMIT (SELECT most FROM asked))
  UNION ALL SELECT * FROM (SELECT 'holder', task.id, 0, NULL, NULL FROM asked, task WHERE asked.key IS NULL AND epoch IS NOT NULL AND ${ofQueue}
    ORDER BY json_extract(progress, '$.startedAtMs'), task.id LIMIT (SELECT most FROM asked))`

/** Throws a `SyntaxError` when the instants of the last starts cannot be read. */
export const contentionOf = (rows: ReadonlyArray<Row>, queue: string): Contention => {
  const value = (what: string): number => rows.find((row) => row.what === what)?.value ?? 0
  const state = rows.find((row) => row.what === "state")
  const starts: unknown = JSON.parse(rows.find((row) => row.what === "starts")?.text ?? "[]")
  return {
    running: value("running"),
    runningHeavy: value("heavy"),
    runningAll: value("all"),
    underKey: value("key"),
    holders: rows.filter((row) => row.what === "holder").map(({ text }) => TaskId.make(text)),
    starts: Array.isArray(starts) ? starts.filter((one) => typeof one === "number") : [],
    state: state === undefined ? null : { queue, paused: state.value === 1, sinceMs: state.since_ms ?? 0, actor: state.actor ?? "", reason: state.text }
  }
}

/** Of a file without queues. */
export const nothing: Contention = { running: 0, runningHeavy: 0, runningAll: 0, underKey: 0, holders: [], starts: [], state: null }
