/**
 * A backup of a file that may be in use: pages are copied through SQLite's backup interface within one read transaction, so the copy is
 * the file as it was at one commit, however many come meanwhile, and no writer waits (sqlite.org/backup.html; in WAL mode readers
 * block nobody). It is copied in steps with pauses, since copying and syncing compete with commits for the disk. Then it is read back
 * and checked as a stranger would, and only then gets its name.
 */
import { chmodSync, existsSync, realpathSync, statfsSync, statSync } from "node:fs"
import { basename, dirname, join, resolve } from "node:path"
import Database from "better-sqlite3"
import { Effect, Schema } from "effect"
import type { EngineUnavailable } from "../Engine.ts"
import { headOf, streamOf } from "./Chain.ts"
import { BackupRefused, countsOf, TargetExists, verify } from "./Copy.ts"
import { DatabaseRefused, readVersion } from "./Database.ts"
import { discard, place, sweep, syncFile, unfinished } from "./Durable.ts"
import * as Sidecar from "./Sidecar.ts"
import { orUnavailable, unavailable } from "./SqliteError.ts"

export interface BackupOptions {
  readonly source: string
  readonly target: string
  /** Replaces a backup of that name. */
  readonly force: boolean
  readonly nowMs: number
  /** Asked between two steps: whether the backup is to be given up. */
  readonly givenUp: () => boolean
}

/** Somebody stopped it. Nothing of it is left. */
export class BackupStopped extends Schema.TaggedError<BackupStopped>()("BackupStopped", { file: Schema.String }) {
  override get message() {
    return `the backup was stopped; nothing of ${this.file} is left`
  }
}

/** Pages that are copied between two pauses, and how long a pause is, in milliseconds: see docs/benchmarks.md. */
const stepPages = 256
const pauseMs = 2

/** Room that is left on the disk beyond the copy itself, in bytes. */
const spare = 1_048_576

const sleeper = new Int32Array(new SharedArrayBuffer(4))
// The copying is the only thing that this process does.
const pause = (): void => void Atomics.wait(sleeper, 0, 0, pauseMs)

type Failure = BackupRefused | BackupStopped | TargetExists | DatabaseRefused | EngineUnavailable

/** Writes the backup and its sidecar. Nothing of either is there when it fails. */
export const backup = ({ force, givenUp, nowMs, source, target: named }: BackupOptions): Effect.Effect<Sidecar.Sidecar & { readonly file: string }, Failure> =>
  Effect.gen(function*() {
    if ((yield* readVersion(source)) === 0) return yield* DatabaseRefused.absent(source)
    const target = yield* targetOf(named)
    yield* refusalOf(source, target, force)
    const part = unfinished(target)
    yield* orUnavailable("write the backup", () => sweep(target))
    const described = yield* copy(source, part, nowMs, givenUp).pipe(
      Effect.filterOrFail(() => !givenUp(), () => new BackupStopped({ file: target })),
      Effect.tap((sidecar) => verify(part, sidecar)),
      Effect.tap((sidecar) => orUnavailable("write the backup", () => {
        // Before the file itself: a backup that has its name has its sidecar.
        Sidecar.write(target, sidecar)
        place(part, target)
      })),
      Effect.onExit(() => Effect.sync(() => discard(part)))
    )
    return { ...described, file: target }
  })

const targetOf = (named: string): Effect.Effect<string, BackupRefused> =>
  Effect.try({
    try: () => {
      const path = resolve(named)
      return join(realpathSync(dirname(path)), basename(path))
    },
    catch: () => new BackupRefused({ file: named, issue: "cannot be written: there is no such folder" })
  })

const refusalOf = (source: string, target: string, force: boolean): Effect.Effect<void, Failure> =>
  Effect.flatMap(
    orUnavailable("look at the backup", (): Failure | null => {
      if (existsSync(target) && !statSync(target).isFile()) return new BackupRefused({ file: target, issue: "is not a file" })
      if ([source, ...["-wal", "-shm", ".lock", ".watermark"].map((end) => `${source}${end}`)].some((own) => existsSync(own) && realpathSync(own) === target)) {
        return new BackupRefused({ file: target, issue: "is the database itself" })
      }
      if (!force && (existsSync(target) || existsSync(Sidecar.sidecarFile(target)))) return new TargetExists({ file: target, forced: "give another name, or --force to replace it" })
      const { bavail, bsize } = statfsSync(dirname(target))
      const wanted = statSync(source).size + spare
      return bavail * bsize >= wanted ? null : new BackupRefused({ file: target, issue: `cannot be written: it needs ${wanted} bytes, and the disk has ${bavail * bsize}` })
    }),
    (failure) => (failure === null ? Effect.void : Effect.fail(failure))
  )

const copy = (source: string, part: string, nowMs: number, givenUp: () => boolean): Effect.Effect<Sidecar.Sidecar, EngineUnavailable | BackupStopped> =>
  Effect.acquireUseRelease(
    orUnavailable("read", () => new Database(source, { readonly: true, fileMustExist: true })),
    (db) =>
      Effect.gen(function*() {
        const facts = yield* orUnavailable("read", () => {
          // One transaction for what is counted and what is copied.
          db.exec("BEGIN")
          return { stream: streamOf(db), head: headOf(db), counts: countsOf(db), schema: Number(db.pragma("user_version", { simple: true })) }
        })
        yield* Effect.tryPromise({
          try: () =>
            db.backup(part, {
              progress: () => {
                // What is not synced bit by bit is synced at the end, in one go that every commit has to wait behind.
                if (existsSync(part)) syncFile(part)
                if (givenUp()) throw new BackupStopped({ file: part })
                pause()
                return stepPages
              }
            }),
          catch: (cause) => (cause instanceof BackupStopped ? cause : unavailable("write the backup", cause))
        })
        yield* orUnavailable("write the backup", () => asOneFile(part))
        const { bytes, sha256 } = yield* Effect.mapError(Sidecar.digestOf(part), (cause) => unavailable("read the backup", cause))
        return { v: 1 as const, ...facts, bytes, sha256, at_ms: nowMs }
      }),
    (db) => Effect.sync(() => db.close())
  )

// The copy says of itself that it has a write-ahead log, which a medium that cannot be written could not have.
const asOneFile = (part: string): void => {
  const db = new Database(part, { fileMustExist: true })
  try {
    db.pragma("journal_mode = DELETE")
  } finally {
    db.close()
  }
  chmodSync(part, 0o600)
  syncFile(part)
}
