/**
 * What /ops counts, read in one statement, and so in one read transaction: the figures and the event that they are true for belong
 * together. Each part reads counters, tallies of the window, or the end of an index; none of them grows with the number of tasks or events.
 */
import { statSync } from "node:fs"
import { type Counter, lingerMs, type Mark, marks, noCounts, noTallies, overdueMaxMs, tallies as tallyNames, type Tally } from "../../domain/Census.ts"
import type { FileSizes, Standing, Summary } from "../Engine.ts"
import { chatsVersion, operationsVersion, restoresVersion } from "./Migrations.ts"
import { incremental } from "./Retention.ts"

/** `first` and `last` are the minutes of a tally. */
export interface Row {
  readonly what: string
  readonly name: string
  readonly value: number | null
  readonly first: number | null
  readonly last: number | null
}

const single = (what: string, from: string): string => `UNION ALL SELECT * FROM (SELECT '${what}', '', ${from}, NULL, NULL)`

// Name by name, since each is a run of rows in the order of the table; a scan of all names would read the minutes before the window too.
const names = tallyNames.map((name, place) => `SELECT '${name}'${place === 0 ? " AS name" : ""}`).join(" UNION ALL ")
const ofTally = (figure: string): string => `(SELECT ${figure} FROM tally WHERE tally.name = known.name AND minute_ms >= (SELECT since_ms FROM asked))`

const byName = `UNION ALL SELECT 'tally', known.name, ${ofTally("SUM(value)")}, ${ofTally("MIN(minute_ms)")}, ${ofTally("MAX(minute_ms)")} FROM (${names}) AS known`
// As earlier versions keep it: by minute.
const byMinute = "UNION ALL SELECT 'tally', name, SUM(value), MIN(minute_ms), MAX(minute_ms) FROM tally WHERE minute_ms >= (SELECT since_ms FROM asked) GROUP BY name"

const always = `
  SELECT 'counter' AS what, name, value, NULL AS first, NULL AS last FROM counter
  ${single("seq", "(SELECT COALESCE(MAX(seq), 0) FROM event)")}
  ${single("leased_earlier", "(SELECT COUNT(*) FROM task WHERE epoch IS NOT NULL AND epoch < (SELECT MAX(epoch) FROM epoch))")}
  ${single("epoch", "(SELECT epoch FROM epoch ORDER BY epoch DESC LIMIT 1)")}
  ${single("lease_until_ms", "(SELECT lease_until_ms FROM epoch ORDER BY epoch DESC LIMIT 1)")}
  ${single("lease_until_mono_ms", "(SELECT lease_until_mono_ms FROM epoch ORDER BY epoch DESC LIMIT 1)")}
  ${single("page_size", "(SELECT page_size FROM pragma_page_size)")}
  ${single("page_count", "(SELECT page_count FROM pragma_page_count)")}
  ${single("freelist_count", "(SELECT freelist_count FROM pragma_freelist_count)")}
  ${single("auto_vacuum", "(SELECT auto_vacuum FROM pragma_auto_vacuum)")}
  `

// Files of the first versions do not know it: they are read as they are.
const restored = ` ${single("held_since_ms", "(SELECT at_ms FROM restored WHERE released_at_ms IS NULL ORDER BY number DESC LIMIT 1)")}`

// One seek for each lane, and one for each epoch that still has a lease.
const standing = `
  ${single("made_at_ms", "(SELECT made_at_ms FROM store)")}
  ${single("blocked_since_ms", "(SELECT MIN(blocked_since_ms) FROM task WHERE blocked_since_ms IS NOT NULL)")}
  ${single("leased_since_ms", "(SELECT MIN((SELECT MIN(leased_since_ms) FROM task WHERE task.epoch = leased.epoch)) FROM leased WHERE leased.epoch IS NOT NULL)")}
  ${single("due_since_ms", "(SELECT MIN(at) FROM due)")}
  ${single("open_due_since_ms", `(SELECT MIN(at) FROM due WHERE queue NOT IN (SELECT name FROM queue WHERE paused = 1 AND since_ms <= (SELECT now_ms FROM asked) - ${lingerMs}))`)}
  ${single("earlier_until_ms", `(SELECT MIN(MIN(one.lease_until_ms, COALESCE((SELECT MIN(next.started_at_ms) FROM epoch AS next WHERE next.epoch > one.epoch), one.lease_until_ms)))
    FROM epoch AS one WHERE one.epoch = (SELECT MIN(epoch) FROM task WHERE epoch IS NOT NULL) AND one.epoch < (SELECT MAX(epoch) FROM epoch))`)}
  ${single("dead_since_ms", "(SELECT MIN(dead_since_ms) FROM task WHERE dead_since_ms IS NOT NULL)")}
  ${single("queues_paused", "(SELECT COUNT(*) FROM queue WHERE paused = 1)")}
  ${single("queues_paused_since_ms", "(SELECT MIN(since_ms) FROM queue WHERE paused = 1)")}
  ${single("schedules_paused", "(SELECT COUNT(*) FROM schedule WHERE json_type(body, '$.paused') = 'object')")}
  ${single("schedules_overdue", `(SELECT COUNT(*) FROM schedule WHERE due_ms IS NOT NULL AND due_ms < (SELECT now_ms FROM asked) - ${overdueMaxMs})`)}
  ${single("schedules_due_ms", "(SELECT MIN(due_ms) FROM schedule WHERE due_ms IS NOT NULL)")}
  UNION ALL SELECT 'mark', name, at_ms, NULL, NULL FROM mark`

