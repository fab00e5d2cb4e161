/** Walks the event log of an open file from its first event to its last, in bounded memory, and says where its chain breaks. */
import { createHash } from "node:crypto"
import type Database from "better-sqlite3"
import { chainStart, hashOf } from "../../domain/TaskEvent.ts"
import type { EventRow } from "./Rows.ts"

export interface Head {
  readonly seq: number
  readonly hash: string
}

export interface Break {
  /** `gap`: events before this one are missing. `hash`: it is not the one that was written there. `payload`: its payload is not. */
  readonly what: "gap" | "hash" | "payload"
  /** The event at which it shows. */
  readonly seq: number
  readonly atMs: number
  /** Events that are missing, for a gap. */
  readonly missing: number
}

export interface Walk {
  readonly events: number
  readonly head: Head
  /** When the last event was recorded; 0 in an empty log. */
  readonly headAtMs: number
  /** The first of each sort, in order. */
  readonly breaks: ReadonlyArray<Break>
}

/** Events that are read in one read transaction, so that a walk over a large file does not hold back its checkpoints. */
const page = 10_000

export const streamOf = (db: Database.Database): string => db.prepare<[], { id: string }>("SELECT id FROM store").get()?.id ?? ""

export const headOf = (db: Database.Database): Head => db.prepare<[], Head>("SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1").get() ?? { seq: 0, hash: chainStart }

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex")

/** Checks every event behind `from`, whose hash is `from.hash`. */
export const walk = (db: Database.Database, from: Head = { seq: 0, hash: chainStart }): Walk => {
  const stream = streamOf(db)
  const rows = db.prepare<[number, number], EventRow>("SELECT * FROM event WHERE seq > ? ORDER BY seq LIMIT ?")
  const breaks = new Map<Break["what"], Break>()
  const found = (what: Break["what"], row: EventRow, missing = 0): void => {
    if (!breaks.has(what)) breaks.set(what, { what, seq: row.seq, atMs: row.at, missing })
  }
  let head = from
  let headAtMs = 0
  let events = 0
  for (;;) {
    const before = head.seq
    for (const row of rows.iterate(head.seq, page)) {
      if (row.seq !== head.seq + 1) found("gap", row, row.seq - head.seq - 1)
      // Behind a gap the hash before is not known, so only what follows it is held against it.
      else if (row.hash !== hashOf({ ...row, payloadSha256: row.payload_sha256, prev: head.hash, stream })) found("hash", row)
      if (row.payload !== null && sha256(row.payload) !== row.payload_sha256) found("payload", row)
      head = { seq: row.seq, hash: row.hash }
      headAtMs = row.at
      events += 1
    }
    if (head.seq === before) return { events, head, headAtMs, breaks: [...breaks.values()] }
  }
}
