/**
 * One process at a time may write. The lock is an SQLite file of its own, held in an exclusive transaction: it stays with
 * a process that is stopped, and is free some milliseconds after one was killed.
 */
import Database from "better-sqlite3"
import { Effect, Schema, type Scope } from "effect"
import type { EngineUnavailable } from "../Engine.ts"
import { isBusy, orUnavailable } from "./SqliteError.ts"

/** Another process writes this database. */
export class InstanceLocked extends Schema.TaggedError<InstanceLocked>()("InstanceLocked", { file: Schema.String }) {
  override get message() {
    return `another opsgate process holds ${this.file}`
  }
}

/** Takes the lock beside `file` until the scope closes. Fails at once when it is taken. */
export const acquire = (file: string): Effect.Effect<void, InstanceLocked | EngineUnavailable, Scope.Scope> =>
  Effect.acquireRelease(
    orUnavailable("take the lock", () => take(`${file}.lock`)).pipe(
      Effect.filterOrFail((db) => db !== null, () => new InstanceLocked({ file }))
    ),
    (db) => Effect.sync(() => db.close())
  ).pipe(Effect.asVoid)

const take = (file: string): Database.Database | null => {
  const db = new Database(file, { timeout: 0 })
  try {
    db.exec("BEGIN EXCLUSIVE")
    return db
  } catch (cause) {
    db.close()
    if (isBusy(cause)) return null
    throw cause
  }
}
