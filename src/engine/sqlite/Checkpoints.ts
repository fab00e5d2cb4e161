/**
 * Checkpoints in quiet moments. SQLite copies the write-ahead log into the file when it has so many pages (`Database.ts`), within the
 * commit that comes to that, and its caller waits for it. Here it is done a moment after the last commit, when nobody waits. A busy
 * system has no such moment, and SQLite's own limit holds.
 */
import type Database from "better-sqlite3"
import type { Flush } from "../Engine.ts"

/** Commits that make a checkpoint worth its two syncs. */
const commitsMin = 16
/** How long nothing was written. */
const quietMs = 50

/** Answers the function that is called after each commit. */
export const make = (db: Database.Database, flush: Flush["Type"]): (() => void) => {
  let commits = 0
  let planned = false
  const plan = () => {
    planned = true
    const before = commits
    flush.later(quietMs, () => {
      planned = false
      if (!db.open) return
      if (commits !== before) return plan()
      commits = 0
      try {
        db.pragma("wal_checkpoint(PASSIVE)")
      } catch {
        // The log stays as it is; the next commit says what is wrong with the file.
      }
    })
  }
  return () => {
    commits += 1
    if (commits >= commitsMin && !planned) plan()
  }
}
