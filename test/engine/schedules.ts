/** What every engine must do about schedules. Each implementation runs this suite in its own test file. */
import { assert, describe } from "@effect/vitest"
import { Effect, Either, Queue } from "effect"
import { type Decision, granted } from "../../src/domain/Decision.ts"
import type { Now } from "../../src/domain/Now.ts"
import { specOf } from "../../src/domain/Schedule.ts"
import { declare } from "../../src/domain/Scheduling.ts"
import { fire } from "../../src/domain/Ticking.ts"
import { Engine, EngineReader, type FoundSchedule } from "../../src/engine/Engine.ts"
import { type EngineLayer, refusalOf, testOn } from "./suite.ts"
import { kindOf } from "./tasks.ts"

export const scheduleConformance = (name: string, layer: EngineLayer) => {
  const test = testOn(layer)

  describe(`${name} with schedules`, () => {
    test("stores a schedule with its ticks and runs, and says when it is due", ({ clocks, pass }) =>
      Effect.gen(function*() {
        const engine = yield* Engine
        const reader = yield* EngineReader
        const tokens = yield* engine.watchSchedules
        const startMs = clocks.wallMs
        const spec = Either.getOrThrow(specOf({ name: "pulse", kind: "report", everyMs: 1000, overlap: "allow", catchUp: "none" }))
        const decide = (rule: (found: FoundSchedule, now: Now) => Decision<unknown>) =>
          engine.commit({ tasks: [], key: null, schedule: { name: "pulse" }, rule: ({ schedule }, now) => rule(schedule ?? { schedule: undefined, open: [], ticks: [] }, now) })
        const fires = decide(({ open, schedule, ticks }, now) => (schedule === undefined ? granted(null, {}) : fire(schedule, { open, ticks, kind: kindOf() }, now)))
        yield* decide((_, now) => declare(undefined, spec, { open: [], ticks: [], kind: kindOf() }, now))
        yield* Queue.take(tokens)
        assert.deepStrictEqual(yield* engine.schedulesDue(startMs + 999, 10), { due: [], waiting: [], nextMs: startMs + 1000 })
        yield* pass(1000)
        assert.deepStrictEqual((yield* engine.schedulesDue(clocks.wallMs, 10)).due, ["pulse"])
        yield* fires
        yield* pass(60_000)
        yield* fires
        const ticks = yield* reader.ticks("pulse", 10)
        const tasks = yield* reader.list({ limit: 10 })
        // Fifty-four were late, and six were not.
        assert.deepStrictEqual((yield* reader.tickRanges("pulse", 10)).map(({ count, fromMs, reason, toMs }) => [fromMs - startMs, toMs - startMs, count, reason]), [[2000, 55_000, 54, "catch_up"]])
        assert.deepStrictEqual(ticks.map(({ nominalMs, outcome }) => [nominalMs - startMs, outcome]), [61, 60, 59, 58, 57, 56, 1].map((second) => [second * 1000, "started"]))
        assert.deepStrictEqual(new Set(tasks.map(({ id }) => String(id))), new Set(ticks.map(({ task }) => task)))
        assert.deepStrictEqual((yield* reader.schedules).map(({ counts, name }) => [name, counts.started, counts.skipped]), [["pulse", 7, 54]])
        yield* decide(({ open }) => {
          assert.strictEqual(open.length, 7)
          return granted(null, {})
        })
      }).pipe(Effect.scoped))

    test("takes no second row for a tick", ({ clocks }) =>
      Effect.gen(function*() {
        const engine = yield* Engine
        const tick = { schedule: "pulse", nominalMs: clocks.wallMs, version: 1, outcome: "skipped", reason: "overlap", task: null, lateMs: 0, atMs: clocks.wallMs } as const
        const store = (tag: "Tick" | "Retick") => refusalOf(engine.commit({ tasks: [], key: null, rule: () => granted(null, { schedules: [{ _tag: tag, tick }] }) }))
        assert.deepStrictEqual([yield* store("Tick"), yield* store("Tick"), yield* store("Retick")], ["granted", "EngineUnavailable", "granted"])
        assert.strictEqual((yield* (yield* EngineReader).ticks("pulse", 10)).length, 1)
      }))
  })
}
