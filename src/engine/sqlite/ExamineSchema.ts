/** What rows and tables are derived from: the schema against that of this program, and columns against the JSON they were taken from. */
import Database from "better-sqlite3"
import type { Finding } from "../../domain/Reports.ts"
import { blockedSinceMs, leasedSinceMs, type Task } from "../../domain/Task.ts"
import { heldName } from "../../domain/Placement.ts"
import { quoted } from "./ExamineFile.ts"
import { approvalsVersion, migrations, operationsVersion } from "./Migrations.ts"
import { approvedOf, taskOf, type TaskRow } from "./Rows.ts"
import { scheduleOf } from "./ScheduleStore.ts"
import { deadSinceMs, prunableSinceMs } from "./Store.ts"

const damage = (code: string, found: string, remedy: string): Finding => ({ code, severity: "damage", found, since_ms: null, remedy })

const restore = (file: string): string => `opsgate restore <backup> --to ${quoted(file)} --force   # with the server stopped`

const statement = (file: string, sql: string): string => `sqlite3 ${quoted(file)} ${quoted(sql)}   # with the server stopped`

interface Part {
  readonly type: string
  readonly name: string
  readonly sql: string
}

const partsOf = (db: Database.Database): ReadonlyMap<string, Part> =>
  new Map(
    db.prepare<[], Part>("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY rowid").all()
      .map(({ name, sql, type }) => [`${type} ${name}`, { type, name, sql: sql.replace(/\s+/g, " ") }])
  )

// Made by the same steps as the file was, so that the same text is expected.
const expectedParts = (version: number): ReadonlyMap<string, Part> => {
  const db = new Database(":memory:")
  try {
    for (const step of migrations.slice(0, version)) db.exec(step)
    return partsOf(db)
  } finally {
    db.close()
  }
}

/** Tables, indexes and triggers against those that the steps up to its version make. Tables and indexes that somebody added are his own. */
export const schema = (db: Database.Database, file: string): ReadonlyArray<Finding> => {
  const found = partsOf(db)
  const expected = expectedParts(Number(db.pragma("user_version", { simple: true })))
  const differing = [...expected].flatMap(([key, { name, sql, type }]) => {
    const there = found.get(key)
    if (there?.sql === sql) return []
    const what = `the ${type} ${name} ${there === undefined ? "is missing" : "is not the one that this program makes"}`
    return [damage("schema_differs", what, type === "index" || type === "view" ? statement(file, `DROP ${type.toUpperCase()} IF EXISTS ${name}; ${sql}`) : restore(file))]
  })
  const triggers = [...found.values()].filter(({ name, type }) => type === "trigger" && !expected.has(`trigger ${name}`))
  return [
    ...differing,
    ...triggers.map(({ name }) => damage("schema_differs", `somebody added the trigger ${name}, which changes what is stored`, statement(file, `DROP TRIGGER "${name.replaceAll("\"", "\"\"")}"`)))
  ]
}

interface DerivedRow extends TaskRow {
  readonly [column: string]: string | number | null
}

const laneName = (task: Pick<Task, "queue" | "tenant" | "priority" | "kind" | "class">, keyed: boolean): string =>
  JSON.stringify([task.queue, task.tenant, task.priority, task.kind, task.class, keyed ? 1 : 0])

/** What the columns of a task's row should hold, by their names. */
const derivedOf = (task: Task, version: number): Readonly<Record<string, string | number | null>> => ({
  state: task.state,
  available_at_ms: task.availableAtMs,
  expires_at_ms: task.expiresAtMs,
  epoch: task.lease?.epoch ?? null,
  parent: task.parent?.task ?? null,
  forked_from: task.forkedFrom?.task ?? null,
  ...(version < 2 ? {} : { lane: laneName(task, task.concurrencyKey !== null), concurrency_key: task.concurrencyKey, unique_name: heldName(task) }),
  ...(version < 3 ? {} : { ended_at_ms: prunableSinceMs(task), dead_since_ms: deadSinceMs(task) }),
  ...(version < 5 ? {} : { schedule: task.schedule?.name ?? null }),
  ...(version < operationsVersion ? {} : { blocked_since_ms: blockedSinceMs(task), leased_since_ms: leasedSinceMs(task) })
})

