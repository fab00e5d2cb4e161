/** When the server prunes by itself. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, TestClock } from "effect"
import { granted } from "../../src/domain/Decision.ts"
import type { Restored } from "../../src/domain/Restored.ts"
import { Engine, EngineReader } from "../../src/engine/Engine.ts"
import * as MemoryEngine from "../../src/engine/MemoryEngine.ts"
import { loop } from "../../src/runtime/Pruning.ts"
import { claimedOne, epochOpened, kindOf, movable, settled, submitted, succeeded } from "../engine/tasks.ts"

const held: Restored = { number: 1, atMs: 7, actor: "cli:ada", backupSeq: 1, backupHash: "0".repeat(64), generationFloor: 1000, releasedAtMs: null }
const put = (restored: Restored) => Effect.flatMap(Engine, (engine) => engine.commit({ tasks: [], key: null, rule: () => granted(null, { restored }) }))
const asked = Effect.flatMap(Engine, (engine) =>
  engine.commit({ tasks: [], key: null, rule: () => granted(null, { events: [{ type: "retention.requested", task: null, trace: "0".repeat(32), actor: "cli:ada", payload: {} }] }) }))
const pruned = Effect.map(Effect.flatMap(EngineReader, (reader) => reader.events(0, 100)), (events) => events.filter(({ type }) => type === "retention.pruned").length)
const finished = Effect.gen(function*() {
  yield* submitted(kindOf())
  const { held: lease, task } = yield* claimedOne
  yield* settled(task.id, lease, succeeded)
})
const atOnce = { tasks: { SUCCEEDED: 0, FAILED: 0, CANCELED: 0, EXPIRED: 0 }, keysMs: 0 }
const round = TestClock.adjust("6 minutes")

const test = (sentence: string, body: Effect.Effect<void, unknown, Engine | EngineReader>) =>
  it.effect(sentence, () => {
    const world = movable()
    return Effect.gen(function*() {
      yield* epochOpened()
      yield* finished
      yield* put(held)
      yield* Effect.forkScoped(loop(atOnce))
      // It listens from its first turn on.
      yield* round
      yield* body
    }).pipe(Effect.scoped, Effect.provide(MemoryEngine.layer()), Effect.provide(world.layer))
  })

describe("a restored file", () => {
  test("is not pruned before its release, and is then", Effect.gen(function*() {
    assert.strictEqual(yield* pruned, 0)
    yield* put({ ...held, releasedAtMs: 8 })
    yield* round
    assert.isAbove(yield* pruned, 0)
  }))

  test("is pruned when somebody asks for it", Effect.gen(function*() {
    yield* asked
    yield* TestClock.adjust("1 minute")
    assert.isAbove(yield* pruned, 0)
  }))
})
