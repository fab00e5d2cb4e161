/**
 * What claims look at, held in memory and read from the file again after every rollback and start: the lanes with the instant before
 * which nothing in them is due, the ids of the tasks that run, and the turns and starts of the queues.
 *
 * What runs is kept as the set of the rows that are RUNNING, never as a count: putting an id in twice changes nothing.
 */
import type Database from "better-sqlite3"
import { type Book, type ClaimPolicy, type Lane, type LaneClock, type LaneSource, nextClaimMs, ownTurn, Session, type Turn } from "../../domain/Claiming.ts"
import type { QueueState } from "../../domain/Queue.ts"
import type { Task, TaskClass } from "../../domain/Task.ts"
import * as Cursor from "./LaneCursor.ts"

const prepare = (db: Database.Database) => ({
  ...Cursor.prepare(db),
  lanes: db.prepare<[], { id: number; queue: string; tenant: string; priority: number; kind: string; class: TaskClass; keyed: number }>("SELECT * FROM lane"),
  insertLane: db.prepare("INSERT INTO lane (queue, tenant, priority, kind, class, keyed) VALUES (?, ?, ?, ?, ?, ?)"),
  leased: db.prepare<[], { id: string; lane: number }>("SELECT id, lane FROM task WHERE epoch IS NOT NULL"),
  runningKeyed: db.prepare<[], { id: string; lane: number; key: string }>(
    "SELECT id, lane, concurrency_key AS key FROM task WHERE state = 'RUNNING' AND concurrency_key IS NOT NULL"
  ),
  states: db.prepare<[], { name: string; paused: number; since_ms: number; actor: string; reason: string }>("SELECT name, paused, since_ms, actor, reason FROM queue"),
  putState: db.prepare("INSERT OR REPLACE INTO queue (name, paused, since_ms, actor, reason) VALUES (?, ?, ?, ?, ?)"),
  turns: db.prepare<[], { queue: string; tenant: string; turn: number }>("SELECT queue, tenant, turn FROM queue_turn"),
  putTurn: db.prepare("INSERT INTO queue_turn (queue, tenant, turn) VALUES (?, ?, ?) ON CONFLICT (queue, tenant) DO UPDATE SET turn = excluded.turn"),
  starts: db.prepare<[], { queue: string; starts: string }>("SELECT queue, starts FROM queue_start"),
  putStarts: db.prepare("INSERT INTO queue_start (queue, starts) VALUES (?, ?) ON CONFLICT (queue) DO UPDATE SET starts = excluded.starts")
})

type Statements = ReturnType<typeof prepare>

interface Entry extends Lane {
  readonly id: number
  readonly of: Queue
  /** Nothing in the lane is due before this instant. */
  fromMs: number
  /** Whether something is due at exactly that instant; `Infinity` then says that the lane is empty. */
  exact: boolean
  /** Of a lane with keys: what claims have passed over. */
  passed: Cursor.Passed
}

class Queue {
  readonly tenants = new Set<string>()
  readonly leased = new Set<string>()
  /** By concurrency key. */
  readonly running = new Map<string, Set<string>>()
  readonly turns = new Map<string, number>()
  starts: ReadonlyArray<number> = []
  state: QueueState | undefined

  setRunning(key: string, id: string, runs: boolean): void {
    const ids = this.running.get(key)
    if (runs) {
      if (ids === undefined) this.running.set(key, new Set([id]))
      else ids.add(id)
    } else if (ids?.delete(id) === true && ids.size === 0) this.running.delete(key)
  }
}

const laneName = (queue: string, tenant: string, priority: number, kind: string, taskClass: string, keyed: boolean): string =>
  `${queue}\n${tenant}\n${kind}\n${taskClass}\n${priority}\n${keyed}`

const set = (ids: Set<string>, id: string, within: boolean): void => {
  if (within) ids.add(id)
  else ids.delete(id)
}

/** What is held in memory. */
class Known {
  readonly lanes = new Map<string, Entry>()
  readonly queues = new Map<string, Queue>()
  /** Of all queues. */
  readonly heavy = new Set<string>()
  /** The queues that ever had a task. */
  readonly used = new Set<string>()

  queue(name: string): Queue {
    const known = this.queues.get(name)
    if (known !== undefined) return known
    const queue = new Queue()
    this.queues.set(name, queue)
    return queue
  }

  add(lane: Lane & { readonly id: number }, fromMs: number): Entry {
    const of = this.queue(lane.queue)
    of.tenants.add(lane.tenant)
    this.used.add(lane.queue)
    const entry: Entry = { ...lane, of, fromMs, exact: fromMs === Infinity, passed: Cursor.nothingPassed() }
    this.lanes.set(laneName(lane.queue, lane.tenant, lane.priority, lane.kind, lane.class, lane.keyed), entry)
    return entry
  }
}

