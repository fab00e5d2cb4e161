/** All checks of a database, whether or not a server runs. It only reads; one check that cannot be made takes no other with it. */
import { opendirSync } from "node:fs"
import Database from "better-sqlite3"
import { Effect, Either, Schema } from "effect"
import { TaskId } from "../../domain/Task.ts"
import type { DoctorReport, Finding } from "../../domain/Reports.ts"
import { DatabaseRefused, readVersion } from "./Database.ts"
import * as OfFile from "./ExamineFile.ts"
import * as OfRows from "./ExamineRows.ts"
import * as OfSchema from "./ExamineSchema.ts"
import { unavailable } from "./SqliteError.ts"
import * as Watermark from "./Watermark.ts"

export interface Examined extends Pick<DoctorReport, "findings" | "unchecked" | "checks"> {}

export interface ExamineOptions {
  readonly file: string
  readonly runsDir: string
  /** Null: the configuration cannot tell. */
  readonly kinds: ReadonlySet<string> | null
  readonly nowMs: () => number
}

type Named = readonly [name: string, run: () => ReadonlyArray<Finding>]

const run = (checks: ReadonlyArray<Named>): Examined => {
  const findings: Array<Finding> = []
  const unchecked: Array<{ readonly check: string; readonly why: string }> = []
  for (const [check, look] of checks) {
    try {
      findings.push(...look())
    } catch (cause) {
      unchecked.push({ check, why: unavailable("read", cause).message })
    }
  }
  return { findings, unchecked, checks: checks.length }
}

const merged = (all: ReadonlyArray<Examined>): Examined => ({
  findings: all.flatMap(({ findings }) => findings),
  unchecked: all.flatMap(({ unchecked }) => unchecked),
  checks: all.reduce((sum, { checks }) => sum + checks, 0)
})

/** Folders of runs whose task is not in the file; a supervisor may still be at work there. */
const strayFolders = (db: Database.Database, runsDir: string): ReadonlyArray<Finding> => {
  const isId = Schema.is(TaskId)
  const known = db.prepare<[string], { id: string }>("SELECT id FROM task WHERE id = ?")
  const folder = opendirSync(runsDir)
  let stray = 0
  let first: string | null = null
  try {
    for (let entry = folder.readSync(); entry !== null; entry = folder.readSync()) {
      if (!entry.isDirectory() || !isId(entry.name) || known.get(entry.name) !== undefined) continue
      stray += 1
      first ??= entry.name
    }
  } finally {
    folder.closeSync()
  }
  return first === null ? [] : [{
    code: "run_without_task",
    severity: "warning",
    found: `${stray} folders of runs belong to no task of the file, the first: ${first}`,
    since_ms: null,
    remedy: `grep -lsz "^OPSGATE_RUN=${first}/" /proc/[0-9]*/environ   # end what still runs, then move the folder away: ${OfFile.quoted(`${runsDir}/${first}`)}`
  }]
}

// SQLite says that a file is damaged by an error as well as by an answer.
const integrity = (db: Database.Database, file: string): ReadonlyArray<Finding> => {
  try {
    return OfRows.integrity(db, file)
  } catch (cause) {
    if (unavailable("read", cause).why !== "damaged") throw cause
    return [{ code: "page_damaged", severity: "damage", found: "SQLite cannot read the file: a page is damaged", since_ms: null, remedy: `opsgate restore <backup> --to ${OfFile.quoted(file)} --force   # with the server stopped` }]
  }
}

const ofRows = ({ file, kinds, nowMs, runsDir }: ExamineOptions): Examined => {
  const opened = Either.try(() => new Database(file, { readonly: true, fileMustExist: true, timeout: 1000 }))
  if (Either.isLeft(opened)) return { findings: [], unchecked: [{ check: "everything inside the file", why: unavailable("read", opened.left).message }], checks: 1 }
  const db = opened.right
  try {
    return run([
      ["integrity", () => integrity(db, file)],
      ["schema", () => OfSchema.schema(db, file)],
      ["columns", () => OfSchema.columns(db, file)],
      ["schedules", () => OfSchema.schedules(db, file)],
      ["approved runs", () => OfSchema.approvals(db, file)],
      ["starts of queues", () => OfSchema.starts(db, file)],
      ["event log", () => OfRows.chain(db, file)],
      ["counters", () => OfRows.counters(db, file)],
      ["rows against the log", () => OfRows.replay(db, file)],
      ["leases", () => OfRows.leases(nowMs())(db, file)],
      ["steps", () => OfRows.steps(db, file)],
      ["clock", () => OfRows.clock(nowMs())(db, file)],
      ["hold", () => OfRows.hold(db, file)],
      ["artifacts", () => OfRows.artifacts(db, file)],
      ["run folders", () => isMissing(runsDir) ? [] : strayFolders(db, runsDir)],
      ...(kinds === null ? [] : [["kinds", () => OfRows.kindsGone(kinds)(db, file)] as const])
    ])
  } finally {
    db.close()
  }
}

const isMissing = (folder: string): boolean => {
  try {
    opendirSync(folder).closeSync()
    return false
  } catch {
    return true
  }
}

/** Examines the file and what lies beside it. The clock is read after the log: an event is never younger than the look at it. */
export const examine = (options: ExamineOptions): Effect.Effect<Examined> =>
  Effect.gen(function*() {
    const { file } = options
    const version = yield* Effect.either(readVersion(file))
    const refused = Either.isLeft(version) && version.left._tag === "DatabaseRefused" ? version.left : null
    const missing = Either.isRight(version) && version.right === 0
    const header = run([["header", () => OfFile.headerFindings(file, missing ? DatabaseRefused.absent(file) : refused)]])
    const watermark = Effect.match(Watermark.examine(file), {
      onSuccess: (standing): Examined => ({ findings: OfRows.watermark(standing, file), unchecked: [], checks: 1 }),
      onFailure: (error): Examined => ({ findings: [], unchecked: [{ check: "watermark", why: error.message }], checks: 1 })
    })
    // A file that is gone has lost all that its watermark knows of.
    if (missing) return merged([header, yield* watermark])
    const outside = run([
      ["rights", () => OfFile.rightsFindings(file)],
      ["write-ahead log", () => OfFile.logFindings(file)],
      ["disk", () => OfFile.diskFindings(file)],
      ["leftovers", () => OfFile.leftoverFindings(file)]
    ])
    if (refused !== null) return merged([header, outside])
    return merged([header, outside, run([["journal mode", () => OfFile.journalFindings(file)]]), yield* watermark, ofRows(options)])
  })

export const lockHolder = OfFile.lockHolder
