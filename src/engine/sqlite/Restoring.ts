/**
 * The files of a restore: the backup is checked and laid down under an unfinished name, the restored file gets its name only when
 * everything in it is decided, and what bore the name before is set aside and never deleted.
 */
import { chmodSync, copyFileSync, existsSync, renameSync, rmSync, statfsSync, statSync } from "node:fs"
import { dirname } from "node:path"
import Database from "better-sqlite3"
import { Effect, type Scope } from "effect"
import { type Step } from "../../domain/Step.ts"
import { TaskId } from "../../domain/Task.ts"
import type { EngineUnavailable } from "../Engine.ts"
import { walk } from "./Chain.ts"
import { BackupRefused, verify } from "./Copy.ts"
import { DatabaseRefused, readVersion } from "./Database.ts"
import { companions, place, syncFile, syncFolder } from "./Durable.ts"
import { stepOf, type StepRow } from "./Rows.ts"
import * as Sidecar from "./Sidecar.ts"
import { orUnavailable, unavailable } from "./SqliteError.ts"
import { examine, watermarkFile } from "./Watermark.ts"

/** Checks a backup and its sidecar: digest, integrity, chain, head and counts. */
export const check = (backup: string): Effect.Effect<Sidecar.Sidecar, BackupRefused | DatabaseRefused | EngineUnavailable> =>
  Effect.gen(function*() {
    if ((yield* readVersion(backup)) === 0) return yield* DatabaseRefused.absent(backup)
    const sidecar = Sidecar.read(backup)
    if (sidecar === null) return yield* new BackupRefused({ file: backup, issue: `has no sidecar ${Sidecar.sidecarFile(backup)} that can be read` })
    const { bytes, sha256 } = yield* Effect.mapError(Sidecar.digestOf(backup), (cause) => unavailable("read the backup", cause))
    if (bytes !== sidecar.bytes || sha256 !== sidecar.sha256) return yield* new BackupRefused({ file: backup, issue: "is damaged: its digest is not the one that its sidecar names" })
    yield* verify(backup, sidecar)
    return sidecar
  })

/** Copies a checked backup to a name of its own. */
export const lay = (backup: string, part: string): Effect.Effect<void, BackupRefused | EngineUnavailable> =>
  Effect.flatMap(
    orUnavailable("write the restored file", (): BackupRefused | null => {
      const { bavail, bsize } = statfsSync(dirname(part))
      const { size } = statSync(backup)
      if (bavail * bsize < size) return new BackupRefused({ file: part, issue: `cannot be written: it needs ${size} bytes, and the disk has ${bavail * bsize}` })
      copyFileSync(backup, part)
      chmodSync(part, 0o600)
      syncFile(part)
      return null
    }),
    (refused) => (refused === null ? Effect.void : refused)
  )

/** What is there under the name of a database, its log included. */
export const isThere = (file: string): boolean => existsSync(file) || existsSync(`${file}-wal`)

/** What moves with a database: neither its lock, which the restore holds, nor its watermark, which is copied. */
const belongings = ["", ...companions.filter((end) => end !== ".lock" && end !== ".watermark")]

/**
 * Gives the restored file its name, and its own watermark. What bore the name is kept under `aside`, when that is not null.
 * The watermark of what was there stays until the end, so that a start in the middle is refused: without a file all is lost that it
 * knows of, and the restored file alone is behind it.
 */
export const put = (part: string, target: string, aside: string | null): Effect.Effect<void, EngineUnavailable> =>
  orUnavailable("write the restored file", () => {
    // It was closed, so its log is in it. A log that is left would be lost with its name.
    if (existsSync(`${part}-wal`)) throw new Error("the restored file was not closed")
    syncFile(part)
    // The file goes first: a log without its file is thrown away by SQLite, a file without its log loses commits.
    const before = watermarkFile(target)
    if (aside !== null && existsSync(before)) {
      copyFileSync(before, watermarkFile(aside))
      syncFile(watermarkFile(aside))
    }
    if (aside !== null) for (const end of belongings) if (existsSync(`${target}${end}`)) renameSync(`${target}${end}`, `${aside}${end}`)
    place(part, target)
    const own = watermarkFile(part)
    if (existsSync(own)) {
      syncFile(own)
      renameSync(own, before)
    } else rmSync(before, { force: true })
    syncFolder(dirname(target))
  })

/** The highest generation in a file. */
export const generationMax = (file: string): Effect.Effect<number, EngineUnavailable> =>
  Effect.scoped(Effect.flatMap(opened(file, "the restored file"), (db) =>
    orUnavailable("read the restored file", () => db.prepare<[], { n: number | null }>("SELECT MAX(json_extract(progress, '$.generation')) AS n FROM task").get()?.n ?? 0)))

