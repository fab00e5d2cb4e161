/** The file itself: what is durable, what is refused, and what happens when the disk or another program is in the way. */
import { execFileSync } from "node:child_process"
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import Sqlite from "better-sqlite3"
import { Effect, Either, Layer } from "effect"
import { afterEach, describe, expect, it, onTestFinished, vi } from "vitest"
import type { LogEvent } from "../../gate/History.ts"
import { chainIntact, hashOf } from "../../gate/invariant/chainIntact.ts"
import { granted } from "../../src/domain/Decision.ts"
import { toLine } from "../../src/domain/TaskEvent.ts"
import { Engine, EngineReader, type EngineUnavailable, Fatal, Flush } from "../../src/engine/Engine.ts"
import * as Live from "../../src/engine/Live.ts"
import * as Database from "../../src/engine/sqlite/Database.ts"
import { latestVersion } from "../../src/engine/sqlite/Migrations.ts"
import { busyWaitMs } from "../../src/engine/sqlite/Writer.ts"
import * as SqliteEngine from "../../src/engine/SqliteEngine.ts"
import { run, scenario, score } from "../gate/invariant/Story.ts"
import { begunUnder, claimed, epochOpened, kindOf, nextId, submitted } from "./tasks.ts"

afterEach(() => vi.restoreAllMocks())

const fresh = (): string => {
  const folder = mkdtempSync(join(tmpdir(), "opsgate-file-"))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, "opsgate.db")
}

type Ports = Layer.Layer<Flush | Fatal>
const ordinary: Ports = Layer.merge(Live.flush, Live.fatal)

const withEngine = <A, E>(file: string, body: Effect.Effect<A, E, Engine | EngineReader>, ports: Ports = ordinary): Promise<A> =>
  Effect.runPromise(body.pipe(Effect.provide(SqliteEngine.layer({ file, streamId: "db-test" }).pipe(Layer.provide(Layer.merge(Live.instants, ports))))))

const allTasks = Effect.flatMap(EngineReader, (reader) => reader.list({ limit: 100_000 }))
const allEvents = Effect.flatMap(EngineReader, (reader) => reader.events(0, 100_000))

const exportedLog = Effect.map(allEvents, (events) => events.map((event): LogEvent => JSON.parse(toLine(event))))

/** What the gate's own check says of an exported log. */
const verdictOn = (events: ReadonlyArray<LogEvent>): string => score(chainIntact(run({ ...scenario({}), events })))

const chainOf = Effect.map(exportedLog, verdictOn)

/** Another program on the same file. */
const stranger = (file: string, options: Sqlite.Options = {}): Sqlite.Database => {
  const db = new Sqlite(file, { timeout: 0, ...options })
  onTestFinished(() => void db.close())
  return db
}

const failureOf = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.map(Effect.either(effect), (result) => (Either.isLeft(result) ? result.left : undefined))

const whyOf = (failure: unknown): EngineUnavailable["why"] | undefined =>
  typeof failure === "object" && failure !== null && "why" in failure ? (failure as EngineUnavailable).why : undefined

/** Statements as they are prepared, each with the connection that asked for it. */
const recordedPrepares = () => {
  const prepared: Array<{ readonly db: Sqlite.Database; readonly sql: string }> = []
  const { prepare } = Sqlite.prototype
  vi.spyOn(Sqlite.prototype, "prepare").mockImplementation(function(this: Sqlite.Database, sql: string) {
    prepared.push({ db: this, sql })
    return Reflect.apply(prepare, this, [sql])
  })
  return prepared
}

