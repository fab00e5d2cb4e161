/** What every engine must do. Each implementation runs this suite in its own test file. */
import { assert, describe } from "@effect/vitest"
import { approve } from "../../src/domain/Approval.ts"
import { Effect, Either, Queue } from "effect"
import { childWait, endStep, signalWait, spawn, suspend } from "../../src/domain/Checkpoint.ts"
import { granted, refused } from "../../src/domain/Decision.ts"
import { resume } from "../../src/domain/Dispatch.ts"
import { begin, reclaim } from "../../src/domain/Execution.ts"
import { fork } from "../../src/domain/Fork.ts"
import { LeaseInForce, TaskNotFound } from "../../src/domain/Refusal.ts"
import { expire } from "../../src/domain/Request.ts"
import { specOf } from "../../src/domain/Schedule.ts"
import { declare } from "../../src/domain/Scheduling.ts"
import { signal } from "../../src/domain/Signal.ts"
import { TaskId } from "../../src/domain/Task.ts"
import { Engine, EngineReader } from "../../src/engine/Engine.ts"
import { type EngineLayer, refusalOf, testOn } from "./suite.ts"
import { applied, begunUnder, claimed, claimedOne, commandOf, draftOf, epochOpened, failedOutcome, heavyKind, kindOf, nextId, settled, submitted, succeeded } from "./tasks.ts"

