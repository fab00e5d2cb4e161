/**
 * Whether the file that is open still stands under its name. SQLite goes on in a file that was deleted or replaced without an error,
 * and what it stores there is gone when the process ends.
 */
import { existsSync, renameSync, statSync } from "node:fs"
import type Database from "better-sqlite3"
import { codeOf } from "./SqliteError.ts"

interface Identity {
  readonly dev: number
  readonly ino: number
}

export interface OpenFile {
  /** Null while all is well. Else a sentence, after what is open was saved beside it, if that was possible. */
  readonly lost: (nowMs: number) => string | null
}

// Null when nothing stands there. What cannot be looked at is no proof of anything.
const identityOf = (path: string, known: Identity | null): Identity | null => {
  try {
    const { dev, ino } = statSync(path)
    return { dev, ino }
  } catch (cause) {
    return codeOf(cause) === "ENOENT" ? null : known
  }
}

const isSame = (a: Identity | null, b: Identity | null): boolean => a?.dev === b?.dev && a?.ino === b?.ino

export const make = (db: Database.Database, file: string): OpenFile => {
  const opened = identityOf(file, null)
  // It is made with the first transaction, and stays while the file is open.
  let log = identityOf(`${file}-wal`, null)
  const hasMoved = (): boolean => {
    if (!isSame(opened, identityOf(file, opened))) return true
    const now = identityOf(`${file}-wal`, log)
    if (log !== null && !isSame(log, now)) return true
    log = now
    return false
  }
  return {
    lost: (nowMs) => {
      if (!hasMoved()) return null
      const saved = saveTo(db, `${file}.saved-${nowMs}`)
      // Only the log of what was open: a file that stands in its place may have brought its own.
      if (saved !== null && !isSame(opened, identityOf(file, opened)) && log !== null && isSame(log, identityOf(`${file}-wal`, log))) trySetAside(file, nowMs)
      const what = `${file}, or its write-ahead log, was deleted or replaced while it was open; what is stored now would go nowhere`
      return saved === null
        ? `${what}. Restore a backup, then start again.`
        : `${what}. All that was acknowledged was saved as ${saved}: put that in its place (without a -wal file), then start again.`
    }
  }
}

// The open file can still be read, though it has no name any more. Null when it cannot be written down.
const saveTo = (db: Database.Database, path: string): string | null => {
  try {
    if (db.inTransaction) db.exec("ROLLBACK")
    db.prepare("VACUUM INTO ?").run(path)
    return path
  } catch {
    return null
  }
}

/**
 * Gives the log of a file that is gone a name of its own, `<file>.log-<ms>-wal`. Under its old name it would be copied into whatever
 * is put in the place of the file.
 */
export const setAsideLog = (file: string, nowMs: number): void => {
  for (const end of ["-wal", "-shm"]) if (existsSync(file + end)) renameSync(file + end, `${file}.log-${nowMs}${end}`)
}

// What was saved is saved, whether or not the log can be moved.
const trySetAside = (file: string, nowMs: number): void => {
  try {
    setAsideLog(file, nowMs)
  } catch {
    // The next start says what to move.
  }
}
