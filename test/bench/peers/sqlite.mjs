/** better-sqlite3 as the SQLite peers need it. */
import Database from "better-sqlite3"

/** An open file; null with the printed reason where the native part is missing, as after an install with `--ignore-scripts`. */
export const opened = (file) => {
  try {
    return new Database(file)
  } catch (error) {
    console.error(`no SQLite: ${error.message.split("\n")[0]}`)
    return null
  }
}

/** What a commit waits for, by name. `database` is better-sqlite3's or node:sqlite's. */
export const synchronousOf = (database) => ["OFF", "NORMAL", "FULL", "EXTRA"][database.prepare("PRAGMA synchronous").get().synchronous]
