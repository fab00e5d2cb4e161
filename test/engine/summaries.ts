/** What /ops reads of an engine, against a recount: run for both engines. */
import { assert, describe } from "@effect/vitest"
import { Effect, Either } from "effect"
import { countersOf, noCounts, noTallies, overdueMaxMs, queueAgeMaxMs, talliesOf, tallyMinuteMs } from "../../src/domain/Census.ts"
import { granted } from "../../src/domain/Decision.ts"
import { begin, reclaim } from "../../src/domain/Execution.ts"
import type { EventDraft } from "../../src/domain/TaskEvent.ts"
import { specOf } from "../../src/domain/Schedule.ts"
import { declare } from "../../src/domain/Scheduling.ts"
import { cancel } from "../../src/domain/Recovery.ts"
import { TaskId } from "../../src/domain/Task.ts"
import { fire } from "../../src/domain/Ticking.ts"
import { Engine, EngineReader } from "../../src/engine/Engine.ts"
import { type EngineLayer, refusalOf, testOn } from "./suite.ts"
import { applied, begunUnder, claimed, claimedOne, commandOf, epochOpened, execDraft, failedOutcome, heavyKind, kindOf, settled, submitted, succeeded } from "./tasks.ts"

const standingAt = (nowMs: number) =>
  Effect.flatMap(EngineReader, (reader) => Effect.flatMap(reader.summary(0, nowMs), ({ standing }) => (standing === null ? Effect.dieMessage("a new file knows how things stand") : Effect.succeed(standing))))

const noted = (type: EventDraft["type"], payload: EventDraft["payload"] = {}) =>
  Effect.flatMap(Engine, (engine) =>
    engine.commit({ tasks: [], key: null, rule: () => granted(null, { events: [{ type, task: null, trace: null, actor: "cli:ada", payload }] }) }))

const queueState = (paused: boolean, sinceMs: number) =>
  Effect.flatMap(Engine, (engine) => engine.commit({ tasks: [], key: null, rule: () => granted(null, { queues: [{ queue: "light", paused, sinceMs, actor: "cli:ada", reason: "x" }] }) }))