const opened = (file: string, what: string): Effect.Effect<Database.Database, EngineUnavailable, Scope.Scope> =>
  Effect.acquireRelease(orUnavailable(`read ${what}`, () => new Database(file, { readonly: true, fileMustExist: true })), (db) => Effect.sync(() => db.close()))

/** Tasks that the restore decides, by id, a page at a time. */
export const openIds = (file: string): Effect.Effect<(after: string, limit: number) => Effect.Effect<ReadonlyArray<{ readonly id: TaskId; readonly kind: string; readonly version: string }>, EngineUnavailable>, EngineUnavailable, Scope.Scope> =>
  Effect.flatMap(opened(file, "the restored file"), (db) =>
    orUnavailable("read the restored file", () => {
      const ids = db.prepare<[string, number], { id: string; kind: string; version: string }>(
        `SELECT id, json_extract(spec, '$.kind') AS kind, json_extract(progress, '$.kindVersion') AS version FROM task
         WHERE state IN ('REQUESTED', 'APPROVED', 'QUEUED', 'RUNNING') AND id > ? ORDER BY id LIMIT ?`
      )
      return (after: string, limit: number) =>
        orUnavailable("read the restored file", () => ids.all(after, limit).map(({ id, kind, version }) => ({ id: TaskId.make(id), kind, version })))
    }))

/** What the log of the lost file tells of the time after a backup. */
export interface OldLog {
  /** Dangerous steps that began then, by task and number. */
  readonly begun: ReadonlyMap<string, ReadonlyArray<Step>>
  readonly headSeq: number
}

/**
 * Reads what began after the backup from the file that was lost. It is believed only when it is the same log, goes on from the
 * backup's head without a break, and is no shorter than what was acknowledged.
 */
export const readOldLog = (file: string, { head, stream }: Sidecar.Sidecar): Effect.Effect<OldLog, BackupRefused | DatabaseRefused | EngineUnavailable> =>
  Effect.scoped(Effect.gen(function*() {
    if ((yield* readVersion(file)) === 0) return yield* DatabaseRefused.absent(file)
    const db = yield* opened(file, "the old file")
    const refuse = (issue: string) => new BackupRefused({ file, issue: `${issue}; restore without --old, and whatever may have happened since the backup is parked` })
    const own = yield* orUnavailable("read the old file", () => ({
      stream: db.prepare<[], { id: string }>("SELECT id FROM store").get()?.id,
      hash: head.seq === 0 ? head.hash : db.prepare<[number], { hash: string }>("SELECT hash FROM event WHERE seq = ?").get(head.seq)?.hash
    }))
    if (own.stream !== stream || own.hash !== head.hash) return yield* refuse("does not go on from this backup")
    const log = yield* orUnavailable("read the old file", () => walk(db, head))
    const [broken] = log.breaks
    if (broken !== undefined) return yield* refuse(`cannot be believed: its event log is broken at event ${broken.seq}`)
    const standing = yield* examine(file)
    if (standing._tag === "Behind") return yield* refuse(`cannot be believed: it ends at event ${standing.lost.seq}, and ${standing.lost.marked.seq} was acknowledged`)
    const gap = yield* orUnavailable("read the old file", () => db.prepare<[number], { seq: number }>("SELECT seq FROM event WHERE seq > ? AND type IN ('store.restored', 'loss.accepted') LIMIT 1").get(head.seq))
    if (gap !== undefined) return yield* refuse(`cannot be believed: at event ${gap.seq} it went on behind a loss, and does not know what that was`)
    const begun = yield* orUnavailable("read the old file", () => begunAfter(db, head.seq))
    if (begun === null) return yield* refuse("cannot be believed: what began after the backup was pruned from it")
    return { begun, headSeq: log.head.seq }
  }))

const begunAfter = (db: Database.Database, seq: number): ReadonlyMap<string, ReadonlyArray<Step>> | null => {
  const step = db.prepare<[string, number], StepRow>("SELECT task, number, name, state, place, result, code, error, started_at_ms, ended_at_ms FROM step WHERE task = ? AND number = ?")
  const intents = db.prepare<[number], { task: string; number: number | null; effect: string | null }>(
    "SELECT task, json_extract(payload, '$.step') AS number, json_extract(payload, '$.effect') AS effect FROM event WHERE seq > ? AND type = 'effect.intent' ORDER BY seq"
  )
  const found = new Map<string, Map<number, Step>>()
  for (const { effect, number, task } of intents.all(seq)) {
    if (number === null || effect === null) return null
    if (effect !== "dangerous") continue
    const row = step.get(task, number)
    if (row === undefined) return null
    found.set(task, (found.get(task) ?? new Map<number, Step>()).set(number, stepOf(row)))
  }
  return new Map([...found].map(([task, steps]) => [task, [...steps.values()].sort((a, b) => a.number - b.number)]))
}
