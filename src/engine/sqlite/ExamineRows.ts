/**
 * What the rows of a database say about each other: pages and indexes, the event log, the rows that it explains, counters, leases, steps.
 * Everything is read in a stream, so a file of any size is examined in bounded memory; each check has a read transaction of its own,
 * so that a long one does not hold back the log of a server that writes.
 */
import { existsSync } from "node:fs"
import { join } from "node:path"
import type Database from "better-sqlite3"
import { countersOf, noCounts } from "../../domain/Census.ts"
import { enteredType } from "../../domain/TaskEvent.ts"
import { isTerminal, shortId, taskStates } from "../../domain/TaskState.ts"
import type { Finding } from "../../domain/Reports.ts"
import { type Break, walk } from "./Chain.ts"
import { quoted } from "./ExamineFile.ts"
import { operationsVersion } from "./Migrations.ts"
import { taskOf, type TaskRow } from "./Rows.ts"
import type { Standing } from "./Watermark.ts"

type Check = (db: Database.Database, file: string) => ReadonlyArray<Finding>

const damage = (code: string, found: string, remedy: string, sinceMs: number | null = null): Finding => ({ code, severity: "damage", found, since_ms: sinceMs, remedy })
const warning = (code: string, found: string, remedy: string, sinceMs: number | null = null): Finding => ({ code, severity: "warning", found, since_ms: sinceMs, remedy })

const restore = (file: string): string => `opsgate restore <backup> --to ${quoted(file)} --force   # with the server stopped`

const indexIssue = /(?:missing from|in) index (\w+)|non-unique entry in index (\w+)/

/** SQLite's own look at every page, and at every index against its table. */
export const integrity: Check = (db, file) => {
  const lines = db.prepare<[], { integrity_check: string }>("PRAGMA integrity_check(100)").all().map((row) => row.integrity_check).filter((line) => line !== "ok")
  const indexes = new Set(lines.flatMap((line) => {
    const [, one, two] = indexIssue.exec(line) ?? []
    const name = one ?? two
    return name === undefined ? [] : [name]
  }))
  const others = lines.filter((line) => !indexIssue.test(line))
  return [
    ...others.slice(0, 1).map((line) => damage("page_damaged", `SQLite finds ${others.length} damaged places in the file, the first: ${line.replaceAll("\n", " ")}`, restore(file))),
    ...[...indexes].map((name) =>
      damage("index_out_of_step", `the index ${name} does not fit its table`, `sqlite3 ${quoted(file)} 'REINDEX "${name}"'   # with the server stopped`))
  ]
}

const breakFinding = (file: string) => ({ atMs, missing, seq, what }: Break): Finding => {
  switch (what) {
    case "gap":
      return damage("event_missing", `${missing} events before event ${seq} are missing from the log`, restore(file), atMs)
    case "hash":
      return damage("chain_broken", `event ${seq} is not the one that was written there: the chain of hashes breaks`, restore(file), atMs)
    case "payload":
      return damage("event_payload_changed", `the payload of event ${seq} is not the one that was written`, restore(file), atMs)
  }
}

/** The event log, from its first event to its last. */
export const chain: Check = (db, file) => walk(db).breaks.map(breakFinding(file))

/** How the log stands to the commit that was acknowledged last, which is noted outside the file. */
export const watermark = (standing: Standing, file: string): ReadonlyArray<Finding> => {
  switch (standing._tag) {
    case "Whole":
      return []
    case "Foreign":
      return [warning("watermark_foreign", `the watermark beside it is of another log, ${standing.stream}`, `mv ${quoted(`${file}.watermark`)} ${quoted(`${file}.watermark.old`)}`)]
    case "Behind": {
      const { atMs, marked, missing, seq } = standing.lost
      const { fuller } = standing.lost
      const remedy = fuller === null ? `${restore(file)}; without a backup: opsgate accept-loss --reason "<why>"` : `${fuller.next}   # with the server stopped; it holds the log up to event ${fuller.seq}`
      return [missing > 0
        ? damage("behind_watermark", `its log ends at event ${seq}, but event ${marked.seq} was acknowledged: ${missing} events are lost`, remedy, atMs)
        : damage("watermark_differs", `event ${marked.seq} is another one than was acknowledged under that number`, remedy, atMs)]
    }
  }
}

