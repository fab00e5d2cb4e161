/** The poller against a service that is played here, in virtual time: what is confirmed was stored, whatever goes wrong. */
import { Clock, Duration, Effect, Exit, Fiber, Layer, TestClock, TestContext } from "effect"
import { describe, expect, it } from "vitest"
import { matrix } from "../../../src/domain/Matrix.ts"
import { BotApi, BotApiFailed } from "../../../src/edge/telegram/BotApi.ts"
import * as ChatHealth from "../../../src/edge/telegram/ChatHealth.ts"
import { poll } from "../../../src/edge/telegram/Poller.ts"
import { ChatStore } from "../../../src/engine/ChatStore.ts"
import { EngineUnavailable } from "../../../src/engine/Engine.ts"

const message = (update: number, chat = 9) => ({ update_id: update, message: { message_id: update, date: 1, chat: { id: chat, type: "private" }, from: { id: chat, is_bot: false }, text: "/ops" } })
const failed = (code: string, retryAfterMs: number | null = null) => new BotApiFailed({ method: "getUpdates", code, description: "", retryAfterMs, migrateTo: null })

interface Call {
  readonly offset: number | undefined
  readonly atMs: number
}

type Play = (offset: number | undefined, count: number) => Effect.Effect<unknown, BotApiFailed>

const steps = 300

/** Polls until `ms` of virtual time have passed. */
const polling = (ms: number, play: Play, takes: (count: number) => boolean = () => true, remembered: ReadonlyArray<{ readonly name: string; readonly untilMs: number }> = []) => {
  const calls: Array<Call> = []
  const kept: Array<number> = []
  let offset: number | null = null
  let receives = 0
  const api = Layer.succeed(BotApi, {
    bot: "7",
    call: (_method, params) =>
      Effect.flatMap(Clock.currentTimeMillis, (atMs) => {
        const asked = typeof params["offset"] === "number" ? params["offset"] : undefined
        calls.push({ offset: asked, atMs })
        return play(asked, calls.length)
      })
  })
  const paused: Array<{ readonly name: string; readonly untilMs: number }> = []
  const store = Layer.mock(ChatStore, {
    pauses: Effect.succeed(remembered),
    pause: (name, untilMs) => Effect.sync(() => void paused.push({ name, untilMs })),
    offset: () => Effect.sync(() => offset),
    receive: (_bot, updates, behind) =>
      Effect.suspend(() => {
        receives += 1
        if (!takes(receives)) return new EngineUnavailable({ operation: "write", why: "full", cause: null })
        updates.forEach(({ update }) => kept.push(update))
        offset = behind ?? offset
        return Effect.succeed(updates.length)
      })
  })
  return Effect.gen(function*() {
    const fiber = yield* Effect.fork(poll(Effect.void))
    // In steps, since what sleeps anew within one begins at its end.
    const step = Math.max(50, ms / steps)
    for (let passed = 0; passed < ms; passed += step) yield* TestClock.adjust(Duration.millis(step))
    const health = yield* ChatHealth.ChatHealth
    const ended = yield* Fiber.poll(fiber)
    yield* Fiber.interrupt(fiber)
    return { calls, kept, offset, ended, paused, trouble: health.trouble() }
  }).pipe(Effect.provide([api, store, ChatHealth.layer]), Effect.provide(TestContext.TestContext), Effect.runPromise)
}

const later = Effect.as(Effect.sleep("25 seconds"), [])

