/** Translates what SQLite and the file system report, once, at the border of the engine. */
import Database from "better-sqlite3"
import { Effect } from "effect"
import { EngineUnavailable } from "../Engine.ts"

/** The engine's scope has ended. */
export class StoreClosed extends Error {}

/** The result code of an SQLite or file-system error, or an empty string. */
export const codeOf = (cause: unknown): string => {
  if (cause instanceof Database.SqliteError) return cause.code
  if (cause instanceof Error && "code" in cause) return String(cause.code)
  return cause instanceof Error && cause.cause !== undefined ? codeOf(cause.cause) : ""
}

export const isBusy = (cause: unknown): boolean => /^SQLITE_(BUSY|LOCKED)/.test(codeOf(cause))

/**
 * Whether a commit may or may not be on the disk. After a failed fsync the pages can still reach it, and come back after
 * a restart: only a fresh process that reads the file knows. See "Fsync Errors", wiki.postgresql.org.
 */
export const isInDoubt = (cause: unknown): boolean => /^SQLITE_IOERR_(FSYNC|DIR_FSYNC)$/.test(codeOf(cause))

/** Whether SQLite found the file damaged. */
export const isDamage = (cause: unknown): boolean => /^SQLITE_(CORRUPT|NOTADB|FORMAT)/.test(codeOf(cause))

const reasons: ReadonlyArray<readonly [RegExp, EngineUnavailable["why"]]> = [
  [/^SQLITE_(BUSY|LOCKED)/, "busy"],
  // The index of the write-ahead log finds no room to grow.
  [/^(SQLITE_FULL|SQLITE_IOERR_SHMSIZE|ENOSPC|EDQUOT)/, "full"],
  [/^(SQLITE_READONLY|SQLITE_CANTOPEN|SQLITE_PERM|SQLITE_AUTH|EROFS|EACCES|EPERM)/, "read_only"],
  [/^SQLITE_(CORRUPT|NOTADB|FORMAT)/, "damaged"],
  [/^(SQLITE_IOERR|EIO)/, "io"]
]

export const unavailable = (operation: string, cause: unknown): EngineUnavailable => {
  const code = codeOf(cause)
  const why = cause instanceof StoreClosed ? "closed" : cause instanceof SyntaxError ? "damaged" : reasons.find(([pattern]) => pattern.test(code))?.[1] ?? "other"
  return new EngineUnavailable({ operation, why, cause })
}

export const orUnavailable = <A>(operation: string, attempt: () => A): Effect.Effect<A, EngineUnavailable> =>
  Effect.try({ try: attempt, catch: (cause) => unavailable(operation, cause) })
