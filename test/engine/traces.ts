/** What every engine must do for those who follow a task: the log, the outbox, and whoever is told of what was stored. */
import { assert, describe } from "@effect/vitest"
import { Effect, Either, Layer } from "effect"
import { granted, refused } from "../../src/domain/Decision.ts"
import { taskIdFrom } from "../../src/domain/Ids.ts"
import { TaskNotFound } from "../../src/domain/Refusal.ts"
import type { EventDraft } from "../../src/domain/TaskEvent.ts"
import { clockSlackMs } from "../../src/domain/Traced.ts"
import { Engine, EngineReader } from "../../src/engine/Engine.ts"
import { Witness } from "../../src/engine/Witness.ts"
import { type EngineLayer, refusalOf, testOn } from "./suite.ts"
import { claimedOne, epochOpened, kindOf, settled, submitted, succeeded } from "./tasks.ts"

const draft = (trace: string): EventDraft => ({ type: "command.refused", task: null, trace, actor: "cli:ada", payload: {} })

export const traceConformance = (name: string, layer: EngineLayer) => {
  const test = testOn(layer)
  const started = 1_800_000_000_000

  describe(`${name} as a source of traces`, () => {
    test("answers the events and messages of some tasks, and of no other", () =>
      Effect.gen(function*() {
        yield* epochOpened()
        yield* submitted(kindOf())
        const one = yield* claimedOne
        yield* submitted(kindOf())
        yield* settled(one.task.id, one.held, succeeded)
        const reader = yield* EngineReader
        const { events, messages } = yield* reader.traced({ tasks: [one.task.id], trace: one.task.trace, fromMs: started, throughMs: started })
        assert.deepStrictEqual(events.map(({ type }) => type), ["task.requested", "task.approved", "task.queued", "task.running", "task.succeeded"])
        assert.deepStrictEqual(events.map(({ seq }) => seq), events.map(({ seq }) => seq).toSorted((a, b) => a - b))
        assert.deepStrictEqual(messages.map(({ task, topic }) => [task, topic]), [[one.task.id, "task_ended"]])
      }))

    test("answers the events of a trace that are about no task", () =>
      Effect.gen(function*() {
        const engine = yield* Engine
        for (const trace of ["a".repeat(32), "b".repeat(32)]) yield* engine.commit({ tasks: [], key: null, rule: () => granted(null, { events: [draft(trace)] }) })
        const { events } = yield* (yield* EngineReader).traced({ tasks: [], trace: "b".repeat(32), fromMs: started, throughMs: started })
        assert.deepStrictEqual(events.map(({ trace }) => trace), ["b".repeat(32)])
      }))

    test("leaves out what happened long before and long after, and looks a minute beyond both ends", (world) =>
      Effect.gen(function*() {
        const engine = yield* Engine
        const trace = "c".repeat(32)
        const happens = engine.commit({ tasks: [], key: null, rule: () => granted(null, { events: [draft(trace)] }) })
        const instants = [0, 1, clockSlackMs, 2 * clockSlackMs, 3 * clockSlackMs, 3 * clockSlackMs + 1, 5 * clockSlackMs]
        let nowMs = 0
        for (const at of instants) {
          yield* world.pass(at - nowMs)
          nowMs = at
          yield* happens
        }
        const { events } = yield* (yield* EngineReader).traced({ tasks: [], trace, fromMs: started + clockSlackMs + 1, throughMs: started + 2 * clockSlackMs })
        assert.deepStrictEqual(events.map(({ at }) => at - started), [1, clockSlackMs, 2 * clockSlackMs, 3 * clockSlackMs])
      }))

    test("finds the tasks of a trace between two ids", () =>
      Effect.gen(function*() {
        const { task } = yield* submitted(kindOf())
        yield* submitted(kindOf())
        const reader = yield* EngineReader
        const [found] = yield* reader.list({ suffix: task, limit: 1 })
        const trace = found?.trace ?? ""
        const all = yield* reader.list({ trace, limit: 10 })
        assert.isTrue(all.some(({ id }) => id === task) && all.every((one) => one.trace === trace))
        assert.deepStrictEqual(yield* reader.list({ trace, since: taskIdFrom(started + 3_600_000, [0, 0]), limit: 10 }), [])
        assert.deepStrictEqual((yield* reader.list({ trace, since: task, limit: 10 })).at(-1)?.id, found?.id)
      }))
  })

  describe(`${name} with a witness`, () => {
    const seen: Array<string> = []
    const witnessed = testOn(() => Layer.provide(layer(), Layer.succeed(Witness, { saw: (events) => void seen.push(...events.map(({ type }) => type)) })))

    witnessed("tells of every event that was stored, claims and refusals included, and of nothing else", () =>
      Effect.gen(function*() {
        seen.length = 0
        const engine = yield* Engine
        yield* epochOpened()
        yield* submitted(kindOf())
        const { held, task } = yield* claimedOne
        yield* settled(task.id, held, succeeded)
        const refusing = engine.commit({ tasks: [], key: null, rule: () => refused(new TaskNotFound({ task: "" }), { events: [draft("d".repeat(32))] }) })
        assert.strictEqual(yield* refusalOf(refusing), "TaskNotFound")
        yield* Effect.exit(engine.commit<null>({ tasks: [], key: null, rule: () => { throw new Error("a bug") } }))
        const answers = yield* engine.commitAll([{ tasks: [], key: null, rule: () => granted(1, { events: [draft("e".repeat(32))] }) }])
        assert.isTrue(answers.every(Either.isRight))
        const stored = (yield* (yield* EngineReader).events(0, 100)).map(({ type }) => type).filter((type) => type !== "epoch.started")
        assert.deepStrictEqual(seen, stored)
      }))
  })
}