/** Counters against a recount of the tasks, in one read transaction. */
export const counters: Check = (db, file) => {
  db.exec("BEGIN")
  try {
    const counted = noCounts()
    for (const row of db.prepare<[], TaskRow>("SELECT id, spec, progress FROM task").iterate()) countersOf(taskOf(row), (name) => void (counted[name] += 1))
    const stored = new Map(db.prepare<[], { name: string; value: number }>("SELECT name, value FROM counter").all().map(({ name, value }) => [name, value]))
    const knowsReasons = Number(db.pragma("user_version", { simple: true })) >= operationsVersion
    const wrong = Object.entries(counted).filter(([name, value]) => (knowsReasons || !name.startsWith("blocked.")) && (stored.get(name) ?? 0) !== value)
    const [first] = wrong
    return first === undefined ? [] : [damage("counter_drift", `${wrong.length} counters are wrong, the first: ${first[0]} says ${stored.get(first[0]) ?? 0}, and there are ${first[1]}`, restore(file))]
  } finally {
    db.exec("COMMIT")
  }
}

const stateOfType = `CASE type ${taskStates.map((state) => `WHEN '${enteredType[state]}' THEN '${state}'`).join(" ")} END`
const enteredTypes = taskStates.map((state) => `'${enteredType[state]}'`).join(", ")
// The bare columns come from the row with the greatest seq: sqlite.org/lang_select.html, "Bare columns in an aggregate query".
const replayed = `SELECT task, ${stateOfType} AS state, MAX(seq) AS seq, at FROM event WHERE type IN (${enteredTypes}) GROUP BY task`
const openStates = taskStates.filter((state) => !isTerminal[state]).map((state) => `'${state}'`).join(", ")

interface Pair {
  readonly n: number
  readonly id: string
  readonly row: string | null
  readonly log: string | null
  readonly at: number | null
}

/** Each row against the last event that moved its task, and open tasks of the log against the rows. */
export const replay: Check = (db, file) => {
  const one = (sql: string): Pair | undefined => db.prepare<[], Pair>(sql).get()
  const differs = one(`SELECT COUNT(*) AS n, MIN(t.id) AS id, t.state AS row, e.state AS log, e.at AS at FROM task t LEFT JOIN (${replayed}) e ON e.task = t.id WHERE e.state IS NOT t.state HAVING n > 0`)
  const gone = one(`SELECT COUNT(*) AS n, MIN(e.task) AS id, NULL AS row, e.state AS log, e.at AS at FROM (${replayed}) e LEFT JOIN task t ON t.id = e.task WHERE t.id IS NULL AND e.state IN (${openStates}) HAVING n > 0`)
  return [
    ...(differs === undefined ? [] : [damage("state_unexplained", `${differs.n} tasks stand in a state that no event explains, the first: ${differs.id} is ${differs.row}, the log says ${differs.log ?? "nothing"}`, `opsgate task show ${shortId(differs.id)}   # then ${restore(file)}`, differs.at)]),
    ...(gone === undefined ? [] : [damage("task_missing", `${gone.n} tasks that have not ended are in the log and not in the file, the first: ${gone.id}, ${gone.log}`, restore(file), gone.at)])
  ]
}

/** Leases of epochs that are over, since a later one began or nobody renewed it: the next start takes them back, unless none comes. */
export const leases = (nowMs: number): Check => (db) => {
  const found = db.prepare<[number], { n: number; id: string; since: number }>(
    `SELECT COUNT(*) AS n, MIN(t.id) AS id, CASE WHEN t.epoch < last.epoch THEN last.started_at_ms ELSE last.lease_until_ms END AS since
     FROM task t, (SELECT * FROM epoch ORDER BY epoch DESC LIMIT 1) last
     WHERE t.epoch IS NOT NULL AND (t.epoch < last.epoch OR last.lease_until_ms < ?) HAVING n > 0`
  ).get(nowMs)
  return found === undefined ? [] : [warning("lease_not_taken_back", `${found.n} tasks are leased to an epoch that is over, the first: ${found.id}`, "opsgate serve   # a start takes them back", found.since)]
}