export const summaryConformance = (name: string, layer: EngineLayer) => {
  const test = testOn(layer)

  describe(`${name}, asked for a summary`, () => {
    test("counts what blocks tasks, and says since when the oldest of them is", ({ clocks, pass }) =>
      Effect.gen(function*() {
        const reader = yield* EngineReader
        yield* epochOpened()
        const startMs = clocks.wallMs
        const first = yield* submitted(heavyKind())
        yield* pass(10)
        yield* submitted(heavyKind())
        yield* submitted(kindOf({ effect: "dangerous" }))
        const { held, task } = yield* claimedOne
        yield* begunUnder(task.id, held, "dangerous")
        yield* settled(task.id, held, { _tag: "Unknown", code: "supervisor_gone", error: "" })
        assert.deepInclude((yield* reader.summary(0)).counts, { "blocked": 3, "blocked.approval": 2, "blocked.outcome_unknown": 1, "blocked.plan": 0 })
        assert.strictEqual((yield* standingAt(clocks.wallMs)).blockedSinceMs, startMs)
        yield* applied(TaskId.make(first.task), (one, now) => cancel(one, commandOf({ op: "cancel", task: one.id, reason: "x" }), now))
        assert.strictEqual((yield* standingAt(clocks.wallMs)).blockedSinceMs, startMs + 10)
        assert.deepInclude((yield* reader.summary(0)).counts, { "blocked": 2, "blocked.approval": 1 })
        yield* pass(10)
        const [last] = yield* reader.list({ state: "REQUESTED", limit: 1 })
        if (last === undefined) return yield* Effect.dieMessage("one waits for its approval")
        yield* applied(last.id, (one, now) => cancel(one, commandOf({ op: "cancel", task: one.id, reason: "x" }), now))
        // What became blocked on its way counts too.
        assert.strictEqual((yield* standingAt(clocks.wallMs)).blockedSinceMs, startMs + 10)
      }))

    test("says since when the oldest lease is held, and until when those of earlier epochs were, the shorter by the next epoch", ({ clocks, pass }) =>
      Effect.gen(function*() {
        yield* epochOpened(30_000)
        const startMs = clocks.wallMs
        yield* submitted(kindOf())
        yield* submitted(kindOf())
        const one = yield* claimedOne
        yield* pass(1000)
        yield* epochOpened(30_000)
        yield* pass(1000)
        const two = yield* claimedOne
        yield* begunUnder(two.task.id, two.held)
        assert.deepInclude(yield* standingAt(clocks.wallMs), { leasedSinceMs: startMs, earlierUntilMs: startMs + 1000 })
        yield* applied(one.task.id, (task, now) => reclaim(task, { _tag: "NotBegun" }, "ada", now, 0))
        assert.deepInclude(yield* standingAt(clocks.wallMs), { leasedSinceMs: startMs + 2000, earlierUntilMs: null })
        // Nobody opens the next one: then the lease ran out by itself.
        yield* pass(60_000)
        yield* epochOpened(30_000)
        assert.deepInclude(yield* standingAt(clocks.wallMs), { leasedSinceMs: startMs + 2000, earlierUntilMs: startMs + 31_000 })
        yield* applied(two.task.id, (task, now) => reclaim(task, { _tag: "Alive" }, "ada", now, 0))
        assert.deepInclude(yield* standingAt(clocks.wallMs), { leasedSinceMs: startMs + 2000, earlierUntilMs: null })
      }))

    test("says since when the oldest queued task is due, and leaves queues out that are paused for more than a minute", ({ clocks }) =>
      Effect.gen(function*() {
        const startMs = clocks.wallMs
        assert.deepInclude(yield* standingAt(startMs), { dueSinceMs: null, openDueSinceMs: null, queuesPaused: 0, queuesPausedSinceMs: null })
        yield* submitted(kindOf())
        yield* queueState(true, startMs)
        assert.deepInclude(yield* standingAt(startMs + 59_999), { dueSinceMs: startMs, openDueSinceMs: startMs, queuesPaused: 1, queuesPausedSinceMs: startMs })
        assert.deepInclude(yield* standingAt(startMs + 60_000), { dueSinceMs: startMs, openDueSinceMs: null })
        yield* queueState(false, startMs + 1)
        assert.deepInclude(yield* standingAt(startMs + 60_000), { openDueSinceMs: startMs, queuesPaused: 0 })
      }))

    test("keeps the instant at which a task left the queue that had waited too long, but not out of a paused queue", ({ clocks, pass }) =>
      Effect.gen(function*() {
        for (const id of [1, 2, 3]) yield* submitted(kindOf(), { payload: id })
        yield* pass(queueAgeMaxMs)
        yield* epochOpened()
        yield* claimed(1)
        assert.deepStrictEqual((yield* standingAt(clocks.wallMs)).marks, {})
        yield* pass(1)
        yield* queueState(true, clocks.wallMs)
        const [queued] = yield* Effect.flatMap(EngineReader, (reader) => reader.list({ state: "QUEUED", limit: 1 }))
        if (queued === undefined) return yield* Effect.dieMessage("two are queued")
        yield* applied(queued.id, (one, now) => cancel(one, commandOf({ op: "cancel", task: one.id, reason: "x" }), now))
        assert.deepStrictEqual((yield* standingAt(clocks.wallMs)).marks, {})
        yield* queueState(false, clocks.wallMs)
        yield* claimed(1)
        assert.deepStrictEqual((yield* standingAt(clocks.wallMs)).marks, { queue_age: clocks.wallMs })
      }))

    test("keeps the instants at which a restore was released and a loss accepted, the last of each, and none of what was rolled back", ({ clocks, pass }) =>
      Effect.gen(function*() {
        const engine = yield* Engine
        const startMs = clocks.wallMs
        yield* noted("store.released")
        yield* pass(5)
        yield* noted("store.released")
        yield* noted("loss.accepted")
        assert.deepStrictEqual((yield* standingAt(clocks.wallMs)).marks, { restore_hold: startMs + 5, events_lost: startMs + 5 })
        yield* pass(5)
        const tick = (nominalMs: number, lateMs: number, atMs: number) => ({ _tag: "Tick" as const, tick: { schedule: "pulse", nominalMs, version: 1, outcome: "late" as const, reason: null, task: null, lateMs, atMs } })
        const put = (...ticks: ReadonlyArray<readonly [number, number]>) =>
          engine.commit({ tasks: [], key: null, rule: (_, now) => granted(null, { schedules: ticks.map(([nominalMs, lateMs]) => tick(nominalMs, lateMs, now.wallMs)) }) })
        yield* put([1, 0])
        // The second tick is there already, so nothing of the first is kept.
        assert.strictEqual(yield* refusalOf(put([2, overdueMaxMs + 1], [1, 0])), "EngineUnavailable")
        yield* noted("clock.stepped")
        assert.deepStrictEqual((yield* standingAt(clocks.wallMs)).marks, { restore_hold: startMs + 5, events_lost: startMs + 5 })
        yield* put([2, overdueMaxMs + 1])
        assert.strictEqual((yield* standingAt(clocks.wallMs)).marks.schedules_overdue, clocks.wallMs)
      }))

    test("knows schedules that are overdue, and when they were not any more", ({ clocks, pass }) =>
      Effect.gen(function*() {
        const engine = yield* Engine
        const startMs = clocks.wallMs
        const spec = Either.getOrThrow(specOf({ name: "pulse", kind: "report", everyMs: 3_600_000 }))
        yield* engine.commit({ tasks: [], key: null, schedule: { name: "pulse" }, rule: (_, now) => declare(undefined, spec, { open: [], ticks: [], kind: kindOf() }, now) })
        const dueMs = startMs + 3_600_000
        yield* pass(3_600_000 + overdueMaxMs)
        assert.deepInclude(yield* standingAt(clocks.wallMs), { schedulesOverdue: 0, schedulesDueMs: dueMs, schedulesPaused: 0 })
        yield* pass(1)
        assert.deepInclude(yield* standingAt(clocks.wallMs), { schedulesOverdue: 1, marks: {} })
        yield* engine.commit({
          tasks: [],
          key: null,
          schedule: { name: "pulse" },
          rule: ({ schedule }, now) => schedule?.schedule === undefined ? granted(null, {}) : { ...fire(schedule.schedule, { open: [], ticks: [], kind: kindOf() }, now), answer: Either.right(null) }
        })
        assert.deepInclude(yield* standingAt(clocks.wallMs), { schedulesOverdue: 0, schedulesDueMs: dueMs + 3_600_000, marks: { schedules_overdue: clocks.wallMs } })
      }))

    test("tallies late writes, runs that were taken back and keys in use, with the first and the last minute of each", ({ clocks, pass }) =>
      Effect.gen(function*() {
        const reader = yield* EngineReader
        const minute = (atMs: number) => atMs - (atMs % tallyMinuteMs)
        yield* epochOpened(1000)
        yield* submitted(kindOf())
        yield* submitted(kindOf())
        const [one, two] = yield* claimed(2)
        if (one === undefined || two === undefined) return yield* Effect.dieMessage("two were due")
        yield* applied(two.task.id, (task, now) => begin(task, two.held, execDraft("idempotent"), now))
        yield* noted("idempotency.in_progress")
        const firstMs = clocks.wallMs
        yield* pass(120_000)
        yield* epochOpened()
        yield* applied(one.task.id, (task, now) => reclaim(task, { _tag: "NotBegun" }, "ada", now, 0))
        yield* applied(two.task.id, (task, now) => reclaim(task, { _tag: "Alive" }, "ada", now, 0))
        assert.strictEqual(yield* refusalOf(settled(two.task.id, two.held, succeeded)), "LeaseLost")
        yield* noted("idempotency.in_progress")
        const { standing, tallies } = yield* reader.summary(0)
        assert.deepInclude(tallies, { fenced: 1, recovered: 2, in_progress: 2, conflict: 0 })
        assert.deepInclude(standing?.firstMs, { in_progress: minute(firstMs), fenced: minute(clocks.wallMs) })
        assert.deepInclude(standing?.lastMs, { in_progress: minute(clocks.wallMs) })
        const later = yield* reader.summary(minute(clocks.wallMs))
        assert.deepInclude(later.tallies, { in_progress: 1 })
        assert.deepInclude(later.standing?.firstMs, { in_progress: minute(clocks.wallMs) })
      }))

    test("keeps every counter and every tally equal to a recount of the tasks and of the log", ({ pass }) =>
      Effect.gen(function*() {
        const reader = yield* EngineReader
        yield* epochOpened()
        for (let round = 0; round < 20; round++) {
          yield* submitted(round % 3 === 0 ? heavyKind() : kindOf({ retry: { attemptsMax: 1 + (round % 2), baseMs: 0, capMs: 0 } }))
          const [one] = yield* claimed(1)
          if (one !== undefined) yield* settled(one.task.id, one.held, [succeeded, failedOutcome, { ...failedOutcome, code: "start_to_close_timeout" }, { _tag: "Unknown", code: "x", error: "" } as const][round % 4] ?? succeeded)
          yield* pass(17_000)
          if (round % 5 === 0) yield* epochOpened()
        }
        const { counts, tallies } = yield* reader.summary(0)
        const [counted, tallied] = [noCounts(), noTallies()]
        for (const task of yield* reader.list({ limit: 1000 })) countersOf(task, (counter) => void (counted[counter] += 1))
        for (const { payload, type, ...event } of yield* reader.events(0, 10_000)) {
          const draft = { ...event, type, payload: JSON.parse(payload ?? "{}") } as EventDraft
          talliesOf(draft, (tally) => void (tallied[tally] += 1))
        }
        assert.deepStrictEqual(counts, counted)
        assert.deepStrictEqual(tallies, tallied)
        assert.isAbove(tallied.failed, 0)
        assert.isAbove(counted["blocked.outcome_unknown"], 0)
      }))
  })
}
