/** The timeouts of a task that wait in the queue, when the clock by which they are judged is set. */
import { Effect } from "effect"
import { assert, describe, it } from "@effect/vitest"
import { closeDeadlineMs, isPastClose, neverMs, queueDeadlineMs } from "../../src/domain/Timeout.ts"
import { expire } from "../../src/domain/Request.ts"
import { type Task, TaskId } from "../../src/domain/Task.ts"
import { Engine, EngineReader } from "../../src/engine/Engine.ts"
import * as MemoryEngine from "../../src/engine/MemoryEngine.ts"
import { testOn } from "../engine/suite.ts"
import { applied, claimed, epochOpened, kindOf, settled, submitted } from "../engine/tasks.ts"

const test = testOn(MemoryEngine.layer)
const limited = (limits: Partial<Task["limits"]>) => kindOf({ limits: { startToCloseMs: 60_000, scheduleToStartMs: null, scheduleToCloseMs: null, approvalTtlMs: 3_600_000, ...limits } })
const stateOf = (id: string) => Effect.flatMap(EngineReader, (reader) => Effect.map(reader.list({ limit: 10 }), (tasks) => tasks.find((task) => task.id === id)))
const look = (id: string) => Effect.zipRight(applied(idOf(id), expire), stateOf(id))
const idOf = (id: string): TaskId => TaskId.make(id)
const dueAt = (nowMs: number) => Effect.flatMap(Engine, (engine) => engine.due(nowMs, 10))
const day = 86_400_000

describe("schedule to start", () => {
  test("counts from the instant at which the task was due; a clock set forward ends it, one set back lets it wait", ({ clocks, pass }) =>
    Effect.gen(function*() {
      yield* epochOpened(10 * day)
      const { task: id } = yield* submitted(limited({ scheduleToStartMs: 5000 }))
      yield* pass(4999)
      assert.lengthOf(yield* dueAt(clocks.wallMs), 0)
      clocks.wallMs -= day
      assert.deepInclude(yield* look(id), { state: "QUEUED" })
      assert.lengthOf(yield* dueAt(clocks.wallMs), 0)
      clocks.wallMs += day + 1
      assert.lengthOf(yield* dueAt(clocks.wallMs), 1)
      assert.deepInclude(yield* look(id), { state: "EXPIRED" })
      const events = yield* Effect.flatMap(EngineReader, (reader) => reader.events(0, 100))
      assert.include(events.at(-1)?.payload ?? "", "schedule_to_start_timeout")
      const { tallies } = yield* Effect.flatMap(EngineReader, (reader) => reader.summary(0))
      assert.strictEqual(tallies.dispatch_timeouts, 1)
    }))
})

describe("schedule to close", () => {
  test("ends what waits for its retry, and is no dispatch timeout", ({ clocks, pass }) =>
    Effect.gen(function*() {
      yield* epochOpened(10 * day)
      const { task: id } = yield* submitted(limited({ scheduleToCloseMs: 10_000 }))
      const [one] = yield* claimed()
      if (one === undefined) return yield* Effect.dieMessage("nothing to claim")
      yield* pass(9000)
      yield* settled(idOf(id), one.held, { _tag: "Failed", code: "exit_nonzero", error: "1" }, 0.9)
      assert.deepInclude(yield* stateOf(id), { state: "QUEUED" })
      clocks.wallMs -= day
      assert.deepInclude(yield* look(id), { state: "QUEUED" })
      clocks.wallMs += day + 1000
      assert.deepInclude(yield* look(id), { state: "EXPIRED" })
      const { tallies } = yield* Effect.flatMap(EngineReader, (reader) => reader.summary(0))
      assert.strictEqual(tallies.dispatch_timeouts, 0)
    }))

  it("has no instant before the first enqueue, nor a task that waits for no time", () => {
    const limits = { startToCloseMs: 1, scheduleToStartMs: 5, scheduleToCloseMs: 7, approvalTtlMs: 1 }
    assert.isNull(closeDeadlineMs(limits, null))
    assert.isFalse(isPastClose(limits, null, Infinity))
    assert.strictEqual(queueDeadlineMs(limits, 100, 100), 105)
    assert.strictEqual(queueDeadlineMs(limits, 100, 105), 107)
    assert.strictEqual(queueDeadlineMs(limits, 100, neverMs), 107)
    assert.isNull(queueDeadlineMs({ ...limits, scheduleToCloseMs: null }, 100, neverMs))
  })
})
