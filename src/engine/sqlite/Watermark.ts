/**
 * The watermark: which event was acknowledged last, kept in a small file beside the database.
 *
 * A write-ahead log that lost its tail opens without an error, and what stood there is gone without a word. The watermark is
 * written after each commit, so a file whose log ends before it has lost something. It is not synced with each commit, but once
 * per heartbeat: after a power cut it may be older than the file, never younger, since a commit is on the disk before it is written.
 *
 * Two records of `slotBytes` each are written by turns, each a JSON line with a check sum: one that is torn is no record, and the
 * other one still stands.
 */
import { closeSync, constants, existsSync, fdatasync, fsyncSync, openSync, readFileSync, writeSync } from "node:fs"
import { dirname } from "node:path"
import Database from "better-sqlite3"
import { DateTime, Effect, Option, Schema } from "effect"
import { sha256 } from "../../domain/Canonical.ts"
import { chainStart } from "../../domain/TaskEvent.ts"
import { lossEvent } from "../../domain/Loss.ts"
import type { EngineUnavailable } from "../Engine.ts"
import * as Fuller from "./Fuller.ts"
import { orUnavailable } from "./SqliteError.ts"

/** An event that was acknowledged, by its place in the chain. */
export interface Mark {
  readonly stream: string
  readonly seq: number
  readonly hash: string
  /** When it was stored, Unix ms. */
  readonly atMs: number
}

export const watermarkFile = (file: string): string => `${file}.watermark`

/** A record does not cross a sector, so that a disk writes it as a whole or says so by the check sum. */
const slotBytes = 512

const Slot = Schema.parseJson(Schema.Struct({
  v: Schema.Literal(1),
  n: Schema.Int,
  stream: Schema.String,
  seq: Schema.Int,
  hash: Schema.String,
  at: Schema.Int,
  sum: Schema.String
}))
type Slot = typeof Slot.Type

const sumOf = ({ at, hash, n, seq, stream }: Omit<Slot, "v" | "sum">): string => sha256(`${n}\n${stream}\n${seq}\n${hash}\n${at}`).slice(0, 16)

const slotText = (n: number, { atMs: at, hash, seq, stream }: Mark): string =>
  `${JSON.stringify({ v: 1, n, stream, seq, hash, at, sum: sumOf({ at, hash, n, seq, stream }) }).padEnd(slotBytes - 1)}\n`

const decodeSlot = Schema.decodeUnknownOption(Slot)

// The youngest whole record. Numbers of writes decide, not those of events: after a loss was accepted these begin anew.
const youngest = (file: string): Slot | null => {
  const path = watermarkFile(file)
  if (!existsSync(path)) return null
  const text = readFileSync(path, "latin1")
  const slots = [text.slice(0, slotBytes), text.slice(slotBytes, 2 * slotBytes)]
    .flatMap((slot) => Option.toArray(decodeSlot(slot)))
    .filter((slot) => slot.sum === sumOf(slot))
  return slots.reduce<Slot | null>((best, slot) => (best === null || slot.n > best.n ? slot : best), null)
}

/** The last mark beside a database file; null when there is none, or none that is whole. Throws when it cannot be read. */
export const read = (file: string): Mark | null => {
  const slot = youngest(file)
  return slot === null ? null : { stream: slot.stream, seq: slot.seq, hash: slot.hash, atMs: slot.at }
}

export interface Marker {
  /** Takes note of a commit. Never throws: a mark that cannot be written weakens the check, and takes no commit back. */
  readonly put: (mark: Mark) => void
  /** Hands what was noted to the disk, without waiting for it. Once per heartbeat. */
  readonly sync: () => void
  readonly close: () => void
}

/** Writes nothing: while a loss is being accepted, what was acknowledged must stay in the books. */
export const silent: Marker = { put: () => undefined, sync: () => undefined, close: () => undefined }

const attempt = (act: () => void): boolean => {
  try {
    act()
    return true
  } catch {
    return false
  }
}

const lastNumber = (file: string): number => {
  try {
    return youngest(file)?.n ?? 0
  } catch {
    return 0
  }
}

/** The writing end beside `file`. The caller holds the instance lock. */
export const open = (file: string): Marker => {
  const path = watermarkFile(file)
  let n = lastNumber(file)
  let descriptor: number | null = null
  let isNew = !existsSync(path)
  let isDirty = false
  const close = () => {
    const open = descriptor
    descriptor = null
    if (open !== null) attempt(() => closeSync(open))
  }
  const syncFolder = () => {
    isNew = false
    const folder = openSync(dirname(path), "r")
    try {
      fsyncSync(folder)
    } finally {
      closeSync(folder)
    }
  }
  return {
    put: (mark) => {
      n += 1
      isDirty = attempt(() => {
        descriptor ??= openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600)
        writeSync(descriptor, slotText(n, mark), (n % 2) * slotBytes)
      })
      // Opened anew the next time: the file may have been removed, or its disk may be back.
      if (!isDirty) close()
    },
    sync: () => {
      if (descriptor === null || !isDirty) return
      isDirty = false
      if (isNew) attempt(syncFolder)
      // What fails here weakens what a power cut would show, and nothing else.
      fdatasync(descriptor, () => undefined)
    },
    close
  }
}