describe("a commit", () => {
  it("is synced to the disk before it is answered, also on a file that is opened again", async () => {
    const file = fresh()
    for (const open of ["made", "opened again"]) {
      const prepared = recordedPrepares()
      const synchronous = await withEngine(file, Effect.gen(function*() {
        yield* submitted(kindOf())
        const connection = prepared.find(({ sql }) => sql === "BEGIN IMMEDIATE")?.db
        return [connection?.pragma("synchronous", { simple: true }), connection?.pragma("journal_mode", { simple: true })]
      }))
      expect([open, ...synchronous]).toEqual([open, 2, "wal"])
      vi.restoreAllMocks()
    }
  })

  it("takes the write lock before its rule looks at anything", async () => {
    const file = fresh()
    let runs = 0
    await withEngine(file, Effect.gen(function*() {
      const engine = yield* Engine
      const db = stranger(file)
      db.exec("BEGIN IMMEDIATE")
      const counted = engine.commit({ tasks: [], key: null, rule: () => {
        runs += 1
        return granted(null, {})
      } })
      yield* Effect.raceFirst(counted, Effect.sleep(60))
      expect(runs).toBe(0)
      db.exec("COMMIT")
      yield* counted
    }))
    expect(runs).toBeGreaterThan(0)
  })

  it("stores nothing of a decision whose event cannot be stored, and all of its neighbours in the same turn", async () => {
    const file = fresh()
    await withEngine(file, Effect.gen(function*() {
      stranger(file).exec(`CREATE TRIGGER refuse BEFORE INSERT ON event WHEN NEW.type = 'task.queued' AND
        NEW.task = (SELECT id FROM task WHERE json_extract(spec, '$.kind') = 'broken') BEGIN SELECT RAISE(ABORT, 'no'); END`)
      const id = nextId()
      const [, failure] = yield* Effect.all(
        [submitted(kindOf()), failureOf(submitted(kindOf({ name: "broken" }), { id, key: "k" })), submitted(kindOf())],
        { concurrency: "unbounded" }
      )
      expect(failure).toMatchObject({ _tag: "EngineUnavailable", operation: "write", why: "other" })
      expect((yield* allTasks).map(({ kind }) => kind)).toEqual(["report", "report"])
      expect((yield* allEvents).some(({ task }) => task === id)).toBe(false)
      expect(yield* chainOf).toBe("6/6")
      const { counts } = yield* (yield* EngineReader).summary(0)
      expect(counts.queued).toBe(2)
      // Its key is free: the same request may come again.
      stranger(file).exec("DROP TRIGGER refuse")
      yield* submitted(kindOf({ name: "broken" }), { id, key: "k" })
      expect(yield* chainOf).toBe("9/9")
    }))
  })

  it("stores no step of a decision whose event cannot be stored, and remembers none", async () => {
    const file = fresh()
    await withEngine(file, Effect.gen(function*() {
      const reader = yield* EngineReader
      yield* epochOpened()
      yield* Effect.all([submitted(kindOf()), submitted(kindOf({ name: "broken" }))])
      const all = yield* claimed(2)
      stranger(file).exec(`CREATE TRIGGER refuse BEFORE INSERT ON event WHEN NEW.type = 'effect.intent' AND
        NEW.task = (SELECT id FROM task WHERE json_extract(spec, '$.kind') = 'broken') BEGIN SELECT RAISE(ABORT, 'no'); END`)
      const begins = Effect.all(all.map(({ held, task }) => Effect.exit(begunUnder(task.id, held))), { concurrency: "unbounded" })
      const stored = Effect.all(all.map(({ task }) => Effect.map(reader.steps(task.id), (steps) => steps.map(({ state }) => state))))
      expect((yield* begins).map(({ _tag }) => _tag)).toEqual(["Success", "Failure"])
      expect(yield* stored).toEqual([["open"], []])
      expect((yield* Effect.all(all.map(({ task }) => reader.get(task.id)))).map((task) => task?.steps)).toEqual([1, 0])
      stranger(file).exec("DROP TRIGGER refuse")
      yield* begins
      expect(yield* stored).toEqual([["open"], ["open"]])
    }))
  })
})

