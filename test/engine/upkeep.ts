/** What every engine must do for bulk commands, the dead letter and retention. Part of the conformance suite. */
import { assert, describe } from "@effect/vitest"
import { Effect, Either, Queue } from "effect"
import { type Bulk, bulkStates, type Matching } from "../../src/domain/Bulk.ts"
import { carryOutItem, endBulk, namingBulk, requestBulk, stopBulk } from "../../src/domain/BulkRules.ts"
import { endStep, spawn } from "../../src/domain/Checkpoint.ts"
import type { Json } from "../../src/domain/Canonical.ts"
import { dismiss } from "../../src/domain/DeadLetter.ts"
import { begin } from "../../src/domain/Execution.ts"
import { fork } from "../../src/domain/Fork.ts"
import { onTask } from "../../src/domain/OnTask.ts"
import { recover } from "../../src/domain/Recovery.ts"
import { finalStates, nothingPruned, pruned, prunedEvent, type FinalState } from "../../src/domain/Retention.ts"
import { TaskId } from "../../src/domain/Task.ts"
import { Engine, EngineReader } from "../../src/engine/Engine.ts"
import { chainIntact } from "../../gate/invariant/chainIntact.ts"
import { legalTransitions } from "../../gate/invariant/legalTransitions.ts"
import type { LogEvent } from "../../gate/History.ts"
import { toLine } from "../../src/domain/TaskEvent.ts"
import { run, scenario, score } from "../gate/invariant/Story.ts"
import { type EngineLayer, testOn } from "./suite.ts"
import { applied, claimed, claimedOne, commandOf, draftOf, epochOpened, failedOutcome, heavyKind, kindOf, nextId, settled, submitted, succeeded } from "./tasks.ts"

const once = kindOf({ retry: { attemptsMax: 1, baseMs: 0, capMs: 0 } })
const dead: Matching = { states: ["FAILED"], kind: null, code: null, beforeMs: null, tasks: null, dead: true }
const asks = (verb: Bulk["verb"], reason: string | null = "because") =>
  commandOf({ op: "bulk" as const, verb, filter: { state: null, kind: null, code: null, older_ms: null, tasks: [], dead: true }, rate_per_s: 10, reason })

const allEvents = Effect.flatMap(EngineReader, (reader) => reader.events(0, 10_000))
const logLines = Effect.map(allEvents, (events) => events.map((event): LogEvent => JSON.parse(toLine(event))))
const idsFor = (matching: Matching) => Effect.flatMap(EngineReader, (reader) => Effect.map(reader.matching(matching, "", 1000), ({ ids }) => ids))
const get = (id: string) => Effect.flatMap(EngineReader, (reader) => Effect.flatMap(reader.get(TaskId.make(id)), (task) => (task === undefined ? Effect.dieMessage("no such task") : Effect.succeed(task))))

/** Tasks that have failed for good. */
const failedTasks = (count: number, kind = once) =>
  Effect.gen(function*() {
    const made = yield* Effect.forEach(Array.from({ length: count }), () => submitted(kind))
    for (const { held, task } of yield* claimed(count)) yield* settled(task.id, held, failedOutcome)
    return made.map(({ task }) => TaskId.make(task))
  })

const requested = (verb: Bulk["verb"], ids: ReadonlyArray<TaskId>, matching: Matching, id: TaskId = nextId()) =>
  Effect.flatMap(Engine, (engine) => engine.commit({ tasks: [], key: null, rule: (_, now) => requestBulk(asks(verb), matching, ids, id, now) }))

const carriedOut = (bulk: string, number: number, task: TaskId, version = "v1") =>
  Effect.flatMap(Engine, (engine) => {
    const change = onTask(task, (found, now, { bulk: known, holder }) => carryOutItem(known, found, { kind: kindOf({ version }), holder }, now))
    return engine.commit({ ...change, bulk: { id: bulk, number }, rule: (found, now) => namingBulk(change.rule(found, now), bulk) })
  })

const passed = (state: FinalState, throughMs: number, limit = 100) =>
  Effect.flatMap(Engine, (engine) => engine.prune({ state, throughMs, after: null, limit, rule: pruned, event: (counts) => prunedEvent(counts, { state, before_ms: throughMs }) }))

const secret: Json = { secret: "in the payload" }
const tells = { _tag: "Succeeded", result: { secret: "in the result" } } as const

