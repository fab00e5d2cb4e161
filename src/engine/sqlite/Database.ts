/**
 * The SQLite file: how it is opened, which files are refused, and what makes a commit durable.
 * No other module opens a connection for writing, sets a pragma or migrates.
 */
import { closeSync, existsSync, openSync, readSync, statSync } from "node:fs"
import Database from "better-sqlite3"
import { Effect, Schema, type Scope } from "effect"
import { applicationId, latestVersion, migrations } from "./Migrations.ts"
import { orUnavailable } from "./SqliteError.ts"
import type { EngineUnavailable } from "../Engine.ts"

/** The file is not one that this program may open. It was left as it is, byte for byte. */
export class DatabaseRefused extends Schema.TaggedError<DatabaseRefused>()("DatabaseRefused", {
  file: Schema.String,
  why: Schema.Literal("missing", "empty", "not_a_database", "other_application", "newer_version", "older_version"),
  version: Schema.Int
}) {
  /** Nothing is stored there: version 0. */
  static absent(file: string): DatabaseRefused {
    return new DatabaseRefused({ file, why: existsSync(file) ? "empty" : "missing", version: 0 })
  }
  override get message() {
    return `${this.file} ${this.why === "newer_version" ? newer(this.version) : this.why === "older_version" ? older(this.version) : sentences[this.why]}`
  }
}

const newer = (version: number): string => `was written by a newer opsgate (schema ${version}, this one knows up to ${latestVersion}); it was left untouched`

const older = (version: number): string => `was written last by an older opsgate (schema ${version}, this one has ${latestVersion}): start the server once, then it can be planned on`

const sentences = {
  missing: "does not exist",
  empty: "is empty: it has 0 bytes",
  not_a_database: "is not an opsgate database",
  other_application: "is a SQLite database of another program"
} as const

const headerBytes = 100
const magic = "SQLite format 3\u0000"

/**
 * Reads the header without SQLite, since even looking through SQLite may write to the file. Version 0 stands for a file
 * that is new or empty. Offsets: sqlite.org/fileformat.html, "The Database Header".
 */
export const readVersion = (file: string): Effect.Effect<number, DatabaseRefused | EngineUnavailable> =>
  Effect.flatMap(orUnavailable("open the database", () => readHeader(file)), (header) => {
    if (header === null || header.length === 0) return Effect.succeed(0)
    const refuse = (why: DatabaseRefused["why"], version = 0) => new DatabaseRefused({ file, why, version })
    if (isInTheMaking(file)) return Effect.succeed(0)
    if (header.length < headerBytes || header.toString("latin1", 0, 16) !== magic) return refuse("not_a_database")
    const version = header.readUInt32BE(60)
    if (header.readUInt32BE(68) !== applicationId) return refuse("other_application")
    return version > latestVersion ? refuse("newer_version", version) : Effect.succeed(version)
  })

const journalMagic = Buffer.from("d9d505f920a163d7", "hex")

/**
 * Whether the power went while the file was being made: its rollback journal says that it had no page before, so SQLite empties it when it
 * opens it, whatever was written by then. Offsets: sqlite.org/fileformat.html, "The Rollback Journal".
 */
const isInTheMaking = (file: string): boolean => {
  const journal = readHeader(`${file}-journal`)
  return journal !== null && journal.length >= 28 && journal.subarray(0, 8).equals(journalMagic) && journal.readUInt32BE(16) === 0
}

/** The first bytes of a file, as many as a database header has; null when there is none. */
export const readHeader = (file: string): Buffer | null => {
  if (!existsSync(file)) return null
  if (!statSync(file).isFile()) return Buffer.from("not a file")
  const descriptor = openSync(file, "r")
  const bytes = Buffer.alloc(headerBytes)
  const read = readSync(descriptor, bytes, 0, headerBytes, 0)
  closeSync(descriptor)
  return bytes.subarray(0, read)
}