// What was stored first of what waits has the lowest id.
const chats = `
  ${single("chat_dead", "(SELECT COUNT(*) FROM inbox WHERE state = 'dead')")}
  ${single("chat_dead_since_ms", "(SELECT MIN(received_at_ms) FROM inbox WHERE state = 'dead')")}
  ${single("chat_unsent", "(SELECT COUNT(*) FROM delivery WHERE state = 'waits')")}
  ${single("chat_unsent_since_ms", "(SELECT at_ms FROM delivery WHERE id = (SELECT MIN(id) FROM delivery WHERE state = 'waits'))")}`

const asked = "WITH RECURSIVE asked (since_ms, now_ms) AS (SELECT ?, ?)"
const looks = `,
  due (queue, at) AS MATERIALIZED (SELECT queue, (SELECT MIN(available_at_ms) FROM task WHERE state = 'QUEUED' AND task.lane = lane.id) FROM lane),
  leased (epoch) AS (
    SELECT MIN(epoch) FROM task WHERE epoch IS NOT NULL
    UNION ALL SELECT (SELECT MIN(epoch) FROM task WHERE task.epoch > leased.epoch) FROM leased WHERE leased.epoch IS NOT NULL
  )`

/** The statement for a file of this version, and its values. */
export const sqlOf = (version: number, sinceMs: number, nowMs: number): readonly [string, ReadonlyArray<number>] => {
  const values = [sinceMs, nowMs]
  if (version < operationsVersion) return [`${asked}${always}${byMinute}${version < restoresVersion ? "" : restored}`, values]
  return [`${asked}${looks}${always}${byName}${restored}${standing}${version < chatsVersion ? "" : chats}`, values]
}

/** The same without what is looked up in the tables of tasks, queues and schedules: what is left when one of their pages is damaged. */
export const leanSqlOf = (version: number, sinceMs: number, nowMs: number): readonly [string, ReadonlyArray<number>] =>
  [`${asked}${always}${version < operationsVersion ? byMinute : byName}${version < restoresVersion ? "" : restored}`, [sinceMs, nowMs]]

const isName = <K extends string>(table: Readonly<Record<K, unknown>>, name: string): name is K => name in table
const isMark = (name: string): name is Mark => marks.some((known) => known === name)

/** What the rows say. `file` is asked for the size of its log, which stands in no row. */
export const summaryOf = (rows: ReadonlyArray<Row>, version: number, sinceMs: number, file: string): Summary => {
  const counts: Record<Counter, number> = noCounts()
  const tallies: Record<Tally, number> = noTallies()
  const firstMs: Partial<Record<Tally, number>> = {}
  const lastMs: Partial<Record<Tally, number>> = {}
  const ended: Partial<Record<Mark, number>> = {}
  const found = new Map<string, number>()
  for (const { first, last, name, value, what } of rows) {
    if (value === null) continue
    if (what === "counter" && isName(counts, name)) counts[name] = value
    else if (what === "mark" && isMark(name)) ended[name] = value
    else if (what === "tally" && isName(tallies, name)) {
      tallies[name] = value
      firstMs[name] = first ?? value
      lastMs[name] = last ?? value
    } else if (name === "") found.set(what, value)
  }
  const of = (what: string): number | null => found.get(what) ?? null
  const epoch = of("epoch")
  return {
    counts,
    tallies,
    standing: version < operationsVersion ? null : standingOf(of, { marks: ended, firstMs, lastMs }),
    sizes: sizesOf({ page_size: of("page_size") ?? 0, page_count: of("page_count") ?? 0, freelist_count: of("freelist_count") ?? 0, auto_vacuum: of("auto_vacuum") ?? 0 }, file),
    leasedEarlier: of("leased_earlier") ?? 0,
    asOfSeq: of("seq") ?? 0,
    sinceMs,
    epoch: epoch === null ? null : { epoch, leaseUntilMs: of("lease_until_ms") ?? 0, leaseUntilMonoMs: of("lease_until_mono_ms") ?? 0 },
    heldSinceMs: of("held_since_ms"),
    ...(of("chat_dead") === null ? {} : { chats: { dead: of("chat_dead") ?? 0, deadSinceMs: of("chat_dead_since_ms"), unsent: of("chat_unsent") ?? 0, unsentSinceMs: of("chat_unsent_since_ms") } })
  }
}

const standingOf = (of: (what: string) => number | null, kept: Pick<Standing, "marks" | "firstMs" | "lastMs">): Standing => ({
  madeAtMs: of("made_at_ms") ?? 0,
  blockedSinceMs: of("blocked_since_ms"),
  leasedSinceMs: of("leased_since_ms"),
  dueSinceMs: of("due_since_ms"),
  openDueSinceMs: of("open_due_since_ms"),
  earlierUntilMs: of("earlier_until_ms"),
  deadSinceMs: of("dead_since_ms"),
  queuesPaused: of("queues_paused") ?? 0,
  queuesPausedSinceMs: of("queues_paused_since_ms"),
  schedulesPaused: of("schedules_paused") ?? 0,
  schedulesOverdue: of("schedules_overdue") ?? 0,
  schedulesDueMs: of("schedules_due_ms"),
  ...kept
})

export interface PagesRow {
  readonly page_size: number
  readonly page_count: number
  readonly freelist_count: number
  readonly auto_vacuum: number
}

export const pagesSql = "SELECT page_size, page_count, freelist_count, auto_vacuum FROM pragma_page_size, pragma_page_count, pragma_freelist_count, pragma_auto_vacuum"

export const sizesOf = (row: PagesRow | undefined, file: string): FileSizes => {
  const pageBytes = row?.page_size ?? 0
  return {
    fileBytes: pageBytes * (row?.page_count ?? 0),
    freeBytes: pageBytes * (row?.freelist_count ?? 0),
    walBytes: statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0,
    pageBytes,
    shrinks: row?.auto_vacuum === incremental
  }
}
