/** What every engine must do about queues. Each implementation runs this suite in its own test file. */
import { assert, describe } from "@effect/vitest"
import { Effect, Either, Queue } from "effect"
import type { ClaimPolicy } from "../../src/domain/Claiming.ts"
import type { QueueAsk } from "../../src/domain/Command.ts"
import { claim } from "../../src/domain/Dispatch.ts"
import type { Kind } from "../../src/domain/Kind.ts"
import { uniqueName, uniqueNameOf, type Wish } from "../../src/domain/Placement.ts"
import { noLimits, type QueueLimits } from "../../src/domain/Queue.ts"
import { cancel, recover } from "../../src/domain/Recovery.ts"
import { submit } from "../../src/domain/Request.ts"
import { steer } from "../../src/domain/Steering.ts"
import { TaskId } from "../../src/domain/Task.ts"
import { Engine, EngineReader } from "../../src/engine/Engine.ts"
import { type EngineLayer, testOn } from "./suite.ts"
import { applied, claimed as claimedPlainly, commandOf, epochOpened, failedOutcome, heavyKind, kindOf, nextId, settled, succeeded } from "./tasks.ts"

const asked = (wish: Wish = {}, { kind = kindOf(), payload = {} }: { readonly kind?: Kind; readonly payload?: { readonly [name: string]: number } } = {}) =>
  Effect.flatMap(Engine, (engine) => {
    const id = nextId()
    const name = uniqueNameOf(kind.name, wish)
    return engine.commit({
      tasks: [],
      key: null,
      unique: () => name,
      rule: ({ holder }, now) => submit(commandOf({ op: "submit", kind: kind.name, payload, reason: null, ...wish }), kind, id, now, holder)
    })
  })

const claimed = (limit: number, policy: ClaimPolicy = {}) =>
  Effect.flatMap(Engine, (engine) => Effect.map(engine.claim({ limit, policy, rule: (task, now) => claim(task, "ada", kindOf({ name: task.kind, version: task.kindVersion }), now) }), (all) => all.flatMap((one) => one ?? [])))

const ids = (all: ReadonlyArray<{ readonly task: { readonly id: string } }>): ReadonlyArray<string> => all.map(({ task }) => task.id)

const limited = (change: Partial<QueueLimits>, queue = "light"): ClaimPolicy => ({ queues: new Map([[queue, { ...noLimits, ...change }]]) })

const steered = (op: QueueAsk["op"], queue: string, reason = "because") =>
  Effect.flatMap(Engine, (engine) =>
    engine.commit({ tasks: [], queue, key: null, rule: ({ queue: state }, now) => steer(state, commandOf({ op, queue, reason }), now) }))