/** Opens the file for writing, makes or migrates it, and sets what better-sqlite3 would leave unsafe. Closes with the scope. */
export const open = (file: string, made: { readonly id: string; readonly atMs: number }): Effect.Effect<Database.Database, DatabaseRefused | EngineUnavailable, Scope.Scope> =>
  Effect.gen(function*() {
    yield* readVersion(file)
    const db = yield* Effect.acquireRelease(
      orUnavailable("open the database", () => {
        ["", "-wal"].forEach((end) => expectWritable(file + end))
        return new Database(file, { timeout: openingMs })
      }),
      (db) => Effect.sync(() => db.close())
    )
    // The header is older than the file while a migration stands in the write-ahead log alone.
    const version = yield* orUnavailable("open the database", () => versionOf(db))
    if (version > latestVersion) return yield* new DatabaseRefused({ file, why: "newer_version", version })
    yield* orUnavailable("open the database", () => {
      migrate(db, version, made)
      harden(db)
    })
    return db
  })

// SQLite opens for reading what it may not write, and stays so: a server would wait for ever for a file that can long be written again.
// No connection of this process is open yet, so closing the descriptor drops no lock of one.
const expectWritable = (file: string): void => {
  if (existsSync(file)) closeSync(openSync(file, "r+"))
}

/** The most bytes that an empty write-ahead log keeps on the disk. */
const walKeptBytes = 32 * 1024 * 1024

/** How long a reader that has the file open may hold up its making. Nothing runs yet that could be blocked. */
const openingMs = 1000

const versionOf = (db: Database.Database): number => Number(db.pragma("user_version", { simple: true }))

// synchronous is NORMAL in WAL unless it is set on every open, and NORMAL loses acknowledged commits on power loss.
// The busy timeout stays zero because it would block the event loop; waiting is the writer's.
const harden = (db: Database.Database): void => {
  db.pragma("journal_mode = WAL")
  db.pragma("synchronous = FULL")
  db.pragma("foreign_keys = ON")
  db.pragma("temp_store = MEMORY")
  // The thousand pages of SQLite's own would be every thirtieth request of a system that is hardly busy, which waits for it.
  db.pragma("wal_autocheckpoint = 4000")
  // What a long reader made it grow to is given back at the next checkpoint that empties it.
  db.pragma(`journal_size_limit = ${walKeptBytes}`)
  db.pragma("busy_timeout = 0")
}

// All steps are one transaction, which takes the lock before it looks: two programs that start at once migrate once, and no reader
// finds a file between two versions. A new file is made before it gets a write-ahead log, so that its first page is on the disk as a
// whole or not at all: a program that dies in the middle leaves no file that looks like a stranger's.
const migrate = (db: Database.Database, from: number, made: { readonly id: string; readonly atMs: number }): void => {
  if (from === latestVersion) return
  db.pragma("synchronous = FULL")
  if (from === 0) make(db, made)
  else {
    db.exec("BEGIN IMMEDIATE")
    const version = versionOf(db)
    for (const step of migrations.slice(version)) db.exec(step)
    if (version < latestVersion) db.pragma(`user_version = ${latestVersion}`)
    db.exec("COMMIT")
  }
  // So that the header, which is read without SQLite, tells the truth.
  db.pragma("wal_checkpoint(TRUNCATE)")
}

// All steps in one transaction: nobody finds a file half made. Only before the first page is written can it be made one that shrinks
// in small steps; later that takes a VACUUM. BEGIN IMMEDIATE would write that page. The pragma takes the write lock itself, and within
// a transaction it writes no page ahead of the others.
const make = (db: Database.Database, { atMs, id }: { readonly id: string; readonly atMs: number }): void => {
  db.exec("BEGIN")
  db.pragma("auto_vacuum = INCREMENTAL")
  if (versionOf(db) === 0) {
    for (const step of migrations) db.exec(step)
    db.pragma(`application_id = ${applicationId}`)
    db.prepare("INSERT INTO store (id, made_at_ms) VALUES (?, ?)").run(id, atMs)
    db.pragma(`user_version = ${latestVersion}`)
  }
  db.exec("COMMIT")
}
