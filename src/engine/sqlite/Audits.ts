/** Reading the record of commands and the idempotency keys. */
import type { CommandArtifact, CommandFilter, CommandRecord } from "../../domain/Artifact.ts"
import { ownerOf } from "../../domain/Idempotency.ts"
import type { EngineReader, KeyFilter, KeyRecord } from "../Engine.ts"
import type { EngineUnavailable } from "../Engine.ts"
import type { Effect } from "effect"
import { artifactsSelect } from "./Migrations.ts"

type All = <Row, A>(statement: string, values: ReadonlyArray<string | number>, decode: (rows: ReadonlyArray<Row>) => A) => Effect.Effect<A, EngineUnavailable>

interface Conditions {
  readonly where: string
  readonly values: ReadonlyArray<string | number>
}

const conditionsOf = (wanted: ReadonlyArray<readonly [string, string | number | undefined]>): Conditions => {
  const set = wanted.flatMap(([condition, value]) => (value === undefined ? [] : [[condition, value] as const]))
  // A condition may name its value twice.
  return { where: ["1", ...set.map(([condition]) => condition)].join(" AND "), values: set.flatMap(([condition, value]) => Array.from(condition.matchAll(/\?/g), () => value)) }
}

interface ArtifactRow {
  readonly seq: number
  readonly payload: string
}

const recordOf = ({ payload, seq }: ArtifactRow): CommandRecord => {
  const artifact: CommandArtifact = JSON.parse(payload)
  return { seq, ...artifact }
}

interface KeyRow {
  readonly key: string
  readonly op: string
  readonly fingerprint: string
  readonly channel: string
  readonly at: number
  readonly replays: number
  readonly conflicts: number
}

const keyOf = ({ at, channel, conflicts, fingerprint, key, op, replays }: KeyRow): KeyRecord => ({ ...ownerOf(key), op, fingerprint, channel, firstMs: at, replays, conflicts })

// As the index `event_key` has it.
const used = "(type = 'idempotency.replayed' OR type = 'idempotency.conflict' OR type = 'idempotency.in_progress') AND payload ->> '$.key' = substr(k.key, instr(k.key, char(10)) + 1) AND actor = substr(k.key, 1, max(0, instr(k.key, char(10)) - 1))"

/** The text of the view is asked directly, so that files of an earlier version are read as well. */
export const reading = (all: All): Pick<EngineReader["Type"], "commands" | "keys"> => ({
  commands: ({ actor, beforeSeq, limit, op, sinceMs, task }: CommandFilter) => {
    const { values, where } = conditionsOf([["(workflow_id = ? OR forked = ?)", task], ["actor = ?", actor], ["op = ?", op], ["at >= ?", sinceMs], ["seq < ?", beforeSeq]])
    return all<ArtifactRow, ReadonlyArray<CommandRecord>>(`SELECT seq, payload FROM (${artifactsSelect}) WHERE ${where} ORDER BY seq DESC LIMIT ?`, [...values, limit], (rows) => rows.map(recordOf))
  },
  keys: ({ actor, key, limit }: KeyFilter) => {
    const { values, where } = conditionsOf([["substr(key, instr(key, char(10)) + 1) = ?", key], ["substr(key, 1, max(0, instr(key, char(10)) - 1)) = ?", actor]])
    return all<KeyRow, ReadonlyArray<KeyRecord>>(
      `SELECT key, op, fingerprint, channel, at,
        (SELECT COUNT(*) FROM event WHERE ${used} AND type = 'idempotency.replayed') AS replays,
        (SELECT COUNT(*) FROM event WHERE ${used} AND type <> 'idempotency.replayed') AS conflicts
      FROM (SELECT * FROM idempotency WHERE ${where} ORDER BY at DESC, key DESC LIMIT ?) AS k ORDER BY at DESC, key DESC`,
      [...values, limit],
      (rows) => rows.map(keyOf)
    )
  }
})
