/** The deadline of a command at a door: what is not decided in time is not stored, and the caller knows. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import { Deferred, Effect, Exit, Fiber, Layer, TestClock } from "effect"
import { CommandDeadline, withDeadline } from "../../src/control/Deadline.ts"
import { handle } from "../../src/control/Commands.ts"
import { Kinds } from "../../src/control/Kinds.ts"
import { ownerRoles } from "../../src/domain/Authorization.ts"
import { Engine, EngineReader, Flush, Instants } from "../../src/engine/Engine.ts"
import * as Live from "../../src/engine/Live.ts"
import * as SqliteEngine from "../../src/engine/SqliteEngine.ts"
import { opsgate, until } from "../edge/cli/Opsgate.ts"
import { kindOf, submitted } from "../engine/tasks.ts"

const afterMs = 10_000
const kind = kindOf()

/** A writer that writes when the test says so. */
const world = Effect.gen(function*() {
  const folder = mkdtempSync(join(tmpdir(), "opsgate-deadline-"))
  yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(folder, { recursive: true, force: true })))
  const due: Array<() => void> = []
  const flush = Layer.succeed(Flush, { soon: (run) => void due.push(run), later: (_ms, run) => void due.push(run) })
  const clock = yield* Effect.clock
  const instants = Layer.succeed(Instants, { wallMs: () => clock.unsafeCurrentTimeMillis(), monoMs: () => clock.unsafeCurrentTimeMillis() })
  const kinds = Layer.succeed(Kinds, Kinds.of({ get: () => kind, check: () => Effect.succeed(kind) }))
  const file = join(folder, "opsgate.db")
  const engine = SqliteEngine.layer({ file, streamId: "db-test" }).pipe(Layer.provide(Layer.mergeAll(flush, Live.fatal)), Layer.provideMerge(Layer.mergeAll(instants, kinds)))
  return { file, layer: engine, flush: Effect.sync(() => due.splice(0).forEach((run) => run())), queued: Effect.repeat(Effect.yieldNow(), { until: () => due.length > 0 }) }
})

const asking = (key: string | null = null) => {
  const asked = { ask: { op: "submit" as const, kind: kind.name, payload: { secret: 1 }, reason: "why" }, actor: "cli:ada", roles: ownerRoles, channel: "cli" as const, key }
  return withDeadline(asked, handle(asked))
}

const types = Effect.flatMap(EngineReader, (reader) => Effect.map(reader.events(0, 100), (events) => events.map(({ type }) => type)))

/** Runs a body in a world of its own. */
const inWorld = (body: (one: Effect.Effect.Success<typeof world>) => Effect.Effect<void, unknown, Engine | EngineReader | Instants | Kinds>) =>
  Effect.scoped(Effect.flatMap(world, (one) => Effect.provide(body(one), one.layer)))