export const engineConformance = (name: string, layer: EngineLayer) => {
  const test = testOn(layer)
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
        yield* engine.commit({ tasks: [id], key: null, rule: ({ tasks: [found] }, now) => found === undefined ? refused(new TaskNotFound({ task }), {}) : resume(found, commandOf({ op: "resume", task, reason: null }), kind, now) })
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
        assert.deepStrictEqual((yield* (yield* EngineReader).get(one.task.id))?.intents, [])
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

    test("tells the event of an epoch until when the one before was renewed", ({ pass }) =>
      Effect.gen(function*() {
        const engine = yield* Engine
        const { epoch, leaseUntilMs } = yield* epochOpened(1000)
        yield* pass(400)
        yield* engine.renew(epoch, 1000)
        yield* pass(5000)
        yield* epochOpened(1000)
        const last = (yield* allEvents).map(({ payload }) => JSON.parse(payload ?? "{}").last)
        assert.deepStrictEqual(last, [null, { epoch, lease_until_ms: leaseUntilMs + 400 }])
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

    test("stores steps with the decision that puts or ends them, and gives them by number", ({ clocks, pass }) =>
      Effect.gen(function*() {
        const reader = yield* EngineReader
        yield* epochOpened()
        yield* submitted(kindOf())
        const { held, task: { id } } = yield* claimedOne
        const supervisor = { pid: 7, startTicks: 8, dir: "/d/ü", marker: "m\"" }
        const first = draftOf(1, { effect: "dangerous", answers: true, drawn: "[1,\"ü\"]", supervisor })
        const { step: second } = yield* applied(id, (task, now) => begin(task, held, draftOf(2, { scope: "0.1/", name: "\u2028 \"two\"" }), now))
        const { step: one } = yield* applied(id, (task, now) => begin(task, held, first, now))
        if (one === null || second === null) return yield* Effect.dieMessage("both begin")
        assert.deepInclude(one, { ...first, state: "open", generation: 1 })
        assert.deepStrictEqual(yield* reader.steps(id), [one, second])
        yield* pass(5)
        yield* applied(id, (task, now) => endStep(task, held, { number: 1, name: "step 1" }, { _tag: "Succeeded", result: { "ü": null } }, now))
        yield* applied(id, (task, now) => endStep(task, held, { number: 2, name: "two" }, { _tag: "Failed", code: "x", error: "\u0000 \ud800" }, now))
        const [ended, failed] = yield* reader.steps(id)
        assert.deepStrictEqual(ended, { ...one, state: "succeeded", result: "{\"ü\":null}", endedAtMs: clocks.wallMs })
        assert.deepInclude(failed, { state: "failed", code: "x", result: null })
        yield* applied(id, (task, now) => begin(task, held, first, now))
        assert.deepInclude((yield* reader.steps(id))[0], { state: "open", result: null, endedAtMs: null, startedAtMs: clocks.wallMs })
        assert.deepStrictEqual(yield* reader.steps(nextId()), [])
      }))

    test("stores no step of a change whose rule throws or refuses, and those of its neighbours", () =>
      Effect.gen(function*() {
        const engine = yield* Engine
        const reader = yield* EngineReader
        yield* epochOpened()
        yield* Effect.all([submitted(kindOf()), submitted(kindOf()), submitted(kindOf())])
        const [a, b, c] = yield* claimed(3)
        if (a === undefined || b === undefined || c === undefined) return yield* Effect.dieMessage("three were due")
        const begins = ({ held, task }: typeof a) => applied(task.id, (found, now) => begin(found, held, draftOf(1), now))
        const broken = engine.commit({ tasks: [b.task.id], key: null, rule: ({ tasks: [task] }, now) => {
          if (task !== undefined) begin(task, b.held, draftOf(1), now)
          throw new Error("a bug")
        } })
        const late = applied(b.task.id, (task, now) => begin(task, { ...b.held, generation: 0 }, draftOf(1), now))
        yield* Effect.all([begins(a), Effect.exit(broken), Effect.exit(late), begins(c)], { concurrency: "unbounded" })
        assert.deepStrictEqual(yield* Effect.all([a, b, c].map(({ task }) => Effect.map(reader.steps(task.id), (steps) => steps.length))), [1, 0, 1])
      }))

    test("hands a rule the steps it asks for, as the changes of the same turn left them, and none to others", () =>
      Effect.gen(function*() {
        const engine = yield* Engine
        yield* epochOpened()
        yield* submitted(kindOf())
        const { held, task: { id } } = yield* claimedOne
        const look = (stepsOf?: TaskId) =>
          engine.commit({ tasks: [], key: null, ...(stepsOf === undefined ? {} : { stepsOf }), rule: ({ steps }) => granted(steps.map(({ number, state }) => [number, state] as const), {}) })
        const ends = applied(id, (task, now) => endStep(task, held, { number: 1, name: "step 1" }, { _tag: "Succeeded", result: 1 }, now))
        const begins = (number: number) => applied(id, (task, now) => begin(task, held, draftOf(number), now))
        const [, before, , , after] = yield* Effect.all([begins(1), look(id), ends, begins(2), look(id)], { concurrency: "unbounded" })
        assert.deepStrictEqual([before, after], [[[1, "open"]], [[1, "succeeded"], [2, "open"]]])
        assert.deepStrictEqual([yield* look(), yield* look(nextId())], [[], []])
      }))

    test("hands a rule the tasks that the first ones name, in their order, and stores what it does to them", () =>
      Effect.gen(function*() {
        const engine = yield* Engine
        const reader = yield* EngineReader
        const ids = yield* Effect.forEach([1, 2, 3], () => Effect.map(submitted(kindOf()), ({ task }) => TaskId.make(task)))
        const [first, second, third] = ids
        if (first === undefined || second === undefined || third === undefined) return yield* Effect.dieMessage("three were submitted")
        const missing = nextId()
        const found = yield* engine.commit({
          tasks: [first],
          related: ([task]) => (task === undefined ? [] : [third, missing, second]),
          key: null,
          rule: ({ related, tasks }) => {
            const changed = related.flatMap((task) => (task === undefined ? [] : [{ ...task, availableAtMs: 5 }]))
            return granted([...tasks, ...related].map((task) => task?.id), { tasks: changed })
          }
        })
        assert.deepStrictEqual(found, [first, third, undefined, second])
        assert.deepStrictEqual(yield* Effect.forEach(ids, (id) => Effect.map(reader.get(id), (task) => task?.availableAtMs === 5)), [false, true, true])
        const { counts } = yield* reader.summary(0)
        assert.deepInclude(counts, { "queued": 3, "state.QUEUED": 3 })
      }))

    test("parks a run until it is due, and wakes it by its signal", ({ pass }) =>
      Effect.gen(function*() {
        const engine = yield* Engine
        yield* epochOpened()
        yield* submitted(kindOf())
        const one = yield* claimedOne
        const { id } = one.task
        const parks = (held: typeof one.held, wait: Parameters<typeof suspend>[2]) => applied(id, (task, now) => suspend(task, held, wait, [], [], now))
        yield* parks(one.held, { untilMs: 1_800_000_000_000 + 1000, waits: [] })
        assert.strictEqual((yield* claimed()).length, 0)
        assert.strictEqual((yield* engine.nextDue).claimMs, 1_800_000_000_000 + 1000)
        yield* pass(1000)
        const two = yield* claimedOne
        yield* parks(two.held, { untilMs: null, waits: [signalWait("go")] })
        yield* pass(1_000_000_000)
        yield* epochOpened()
        assert.strictEqual((yield* claimed()).length, 0)
        yield* applied(id, (task, now) => signal(task, commandOf({ op: "signal", task: id, reason: null, name: "go", payload: 1 }), now))
        assert.deepInclude((yield* claimedOne).task, { attempt: 1, generation: 3, budget: 2 })
      }))

    test("wakes a parent with the end of its child, and lists it by its parent", () =>
      Effect.gen(function*() {
        const reader = yield* EngineReader
        yield* epochOpened()
        yield* submitted(kindOf())
        const parent = yield* claimedOne
        const id = nextId()
        yield* applied(parent.task.id, (task, now) => spawn(task, parent.held, draftOf(1), { id, kind: kindOf(), payload: {} }, [], now))
        yield* applied(parent.task.id, (task, now) => suspend(task, parent.held, { untilMs: null, waits: [childWait(id)] }, [task], [], now))
        assert.deepStrictEqual((yield* reader.list({ parent: parent.task.id, limit: 10 })).map((task) => task.id), [id])
        assert.deepStrictEqual(yield* reader.list({ parent: id, limit: 10 }), [])
        const child = yield* claimedOne
        assert.strictEqual(child.task.id, id)
        yield* settled(id, child.held, succeeded)
        assert.deepStrictEqual((yield* typesOf).slice(-2), ["task.succeeded", "child.ended"])
        assert.strictEqual((yield* claimedOne).task.id, parent.task.id)
      }))

    test("stores a fork with its steps, and knows both ways where it comes from", () =>
      Effect.gen(function*() {
        const engine = yield* Engine
        const reader = yield* EngineReader
        yield* epochOpened()
        yield* submitted(kindOf())
        const { held, task: { id } } = yield* claimedOne
        yield* applied(id, (task, now) => begin(task, held, draftOf(1, { effect: "dangerous" }), now))
        yield* applied(id, (task, now) => endStep(task, held, { number: 1, name: "step 1" }, { _tag: "Succeeded", result: 7 }, now))
        yield* applied(id, (task, now) => begin(task, held, draftOf(2), now))
        yield* settled(id, held, succeeded)
        const forks = () =>
          engine.commit({ tasks: [id], stepsOf: id, key: null, rule: ({ steps, tasks: [task] }, now) =>
            task === undefined ? refused(new TaskNotFound({ task: id }), {}) : fork(task, steps, commandOf({ op: "fork", task: id, reason: "again", step: 2 }), kindOf(), nextId(), now) })
        const first = TaskId.make((yield* forks()).task)
        const second = TaskId.make((yield* forks()).task)
        assert.deepStrictEqual((yield* reader.list({ forkedFrom: id, limit: 10 })).map((task) => task.id), [second, first])
        assert.deepStrictEqual((yield* reader.get(first))?.forkedFrom, { task: id, step: 2 })
        const [copy, ...more] = yield* reader.steps(first)
        assert.deepInclude(copy, { task: first, number: 1, state: "succeeded", result: "7", copiedFrom: id, dispatchKey: `${first}:1`, effect: "dangerous" })
        assert.deepStrictEqual(more, [])
        assert.deepStrictEqual((yield* reader.steps(id)).map(({ copiedFrom, number }) => [number, copiedFrom]), [[1, null], [2, null]])
      }))

    test("gives nothing out that is due while a restored file waits for its release, and wakes who watches when it comes", () =>
      Effect.gen(function*() {
        const engine = yield* Engine
        const reader = yield* EngineReader
        yield* epochOpened()
        yield* submitted(kindOf())
        yield* submitted(heavyKind({ limits: { ...heavyKind().limits, approvalTtlMs: 0 } }))
        const held = { number: 1, atMs: 7, actor: "cli:ada", backupSeq: 1, backupHash: "0".repeat(64), generationFloor: 1000, releasedAtMs: null }
        const spec = Either.getOrThrow(specOf({ name: "pulse", kind: "report", everyMs: 1000 }))
        yield* engine.commit({ tasks: [], key: null, schedule: { name: "pulse" }, rule: (_, now) => declare(undefined, spec, { open: [], ticks: [], kind: kindOf() }, now) })
        const put = (restored: typeof held | (Omit<typeof held, "releasedAtMs"> & { readonly releasedAtMs: number })) =>
          engine.commit({ tasks: [], key: null, rule: () => granted(null, { restored }) })
        yield* put(held)
        assert.deepStrictEqual(yield* engine.claim({ limit: 9, rule: ({ id }) => granted(id, {}) }), [])
        assert.deepStrictEqual(yield* engine.due(8_000_000_000_000, 10), [])
        assert.deepStrictEqual(yield* engine.nextDue, { claimMs: null, expiryMs: null })
        assert.deepStrictEqual(yield* engine.schedulesDue(8_000_000_000_000, 10), { due: [], waiting: [], nextMs: null })
        assert.strictEqual((yield* reader.summary(0)).heldSinceMs, 7)
        const changes = yield* engine.watch
        const ticking = yield* engine.watchSchedules
        yield* put({ ...held, releasedAtMs: 8 })
        assert.deepStrictEqual(yield* Queue.take(changes), [])
        yield* Queue.take(ticking)
        assert.deepStrictEqual((yield* engine.schedulesDue(8_000_000_000_000, 10)).due, ["pulse"])
        assert.strictEqual((yield* reader.summary(0)).heldSinceMs, null)
        assert.strictEqual((yield* engine.due(8_000_000_000_000, 10)).length, 1)
        assert.strictEqual((yield* claimed()).length, 1)
      }).pipe(Effect.scoped))

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