const read = (sql: Statements): Known => {
  const known = new Known()
  const byId = new Map<number, Entry>()
  for (const { class: taskClass, id, keyed, kind, priority, queue, tenant } of sql.lanes.all()) {
    byId.set(id, known.add({ id, queue, tenant, priority, kind, class: taskClass, keyed: keyed === 1 }, -Infinity))
  }
  for (const { id, lane } of sql.leased.all()) {
    const entry = byId.get(lane)
    entry?.of.leased.add(id)
    if (entry?.class === "heavy") known.heavy.add(id)
  }
  for (const { id, key, lane } of sql.runningKeyed.all()) byId.get(lane)?.of.setRunning(key, id, true)
  for (const { actor, name, paused, reason, since_ms: sinceMs } of sql.states.all()) known.queue(name).state = { queue: name, paused: paused === 1, sinceMs, actor, reason }
  for (const { queue, tenant, turn } of sql.turns.all()) known.queue(queue).turns.set(tenant, turn)
  for (const { queue, starts } of sql.starts.all()) {
    const instants: ReadonlyArray<number> = JSON.parse(starts)
    known.queue(queue).starts = instants
  }
  return known
}

const noTurns: ReadonlyMap<string, number> = new Map()
const noStarts: ReadonlyArray<number> = []

const bookOf = ({ heavy, queues, used }: Known): Book => ({
  running: (queue) => queues.get(queue)?.leased.size ?? 0,
  runningHeavy: () => heavy.size,
  runningUnder: (queue, key) => queues.get(queue)?.running.get(key)?.size ?? 0,
  state: (queue) => queues.get(queue)?.state,
  starts: (queue) => queues.get(queue)?.starts ?? noStarts,
  turns: (queue) => queues.get(queue)?.turns ?? noTurns,
  queueCount: () => used.size,
  tenantCount: (queue) => queues.get(queue)?.tenants.size ?? 0
})

interface Reading extends LaneSource {
  readonly entry: Entry
  readonly cursor: Cursor.LaneCursor
}

export interface Lanes {
  /** The lane of a task; it is written down if it is new. */
  readonly laneOf: (task: Task) => number
  /** Says how a task stands from now on. */
  readonly moved: (before: Task | undefined, after: Task) => void
  readonly state: (queue: string) => QueueState | undefined
  readonly setState: (state: QueueState) => void
  /** Offers up to `limit` ids to `claim`, which says whether the task runs now, and stores the turns. */
  readonly claim: (limit: number, policy: ClaimPolicy, nowMs: number, claim: (id: string) => "runs" | "moved" | "stays") => void
  readonly nextClaimMs: (policy: ClaimPolicy, nowMs: number) => number | null
  /** When the first queued task is due, whatever the limits. */
  readonly nextDueMs: () => number | null
  /** Forgets everything: the file says how it is. */
  readonly reset: () => void
}

/** What is held, and the lane of each task in it. */
const holder = (sql: Statements) => {
  let held: Known | null = null
  let latest: Entry | null = null
  const known = (): Known => (held ??= read(sql))
  const entryOf = (task: Task): Entry => {
    const { class: taskClass, concurrencyKey, kind, priority, queue, tenant } = task
    const keyed = concurrencyKey !== null
    // Most tasks of a turn stand in one lane.
    if (
      latest !== null && latest.kind === kind && latest.queue === queue && latest.tenant === tenant && latest.priority === priority &&
      latest.keyed === keyed && latest.class === taskClass
    ) return latest
    const found = known().lanes.get(laneName(queue, tenant, priority, kind, taskClass, keyed))
    latest = found ?? known().add({
      id: Number(sql.insertLane.run(queue, tenant, priority, kind, taskClass, keyed ? 1 : 0).lastInsertRowid),
      queue,
      tenant,
      priority,
      kind,
      class: taskClass,
      keyed
    }, Infinity)
    return latest
  }
  const reset = (): void => {
    held = null
    latest = null
  }
  return { known, entryOf, reset }
}

const moved = (entry: Entry, heavy: Set<string>, before: Task | undefined, after: Task): void => {
  if (before?.state === "QUEUED" && before.availableAtMs <= entry.fromMs) entry.exact = false
  if (after.state === "QUEUED") {
    if (after.availableAtMs <= entry.fromMs) {
      entry.fromMs = after.availableAtMs
      entry.exact = true
    }
    if (after.concurrencyKey !== null && Cursor.isBefore({ at: after.availableAtMs, id: after.id }, entry.passed.place)) entry.passed.keys.add(after.concurrencyKey)
  }
  if (before?.state !== "RUNNING" && after.state !== "RUNNING") return
  set(entry.of.leased, after.id, after.lease !== null)
  if (after.class === "heavy") set(heavy, after.id, after.lease !== null)
  if (after.concurrencyKey !== null) entry.of.setRunning(after.concurrencyKey, after.id, after.state === "RUNNING")
}