/** Steps that belong to no task, or that their task does not know. */
export const steps: Check = (db, file) => {
  const one = (where: string) =>
    db.prepare<[], { n: number; task: string; number: number; at: number }>(`SELECT COUNT(*) AS n, MIN(s.task) AS task, s.number AS number, s.started_at_ms AS at FROM step s ${where} HAVING n > 0`).get()
  const gone = one("WHERE NOT EXISTS (SELECT 1 FROM task t WHERE t.id = s.task)")
  const unknown = one("JOIN task t ON t.id = s.task WHERE s.number > COALESCE(json_extract(t.progress, '$.steps'), 0)")
  // What a later run can ask about may stay open when its task ends; what it cannot is in the hands of its task until it is settled.
  const orphaned = one(`JOIN task t ON t.id = s.task WHERE s.state = 'open' AND json_extract(s.place, '$.effect') = 'dangerous' AND json_extract(s.place, '$.answers') = 0
    AND NOT EXISTS (SELECT 1 FROM json_each(t.progress, '$.intents') i WHERE json_extract(i.value, '$.step') = s.number)`)
  return [
    ...(gone === undefined ? [] : [damage("step_without_task", `${gone.n} steps are of tasks that are not there, the first: step ${gone.number} of ${gone.task}`, restore(file), gone.at)]),
    ...(unknown === undefined ? [] : [damage("step_unknown_to_task", `${unknown.n} steps lie behind the last one that their task began, the first: step ${unknown.number} of ${unknown.task}`, restore(file), unknown.at)]),
    ...(orphaned === undefined ? [] : [damage("step_orphaned", `${orphaned.n} dangerous steps are in their middle, and their task does not know it; the first: step ${orphaned.number} of ${orphaned.task}`, `opsgate task steps ${shortId(orphaned.task)}   # look whether it happened, before you fork or recover the task`, orphaned.at)])
  ]
}

/** The clock of the machine against the log. */
export const clock = (nowMs: number): Check => (db) => {
  const at = db.prepare<[], { at: number }>("SELECT at FROM event ORDER BY seq DESC LIMIT 1").get()?.at
  return at === undefined || at <= nowMs ? [] : [damage("clock_behind", `the clock of this machine is ${Math.ceil((at - nowMs) / 1000)} s before the last event`, "timedatectl status   # set the clock right; deadlines wait until it has caught up", at)]
}

/** A restored file that waits for somebody to say that it may work. */
export const hold: Check = (db) => {
  const known = db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'restored'").get() !== undefined
  const row = known ? db.prepare<[], { at_ms: number; released_at_ms: number | null }>("SELECT at_ms, released_at_ms FROM restored ORDER BY number DESC LIMIT 1").get() : undefined
  return row === undefined || row.released_at_ms !== null ? [] : [warning("restore_hold", "it was restored from a backup, and begins nothing until it is released", "opsgate release --reason \"<why>\"", row.at_ms)]
}

/** Open tasks of kinds that nobody declares any more: no worker can run them. */
export const kindsGone = (declared: ReadonlySet<string>): Check => (db) =>
  db.prepare<[], { kind: string; n: number; id: string; since: number }>(
    `SELECT json_extract(spec, '$.kind') AS kind, COUNT(*) AS n, MIN(id) AS id, MIN(json_extract(progress, '$.updatedAtMs')) AS since FROM task WHERE state IN (${openStates}) GROUP BY kind`
  ).all().filter(({ kind }) => !declared.has(kind)).map(({ id, kind, n, since }) =>
    warning("kind_gone", `${n} tasks wait whose kind ${kind} is not declared, the first: ${id}`, `opsgate task cancel ${shortId(id)} --reason "kind is gone"   # or declare the kind again and restart`, since))

/** Outputs that a step says it left, and that are not where it left them. */
export const artifacts: Check = (db) => {
  const rows = db.prepare<[], { task: string; number: number; dir: string; name: string; at: number | null }>(
    `SELECT task, number, json_extract(place, '$.supervisor.dir') AS dir, json_extract(result, '$.stdout_file') AS name, ended_at_ms AS at FROM step
     WHERE state = 'succeeded' AND json_extract(place, '$.supervisor.dir') IS NOT NULL AND json_extract(result, '$.stdout_file') IS NOT NULL`
  )
  let missing = 0
  let first: { readonly task: string; readonly path: string; readonly at: number | null } | null = null
  for (const { at, dir, name, task } of rows.iterate()) {
    const path = join(dir, name)
    if (existsSync(path)) continue
    missing += 1
    first ??= { task, path, at }
  }
  return first === null ? [] : [warning("artifact_missing", `${missing} steps left an output that is not there any more, the first: ${first.path}`, `opsgate task show ${shortId(first.task)}   # its digest is on record; copy the runs folder back if you have it`, first.at)]
}