/** What contradicts itself in a row, or null. */
const contradiction = (row: DerivedRow, lanes: ReadonlyMap<string | number | null, string>, version: number): string | null => {
  try {
    const wanted = derivedOf(taskOf(row), version)
    for (const [column, value] of Object.entries(wanted)) {
      const stored = column === "lane" ? lanes.get(row["lane"] ?? null) ?? null : row[column] ?? null
      if (stored !== value) return `${column} is ${stored ?? "empty"} in its column, and ${value ?? "empty"} by its text`
    }
    return null
  } catch {
    return "its text cannot be read"
  }
}

/** Every column of a task that was taken from its JSON, against that JSON: what is asked for by a wrong column is never found. */
export const columns = (db: Database.Database, file: string): ReadonlyArray<Finding> => {
  const version = Number(db.pragma("user_version", { simple: true }))
  const lanes = version < 2 ? [] : db.prepare<[], { id: number; queue: string; tenant: string; priority: number; kind: string; class: Task["class"]; keyed: number }>("SELECT * FROM lane").all()
  const names = new Map<string | number | null, string>(lanes.map((lane) => [lane.id, laneName(lane, lane.keyed === 1)]))
  let wrong = 0
  let first = ""
  for (const row of db.prepare<[], DerivedRow>("SELECT * FROM task").iterate()) {
    const found = contradiction(row, names, version)
    if (found === null) continue
    wrong += 1
    if (first === "") first = `${row.id}: ${found}`
  }
  return wrong === 0 ? [] : [damage("row_contradicts_itself", `${wrong} tasks are stored as two different things, the first: ${first}`, restore(file))]
}

const scheduleFits = (row: { readonly name: string; readonly due_ms: number | null; readonly waiting: number; readonly body: string }): boolean => {
  try {
    const { dueMs, name, waiting } = scheduleOf(row)
    return name === row.name && dueMs === row.due_ms && waiting.length === row.waiting
  } catch {
    return false
  }
}

/** When the next tick of a schedule starts, against what was declared. */
export const schedules = (db: Database.Database, file: string): ReadonlyArray<Finding> => {
  if (Number(db.pragma("user_version", { simple: true })) < 5) return []
  const wrong = db.prepare<[], { name: string; due_ms: number | null; waiting: number; body: string }>("SELECT name, due_ms, waiting, body FROM schedule ORDER BY name").all().filter((row) => !scheduleFits(row))
  const [first] = wrong
  return first === undefined ? [] : [damage("schedule_contradicts_itself", `${wrong.length} schedules are stored as two different things, the first: ${first.name}`, restore(file))]
}

const approvedFits = (row: { readonly kind: string; readonly task: string; readonly facts: string; readonly is: string | null }): boolean => {
  try {
    const { kind, task } = approvedOf(row)
    return kind === row.kind && task === row.task && row.is === row.kind
  } catch {
    return false
  }
}

/** What people let go last, against the tasks: an approver compares a request with it. */
export const approvals = (db: Database.Database, file: string): ReadonlyArray<Finding> => {
  if (Number(db.pragma("user_version", { simple: true })) < approvalsVersion) return []
  const rows = db.prepare<[], { kind: string; task: string; facts: string; is: string | null }>(
    "SELECT approved.kind, task, facts, task.spec ->> '$.kind' AS \"is\" FROM approved LEFT JOIN task ON task.id = approved.task ORDER BY approved.kind"
  ).all()
  const wrong = rows.filter((row) => !approvedFits(row))
  const [first] = wrong
  if (first === undefined) return []
  return [damage("approval_contradicts_itself", `${wrong.length} kinds name an approved run that is none, the first: ${first.kind}`, statement(file, `DELETE FROM approved WHERE kind = '${first.kind.replaceAll("'", "''")}'`))]
}

const isInstants = (text: string): boolean => {
  try {
    const instants: unknown = JSON.parse(text)
    return Array.isArray(instants) && instants.every(Number.isSafeInteger)
  } catch {
    return false
  }
}

/** The last starts of queues with a rate: nothing is claimed where they cannot be read. */
export const starts = (db: Database.Database, file: string): ReadonlyArray<Finding> => {
  if (Number(db.pragma("user_version", { simple: true })) < 2) return []
  const wrong = db.prepare<[], { queue: string; starts: string }>("SELECT queue, starts FROM queue_start ORDER BY queue").all().filter((row) => !isInstants(row.starts))
  return wrong.map(({ queue }) =>
    damage("queue_starts_damaged", `the last starts of the queue ${queue} cannot be read, and nothing is claimed`, statement(file, `DELETE FROM queue_start WHERE queue = '${queue.replaceAll("'", "''")}'`)))
}
