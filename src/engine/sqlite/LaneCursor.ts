/**
 * The queued tasks of one lane in the order of their due instants, read a few at a time.
 *
 * In a lane with keys, tasks whose key is full are passed over. What was passed over is remembered from claim to claim: a place, and
 * the keys of whatever waits before it. So a claim reads on from that place, and asks for the first task of each of those keys that
 * has room again. Where more than `runMax` tasks in a row are full, it finds the next one by a seek for each key that waits in the
 * lane, once. A claim therefore costs at most `runMax` rows and `passedMax` seeks beyond what it takes, whatever the backlog of a
 * full key; the seeks for each key come again only after the place has moved by so many rows.
 */
import type Database from "better-sqlite3"
import type { Candidate } from "../../domain/Claiming.ts"
import { TaskId } from "../../domain/Task.ts"

/** How many tasks of full keys are passed over one by one. */
const runMax = 256
/** The most keys that are remembered as passed over. With more, the lane is read from its beginning again. */
const passedMax = 1024
/** The most rows that are read at once. */
const chunkMax = 512

interface Row {
  readonly id: string
  readonly at: number
  readonly key: string | null
}

type Place = Pick<Row, "at" | "id">

/** Every queued task of the lane before `place` has one of these keys. */
export interface Passed {
  place: Place
  readonly keys: Set<string>
}

const beginning: Place = { at: -1, id: "" }
/** Behind every task. */
const end: Place = { at: Number.MAX_SAFE_INTEGER, id: "" }
// Ids have one length, and a blank sorts before what they are made of.
const behind = ({ at, id }: Place): Place => ({ at, id: `${id} ` })

export const nothingPassed = (): Passed => ({ place: beginning, keys: new Set() })

export const isBefore = (a: Place, b: Place): boolean => a.at < b.at || (a.at === b.at && a.id < b.id)

const columns = "SELECT id, available_at_ms AS at, concurrency_key AS key FROM task WHERE state = 'QUEUED'"

export const prepare = (db: Database.Database) => ({
  first: db.prepare<[number, number], Row>(`${columns} AND lane = ? ORDER BY available_at_ms, id LIMIT ?`),
  from: db.prepare<[number, number, string, number], Row>(`${columns} AND lane = ? AND (available_at_ms, id) >= (?, ?) ORDER BY available_at_ms, id LIMIT ?`),
  // A loose scan of the index: one seek a key.
  keys: db.prepare<[number, number], { key: string }>(`
    WITH RECURSIVE found (key) AS (
      SELECT MIN(concurrency_key) FROM task WHERE state = 'QUEUED' AND concurrency_key IS NOT NULL AND lane = ?
      UNION ALL
      SELECT (SELECT MIN(concurrency_key) FROM task WHERE state = 'QUEUED' AND concurrency_key IS NOT NULL AND lane = ? AND concurrency_key > found.key)
      FROM found WHERE found.key IS NOT NULL
    )
    SELECT key FROM found WHERE key IS NOT NULL`),
  ofKey: db.prepare<[number, string, number, string], Row>(
    `${columns} AND concurrency_key IS NOT NULL AND lane = ? AND concurrency_key = ? AND (available_at_ms, id) >= (?, ?) ORDER BY available_at_ms, id LIMIT 1`
  )
})

export type Statements = ReturnType<typeof prepare>

const candidateOf = ({ at, id, key }: Row): Candidate => ({ id: TaskId.make(id, { disableValidation: true }), availableAtMs: at, key })

/** How a session reads a lane. */
export interface LaneCursor {
  readonly head: (isFull: (key: string) => boolean) => Candidate | undefined
  readonly take: () => void
  /** No task of the lane that is left is due before this instant, if all that were taken are gone. Null: nothing was read. */
  readonly leftMs: () => number | null
}

/** Rows of a lane from a place on. */
class Rows {
  #rows: ReadonlyArray<Row> = []
  #next = 0
  #ended = false
  #started = false
  readonly #read: (from: Place | null, limit: number) => ReadonlyArray<Row>
  readonly #wanted: number

  constructor(read: (from: Place | null, limit: number) => ReadonlyArray<Row>, wanted: number) {
    this.#read = read
    this.#wanted = wanted
  }