describe("a lock that another program holds", () => {
  it("is waited for without stopping the event loop, and the change is stored when it is free", async () => {
    const file = fresh()
    await withEngine(file, Effect.gen(function*() {
      const db = stranger(file)
      db.exec("BEGIN IMMEDIATE")
      let turns = 0
      const turning = setInterval(() => {
        turns += 1
        if (turns === 20) db.exec("COMMIT")
      }, 1)
      yield* submitted(kindOf()).pipe(Effect.ensuring(Effect.sync(() => clearInterval(turning))))
      expect(turns).toBeGreaterThanOrEqual(20)
      expect(yield* allTasks).toHaveLength(1)
    }))
  })

  it("fails the change as busy when it is not free after five seconds, and the next change succeeds", async () => {
    const file = fresh()
    let waitedMs = 0
    const hurried = Layer.succeed(Flush, Flush.of({
      soon: (act) => void setImmediate(act),
      later: (delayMs, act) => {
        waitedMs += delayMs
        setImmediate(act)
      }
    }))
    await withEngine(file, Effect.gen(function*() {
      const db = stranger(file)
      db.exec("BEGIN IMMEDIATE")
      const failures = yield* Effect.all([failureOf(submitted(kindOf())), failureOf(submitted(kindOf()))], { concurrency: "unbounded" })
      expect(failures).toMatchObject([{ why: "busy" }, { why: "busy" }])
      expect(waitedMs).toBeGreaterThanOrEqual(busyWaitMs)
      expect(waitedMs).toBeLessThan(busyWaitMs + 100)
      // It was waited for already: from here on nobody waits again.
      waitedMs = 0
      expect(whyOf(yield* failureOf(submitted(kindOf())))).toBe("busy")
      expect(waitedMs).toBe(0)
      db.exec("ROLLBACK")
      expect(yield* allTasks).toEqual([])
      yield* submitted(kindOf())
      expect(yield* chainOf).toBe("3/3")
    }), Layer.merge(hurried, Live.fatal))
  })
})

describe("a file that is opened again", () => {
  it("holds the tasks and goes on with the chain", async () => {
    const file = fresh()
    const first = await withEngine(file, submitted(kindOf(), { key: "k" }))
    await withEngine(file, Effect.gen(function*() {
      expect(yield* submitted(kindOf(), { key: "k" })).toEqual(first)
      yield* submitted(kindOf())
      expect(yield* allTasks).toHaveLength(2)
      expect(new Set((yield* allEvents).map(({ stream }) => stream)).size).toBe(1)
      expect(yield* chainOf).toBe("7/7")
    }))
  })

  it("holds what was acknowledged when the process that wrote it was never closed", async () => {
    const file = fresh()
    const copy = fresh()
    await withEngine(file, Effect.gen(function*() {
      yield* submitted(kindOf())
      // The two files of a process that dies at this instant: nothing was checkpointed, nothing closed.
      copyFileSync(file, copy)
      copyFileSync(`${file}-wal`, `${copy}-wal`)
    }))
    expect(await withEngine(copy, chainOf)).toBe("3/3")
  })

  it("is migrated once by two programs that start at once", async () => {
    const file = fresh()
    const { exec } = Sqlite.prototype
    const open = (id: string) => Effect.runSync(Effect.scoped(Database.open(file, { id, atMs: 0 })))
    // The second program starts and ends its migration between the first one's look at the version and its lock.
    const spy = vi.spyOn(Sqlite.prototype, "exec").mockImplementation(function(this: Sqlite.Database, sql: string) {
      spy.mockRestore()
      open("db-second")
      return Reflect.apply(exec, this, [sql])
    })
    open("db-first")
    const db = stranger(file)
    expect(db.prepare("SELECT id FROM store").all()).toEqual([{ id: "db-second" }])
    expect(db.pragma("user_version", { simple: true })).toBe(latestVersion)
    expect(db.pragma("integrity_check", { simple: true })).toBe("ok")
  })
})