/** How a file stands to its watermark. */
export type Standing =
  /** There is no watermark, or the file has all of it, or the loss was accepted. */
  | { readonly _tag: "Whole" }
  /** The watermark is that of another file: nothing is compared. */
  | { readonly _tag: "Foreign"; readonly stream: string }
  | { readonly _tag: "Behind"; readonly lost: EventsLost }

/**
 * The file does not hold what was acknowledged. It was left as it is. Nothing is done with it before a backup is restored or
 * somebody accepts the loss.
 */
export class EventsLost extends Schema.TaggedError<EventsLost>()("EventsLost", {
  file: Schema.String,
  /** The last event that the file holds. */
  seq: Schema.Int,
  hash: Schema.String,
  /** When that was stored, Unix ms; null when the file holds none. */
  atMs: Schema.NullOr(Schema.Int),
  /** The last event that is known to have been acknowledged. */
  marked: Schema.Struct({ stream: Schema.String, seq: Schema.Int, hash: Schema.String, atMs: Schema.Int }),
  /** A file beside it that holds more of the same log, and what to type to put it in its place. */
  fuller: Schema.NullOr(Schema.Struct({ file: Schema.String, seq: Schema.Int, next: Schema.String }))
}) {
  /** How many events are missing at least; 0 when the file holds others in their place. */
  get missing(): number {
    return Math.max(0, this.marked.seq - this.seq)
  }
  override get message() {
    const since = this.atMs === null ? "" : `, from after ${DateTime.formatIso(DateTime.unsafeMake(this.atMs))} on`
    const what = this.missing === 0
      ? `${this.file} holds another event ${this.marked.seq} than the one that was acknowledged`
      : `${this.file} is behind its watermark: ${this.missing} acknowledged event${this.missing === 1 ? " is" : "s are"} missing (${this.seq + 1} to ${this.marked.seq})${since}`
    if (this.fuller !== null) return `${what}; ${this.fuller.file} holds the log up to event ${this.fuller.seq}, put it in its place with the server stopped: ${this.fuller.next}`
    return `${what}; restore a backup, or put the loss on record: opsgate accept-loss --reason <why>`
  }
}

interface EventRow {
  readonly seq: number
  readonly hash: string
  readonly at: number
}

/**
 * Compares a file with its watermark, through a read-only connection that leaves the file as it is. The watermark is read first:
 * it follows the commits, so a server that writes meanwhile makes no false alarm.
 */
export const examine = (file: string): Effect.Effect<Standing, EngineUnavailable> =>
  orUnavailable("compare the database with its watermark", () => {
    const mark = read(file)
    if (mark === null) return { _tag: "Whole" }
    if (!existsSync(file)) return behind(file, undefined, mark)
    const db = new Database(file, { readonly: true, timeout: examinePatienceMs })
    try {
      return standing(db, file, mark)
    } finally {
      db.close()
    }
  })

/** How long somebody else may hold up the look, in ms. */
const examinePatienceMs = 1000

const behind = (file: string, head: EventRow | undefined, marked: Mark): Standing => {
  const { hash, seq } = head ?? { seq: 0, hash: chainStart }
  const fuller = Fuller.find(file, marked.stream, { seq, hash }, marked)
  return { _tag: "Behind", lost: new EventsLost({ file, seq, hash, atMs: head?.at ?? null, marked, fuller }) }
}

const standing = (db: Database.Database, file: string, mark: Mark): Standing => {
  // One read transaction: what is compared belongs together.
  db.exec("BEGIN")
  const isOurs = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'store'").get() !== undefined
  const stream = isOurs ? db.prepare<[], { id: string }>("SELECT id FROM store").get()?.id : undefined
  if (stream === undefined) return behind(file, undefined, mark)
  const there = db.prepare<[number], EventRow>("SELECT seq, hash, at FROM event WHERE seq = ?").get(mark.seq)
  const isWhole = stream === mark.stream && there?.hash === mark.hash
  if (isWhole || isAccepted(db, mark)) return { _tag: "Whole" }
  if (stream !== mark.stream) return { _tag: "Foreign", stream: mark.stream }
  return behind(file, db.prepare<[], EventRow>("SELECT seq, hash, at FROM event ORDER BY seq DESC LIMIT 1").get(), mark)
}

// Whoever accepted the loss named the watermark that he saw. It stands until the next commit of a server replaces it.
const isAccepted = (db: Database.Database, { hash, seq }: Mark): boolean =>
  db.prepare<[string, number, string], { one: number }>(
    "SELECT 1 AS one FROM event WHERE type = ? AND payload ->> '$.marked.seq' = ? AND payload ->> '$.marked.hash' = ? LIMIT 1"
  ).get(lossEvent, seq, hash) !== undefined