describe("a command", () => {
  it.effect("that waits when its time is up is withdrawn: nothing of it is stored, the caller is told, and so is the log", () =>
    inWorld(({ flush, queued }) =>
      Effect.gen(function*() {
        const asked = yield* Effect.fork(Effect.either(asking("k")))
        yield* TestClock.adjust(afterMs)
        const answer = yield* Fiber.join(asked)
        assert.deepInclude(answer, { _tag: "Left" })
        if (answer._tag === "Left") {
          assert.strictEqual(answer.left._tag, "CommandTimedOut")
          assert.strictEqual(answer.left.message, "submit was not decided within 10000 ms and was withdrawn: nothing of it is stored, so it can be asked again")
        }
        yield* queued
        yield* flush
        assert.deepEqual(yield* types, ["command.timed_out"])
        const reader = yield* EngineReader
        const [event] = yield* reader.events(0, 1)
        assert.deepEqual(JSON.parse(event?.payload ?? ""), { after_ms: afterMs, asked: { op: "submit", channel: "cli", key: "k", reason: "why" } })
        assert.strictEqual(event?.actor, "cli:ada")
        assert.lengthOf(yield* reader.list({ limit: 10 }), 0)
        const { tallies } = yield* reader.summary(0)
        assert.deepInclude(tallies, { command_timeouts: 1, telegram_keys: 0, dispatch_timeouts: 0 })
        // The key was not used either: a repeat is a new request.
        const again = yield* Effect.fork(asking("k"))
        yield* queued
        yield* flush
        yield* Fiber.join(again)
        assert.lengthOf(yield* reader.list({ limit: 10 }), 1)
      })))

  it.effect("that waits behind another takes only itself out of the queue", () =>
    inWorld(({ flush }) =>
      Effect.gen(function*() {
        const late = yield* Effect.fork(Effect.either(asking()))
        yield* TestClock.adjust(afterMs - 1)
        const other = yield* Effect.fork(submitted(kind))
        yield* TestClock.adjust(1)
        assert.deepInclude(yield* Fiber.join(late), { _tag: "Left" })
        yield* flush
        yield* Fiber.join(other)
        assert.deepEqual(yield* types, ["task.requested", "task.approved", "task.queued", "command.timed_out"])
      })))

  it.effect("that is decided is answered with its decision, however late", () =>
    inWorld(() =>
      Effect.gen(function*() {
        const engine = yield* Engine
        const decided = yield* Deferred.make<void>()
        let asked = 0
        // An engine that is in the middle of it when the time is up.
        const busy = { ...engine, commit: <A>(change: Parameters<typeof engine.commit<A>>[0]) => {
          change.waits?.(() => {
            asked += 1
            return false
          })
          return Effect.zipRight(Deferred.await(decided), Effect.dieMessage("decided"))
        } }
        const answer = yield* Effect.fork(Effect.exit(Effect.provideService(asking(), Engine, busy)))
        yield* TestClock.adjust(afterMs * 2)
        assert.strictEqual(asked, 1)
        assert.isTrue((yield* answer.poll)._tag === "None")
        yield* Deferred.succeed(decided, undefined)
        assert.match(String(yield* Fiber.join(answer)), /decided/)
      })))

  it.effect("whose time is up before it comes to the store does not wait there", () =>
    inWorld(({ queued }) =>
      Effect.gen(function*() {
        const engine = yield* Engine
        const seen: Array<string> = []
        const watched = { ...engine, commit: <A>(change: Parameters<typeof engine.commit<A>>[0]) => {
          seen.push(change.waits === undefined ? "the record" : "the command")
          return engine.commit(change)
        } }
        const ask = { op: "submit" as const, reason: null }
        const slow = Effect.zipRight(Effect.sleep(afterMs + 1), Effect.flatMap(Engine, (one) => one.commit({ tasks: [], key: null, rule: () => {
          throw new Error("it was decided")
        } })))
        const asked = yield* Effect.fork(Effect.exit(Effect.provideService(withDeadline({ ask, actor: "a", channel: "cli", key: null }, slow), Engine, watched)))
        yield* TestClock.adjust(afterMs + 1)
        assert.isTrue(Exit.isFailure(yield* Fiber.join(asked)))
        yield* queued
        assert.deepEqual(seen, ["the record"])
      })))

  it.effect("has the time that the process gives it", () =>
    inWorld(() =>
      Effect.gen(function*() {
        const asked = yield* Effect.fork(Effect.either(Effect.provideService(asking(), CommandDeadline, { afterMs: 250 })))
        yield* TestClock.adjust(250)
        assert.deepInclude(yield* Fiber.join(asked), { _tag: "Left" })
      })))
})

describe("a file that another program locks for longer than a command may take", () => {
  it("gets nothing of the command; the server says so, counts it, and takes the next under the same key", async ({ onTestFinished }) => {
    const home = opsgate(onTestFinished, { report: { class: "light", exec: { argv: ["/bin/true"] } } }, { command_timeout_ms: 300, lease_ms: 60_000 })
    await home.serve()
    const stranger = new Database(home.file, { timeout: 5000 })
    onTestFinished(() => void stranger.close())
    stranger.exec("BEGIN EXCLUSIVE")
    const asked = await home.run(["task", "submit", "report", "--key", "k"])
    assert.deepInclude(asked, { code: 1, stdout: "", stderr: "opsgate: submit was not decided within 300 ms and was withdrawn: nothing of it is stored, so it can be asked again\n" })
    stranger.exec("COMMIT")
    await until("the record", () => home.events("command.timed_out").length === 1)
    assert.lengthOf(home.tasks(), 0)
    const summary = await home.run(["ops-summary", "--json"])
    assert.deepInclude(JSON.parse(summary.stdout).timeouts, { command_window: 1 })
    assert.strictEqual((await home.run(["task", "submit", "report", "--key", "k"])).code, 0)
    assert.lengthOf(home.tasks(), 1)
  })

  it("is said without a server too, and nothing is left half done", async ({ onTestFinished }) => {
    const home = opsgate(onTestFinished, { report: { class: "light", exec: { argv: ["/bin/true"] } } }, { command_timeout_ms: 300 })
    await home.submit("report")
    const stranger = new Database(home.file, { timeout: 5000 })
    onTestFinished(() => void stranger.close())
    stranger.exec("BEGIN IMMEDIATE")
    const asked = await home.run(["task", "submit", "report", "--key", "k"])
    assert.deepInclude(asked, { code: 1, stdout: "" })
    assert.match(asked.stderr, /submit was not decided within 300 ms and was withdrawn: nothing of it is stored/)
    stranger.exec("COMMIT")
    assert.lengthOf(home.tasks(), 1)
  })
})
