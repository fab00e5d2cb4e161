/** Words of a moment against a service that is played here, in virtual time. */
import { Clock, Effect, Fiber, Layer, TestClock, TestContext } from "effect"
import { describe, expect, it } from "vitest"
import { BotApi, BotApiFailed } from "../../../src/edge/telegram/BotApi.ts"
import { toasts } from "../../../src/edge/telegram/Toasts.ts"
import { ChatStore } from "../../../src/engine/ChatStore.ts"
import { Chance } from "../../../src/engine/Engine.ts"

const failed = (code: string, retryAfterMs: number | null = null) => new BotApiFailed({ method: "answerCallbackQuery", code, description: "", retryAfterMs, migrateTo: null })

/** Says each of these at its instant, and answers when the service was called for which. */
const said = (words: ReadonlyArray<readonly [atMs: number, query: string]>, play: (count: number, query: string) => Effect.Effect<unknown, BotApiFailed>, untilMs: number | null = null) => {
  const calls: Array<readonly [number, string]> = []
  const paused: Array<number> = []
  const api = Layer.succeed(BotApi, {
    bot: "7",
    call: (_method, params) =>
      Effect.flatMap(Clock.currentTimeMillis, (nowMs) => {
        const query = String(params["callback_query_id"])
        calls.push([nowMs, query])
        return play(calls.length, query)
      })
  })
  const store = Layer.mock(ChatStore, {
    pauses: Effect.succeed(untilMs === null ? [] : [{ name: "toasts", untilMs }]),
    pause: (name, endMs) => Effect.sync(() => void (name === "toasts" && paused.push(endMs)))
  })
  return Effect.gen(function*() {
    const toast = yield* toasts
    const fiber = yield* Effect.fork(Effect.forEach(words, ([atMs, query]) => Effect.delay(toast(query, "done"), atMs), { concurrency: "unbounded" }))
    for (let passed = 0; passed < 40_000; passed += 100) yield* TestClock.adjust(100)
    const ended = yield* Fiber.poll(fiber)
    return { calls, paused, isOver: ended._tag === "Some" }
  }).pipe(Effect.provide([api, store, TestContext.TestContext, Layer.succeed(Chance, { next: () => 0.5 })]), Effect.runPromise)
}

describe("the word that answers a press", () => {
  it("waits with all others for as long as the service asks to be left alone, and is said then", async () => {
    const { calls, isOver, paused } = await said([[0, "a"], [500, "b"], [1000, "c"]], (count) => (count === 1 ? failed("http_429", 3000) : Effect.succeed(true)))
    expect(paused).toEqual([3000])
    expect(calls.map(([, query]) => query).toSorted()).toEqual(["a", "a", "b", "c"])
    expect(calls.slice(1).every(([atMs]) => atMs >= 3000)).toBe(true)
    expect(isOver).toBe(true)
  })

  it("goes alone after a pause, so that one is refused again and not all", async () => {
    const { calls } = await said([[0, "a"], [100, "b"], [100, "c"], [100, "d"]], (count) => (count <= 2 ? failed("http_429", 2000) : Effect.succeed(true)))
    expect(calls.filter(([atMs]) => atMs >= 2000 && atMs < 4000)).toHaveLength(1)
    expect(calls).toHaveLength(6)
  })

  it("waits for the pause that the process before was asked for", async () => {
    const { calls } = await said([[0, "a"]], () => Effect.succeed(true), 5000)
    expect(calls).toEqual([[5000, "a"]])
  })

  it("is tried again where its answer was lost, and left where it is too old, or the service is gone for long", async () => {
    expect((await said([[0, "a"]], (count) => (count < 3 ? failed("ECONNRESET") : Effect.succeed(true)))).calls).toHaveLength(3)
    expect((await said([[0, "a"]], () => failed("http_400"))).calls).toHaveLength(1)
    const gone = await said([[0, "a"]], () => failed("http_502"))
    expect(gone.calls.length).toBeLessThanOrEqual(5)
    expect(gone.calls.every(([atMs]) => atMs < 12_000)).toBe(true)
    const held = await said([[0, "a"], [100, "b"]], () => failed("http_429", 60_000))
    expect(held.calls).toHaveLength(1)
    expect([gone.isOver, held.isOver]).toEqual([true, true])
  })
})
