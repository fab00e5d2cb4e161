/**
 * Where the records of the log lie: beside the database, in two files of at most 500 lines each. When the newer one is full it takes
 * the place of the older one, so the latest 500 records are always there, and never more than 1,000.
 *
 * Only the process that holds the instance lock writes. It writes behind the work: nothing waits for it, and where the disk takes
 * nothing, records are dropped, counted, and said so in the next one that can be written.
 */
import { appendFileSync, existsSync, readFileSync, renameSync } from "node:fs"
import { appendFile } from "node:fs/promises"
import { type LogFilter, type LogLine, type LogRecord, fits, lineOf, readLine } from "./domain/LogRecord.ts"
import type { Redactor } from "./domain/Redaction.ts"

/** The records of one file. */
export const segmentMax = 500
/** The most records that wait to be written. */
const waitingMax = 500
/** How long records are gathered. */
const gatherMs = 100

export const logFile = (database: string): string => `${database}.log`
export const olderLogFile = (database: string): string => `${database}.log.1`

/** What a sink needs of its process. */
export interface SinkOptions {
  readonly redactor: () => Redactor
  readonly later: (delayMs: number, run: () => void) => void
  readonly wallMs: () => number
}

const textOf = (path: string): string => {
  try {
    return existsSync(path) ? readFileSync(path, "utf8") : ""
  } catch {
    return ""
  }
}

/** Takes records and writes them behind the work. Its files are made with the first record: a process that says nothing leaves none. */
export class LogSink {
  private readonly newer: string
  private readonly older: string
  private readonly options: SinkOptions
  private waiting: Array<LogRecord> = []
  private dropped = 0
  /** Of the newer file; null until somebody has looked. */
  private lines: number | null = null
  private scheduled = false
  private closed = false
  private writing: Promise<void> | null = null

  constructor(database: string, options: SinkOptions) {
    this.newer = logFile(database)
    this.older = olderLogFile(database)
    this.options = options
  }

  /** Records that were dropped since it was last said how many. */
  get lost(): number {
    return this.dropped
  }

  put(record: LogRecord): void {
    if (this.closed) return
    if (this.waiting.length >= waitingMax) {
      // The latest are what is looked for.
      this.waiting.shift()
      this.dropped += 1
    }
    this.waiting.push(record)
    this.schedule()
  }

  /** Waits for the write that is under way, then writes what is left. */
  async end(): Promise<void> {
    this.closed = true
    await this.writing
    this.endNow()
  }

  /** Writes what is left at once: the process exits. What is being written may be lost. */
  readonly endNow = (): void => {
    this.closed = true
    try {
      while (this.waiting.length > 0 || this.dropped > 0) appendFileSync(this.newer, this.taken().text, { mode: 0o600 })
    } catch {
      // The disk takes nothing: what was to be said is lost.
      this.waiting = []
      this.dropped = 0
    }
  }

  private schedule(): void {
    if (this.scheduled || this.closed || this.writing !== null) return
    this.scheduled = true
    this.options.later(gatherMs, () => {
      this.scheduled = false
      if (this.closed) return
      this.writing = this.write().finally(() => {
        this.writing = null
        if (this.waiting.length > 0) this.schedule()
      })
    })
  }

  private async write(): Promise<void> {
    const { dropped, waiting } = this
    let count = waiting.length
    try {
      const taken = this.taken()
      count = taken.count
      await appendFile(this.newer, taken.text, { mode: 0o600 })
    } catch {
      // Looked up anew: nobody knows what part of it was written.
      this.lines = null
      if (this.waiting === waiting) {
        this.waiting = []
        this.dropped = dropped + waiting.length
      } else this.dropped += dropped + count
    }
  }

  // The next text to be written, and of how many records that waited; the file is turned over first when it is full.
  private taken(): { readonly text: string; readonly count: number } {
    const { options, waiting } = this
    const redactor = options.redactor()
    const seam = this.lines === null ? this.look() : ""
    const full = (this.lines ?? 0) >= segmentMax
    if (full && existsSync(this.newer)) renameSync(this.newer, this.older)
    const before = full ? 0 : this.lines ?? 0
    const notes = this.dropped === 0 ? [] : [this.note(this.dropped)]
    const count = Math.min(waiting.length, segmentMax - before - notes.length)
    const lines = [...notes, ...waiting.slice(0, count)].map((record) => `${lineOf(record, redactor)}\n`)
    this.waiting = waiting.slice(count)
    this.dropped = 0
    this.lines = before + lines.length
    return { text: `${full ? "" : seam}${lines.join("")}`, count }
  }

  // A line that was torn by the end of its process stays a line of its own.
  private look(): string {
    const text = textOf(this.newer)
    const seam = text === "" || text.endsWith("\n") ? "" : "\n"
    this.lines = `${text}${seam}`.split("\n").length - 1
    return seam
  }

  private note(count: number): LogRecord {
    return { at: this.options.wallMs(), level: "warn", message: "log records were dropped", task: null, trace: null, step: null, actor: null, code: "log_dropped", facts: { count } }
  }
}

/** The latest records that fit, oldest first. */
export const readLog = (database: string, filter: LogFilter, limit: number): ReadonlyArray<LogLine> =>
  [olderLogFile(database), logFile(database)]
    .flatMap((path) => textOf(path).split("\n"))
    .flatMap((text) => {
      const line = text === "" ? null : readLine(text)
      return line !== null && fits(line, filter) ? [line] : []
    })
    .slice(-limit)