  peek(): Row | undefined {
    const row = this.#rows[this.#next]
    if (row !== undefined || this.#ended) return row
    const last = this.#rows.at(-1)
    const limit = this.#started ? chunkMax : Math.min(this.#wanted + 1, chunkMax)
    this.#rows = this.#read(last === undefined ? null : behind(last), limit)
    this.#started = true
    this.#next = 0
    this.#ended = this.#rows.length < limit
    return this.#rows[0]
  }

  skip(): void {
    this.#next += 1
  }

  /** When the next row is due; null: nothing was read. Reads no further. */
  nextMs(): number | null {
    if (!this.#started) return null
    return this.#rows[this.#next]?.at ?? (this.#ended ? Infinity : this.#rows.at(-1)?.at ?? Infinity)
  }
}

/** A lane without keys. `wanted` is how many are likely to be taken. */
export const plain = (sql: Statements, lane: number, wanted: number): LaneCursor => {
  const rows = new Rows((from, limit) => (from === null ? sql.first.all(lane, limit) : sql.from.all(lane, from.at, from.id, limit)), wanted)
  return {
    head: () => {
      const row = rows.peek()
      return row === undefined ? undefined : candidateOf(row)
    },
    take: () => rows.skip(),
    leftMs: () => rows.nextMs()
  }
}

/** A lane with keys. `passed` is kept up to date; tasks that are due after `untilMs` are not passed over. */
export class KeyedCursor implements LaneCursor {
  /** The first task of each key that was passed over and has room, by place. */
  #earlier: Array<Row> | null = null
  #rows: Rows
  #offered: Row | null = null
  readonly #sql: Statements
  readonly #lane: number
  readonly #passed: Passed
  readonly #wanted: number
  readonly #untilMs: number

  constructor(sql: Statements, lane: number, passed: Passed, wanted: number, untilMs: number) {
    this.#sql = sql
    this.#lane = lane
    this.#passed = passed
    this.#wanted = wanted
    this.#untilMs = untilMs
    this.#rows = this.#from(passed.place)
  }

  head(isFull: (key: string) => boolean): Candidate | undefined {
    this.#earlier ??= this.#roomAgain(isFull)
    this.#offered = this.#earlier.find(({ key }) => key === null || !isFull(key)) ?? this.#onward(isFull) ?? null
    return this.#offered === null ? undefined : candidateOf(this.#offered)
  }

  take(): void {
    const row = this.#offered
    if (row === null) return
    const place = this.#earlier?.indexOf(row) ?? -1
    if (place >= 0) {
      this.#earlier?.splice(place, 1)
      if (row.key !== null) this.#keep(row.key, behind(row))
      return
    }
    this.#rows.skip()
    this.#passed.place = behind(row)
  }

  leftMs(): number | null {
    if (this.#earlier === null) return null
    return this.#passed.keys.size > 0 ? -Infinity : this.#rows.nextMs()
  }

  #from(place: Place): Rows {
    return new Rows((from, limit) => {
      const { at, id } = from ?? place
      return this.#sql.from.all(this.#lane, at, id, limit)
    }, this.#wanted)
  }

  #roomAgain(isFull: (key: string) => boolean): Array<Row> {
    const { keys } = this.#passed
    if (keys.size > passedMax) {
      keys.clear()
      this.#passed.place = beginning
      this.#rows = this.#from(beginning)
    }
    this.#earlier = []
    for (const key of keys) if (!isFull(key)) this.#keep(key, beginning)
    return this.#earlier
  }

  // The first task of the key from a place on stands among the earlier ones, if there is one before the place that was reached.
  #keep(key: string, from: Place): void {
    const row = this.#sql.ofKey.get(this.#lane, key, from.at, from.id)
    if (row === undefined || !isBefore(row, this.#passed.place)) {
      this.#passed.keys.delete(key)
      return
    }
    const earlier = (this.#earlier ??= [])
    const place = earlier.findIndex((other) => isBefore(row, other))
    earlier.splice(place < 0 ? earlier.length : place, 0, row)
  }

  #onward(isFull: (key: string) => boolean): Row | undefined {
    let run = 0
    for (let row = this.#rows.peek(); row !== undefined; row = this.#rows.peek()) {
      if (row.key === null || !isFull(row.key)) return row
      if (row.at > this.#untilMs) return undefined
      run += 1
      if (run > runMax) this.#jump(isFull)
      else {
        this.#passed.keys.add(row.key)
        this.#passed.place = behind(row)
        this.#rows.skip()
      }
    }
    return undefined
  }

  // To the first task whose key is not full: what stands before it has the other keys.
  #jump(isFull: (key: string) => boolean): void {
    const { at, id } = this.#passed.place
    let next: Row | undefined
    for (const { key } of this.#sql.keys.all(this.#lane, this.#lane)) {
      if (isFull(key)) this.#passed.keys.add(key)
      else {
        const row = this.#sql.ofKey.get(this.#lane, key, at, id)
        if (row !== undefined && (next === undefined || isBefore(row, next))) next = row
      }
    }
    this.#passed.place = next ?? end
    this.#rows = this.#from(this.#passed.place)
  }
}