describe("the poller", () => {
  it("confirms updates by asking for the next one, only after they are stored", async () => {
    const { calls, kept } = await polling(40_000, (offset) => offset === undefined ? Effect.succeed([message(4), message(5, 8)]) : later)
    expect(calls.map(({ offset }) => offset)).toEqual([undefined, 6, 6])
    expect(kept).toEqual([4, 5])
  })

  it("asks for them again when they could not be stored", async () => {
    const { calls, kept } = await polling(5_000, (offset) => offset === 6 ? later : Effect.succeed([message(5)]), (count) => count > 1)
    expect(calls.slice(0, 3).map(({ offset }) => offset)).toEqual([undefined, undefined, 6])
    expect(kept).toEqual([5])
  })

  it("goes on after a second poller, and tells since when", async () => {
    const busy = await polling(300_000, () => failed("http_409"))
    expect(busy.ended._tag).toBe("None")
    expect(busy.trouble).toMatchObject({ code: "http_409", sinceMs: 0 })
    // Pauses of up to the cap, once they have grown: half of it on the average.
    expect(busy.calls.length).toBeLessThan(3 * 300_000 / matrix.telegram_poll.retry.capMs + 10)
    const over = await polling(300_000, (_offset, count) => count < 3 ? failed("http_409") : later)
    expect(over.trouble).toBeNull()
  })

  it("stops when the service does not know the token, and says so", async () => {
    const { calls, ended } = await polling(60_000, () => failed("http_401"))
    expect(calls).toHaveLength(1)
    expect(ended._tag === "Some" && Exit.isFailure(ended.value) && String(ended.value.cause)).toContain("http_401")
  })

  it("leaves the service alone for as long as it asks", async () => {
    const { calls, paused } = await polling(60_000, (_offset, count) => count === 1 ? failed("http_429", 7_000) : later)
    expect((calls[1]?.atMs ?? 0) - (calls[0]?.atMs ?? 0)).toBeGreaterThanOrEqual(7_000)
    expect(paused.map(({ name }) => name)).toEqual(["poll:7"])
    expect(paused[0]?.untilMs).toBeLessThanOrEqual(calls[1]?.atMs ?? 0)
    expect(paused[0]?.untilMs).toBeGreaterThanOrEqual(7_000)
  })

  it("leaves it alone for as long as the process before was asked to, and no longer than an hour", async () => {
    const others = [{ name: "-5", untilMs: 50_000 }, { name: "poll:8", untilMs: 50_000 }]
    const { calls } = await polling(60_000, () => later, undefined, [...others, { name: "poll:7", untilMs: 20_000 }])
    expect(calls[0]?.atMs).toBeGreaterThanOrEqual(20_000)
    expect(calls[0]?.atMs).toBeLessThan(21_000)
    const { calls: first } = await polling(60_000, () => later, undefined, others)
    expect(first[0]?.atMs).toBe(0)
    const { calls: late } = await polling(3_700_000, () => later, undefined, [{ name: "poll:7", untilMs: 9e12 }])
    expect(late[0]?.atMs).toBeLessThanOrEqual(matrix.telegram_poll.retry.askedMaxMs + 20_000)
  })

  it("gives up a poll that hangs, and asks again", async () => {
    const { calls } = await polling(130_000, () => Effect.never)
    expect(calls.length).toBeGreaterThan(1)
    expect(calls.length).toBeLessThan(5)
  })

  it("is back within one cap after an outage of ten minutes, with nothing lost", async () => {
    const { calls, kept } = await polling(700_000, (offset) =>
      Effect.flatMap(Clock.currentTimeMillis, (nowMs) => {
        if (nowMs < 600_000) return failed("ECONNREFUSED")
        return offset === undefined ? Effect.succeed([message(1)]) : later
      }))
    expect(kept).toEqual([1])
    const back = calls.find(({ atMs }) => atMs >= 600_000)
    expect((back?.atMs ?? Infinity) - 600_000).toBeLessThanOrEqual(matrix.telegram_poll.retry.capMs + 700_000 / steps)
  })

  it("takes what is no update for nothing, and goes on behind what is", async () => {
    const { calls, kept } = await polling(10_000, (offset) => offset === undefined ? Effect.succeed([{ nonsense: true }, null, message(3), "x"]) : later)
    expect(kept).toEqual([3])
    expect(calls[1]?.offset).toBe(4)
  })
})