describe("a file in the making", () => {
  /** Copies of the file, and of what lies beside it, as they were before each statement. */
  const snapshots = (file: string) => {
    const copies: Array<string> = []
    const snap = () => {
      const copy = fresh()
      for (const end of ["", "-wal", "-journal"]) if (existsSync(file + end)) copyFileSync(file + end, copy + end)
      copies.push(copy)
    }
    for (const name of ["exec", "pragma", "prepare"] as const) {
      const original = Sqlite.prototype[name]
      vi.spyOn(Sqlite.prototype, name).mockImplementation(function(this: Sqlite.Database, ...words: ReadonlyArray<unknown>) {
        snap()
        return Reflect.apply(original, this, words)
      })
    }
    return copies
  }

  it("whose first page tore when the power went is made anew, since its rollback journal says that nothing was there before; without that it is refused", async () => {
    const [source, torn, alone] = [fresh(), fresh(), fresh()]
    const db = stranger(source)
    db.pragma("cache_size = 1")
    db.exec("BEGIN; CREATE TABLE t (x BLOB)")
    for (let row = 0; row < 100; row++) db.prepare("INSERT INTO t VALUES (randomblob(3000))").run()
    const page = Buffer.concat([Buffer.alloc(512), readFileSync(source).subarray(512)])
    for (const file of [torn, alone]) writeFileSync(file, page)
    copyFileSync(`${source}-journal`, `${torn}-journal`)
    expect(page.length).toBeGreaterThan(4096)

    expect(await withEngine(torn, Effect.zipRight(submitted(kindOf()), allTasks))).toHaveLength(1)
    expect(await Effect.runPromise(failureOf(Database.readVersion(alone)))).toMatchObject({ why: "not_a_database" })
    // A journal of a file that had pages promises nothing about the first of them.
    const journal = readFileSync(`${source}-journal`)
    journal.writeUInt32BE(1, 16)
    writeFileSync(`${alone}-journal`, journal)
    expect(await Effect.runPromise(failureOf(Database.readVersion(alone)))).toMatchObject({ why: "not_a_database" })
  })

  it("whose program died is made, or found whole, at the next start, whatever the instant", async () => {
    const file = fresh()
    const copies = snapshots(file)
    await withEngine(file, submitted(kindOf()))
    vi.restoreAllMocks()
    expect(copies.length).toBeGreaterThan(15)
    for (const copy of copies) {
      const [tasks, chain] = await withEngine(copy, Effect.zipRight(submitted(kindOf()), Effect.all([allTasks, chainOf])))
      expect(chain).toBe(`${3 * tasks.length}/${3 * tasks.length}`)
    }
  })

  it("looks to a reader like one that is not there, never like another program's", async () => {
    const file = fresh()
    const copies = snapshots(file)
    await withEngine(file, submitted(kindOf()))
    vi.restoreAllMocks()
    for (const copy of copies) expect(Array.from({ length: latestVersion + 1 }, (_, version) => version)).toContain(Effect.runSync(Database.readVersion(copy)))
  })
})

describe("a file of a newer version", () => {
  it("is refused also while its version stands in the write-ahead log alone", async () => {
    const file = fresh()
    const copy = fresh()
    await withEngine(file, submitted(kindOf()))
    const db = stranger(file)
    db.pragma(`user_version = ${latestVersion + 1}`)
    copyFileSync(file, copy)
    copyFileSync(`${file}-wal`, `${copy}-wal`)
    expect(Effect.runSync(Database.readVersion(copy))).toBe(latestVersion)
    expect(await Effect.runPromise(Effect.flip(Effect.scoped(Database.open(copy, { id: "db-test", atMs: 0 }))))).toMatchObject({
      _tag: "DatabaseRefused",
      why: "newer_version",
      version: latestVersion + 1
    })
  })
})

