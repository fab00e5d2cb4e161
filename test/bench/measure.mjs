/** What the benches share: folders, medians, and the raw limit, which is the product's own statements replayed on better-sqlite3. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import Database from "better-sqlite3"
import { Effect, Layer } from "effect"
import { Live, SqliteEngine } from "../../dist/index.js"

export const inFolder = async (use) => {
  const dir = mkdtempSync(join(tmpdir(), "opsgate-bench-"))
  try {
    return await use(join(dir, "bench.db"), dir)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

export const median = (values) => quantile(values, 0.5)
/** Nearest rank. */
export const quantile = (values, q) => [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))]
export const format = (perSecond) => `${Math.round(perSecond).toLocaleString("en-US")}/s`
export const secondsSince = (startedAt) => Number(process.hrtime.bigint() - startedAt) / 1e9

/** Everything that is asked of SQLite while `use` runs, in order: every statement with its values. */
export const recorded = async (use) => {
  const calls = []
  const { prepare } = Database.prototype
  Database.prototype.prepare = function(sql) {
    const statement = prepare.call(this, sql)
    for (const method of ["run", "get", "all"]) {
      const original = statement[method].bind(statement)
      statement[method] = (...values) => {
        calls.push({ sql, method, values })
        return original(...values)
      }
    }
    return statement
  }
  try {
    await use()
  } finally {
    Database.prototype.prepare = prepare
  }
  return calls.slice(calls.findIndex(({ sql }) => sql.startsWith("BEGIN")))
}

/** Seconds that the recorded statements take on better-sqlite3 alone. */
export const replayed = (calls) =>
  inFolder(async (file) => {
    // The engine makes the file, so that the schema is the product's own.
    await Effect.runPromise(Effect.void.pipe(Effect.provide(SqliteEngine.layer({ file, streamId: "db-bench" }).pipe(Layer.provide(Live.layer)))))
    const db = new Database(file)
    for (const pragma of ["journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "temp_store = MEMORY", "wal_autocheckpoint = 4000"]) db.pragma(pragma)
    const statements = new Map()
    const prepared = calls.map(({ method, sql, values }) => {
      if (!statements.has(sql)) statements.set(sql, db.prepare(sql))
      return { statement: statements.get(sql), method, values }
    })
    const startedAt = process.hrtime.bigint()
    for (const { method, statement, values } of prepared) statement[method](...values)
    const seconds = secondsSince(startedAt)
    db.close()
    return seconds
  })

/** Seconds of one transaction with one small row, synchronous=FULL: what the disk needs for a commit. */
export const rawCommits = (count) =>
  inFolder(async (file) => {
    const db = new Database(file)
    for (const pragma of ["journal_mode = WAL", "synchronous = FULL"]) db.pragma(pragma)
    db.exec("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)")
    const insert = db.prepare("INSERT INTO t (b) VALUES (?)")
    const seconds = []
    for (let index = 0; index < count; index++) {
      const startedAt = process.hrtime.bigint()
      insert.run("x".repeat(400))
      seconds.push(secondsSince(startedAt))
    }
    db.close()
    return seconds
  })

/** Prints one line of the table; answers whether the figure reaches what is wanted. */
export const line = (label, text, reached) => {
  console.log(`${reached === null ? "    " : reached ? "ok  " : "MISS"} ${label}: ${text}`)
  return reached !== false
}