export const queueConformance = (name: string, layer: EngineLayer) => {
  const test = testOn(layer)
  const nextClaim = (policy: ClaimPolicy) => Effect.flatMap(Engine, (engine) => engine.nextClaim(policy))

  describe(`${name} with queues`, () => {
    test("hands out no more of a queue than its limit, counts what runs, and goes on when a run has ended", () =>
      Effect.gen(function*() {
        yield* epochOpened()
        for (let index = 0; index < 5; index++) yield* asked()
        const policy = limited({ concurrency: 2 })
        const [one, ...more] = yield* claimed(5, policy)
        assert.strictEqual(more.length, 1)
        assert.deepStrictEqual([yield* claimed(5, policy), yield* nextClaim(policy)], [[], null])
        if (one !== undefined) yield* settled(one.task.id, one.held, succeeded)
        assert.strictEqual((yield* claimed(5, policy)).length, 1)
      }))

    test("runs one task under a key at a time, also while the outcome of one is unknown, and passes over the others whatever their number", () =>
      Effect.gen(function*() {
        const reader = yield* EngineReader
        yield* epochOpened()
        // More than are passed over one by one, and more keys behind them.
        for (let index = 0; index < 300; index++) yield* asked({ concurrency_key: "x" })
        for (let index = 0; index < 5; index++) yield* asked({ concurrency_key: `y${index}` })
        const first = yield* claimed(1)
        assert.deepStrictEqual(first.map(({ task }) => task.concurrencyKey), ["x"])
        const second = yield* claimed(2)
        assert.deepStrictEqual(second.map(({ task }) => task.concurrencyKey), ["y0", "y1"])
        const [one] = first
        if (one === undefined) return
        yield* settled(one.task.id, one.held, { _tag: "Unknown", code: "killed", error: "" })
        assert.deepStrictEqual((yield* claimed(1)).map(({ task }) => task.concurrencyKey), ["y2"])
        // Behind what is passed over comes another of the full key; one that fails is due again at once, before what was passed over.
        yield* asked({ concurrency_key: "x" })
        const [failing] = second
        if (failing !== undefined) yield* settled(failing.task.id, failing.held, failedOutcome, 0)
        assert.deepStrictEqual((yield* claimed(9)).map(({ task }) => task.concurrencyKey), ["y0", "y3", "y4"])
        assert.strictEqual(yield* nextClaim({}), null)
        assert.strictEqual((yield* claimed(3, limited({ perKey: 3 }))).length, 2)
        assert.strictEqual((yield* reader.queues(Number.MAX_SAFE_INTEGER))[0]?.depth, 298)
      }))

    test("starts no more than the rate in any span, and says when the next may start", ({ clocks, pass }) =>
      Effect.gen(function*() {
        yield* epochOpened(1_000_000)
        for (let index = 0; index < 5; index++) yield* asked()
        const policy = limited({ rate: { count: 2, perMs: 1000 } })
        assert.strictEqual((yield* claimed(1, policy)).length, 1)
        yield* pass(400)
        assert.strictEqual((yield* claimed(5, policy)).length, 1)
        yield* pass(599)
        assert.strictEqual((yield* claimed(5, policy)).length, 0)
        assert.strictEqual(yield* nextClaim(policy), clocks.wallMs + 1)
        yield* pass(1)
        assert.strictEqual((yield* claimed(5, policy)).length, 1)
        assert.strictEqual(yield* nextClaim(policy), clocks.wallMs + 400)
      }))

    test("pauses and resumes a queue on the record, tells who watches, and shows it", ({ clocks }) =>
      Effect.gen(function*() {
        const engine = yield* Engine
        const reader = yield* EngineReader
        yield* epochOpened()
        yield* asked()
        const changes = yield* engine.watch
        assert.deepInclude(yield* steered("pause_queue", "light"), { queue: "light", paused: true, moved: true })
        assert.deepStrictEqual(yield* Queue.take(changes), [])
        assert.deepInclude(yield* steered("pause_queue", "light"), { paused: true, moved: false })
        assert.deepStrictEqual([yield* claimed(1), yield* nextClaim({})], [[], null])
        const state = { queue: "light", paused: true, sinceMs: clocks.wallMs, actor: "cli:ada", reason: "because" }
        assert.deepStrictEqual(yield* reader.queues(clocks.wallMs), [{ queue: "light", depth: 1, due: 1, running: 0, oldestDueMs: clocks.wallMs, state }])
        assert.deepInclude(yield* steered("resume_queue", "light"), { paused: false, moved: true })
        assert.strictEqual((yield* claimed(1)).length, 1)
        const types = (yield* reader.events(0, 100)).map(({ type }) => type)
        assert.deepStrictEqual(types.filter((type) => type.startsWith("queue.") || type.startsWith("command.")), ["queue.paused", "command.accepted", "queue.resumed"])
        const refused = yield* Effect.either(steered("pause_queue", "light", " "))
        assert.strictEqual(Either.isLeft(refused) && refused.left._tag, "ReasonMissing")
      }).pipe(Effect.scoped))

    test("answers the task that has the unique key, until it has started or ended", () =>
      Effect.gen(function*() {
        yield* epochOpened()
        const once = (scope: "queued" | "active") => asked({ unique: { key: "k", scope } })
        const first = yield* once("active")
        assert.deepInclude(yield* once("active"), { task: first.task, existing: true, moved: false })
        assert.notStrictEqual((yield* asked({ unique: { key: "k", scope: "active" }, tenant: "other" })).task, first.task)
        const [one] = yield* claimed(1)
        assert.strictEqual((yield* once("queued")).task, first.task)
        if (one !== undefined) yield* settled(one.task.id, one.held, succeeded)
        const next = yield* once("queued")
        assert.notStrictEqual(next.task, first.task)
        yield* claimed(2)
        assert.notStrictEqual((yield* once("queued")).task, next.task)
      }))

    test("refuses to recover a task whose unique key is another's by now", () =>
      Effect.gen(function*() {
        const engine = yield* Engine
        const wish: Wish = { unique: { key: "k", scope: "active" } }
        const id = TaskId.make((yield* asked(wish)).task)
        yield* applied(id, (task, now) => cancel(task, commandOf({ op: "cancel", task: id, reason: "no" }), now))
        const holder = yield* asked(wish)
        const recovering = engine.commit({
          tasks: [id],
          key: null,
          unique: ([task]) => (task === undefined ? null : uniqueName(task.tenant, task.kind, "k")),
          rule: ({ holder, tasks: [task] }, now) => {
            if (task === undefined) throw new Error("there is no such task")
            return recover(task, commandOf({ op: "recover", task: id, reason: "again" }), kindOf(), now, holder)
          }
        })
        assert.deepInclude(yield* Effect.flip(recovering), { _tag: "UniqueTaken", holder: holder.task })
      }))

    test("debounces: the last payload, after the last request, or after the longest wait", ({ clocks, pass }) =>
      Effect.gen(function*() {
        const reader = yield* EngineReader
        yield* epochOpened(1_000_000)
        const again = (n: number) => asked({ debounce: { key: "k", delay_ms: 100, max_wait_ms: 250 } }, { payload: { n } })
        const { task } = yield* again(1)
        for (const [n, dueIn] of [[2, 100], [3, 90], [4, 10]] as const) {
          yield* pass(80)
          assert.deepInclude(yield* again(n), { task, existing: true, moved: true })
          assert.strictEqual((yield* reader.get(TaskId.make(task)))?.availableAtMs, clocks.wallMs + dueIn)
        }
        assert.deepStrictEqual(yield* claimed(1), [])
        yield* pass(10)
        assert.deepStrictEqual((yield* claimed(1)).map((one) => one.task.payload), ["{\"n\":4}"])
        assert.notStrictEqual((yield* again(5)).task, task)
      }))

    test("refuses to debounce a task that needs people", () =>
      Effect.gen(function*() {
        const again = asked({ debounce: { key: "k", delay_ms: 100 } }, { kind: heavyKind() })
        yield* again
        assert.strictEqual((yield* Effect.flip(again))._tag, "DebounceRefused")
      }))

    test("hands out a delayed task when it is due, and counts its schedule-to-start and its schedule-to-close from then", ({ clocks, pass }) =>
      Effect.gen(function*() {
        const engine = yield* Engine
        const kind = kindOf({ limits: { ...kindOf().limits, scheduleToStartMs: 50, scheduleToCloseMs: 70 } })
        yield* epochOpened(1_000_000)
        const { task } = yield* asked({ delay_ms: 1000 }, { kind })
        assert.deepStrictEqual(yield* engine.nextDue, { claimMs: clocks.wallMs + 1000, expiryMs: clocks.wallMs + 1050 })
        yield* pass(999)
        assert.deepStrictEqual([yield* claimed(1), yield* engine.due(clocks.wallMs, 5)], [[], []])
        yield* pass(1)
        assert.deepStrictEqual(ids(yield* claimed(1)), [task])
      }))

    test("knows slots, keys, rates, turns and pauses by what is stored, whoever claims", () =>
      Effect.gen(function*() {
        yield* epochOpened()
        for (const tenant of ["a", "a", "a", "b", "c"]) yield* asked({ tenant })
        assert.deepStrictEqual((yield* claimed(4)).map(({ task }) => task.tenant), ["a", "b", "c", "a"])
        assert.strictEqual((yield* claimedPlainly(5)).length, 1)
      }))
  })
}
