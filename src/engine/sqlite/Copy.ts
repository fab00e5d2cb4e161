/** Checks a file that is nobody's to write, a backup or what is being made of one: is it whole, and is it what its sidecar says? */
import Database from "better-sqlite3"
import { Effect, Schema } from "effect"
import { streamOf, walk } from "./Chain.ts"
import type { Sidecar } from "./Sidecar.ts"
import { orUnavailable } from "./SqliteError.ts"
import type { EngineUnavailable } from "../Engine.ts"

/** The backup cannot be made, or cannot be trusted. Nothing was changed, and nothing half-written is left. */
export class BackupRefused extends Schema.TaggedError<BackupRefused>()("BackupRefused", { file: Schema.String, issue: Schema.String }) {
  override get message() {
    return `${this.file} ${this.issue}`
  }
}

/** Something bears the name already. Nothing was changed. */
export class TargetExists extends Schema.TaggedError<TargetExists>()("TargetExists", { file: Schema.String, forced: Schema.String }) {
  override get message() {
    return `${this.file} exists; ${this.forced}`
  }
}

const tables = { tasks: "task", steps: "step", events: "event", attempts: "attempt", keys: "idempotency", messages: "outbox" } as const satisfies Record<keyof Sidecar["counts"], string>

export const countsOf = (db: Database.Database): Sidecar["counts"] => {
  const count = (table: string): number => db.prepare<[], { n: number }>(`SELECT COUNT(*) AS n FROM ${table}`).get()?.n ?? 0
  return { tasks: count(tables.tasks), steps: count(tables.steps), events: count(tables.events), attempts: count(tables.attempts), keys: count(tables.keys), messages: count(tables.messages) }
}

/** Integrity, hash chain, head and counts of a file; one sentence about the first thing that is wrong, or null. */
const issueIn = (db: Database.Database, { counts, head, schema, stream }: Sidecar): string | null => {
  const integrity = db.prepare<[], { integrity_check: string }>("PRAGMA integrity_check(1)").all().map((row) => row.integrity_check)
  if (integrity[0] !== "ok") return "is damaged: SQLite's integrity check fails"
  if (Number(db.pragma("user_version", { simple: true })) !== schema) return "has another schema than its sidecar says"
  if (streamOf(db) !== stream) return "holds another event log than its sidecar says"
  const log = walk(db)
  const [broken] = log.breaks
  if (broken !== undefined) return `is damaged: its event log is broken at event ${broken.seq}`
  if (log.head.seq !== head.seq || log.head.hash !== head.hash) return `ends at event ${log.head.seq}; its sidecar says ${head.seq}`
  const found = countsOf(db)
  const wrong = Object.entries(counts).find(([name, count]) => Object.entries(found).every(([other, value]) => other !== name || value !== count))
  return wrong === undefined ? null : `holds another number of ${wrong[0]} than its sidecar says`
}

/** Opens the file read-only, as it would be on a medium that cannot be written, and compares it with what it should be. */
export const verify = (file: string, expected: Sidecar): Effect.Effect<void, BackupRefused | EngineUnavailable> =>
  Effect.acquireUseRelease(
    orUnavailable("read the backup", () => new Database(file, { readonly: true, fileMustExist: true })),
    (db) => Effect.flatMap(orUnavailable("read the backup", () => issueIn(db, expected)), (issue) => (issue === null ? Effect.void : new BackupRefused({ file, issue }))),
    (db) => Effect.sync(() => db.close())
  )
