/**
 * What a trace reads. Neither the log nor the outbox has an index of tasks or traces, which every task would pay for: their rows come
 * in the order of time, so the part between two instants is found by halving, and read.
 */
import { Effect } from "effect"
import { clockSlackMs, type Traced, tracedMax, type TracedEvent, type TracedMessage, type WantedTrace } from "../../domain/Traced.ts"
import type { EngineUnavailable } from "../Engine.ts"

type All = <Row, A>(statement: string, values: ReadonlyArray<string | number>, decode: (rows: ReadonlyArray<Row>) => A) => Effect.Effect<A, EngineUnavailable>

// A row whose instant is `atMs` or later, and all rows before it earlier: by its number, which counts from 1. The clock may have been
// set back meanwhile, by no more than the slack.
const firstSince = (all: All, table: "event" | "outbox", key: "seq" | "id", atMs: number) =>
  Effect.gen(function*() {
    const last = yield* all<{ last: number | null }, number>(`SELECT MAX(${key}) AS last FROM ${table}`, [], (rows) => rows[0]?.last ?? 0)
    let low = 1
    let high = last + 1
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      const at = yield* all<{ at: number }, number>(`SELECT at FROM ${table} WHERE ${key} >= ? ORDER BY ${key} LIMIT 1`, [middle], (rows) => rows[0]?.at ?? Number.MAX_SAFE_INTEGER)
      if (at >= atMs) high = middle
      else low = middle + 1
    }
    return low
  })

export const traced = (all: All) => ({ fromMs, tasks, throughMs, trace }: WantedTrace): Effect.Effect<Traced, EngineUnavailable> =>
  Effect.gen(function*() {
    const ids = JSON.stringify(tasks)
    const between = (table: "event" | "outbox", key: "seq" | "id") =>
      Effect.all([firstSince(all, table, key, fromMs - clockSlackMs), firstSince(all, table, key, throughMs + clockSlackMs + 1)])
    const [firstEvent, endEvent] = yield* between("event", "seq")
    const [firstMessage, endMessage] = yield* between("outbox", "id")
    const events = yield* all<TracedEvent, ReadonlyArray<TracedEvent>>(
      "SELECT seq, at, type, task, trace, actor, payload FROM event WHERE seq >= ? AND seq < ? AND (task IN (SELECT value FROM json_each(?)) OR (task IS NULL AND trace = ?)) ORDER BY seq LIMIT ?",
      [firstEvent, endEvent, ids, trace, tracedMax],
      (rows) => rows
    )
    const messages = yield* all<TracedMessage, ReadonlyArray<TracedMessage>>(
      "SELECT id, topic, task, text, at FROM outbox WHERE id >= ? AND id < ? AND task IN (SELECT value FROM json_each(?)) ORDER BY id LIMIT ?",
      [firstMessage, endMessage, ids, tracedMax],
      (rows) => rows
    )
    return { events, messages }
  })
