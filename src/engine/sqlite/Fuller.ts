/**
 * Files beside a database that hold more of its log than it does: what a server saved when its file was deleted, and what a restore
 * set aside. They are looked for before anybody is told to give up what is missing.
 */
import { existsSync, readdirSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import Database from "better-sqlite3"
import { quoted } from "./ExamineFile.ts"

/** A file that holds more, and what to type to put it in its place. */
export interface Fuller {
  readonly file: string
  /** The last event that it holds. */
  readonly seq: number
  readonly next: string
}

interface Head {
  readonly seq: number
  readonly hash: string
}

const hashAt = (db: Database.Database, seq: number): string | undefined => db.prepare<[number], { hash: string }>("SELECT hash FROM event WHERE seq = ?").get(seq)?.hash

// A file of the same stream that goes another way says nothing of what is missing here.
const headOf = (path: string, stream: string, head: Head, marked: Head): number | null => {
  try {
    const db = new Database(path, { readonly: true, fileMustExist: true, timeout: 1000 })
    try {
      if (db.prepare<[], { id: string }>("SELECT id FROM store").get()?.id !== stream) return null
      const seq = db.prepare<[], { seq: number | null }>("SELECT MAX(seq) AS seq FROM event").get()?.seq ?? 0
      const goesOn = seq > head.seq && (head.seq === 0 || hashAt(db, head.seq) === head.hash)
      return goesOn || hashAt(db, marked.seq) === marked.hash ? seq : null
    } finally {
      db.close()
    }
  } catch {
    // What cannot be read is of no help.
    return null
  }
}

const freeName = (file: string, number: number): string => {
  const name = number === 1 ? `${file}.behind` : `${file}.behind-${number}`
  return ["", "-wal"].some((end) => existsSync(name + end)) ? freeName(file, number + 1) : name
}

// A log goes with its own file: under the name of another one SQLite would copy it into that.
const moves = (from: string, to: string): ReadonlyArray<string> =>
  ["", "-wal", "-shm"].flatMap((end) => (existsSync(from + end) ? [`mv ${quoted(from + end)} ${quoted(to + end)}`] : []))

/** The fullest file beside `file`, of those that hold what it lacks; null when there is none. `head` is the last event of `file`. */
export const find = (file: string, stream: string, head: Head, marked: Head): Fuller | null => {
  const folder = dirname(file)
  const names = readdirSync(folder).filter((name) => [".saved-", ".replaced-"].some((end) => name.startsWith(`${basename(file)}${end}`)) && !/(-wal|-shm|-journal|\.watermark|\.lock|\.json)$/.test(name))
  let best: Omit<Fuller, "next"> | null = null
  for (const name of names) {
    const path = join(folder, name)
    const seq = headOf(path, stream, head, marked)
    if (seq !== null && seq > (best?.seq ?? 0)) best = { file: path, seq }
  }
  return best === null ? null : { ...best, next: [...moves(file, freeName(file, 1)), ...moves(best.file, file)].join(" && ") }
}
