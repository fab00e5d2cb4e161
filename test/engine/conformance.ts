/** What every engine must do. Each implementation runs this suite in its own test file. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, type Layer, Queue } from "effect"
import { granted, refused } from "../../src/domain/Decision.ts"
import { resume } from "../../src/domain/Dispatch.ts"
import { reclaim } from "../../src/domain/Execution.ts"
import { LeaseInForce, type Refusal, TaskNotFound } from "../../src/domain/Refusal.ts"
import { approve, expire } from "../../src/domain/Request.ts"
import { TaskId } from "../../src/domain/Task.ts"
import { Engine, EngineReader, type EngineUnavailable, type Instants } from "../../src/engine/Engine.ts"
import { begunUnder, claimed, claimedOne, commandOf, epochOpened, failedOutcome, heavyKind, kindOf, movable, settled, submitted, succeeded } from "./tasks.ts"

type Store = Engine | EngineReader

const refusalOf = <A, R>(effect: Effect.Effect<A, Refusal | EngineUnavailable, R>) =>
  Effect.map(Effect.either(effect), (result) => (Either.isLeft(result) ? result.left._tag : "granted"))

export const engineConformance = (name: string, layer: () => Layer.Layer<Store, unknown, Instants>) => {
  const test = <E>(sentence: string, body: (world: ReturnType<typeof movable>) => Effect.Effect<void, E, Store>) =>
    it.effect(sentence, () => {
      const world = movable()
      return body(world).pipe(Effect.provide(layer()), Effect.provide(world.layer))
    })
  const allEvents = Effect.flatMap(EngineReader, (reader) => reader.events(0, 10_000))
  const typesOf = Effect.map(allEvents, (events) => events.map((event) => event.type))

  describe(`${name} as an engine`, () => {
    test("stores nothing of a change whose rule throws, and all of its neighbours", () =>
      Effect.gen(function*() {
        const engine = yield* Engine
        const broken = engine.commit<null>({ tasks: [], key: null, rule: () => { throw new Error("a bug") } })
        const [, exit] = yield* Effect.all([submitted(kindOf()), Effect.exit(broken), submitted(kindOf())], { concurrency: "unbounded" })
        assert.strictEqual(exit._tag, "Failure")
        const { counts } = yield* (yield* EngineReader).summary(0)
        assert.strictEqual(counts.queued, 2)
      }))

    test("stores one task for one key, and gives the stored answer again", () =>
      Effect.gen(function*() {
        const first = yield* submitted(kindOf(), { key: "k" })
        const again = yield* submitted(kindOf(), { key: "k" })
        assert.deepStrictEqual(again, first)
        assert.deepStrictEqual(yield* typesOf, ["task.requested", "task.approved", "task.queued", "idempotency.replayed"])
      }))

    test("stores one task for one key that many ask for at once", () =>
      Effect.gen(function*() {
        const answers = yield* Effect.all(Array.from({ length: 20 }, () => submitted(kindOf(), { key: "k" })), { concurrency: "unbounded" })
        assert.strictEqual(new Set(answers.map(({ task }) => task)).size, 1)
        assert.strictEqual((yield* (yield* EngineReader).list({ limit: 10 })).length, 1)
      }))

    test("refuses a key that comes back with another payload, on the record", () =>
      Effect.gen(function*() {
        yield* submitted(kindOf(), { key: "k", payload: { n: 1 } })
        assert.strictEqual(yield* refusalOf(submitted(kindOf(), { key: "k", payload: { n: 2 } })), "KeyConflict")
        assert.strictEqual((yield* typesOf).at(-1), "idempotency.conflict")
        assert.strictEqual((yield* (yield* EngineReader).summary(0)).tallies.conflict, 1)
      }))

    test("leases a task to one worker at a time", () =>
      Effect.gen(function*() {
        yield* epochOpened()
        yield* submitted(kindOf())
        const all = yield* Effect.all([claimed(), claimed()], { concurrency: "unbounded" })
        assert.strictEqual(all.flat().length, 1)
      }))

    test("claims nothing without an epoch, and nothing when its lease has run out", ({ pass }) =>
      Effect.gen(function*() {
        yield* submitted(kindOf())
        assert.strictEqual((yield* claimed()).length, 0)
        yield* epochOpened(1000)
        yield* pass(1000)
        assert.strictEqual((yield* claimed()).length, 0)
      }))

    test("hands out the oldest due task first, and none before it is due", ({ pass }) =>
      Effect.gen(function*() {
        yield* epochOpened()
        const first = yield* submitted(kindOf())
        yield* pass(5)
        yield* submitted(kindOf())
        const one = yield* claimedOne
        assert.strictEqual(one.task.id, first.task)
        yield* settled(one.task.id, one.held, failedOutcome, 0.999)
        assert.deepStrictEqual((yield* claimed(10)).map(({ task }) => task.id).includes(one.task.id), false)
        yield* pass(1000)
        assert.deepStrictEqual((yield* claimed(10)).map(({ task }) => task.attempt), [2])
      }))

    test("does not hand out a task that waits for approval or for its resume", () =>
      Effect.gen(function*() {
        const engine = yield* Engine
        yield* epochOpened()
        const { task } = yield* submitted(heavyKind({ selfApproval: true }))
        const id = TaskId.make(task)
        const kind = heavyKind({ selfApproval: true })
        assert.strictEqual((yield* claimed()).length, 0)
        yield* engine.commit({ tasks: [id], key: null, rule: ({ tasks: [found] }, now) => found === undefined ? refused(new TaskNotFound({ task }), {}) : approve(found, commandOf({ op: "approve", task, reason: null }), kind, now) })
        assert.strictEqual((yield* claimed()).length, 0)
        yield* engine.commit({ tasks: [id], key: null, rule: ({ tasks: [found] }, now) => found === undefined ? refused(new TaskNotFound({ task }), {}) : resume(found, commandOf({ op: "resume", task, reason: null }), kind.version, now) })
        assert.strictEqual((yield* claimed()).length, 1)
      }))

    test("refuses to settle, or to begin an effect, under an earlier generation, though the same worker holds the task again", ({ pass }) =>
      Effect.gen(function*() {
        const engine = yield* Engine
        yield* epochOpened(1000)
        yield* submitted(kindOf())
        const stale = yield* claimedOne
        yield* pass(2000)
        yield* epochOpened(60_000)
        yield* engine.commit({ tasks: [stale.task.id], key: null, rule: ({ tasks: [task] }, now) => task === undefined ? refused(new TaskNotFound({ task: "" }), {}) : reclaim(task, { _tag: "NotBegun" }, "ada", now, 0) })
        const current = yield* claimedOne
        assert.strictEqual(current.task.generation, stale.task.generation + 1)
        assert.strictEqual(yield* refusalOf(begunUnder(stale.task.id, stale.held)), "LeaseLost")
        assert.strictEqual(yield* refusalOf(settled(stale.task.id, stale.held, succeeded)), "LeaseLost")
        assert.deepStrictEqual((yield* typesOf).slice(-2), ["write.fenced", "write.fenced"])
        yield* settled(current.task.id, current.held, succeeded)
        assert.strictEqual((yield* (yield* EngineReader).get(current.task.id))?.state, "SUCCEEDED")
      }))

    test("refuses to begin an effect once the lease has run out, though nobody else holds the task", ({ pass }) =>
      Effect.gen(function*() {
        yield* epochOpened(1000)
        yield* submitted(kindOf())
        const one = yield* claimedOne
        yield* pass(1000)
        assert.strictEqual(yield* refusalOf(begunUnder(one.task.id, one.held)), "LeaseLost")
        assert.strictEqual((yield* (yield* EngineReader).get(one.task.id))?.intent, null)
      }))

    test("renews the epoch that is in force, and neither one that has run out nor an earlier one", ({ pass }) =>
      Effect.gen(function*() {
        const engine = yield* Engine
        const { epoch } = yield* epochOpened(1000)
        yield* pass(999)
        assert.isTrue(yield* engine.renew(epoch, 1000))
        yield* pass(1000)
        assert.isFalse(yield* engine.renew(epoch, 1000))
        const next = yield* epochOpened(1000)
        assert.isFalse(yield* engine.renew(epoch, 1000))
        assert.isTrue(yield* engine.renew(next.epoch, 1000))
      }))

    test("takes back no run whose lease is in force", () =>
      Effect.gen(function*() {
        const engine = yield* Engine
        yield* epochOpened()
        yield* submitted(kindOf())
        const { task } = yield* claimedOne
        const back = engine.commit({ tasks: [task.id], key: null, rule: ({ tasks: [found] }, now) => found === undefined ? refused(new LeaseInForce({ task: "" }), {}) : reclaim(found, { _tag: "NotBegun" }, "ada", now, 0) })
        assert.strictEqual(yield* refusalOf(back), "LeaseInForce")
      }))

    test("keeps counts and tallies equal to what the tasks and events say", ({ pass }) =>
      Effect.gen(function*() {
        const reader = yield* EngineReader
        yield* epochOpened()
        yield* submitted(heavyKind())
        yield* Effect.all(Array.from({ length: 4 }, () => submitted(kindOf({ retry: { attemptsMax: 1, baseMs: 0, capMs: 0 } }))))
        const [one, two, three] = yield* claimed(3)
        if (one === undefined || two === undefined || three === undefined) return yield* Effect.dieMessage("three were due")
        yield* settled(one.task.id, one.held, succeeded)
        yield* settled(two.task.id, two.held, { ...failedOutcome, code: "start_to_close_timeout" })
        yield* settled(three.task.id, three.held, { _tag: "Unknown", code: "supervisor_gone", error: "" })
        const { asOfSeq, counts, tallies } = yield* reader.summary(0)
        assert.deepInclude(counts, { "blocked": 2, "running": 0, "queued": 1, "leased": 0, "state.SUCCEEDED": 1, "state.FAILED": 1, "state.RUNNING": 1 })
        assert.deepInclude(tallies, { failed: 1, dispatch_keys: 3, dispatch_timeouts: 1 })
        assert.strictEqual(asOfSeq, (yield* allEvents).length)
        yield* pass(3_600_000)
        assert.strictEqual((yield* reader.summary(1_800_000_000_000 + 3_600_000)).tallies.failed, 0)
      }))

    test("names what time alone changes, at its instant and not before", ({ clocks, pass }) =>
      Effect.gen(function*() {
        const engine = yield* Engine
        const { task } = yield* submitted(heavyKind())
        assert.strictEqual((yield* engine.nextDue).expiryMs, clocks.wallMs + 3_600_000)
        assert.deepStrictEqual(yield* engine.due(clocks.wallMs + 3_599_999, 10), [])
        yield* pass(3_600_000)
        const due = yield* engine.due(clocks.wallMs, 10)
        assert.deepStrictEqual(due, [TaskId.make(task)])
        yield* engine.commit({ tasks: due, key: null, rule: ({ tasks: [found] }, now) => found === undefined ? granted(false, {}) : expire(found, now) })
        assert.deepStrictEqual(yield* engine.nextDue, { claimMs: null, expiryMs: null })
      }))

    test("chains its events by hash without a gap", () =>
      Effect.gen(function*() {
        yield* Effect.all(Array.from({ length: 5 }, () => submitted(kindOf())), { concurrency: "unbounded" })
        const events = yield* allEvents
        assert.deepStrictEqual(events.map(({ seq }) => seq), Array.from({ length: 15 }, (_, index) => index + 1))
        assert.strictEqual(events[0]?.prev, "0".repeat(64))
        events.slice(1).forEach((event, index) => assert.strictEqual(event.prev, events[index]?.hash))
      }))

    test("announces tasks after they are stored", () =>
      Effect.gen(function*() {
        const engine = yield* Engine
        const changes = yield* engine.watch
        yield* submitted(kindOf())
        const [task] = yield* Queue.take(changes)
        assert.strictEqual(task?.state, "QUEUED")
      }).pipe(Effect.scoped))
  })
}