export const upkeepConformance = (name: string, layer: EngineLayer) => {
  const test = testOn(layer)

  describe(`${name}: bulk commands`, () => {
    test("are about the tasks that fitted when they were stored, each once", () =>
      Effect.gen(function*() {
        const reader = yield* EngineReader
        yield* epochOpened()
        const ids = yield* failedTasks(3)
        const { bulk } = yield* requested("recover", yield* idsFor(dead), dead)
        const late = yield* failedTasks(1)
        for (const [index, id] of ids.entries()) {
          assert.strictEqual(yield* carriedOut(bulk, index + 1, id), "done")
          assert.strictEqual(yield* carriedOut(bulk, index + 1, id), null)
        }
        assert.deepStrictEqual((yield* reader.bulkItems(bulk, { after: 0, pending: false, limit: 10 })).map(({ number, outcome, task }) => `${number} ${task} ${outcome}`), ids.map((id, index) => `${index + 1} ${id} done`))
        assert.deepStrictEqual(yield* reader.bulkItems(bulk, { after: 0, pending: true, limit: 10 }), [])
        const states = yield* Effect.forEach([...ids, ...late], (id) => Effect.map(get(id), ({ state }) => state))
        assert.deepStrictEqual(states, ["QUEUED", "QUEUED", "QUEUED", "FAILED"])
        const moves = (yield* allEvents).filter(({ payload, type }) => type === "task.queued" && payload?.includes("recover") === true)
        assert.deepStrictEqual(moves.map(({ payload }) => JSON.parse(payload ?? "").bulk), [bulk, bulk, bulk])
        assert.deepStrictEqual(moves.map(({ payload }) => JSON.parse(payload ?? "").command.bulk), [bulk, bulk, bulk])
      }))

    test("record what a rule refuses, and skip what does not fit any more", () =>
      Effect.gen(function*() {
        const engine = yield* Engine
        const reader = yield* EngineReader
        yield* epochOpened()
        const [gone = nextId(), steady = nextId()] = yield* failedTasks(2)
        const matching: Matching = { ...dead, dead: false }
        const { bulk } = yield* requested("reject", [gone, steady], matching)
        yield* applied(gone, (task, now) => recover(task, commandOf({ op: "recover", task: gone, reason: "first" }), kindOf(), now))
        assert.strictEqual(yield* carriedOut(bulk, 1, gone), "skipped")
        const end = engine.commit({ tasks: [], key: null, bulk: { id: bulk }, rule: ({ bulk: found }, now) => endBulk(found, now) })
        assert.strictEqual(yield* end, false)
        assert.strictEqual(yield* carriedOut(bulk, 2, steady), "refused")
        assert.strictEqual(yield* end, true)
        assert.strictEqual(yield* end, false)
        assert.deepStrictEqual((yield* reader.bulkItems(bulk, { after: 0, pending: false, limit: 10 })).map(({ code, outcome }) => [outcome, code]), [["skipped", "no_longer_fits"], ["refused", "TransitionRefused"]])
        assert.deepInclude(yield* reader.bulk(bulk), { counts: { done: 0, skipped: 1, refused: 1, pending: 0, lastAtMs: 1_800_000_000_000 } })
        const named = (yield* allEvents).filter(({ payload }) => payload?.includes(bulk) === true)
        assert.deepStrictEqual(named.map(({ type }) => type), ["bulk.requested", "bulk.skipped", "command.refused", "bulk.ended"])
        assert.deepInclude(JSON.parse(named.at(-1)?.payload ?? ""), { state: "ended", matched: 2, done: 0, skipped: 1, refused: 1, left: 0 })
      }))

    test("leave alone what waits when they are stopped", () =>
      Effect.gen(function*() {
        const engine = yield* Engine
        const reader = yield* EngineReader
        yield* epochOpened()
        const [first = nextId(), second = nextId()] = yield* failedTasks(2)
        const { bulk } = yield* requested("recover", [first, second], dead)
        yield* carriedOut(bulk, 1, first)
        const stop = (reason: string | null) =>
          engine.commit({ tasks: [], key: null, bulk: { id: bulk }, rule: ({ bulk: found }, now) => stopBulk(found, commandOf({ op: "bulk.stop", bulk, reason }), now) })
        assert.strictEqual((yield* Effect.flip(stop(" ")))._tag, "ReasonMissing")
        assert.deepInclude(yield* stop("enough"), { state: "stopped", done: 1, pending: 1 })
        assert.strictEqual(yield* carriedOut(bulk, 2, second), null)
        assert.strictEqual((yield* get(second)).state, "FAILED")
        assert.deepInclude(yield* stop("again"), { state: "stopped", done: 1 })
        assert.strictEqual((yield* allEvents).filter(({ type }) => type === "bulk.ended").length, 1)
        assert.deepStrictEqual((yield* reader.bulks({ running: true, limit: 10 })).length, 0)
        assert.isTrue(bulkStates.includes((yield* reader.bulks({ running: false, limit: 10 }))[0]?.state ?? "running"))
      }))

    test("are refused on the record when nothing fits, and without a reason", () =>
      Effect.gen(function*() {
        const engine = yield* Engine
        const refusal = (ids: ReadonlyArray<TaskId>, reason: string | null) =>
          Effect.map(Effect.flip(engine.commit({ tasks: [], key: null, rule: (_, now) => requestBulk(asks("recover", reason), dead, ids, nextId(), now) })), ({ _tag }) => _tag)
        assert.strictEqual(yield* refusal([], "why"), "NothingMatched")
        assert.strictEqual(yield* refusal([nextId()], null), "ReasonMissing")
        assert.deepStrictEqual((yield* allEvents).map(({ type }) => type), ["command.refused", "command.refused"])
        assert.deepStrictEqual(yield* (yield* EngineReader).bulks({ running: false, limit: 10 }), [])
      }))

    test("find by state, kind, code, age, name and dead letter, page by page", ({ pass }) =>
      Effect.gen(function*() {
        const reader = yield* EngineReader
        yield* epochOpened()
        const [old = nextId()] = yield* failedTasks(1)
        yield* pass(10_000)
        const [young = nextId()] = yield* failedTasks(1, { ...once, name: "other" })
        yield* submitted(heavyKind())
        const all: Matching = { ...dead, dead: false, states: ["FAILED", "REQUESTED"] }
        const found = (change: Partial<Matching>) => idsFor({ ...all, ...change })
        assert.strictEqual((yield* found({})).length, 3)
        assert.deepStrictEqual(yield* found({ states: ["FAILED"] }), [old, young])
        assert.deepStrictEqual(yield* found({ kind: "other" }), [young])
        assert.deepStrictEqual(yield* found({ code: "exit_nonzero" }), [old, young])
        assert.deepStrictEqual(yield* found({ code: "else" }), [])
        assert.deepStrictEqual(yield* found({ beforeMs: 1_800_000_000_000 }), [old])
        assert.deepStrictEqual(yield* found({ tasks: [young, nextId()] }), [young])
        yield* applied(old, (task, now) => dismiss(task, commandOf({ op: "dismiss", task: old, reason: "known" }), now))
        assert.deepStrictEqual(yield* found({ dead: true }), [young])
        const first = yield* reader.matching(all, "", 2)
        assert.deepStrictEqual([first.ids.length, first.next], [2, first.ids[1]])
        assert.deepStrictEqual((yield* reader.matching(all, first.next ?? "", 2)).next, null)
      }))

    test("are announced when they are stored", () =>
      Effect.gen(function*() {
        const requests = yield* (yield* Engine).watchRequests
        yield* epochOpened()
        yield* requested("recover", yield* failedTasks(1), dead)
        assert.strictEqual((yield* Queue.take(requests)).type, "bulk.requested")
      }).pipe(Effect.scoped))
  })

  describe(`${name}: the dead letter`, () => {
    test("holds what failed until it is recovered or dismissed, and counts it", () =>
      Effect.gen(function*() {
        const reader = yield* EngineReader
        yield* epochOpened()
        const ids = yield* failedTasks(3)
        const listed = (kind: string | null, code: string | null) => Effect.map(reader.list({ dead: { kind, code }, limit: 10 }), (tasks) => tasks.map(({ id }) => id))
        const counted = Effect.map(reader.summary(0), ({ counts }) => counts.dead)
        assert.deepStrictEqual([...(yield* listed(null, null))].sort(), [...ids].sort())
        assert.deepStrictEqual([(yield* listed("report", "exit_nonzero")).length, (yield* listed("report", "x")).length, (yield* listed("x", null)).length, yield* counted], [3, 0, 0, 3])
        const [one = nextId(), two = nextId(), three = nextId()] = ids
        const word = () => applied(one, (task, now) => dismiss(task, commandOf({ op: "dismiss", task: one, reason: "known" }), now))
        assert.strictEqual((yield* word()).moved, true)
        assert.strictEqual((yield* word()).moved, false)
        yield* applied(two, (task, now) => recover(task, commandOf({ op: "recover", task: two, reason: "again" }), kindOf(), now))
        assert.deepStrictEqual([yield* listed(null, null), yield* counted], [[three], 1])
        // What was dismissed and fails anew is in it again.
        yield* applied(one, (task, now) => recover(task, commandOf({ op: "recover", task: one, reason: "again" }), kindOf(), now))
        for (const { held, task } of yield* claimed(5)) yield* settled(task.id, held, failedOutcome)
        assert.deepStrictEqual([(yield* listed(null, null)).length, yield* counted], [3, 3])
      }))
  })

  describe(`${name}: retention`, () => {
    const ended = Effect.gen(function*() {
      yield* epochOpened(1e9)
      yield* submitted(kindOf(), { payload: secret, key: "k" })
      const { held, task: { id } } = yield* claimedOne
      yield* applied(id, (task, now) => begin(task, held, draftOf(1), now))
      yield* applied(id, (task, now) => endStep(task, held, { number: 1, name: "step 1" }, { _tag: "Succeeded", result: secret }, now))
      yield* settled(id, held, { _tag: "Failed", code: "exit_nonzero", error: "secret of an attempt" })
      return id
    })
    const wholeLife = (pass: (ms: number) => Effect.Effect<void>) =>
      Effect.gen(function*() {
        const id = yield* ended
        yield* pass(60_000)
        const { held } = yield* claimedOne
        yield* settled(id, held, tells)
        return id
      })

    test("gives up payload, results and errors, and nothing of the record; the chain verifies", ({ clocks, pass }) =>
      Effect.gen(function*() {
        const reader = yield* EngineReader
        const id = yield* wholeLife(pass)
        const before = yield* allEvents
        const whole = yield* get(id)
        const counts = yield* Effect.map(reader.summary(0), (summary) => summary.counts)
        assert.deepInclude(yield* passed("SUCCEEDED", clocks.wallMs - 1), { counts: nothingPruned, next: null })
        yield* pass(1000)
        const { counts: gone } = yield* passed("SUCCEEDED", clocks.wallMs)
        assert.deepInclude(gone, { tasks: 1, steps: 1, attempts: 1 })
        assert.isAbove(gone.bytes, 100)
        const after = yield* allEvents
        const left = yield* get(id)
        const everything = JSON.stringify([left, yield* reader.steps(id), yield* reader.attempts(id), after])
        assert.notInclude(everything, "secret")
        assert.deepStrictEqual({ ...left, payload: whole.payload, result: whole.result, failure: whole.failure, prunedAtMs: null }, whole)
        assert.strictEqual(left.prunedAtMs, clocks.wallMs)
        assert.strictEqual(after.filter(({ payload }) => payload === null).length, gone.events)
        // Header, digest and hash of every event are as they were; the one that is new says what went.
        assert.deepStrictEqual(after.slice(0, -1).map((event) => ({ ...event, payload: null })), before.map((event) => ({ ...event, payload: null })))
        assert.deepInclude(JSON.parse(after.at(-1)?.payload ?? ""), { state: "SUCCEEDED", ...gone })
        const lines = yield* logLines
        assert.strictEqual(score(chainIntact(run({ ...scenario({}), events: lines }))), `${lines.length}/${lines.length}`)
        // What the gate cannot judge without it counts as missing.
        assert.strictEqual(legalTransitions(run({ ...scenario({}), events: lines }))._tag, "Missing")
        assert.deepStrictEqual(yield* Effect.map(reader.summary(0), (summary) => summary.counts), counts)
        assert.deepStrictEqual((yield* passed("SUCCEEDED", clocks.wallMs)).counts, nothingPruned)
      }))

    test("keeps who asked, who decided and what was refused", ({ clocks, pass }) =>
      Effect.gen(function*() {
        yield* epochOpened(1e9)
        const [id = nextId()] = yield* failedTasks(1)
        yield* applied(id, (task, now) => recover(task, commandOf({ op: "recover", task: id, reason: "on record" }), kindOf(), now))
        yield* pass(1000)
        const { held } = yield* claimedOne
        yield* settled(id, held, tells)
        const refused = onTask(id, (task, now) => recover(task, commandOf({ op: "recover", task: id, reason: "on record" }), kindOf(), now))
        yield* Effect.flip((yield* Engine).commit(refused))
        yield* passed("SUCCEEDED", clocks.wallMs)
        const kept = (yield* allEvents).filter(({ payload, task }) => task === id && payload !== null).map(({ type }) => type)
        assert.deepStrictEqual(kept, ["task.requested", "task.approved", "task.queued", "task.running", "task.queued", "task.running", "command.refused"])
      }))

    test("refuses to recover or fork from what is left", ({ clocks }) =>
      Effect.gen(function*() {
        yield* epochOpened()
        const [id = nextId()] = yield* failedTasks(1)
        yield* applied(id, (task, now) => dismiss(task, commandOf({ op: "dismiss", task: id, reason: "known" }), now))
        yield* passed("FAILED", clocks.wallMs)
        const refusal = <A>(rule: Parameters<typeof applied<A>>[1]) => Effect.map(Effect.flip(applied(id, rule)), ({ _tag }) => _tag)
        assert.strictEqual(yield* refusal((task, now) => recover(task, commandOf({ op: "recover", task: id, reason: "x" }), kindOf(), now)), "TaskPruned")
        assert.strictEqual(yield* refusal((task, now) => fork(task, [], commandOf({ op: "fork", task: id, reason: "x", step: 1 }), once, nextId(), now)), "TaskPruned")
      }))

    test("leaves the dead letter alone, and what a parent may still ask for", ({ clocks, pass }) =>
      Effect.gen(function*() {
        yield* epochOpened(1e9)
        const [lying = nextId()] = yield* failedTasks(1)
        yield* submitted(kindOf())
        const parent = yield* claimedOne
        const id = nextId()
        yield* applied(parent.task.id, (task, now) => spawn(task, parent.held, draftOf(1), { id, kind: kindOf(), payload: {} }, [], now))
        const child = yield* claimedOne
        yield* settled(child.task.id, child.held, succeeded)
        yield* pass(1000)
        for (const state of finalStates) assert.strictEqual((yield* passed(state, clocks.wallMs)).counts.tasks, 0)
        assert.strictEqual(yield* (yield* EngineReader).prunable("FAILED", clocks.wallMs), 0)
        yield* applied(lying, (task, now) => dismiss(task, commandOf({ op: "dismiss", task: lying, reason: "known" }), now))
        yield* settled(parent.task.id, parent.held, succeeded)
        assert.strictEqual(yield* (yield* EngineReader).prunable("FAILED", clocks.wallMs), 1)
        assert.strictEqual((yield* passed("FAILED", clocks.wallMs)).counts.tasks, 1)
        assert.strictEqual((yield* passed("SUCCEEDED", clocks.wallMs)).counts.tasks, 2)
      }))

    test("goes on where a batch ended", ({ clocks, pass }) =>
      Effect.gen(function*() {
        const engine = yield* Engine
        yield* epochOpened(1e9)
        for (let index = 0; index < 5; index++) {
          yield* submitted(kindOf())
          const { held, task } = yield* claimedOne
          yield* settled(task.id, held, succeeded)
          if (index === 2) yield* pass(5)
        }
        const sizes: Array<number> = []
        const request = { state: "SUCCEEDED" as const, throughMs: clocks.wallMs, limit: 2, rule: pruned, event: (counts: typeof nothingPruned) => prunedEvent(counts, { state: "SUCCEEDED", before_ms: 0 }) }
        let after: Parameters<typeof engine.prune>[0]["after"] = null
        do {
          const { counts, next }: Effect.Effect.Success<ReturnType<typeof engine.prune>> = yield* engine.prune({ ...request, after })
          sizes.push(counts.tasks)
          after = next
        } while (after !== null)
        assert.deepStrictEqual(sizes, [2, 2, 1])
      }))

    test("forgets a key with its task's payload, never before", ({ clocks, pass }) =>
      Effect.gen(function*() {
        const engine = yield* Engine
        yield* wholeLife(pass)
        yield* pass(1000)
        const forget = Effect.map(
          engine.pruneKeys({
            throughMs: clocks.wallMs,
            after: null,
            limit: 10,
            rule: (task) => task === undefined || task.prunedAtMs !== null,
            event: (counts) => prunedEvent(counts, { state: null, before_ms: clocks.wallMs })
          }),
          ({ counts }) => counts.keys
        )
        assert.strictEqual(yield* forget, 0)
        assert.isTrue(Either.isLeft(yield* Effect.either(submitted(kindOf(), { key: "k", payload: {} }))))
        yield* passed("SUCCEEDED", clocks.wallMs)
        assert.strictEqual(yield* forget, 1)
        assert.strictEqual((yield* submitted(kindOf(), { key: "k", payload: {} })).moved, true)
      }))
  })
}
