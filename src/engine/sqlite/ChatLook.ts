/** What stands of chats in a file, for whoever only looks: read beside a server or without one, also in a copy. */
import Database from "better-sqlite3"
import { Effect } from "effect"
import type { EngineUnavailable } from "../Engine.ts"
import { DatabaseRefused, readVersion } from "./Database.ts"
import { chatsVersion } from "./Migrations.ts"
import { orUnavailable } from "./SqliteError.ts"

export interface InboxCount {
  readonly bot: string
  readonly pending: number
  readonly dead: number
  /** Unix ms of the reception of the first that is not worked off. */
  readonly oldestPendingMs: number | null
  /** The next update that the service is asked for. */
  readonly offset: number | null
}

export interface ChatStanding {
  readonly bots: ReadonlyArray<InboxCount>
  readonly unsent: number
  /** Unix ms. */
  readonly oldestUnsentMs: number | null
  /** Chats that cannot be written to, and why. */
  readonly buried: ReadonlyArray<{ readonly chat: string; readonly why: string; readonly atMs: number }>
}

/** An update that was given up. What was said stands in its payload, which is not read here. */
export interface DeadRow {
  readonly bot: string
  readonly update: number
  readonly chat: string
  readonly tries: number
  readonly receivedAtMs: number
  readonly error: string | null
}

const empty: ChatStanding = { bots: [], unsent: 0, oldestUnsentMs: null, buried: [] }
/** The most chats that are told. */
const buriedMax = 100

const botsSql = `
  SELECT named.bot,
    (SELECT COUNT(*) FROM inbox WHERE inbox.bot = named.bot AND state = 'pending') AS pending,
    (SELECT COUNT(*) FROM inbox WHERE inbox.bot = named.bot AND state = 'dead') AS dead,
    (SELECT MIN(received_at_ms) FROM inbox WHERE inbox.bot = named.bot AND state = 'pending') AS oldestPendingMs,
    (SELECT next FROM chat_offset WHERE chat_offset.bot = named.bot) AS "offset"
  FROM (SELECT bot FROM chat_offset UNION SELECT bot FROM inbox WHERE state IN ('pending', 'dead')) AS named ORDER BY named.bot`

const looked = <A>(file: string, nothing: A, look: (db: Database.Database) => A): Effect.Effect<A, DatabaseRefused | EngineUnavailable> =>
  Effect.flatMap(readVersion(file), (version): Effect.Effect<A, DatabaseRefused | EngineUnavailable> => {
    if (version === 0) return DatabaseRefused.absent(file)
    if (version < chatsVersion) return Effect.succeed(nothing)
    return orUnavailable("read", () => {
      const db = new Database(file, { readonly: true, fileMustExist: true, timeout: 1000 })
      try {
        return db.transaction(() => look(db))()
      } finally {
        db.close()
      }
    })
  })

export const standingIn = (file: string) =>
  looked(file, empty, (db): ChatStanding => {
    const out = db.prepare<[], { unsent: number; oldestUnsentMs: number | null }>("SELECT COUNT(*) AS unsent, MIN(at_ms) AS oldestUnsentMs FROM delivery WHERE state = 'waits'").get()
    return {
      bots: db.prepare<[], InboxCount>(botsSql).all(),
      unsent: out?.unsent ?? 0,
      oldestUnsentMs: out?.oldestUnsentMs ?? null,
      buried: db.prepare<[number], ChatStanding["buried"][number]>("SELECT chat, why, at_ms AS atMs FROM chat_dead ORDER BY at_ms DESC LIMIT ?").all(buriedMax)
    }
  })

/** The oldest first. */
export const deadIn = (file: string, limit: number) =>
  looked<ReadonlyArray<DeadRow>>(file, [], (db) =>
    db.prepare<[number], DeadRow>("SELECT bot, number AS \"update\", chat, tries, received_at_ms AS receivedAtMs, error FROM inbox WHERE state = 'dead' ORDER BY bot, number LIMIT ?").all(limit))
