/** Slots are held from the claim on, in whatever order fibers get their turns. */
import { Deferred, Effect, Fiber, Layer, type Scheduler } from "effect"
import { describe, expect, it } from "vitest"
import { EngineReader } from "../../src/engine/Engine.ts"
import * as Live from "../../src/engine/Live.ts"
import * as MemoryEngine from "../../src/engine/MemoryEngine.ts"
import { type Handler, Handlers } from "../../src/runtime/Handler.ts"
import * as Runs from "../../src/runtime/Runs.ts"
import * as Runtime from "../../src/runtime/Runtime.ts"
import { kindOf, submitted } from "../engine/tasks.ts"

/** Whoever asked last gets the next turn: a fiber that was started waits until nobody else wants one. */
const lastFirst = (): Scheduler.Scheduler => {
  const waiting: Array<() => void> = []
  const turn = (): void => {
    waiting.pop()?.()
    if (waiting.length > 0) setImmediate(turn)
  }
  return {
    shouldYield: () => false,
    scheduleTask: (task) => {
      waiting.push(task)
      if (waiting.length === 1) setImmediate(turn)
    }
  }
}

describe("slots", () => {
  it("are never given out twice, although the fiber of a claim has its turn after the next round of claims", async () => {
    const kind = kindOf()
    let [now, most] = [0, 0]
    const handler: Handler = {
      kind,
      run: () =>
        Effect.gen(function*() {
          now += 1
          most = Math.max(most, now)
          yield* Effect.sleep("5 millis")
          now -= 1
          return { _tag: "Succeeded" as const, result: null }
        }),
      find: () => Effect.succeed({ _tag: "NotBegun" }),
      watch: () => Effect.never
    }
    const layer = Layer.mergeAll(MemoryEngine.layer().pipe(Layer.provideMerge(Live.instants)), Runs.layer, Layer.succeed(Handlers, new Map([[kind.name, handler]])))
    await Effect.runPromise(Effect.gen(function*() {
      const stop = yield* Deferred.make<void>()
      for (let n = 0; n < 9; n++) yield* submitted(kind)
      const runtime = yield* Effect.fork(Runtime.run({ slots: 2, leaseMs: 60_000, stopGraceMs: 1000, name: "w", pid: 1 }, stop))
      const reader = yield* EngineReader
      const ended = Effect.map(reader.list({ limit: 20 }), (tasks) => tasks.filter(({ state }) => state === "SUCCEEDED").length)
      yield* Effect.zipRight(Effect.sleep("2 millis"), ended).pipe(Effect.repeat({ until: (count) => count === 9 }), Effect.timeoutFail({ duration: "20 seconds", onTimeout: () => new Error("they were not run") }))
      yield* Deferred.succeed(stop, undefined)
      yield* Fiber.join(runtime)
    }).pipe(Effect.provide(layer), Effect.withScheduler(lastFirst())))
    expect(most).toBe(2)
  })

  it("are held under an epoch that whoever claims has not heard of yet, and no more under one that is over", async () => {
    const counts = await Effect.runPromise(Effect.gen(function*() {
      const runs = yield* Runs.Runs
      for (let n = 0; n < 2; n++) yield* submitted(kindOf())
      const [one, other] = yield* (yield* EngineReader).list({ limit: 2 })
      if (one === undefined || other === undefined) throw new Error("two tasks were asked for")
      runs.enter(one, { epoch: 1, generation: 1 })
      const later = runs.enter(other, { epoch: 2, generation: 1 })
      const all = [1, 2, 3].map(runs.countOf)
      later.leave()
      return [...all, runs.countOf(2)]
    }).pipe(Effect.provide(Layer.merge(Runs.layer, MemoryEngine.layer().pipe(Layer.provideMerge(Live.instants))))))
    expect(counts).toEqual([2, 1, 0, 0])
  })
})