const stored = (sql: Statements, known: Known, turns: ReadonlyArray<Turn>): void => {
  for (const { queue: name, starts, turns: taken } of turns) {
    const queue = known.queue(name)
    for (const [tenant, turn] of taken) {
      sql.putTurn.run(name, tenant, turn)
      queue.turns.set(tenant, turn)
    }
    if (starts === null) continue
    sql.putStarts.run(name, JSON.stringify(starts))
    queue.starts = starts
  }
}

// What was offered and is still there would be passed over for ever: then nothing is known of the lane.
const finished = (entry: Entry, leftMs: number | null, gone: boolean): void => {
  if (leftMs === null) return
  entry.fromMs = gone ? leftMs : -Infinity
  entry.exact = gone && leftMs === Infinity
  if (!gone) entry.passed = Cursor.nothingPassed()
}

// The first instant at which something in the lane is due; asked of the file only when it is not known.
const firstMs = (sql: Statements, entry: Entry): number => {
  if (entry.exact) return entry.fromMs
  entry.fromMs = sql.first.get(entry.id, 1)?.at ?? Infinity
  entry.exact = true
  return entry.fromMs
}

// What is passed over on the way is not remembered: it may lie in the future.
const headMs = (sql: Statements, { id, passed: { keys, place } }: Entry, isFull: (key: string) => boolean): number | undefined =>
  new Cursor.KeyedCursor(sql, id, { place, keys: new Set(keys) }, 1, Infinity).head(isFull)?.availableAtMs

const clockOf = (sql: Statements, entry: Entry): LaneClock => ({
  lane: entry,
  dueMs: (isFull) => {
    const dueMs = entry.keyed ? headMs(sql, entry, isFull) : firstMs(sql, entry)
    return dueMs === Infinity ? undefined : dueMs
  }
})

const readings = (sql: Statements, { lanes }: Known, wanted: number, nowMs: number): ReadonlyArray<Reading> => {
  const all: Array<Reading> = []
  for (const entry of lanes.values()) {
    if (entry.fromMs > nowMs) continue
    const cursor = entry.keyed ? new Cursor.KeyedCursor(sql, entry.id, entry.passed, wanted, nowMs) : Cursor.plain(sql, entry.id, wanted)
    all.push({ lane: entry, entry, cursor, head: (isFull) => cursor.head(isFull), take: () => cursor.take() })
  }
  return all
}

// The highest turn of any queue.
const highestTurn = ({ queues, used }: Known): number => {
  let highest = 0
  if (used.size > 1) for (const queue of queues.values()) highest = Math.max(highest, queue.turns.get(ownTurn) ?? 0)
  return highest
}

export const make = (db: Database.Database): Lanes => {
  const sql = prepare(db)
  const { entryOf, known, reset } = holder(sql)
  return {
    reset,
    laneOf: (task) => entryOf(task).id,
    moved: (before, after) => moved(entryOf(after), known().heavy, before, after),
    state: (queue) => known().queues.get(queue)?.state,
    setState: (state) => {
      sql.putState.run(state.queue, state.paused ? 1 : 0, state.sinceMs, state.actor, state.reason)
      known().queue(state.queue).state = state
    },
    claim: (limit, policy, nowMs, claim) => {
      const all = known()
      const open = readings(sql, all, limit, nowMs)
      const session = new Session(policy, bookOf(all), open, highestTurn(all), nowMs)
      // Until it is known that what was taken is gone.
      let gone = false
      try {
        let stayed = false
        for (let offered = 0; offered < limit; offered++) {
          const id = session.next()
          if (id === undefined) break
          const became = claim(id)
          if (became === "runs") session.started()
          else if (became === "stays") stayed = true
        }
        stored(sql, all, session.turns())
        gone = !stayed
      } finally {
        for (const { cursor, entry } of open) finished(entry, cursor.leftMs(), gone)
      }
    },
    nextClaimMs: (policy, nowMs) => {
      const all = known()
      return nextClaimMs(policy, bookOf(all), [...all.lanes.values()].map((entry) => clockOf(sql, entry)), nowMs)
    },
    nextDueMs: () => {
      let next = Infinity
      for (const entry of known().lanes.values()) next = Math.min(next, firstMs(sql, entry))
      return next === Infinity ? null : next
    }
  }
}