describe("the chain of events", () => {
  const tampered: ReadonlyArray<readonly [string, string]> = [
    ["a payload in which one character was changed", "UPDATE event SET payload = replace(payload, '\"by\":\"submit\"', '\"by\":\"subnit\"') WHERE seq = 4"],
    ["a payload that was changed together with its digest", "UPDATE event SET payload = '{}', payload_sha256 = '44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a' WHERE seq = 4"],
    ["an instant that was moved", "UPDATE event SET at = at + 1 WHERE seq = 4"],
    ["an actor that was exchanged", "UPDATE event SET actor = 'cli:eve' WHERE seq = 4"],
    ["a hash that was exchanged", "UPDATE event SET hash = replace(hash, substr(hash, 1, 1), CASE substr(hash, 1, 1) WHEN 'a' THEN 'b' ELSE 'a' END) WHERE seq = 4"],
    ["an event that was taken out", "DELETE FROM event WHERE seq = 4"],
    ["an event that was taken out, with the later ones moved up", "DELETE FROM event WHERE seq = 4; UPDATE event SET seq = seq - 1 WHERE seq > 4"],
    ["two events that changed places", "UPDATE event SET seq = 100 WHERE seq = 4; UPDATE event SET seq = 4 WHERE seq = 5; UPDATE event SET seq = 5 WHERE seq = 100"]
  ]
  it.each(tampered)("shows %s", async (_what, sql) => {
    const file = fresh()
    await withEngine(file, Effect.all([submitted(kindOf()), submitted(kindOf()), submitted(kindOf())]))
    const db = stranger(file)
    db.exec(sql)
    db.pragma("wal_checkpoint(TRUNCATE)")
    // The chain is asked here, not the watermark, which would keep some of these from being opened.
    rmSync(`${file}.watermark`)
    expect(await withEngine(file, chainOf)).not.toMatch(/^(\d+)\/\1$/)
  })

  it("shows a link that was exchanged in the exported log, though the event was given a hash that fits", async () => {
    const file = fresh()
    const exported = await withEngine(file, Effect.zipRight(Effect.all([submitted(kindOf()), submitted(kindOf())]), exportedLog))
    const forged = exported.map((event) => {
      if (event.seq !== 4) return event
      const relinked = { ...event, prev: "f".repeat(64) }
      return { ...relinked, hash: hashOf(relinked) }
    })
    expect([verdictOn(exported), verdictOn(forged)]).toEqual(["6/6", "4/6"])
  })

  it("holds when a payload was pruned", async () => {
    const file = fresh()
    await withEngine(file, submitted(kindOf()))
    stranger(file).exec("UPDATE event SET payload = NULL WHERE seq = 2")
    expect(await withEngine(file, chainOf)).toBe("3/3")
  })

  it("goes on where it ended after a change that could not be stored", async () => {
    const file = fresh()
    await withEngine(file, Effect.gen(function*() {
      const db = stranger(file)
      db.exec("CREATE TRIGGER refuse BEFORE INSERT ON task BEGIN SELECT RAISE(ABORT, 'no'); END")
      expect(yield* failureOf(submitted(kindOf()))).toMatchObject({ why: "other" })
      db.exec("DROP TRIGGER refuse")
      yield* submitted(kindOf())
      expect(yield* chainOf).toBe("3/3")
    }))
  })
})

/** A disk of one megabyte, or none when this machine does not let us mount one. */
const smallDisk = (): string | undefined => {
  const folder = mkdtempSync(join(tmpdir(), "opsgate-disk-"))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], { stdio: "ignore" })
  } catch {
    return undefined
  }
  onTestFinished(() => void execFileSync("umount", ["-l", folder]))
  return folder
}

describe("a full disk", () => {
  it("fails the change as full, keeps every change that was acknowledged, and nothing else", async ({ skip }) => {
    const disk = smallDisk()
    if (disk === undefined) return skip("a disk to fill can be mounted by root only")
    const file = join(disk, "opsgate.db")
    const payload = { text: "x".repeat(2000) }
    await withEngine(file, Effect.gen(function*() {
      const acknowledged = new Set<string>()
      let failure: unknown
      for (let turn = 0; failure === undefined && turn < 200; turn++) {
        const answers = yield* Effect.all(Array.from({ length: 10 }, () => Effect.either(submitted(kindOf(), { payload }))), { concurrency: "unbounded" })
        for (const answer of answers) Either.match(answer, { onLeft: (left) => (failure = left), onRight: ({ task }) => void acknowledged.add(task) })
      }
      expect(failure).toMatchObject({ _tag: "EngineUnavailable", operation: "write" })
      expect(whyOf(failure)).toBe("full")
      expect(acknowledged.size).toBeGreaterThan(20)
      const stored = (yield* allTasks).map(({ id }) => id)
      expect(new Set(stored)).toEqual(acknowledged)
      expect(yield* chainOf).toBe(`${3 * stored.length}/${3 * stored.length}`)
      // Room again: the same process goes on.
      execFileSync("mount", ["-o", "remount,size=8m", disk])
      yield* submitted(kindOf(), { payload })
      expect(yield* chainOf).toBe(`${3 * stored.length + 3}/${3 * stored.length + 3}`)
    }))
    expect(readdirSync(disk).sort()).toEqual(["opsgate.db", "opsgate.db.lock", "opsgate.db.watermark"])
  })
})
