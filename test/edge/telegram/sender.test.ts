/** The sender against a service and a store that are played here, in virtual time: outages, calls that hang, a store that is full. */
import { Clock, Duration, Effect, Exit, Fiber, Layer, Logger, LogLevel, TestClock, TestContext } from "effect"
import { describe, expect, it } from "vitest"
import type { Delivery } from "../../../src/domain/Chat.ts"
import { BotApi, BotApiFailed } from "../../../src/edge/telegram/BotApi.ts"
import * as ChatHealth from "../../../src/edge/telegram/ChatHealth.ts"
import { deliver } from "../../../src/edge/telegram/Sender.ts"
import { ChatStore } from "../../../src/engine/ChatStore.ts"
import { Chance, EngineUnavailable } from "../../../src/engine/Engine.ts"
import { Bell } from "../../../src/engine/Waiting.ts"

const failed = (code: string, retryAfterMs: number | null = null) => new BotApiFailed({ method: "sendMessage", code, description: "", retryAfterMs, migrateTo: null })

interface Sent {
  readonly text: string
  readonly atMs: number
}

interface Play {
  /** Answers the call that is the so-manieth. */
  readonly play: (count: number, chat: string) => Effect.Effect<unknown, BotApiFailed>
  /** Whether the store takes a mark now. */
  readonly takes?: (count: number) => boolean
  readonly waiting: ReadonlyArray<readonly [chat: string, ref: string, notBeforeMs?: number]>
  readonly forMs: number
  /** Pauses that the process before was asked for. */
  readonly remembered?: ReadonlyArray<{ readonly name: string; readonly untilMs: number }>
  /** By how much the wall clock is behind when the virtual time is this. */
  readonly behindMs?: (nowMs: number) => number
  /** Polls the service as the poller does. */
  readonly polls?: (nowMs: number) => boolean
}

/** A clock whose wall clock is behind, and whose monotonic side is not. */
const behind = (clock: Clock.Clock, behindMs: (nowMs: number) => number): Clock.Clock => {
  const wallMs = () => clock.unsafeCurrentTimeMillis() - behindMs(clock.unsafeCurrentTimeMillis())
  return {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: wallMs,
    currentTimeMillis: Effect.sync(wallMs),
    unsafeCurrentTimeNanos: () => clock.unsafeCurrentTimeNanos(),
    currentTimeNanos: clock.currentTimeNanos,
    sleep: (duration) => clock.sleep(duration)
  }
}

/** Sends until `forMs` of virtual time have passed. */
const sending = ({ behindMs = () => 0, forMs, play, polls, remembered = [], takes = () => true, waiting: given }: Play) => {
  const calls: Array<Sent> = []
  const ended: Array<string> = []
  const paused: Array<{ readonly name: string; readonly untilMs: number }> = []
  let waiting: ReadonlyArray<Delivery> = given.map(([chat, ref, notBeforeMs = 0], at) => ({
    id: at + 1, chat, ref, card: null, body: { _tag: "Text", text: ref, entities: [], buttons: [] }, tries: 0, notBeforeMs, atMs: 0, parts: 0, message: null
  }))
  const unstuck: Array<number> = []
  let marks = 0
  const api = Layer.succeed(BotApi, {
    bot: "7",
    call: (_method, params) =>
      Effect.flatMap(Clock.currentTimeMillis, (atMs) => {
        calls.push({ text: String(params["text"]), atMs })
        return play(calls.length, String(params["chat_id"]))
      })
  })
  const over = (id: number, as: string) =>
    Effect.suspend(() => {
      marks += 1
      if (!takes(marks)) return new EngineUnavailable({ operation: "write", why: "full", cause: null })
      ended.push(`${waiting.find((one) => one.id === id)?.ref ?? "?"} ${as}`)
      waiting = waiting.filter((one) => one.id !== id)
      return Effect.void
    })
  const store = Layer.mock(ChatStore, {
    watchOut: Effect.sync(() => new Bell()),
    pauses: Effect.succeed(remembered),
    pause: (name, untilMs) => Effect.sync(() => void paused.push({ name, untilMs })),
    lately: Effect.succeed([]),
    due: () =>
      Effect.map(Clock.currentTimeMillis, (nowMs) => {
        const first = waiting.filter((one) => waiting.find(({ chat }) => chat === one.chat) === one)
        const later = first.filter(({ notBeforeMs }) => notBeforeMs > nowMs).map(({ notBeforeMs }) => notBeforeMs)
        return { deliveries: first.filter(({ notBeforeMs }) => notBeforeMs <= nowMs), nextMs: later.length === 0 ? null : Math.min(...later) }
      }),
    sent: (id) => over(id, "sent"),
    giveUp: (id) => over(id, "given up"),
    retry: (id, _error, notBeforeMs) =>
      Effect.sync(() => {
        waiting = waiting.map((one) => (one.id === id ? { ...one, tries: one.tries + 1, notBeforeMs } : one))
      }),
    unstick: (triesBelow, atMostMs) => Effect.sync(() => {
      unstuck.push(triesBelow)
      waiting = waiting.map((one) => ({ ...one, notBeforeMs: one.tries < triesBelow ? 0 : Math.min(one.notBeforeMs, atMostMs) }))
    }),
    hurry: Effect.sync(() => {
      waiting = waiting.map((one) => ({ ...one, notBeforeMs: 0 }))
      return waiting.length
    })
  })
  return Effect.gen(function*() {
    const health = yield* ChatHealth.ChatHealth
    const fiber = yield* Effect.fork(Effect.clockWith((clock) => Effect.withClock(deliver, behind(clock, behindMs))))
    // In steps, since what sleeps anew within one begins at its end.
    const step = forMs / 150
    for (let passed = 0; passed < forMs; passed += step) {
      yield* TestClock.adjust(Duration.millis(step))
      if (polls !== undefined) yield* polls(passed) ? health.polled(passed) : health.pollFailed("ECONNREFUSED", passed)
    }
    const exit = yield* Fiber.poll(fiber)
    yield* Fiber.interrupt(fiber)
    return { calls, ended, exit, paused, unstuck, left: waiting.map(({ ref }) => ref) }
  }).pipe(Effect.provide([api, store, ChatHealth.layer, Logger.minimumLogLevel(LogLevel.None), Layer.succeed(Chance, { next: () => 0.999 })]), Effect.provide(TestContext.TestContext), Effect.runPromise)
}

const well = Effect.succeed({ message_id: 5 })

describe("the sender", () => {
  it("sends one message a second in a chat, and each once", async () => {
    const { calls, ended } = await sending({ play: () => well, waiting: [["1", "a"], ["1", "b"], ["1", "c"]], forMs: 6000 })
    expect(ended).toEqual(["a sent", "b sent", "c sent"])
    expect(calls).toHaveLength(3)
    expect((calls[2]?.atMs ?? 0) - (calls[0]?.atMs ?? 0)).toBeGreaterThanOrEqual(2000)
  })

  it("does not send a message again because its mark could not be stored", async () => {
    const { calls, ended } = await sending({ play: () => well, takes: (count) => count > 6, waiting: [["1", "a"], ["1", "b"]], forMs: 120_000 })
    expect(ended).toEqual(["a sent", "b sent"])
    expect(calls.map(({ text }) => text.split("\n")[0])).toEqual(["a", "b"])
  })

  it("gives up a call that hangs, and lets the other chats pass meanwhile", async () => {
    const { calls, ended } = await sending({ play: (count, chat) => (chat === "1" && count < 3 ? Effect.never : well), waiting: [["1", "a"], ["2", "b"], ["2", "c"]], forMs: 30_000 })
    expect(ended).toEqual(["b sent", "c sent", "a sent"])
    const [first, second] = calls.filter(({ text }) => text.startsWith("a"))
    expect(second?.text).toBe(first?.text)
    expect((second?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThanOrEqual(15_000)
  })

  it("leaves a chat alone for as long as it is asked to", async () => {
    const { calls, paused } = await sending({ play: (count) => (count === 1 ? failed("http_429", 20_000) : well), waiting: [["1", "a"]], forMs: 60_000 })
    expect((calls[1]?.atMs ?? 0) - (calls[0]?.atMs ?? 0)).toBeGreaterThanOrEqual(20_000)
    expect(paused).toEqual([{ name: "1", untilMs: (calls[0]?.atMs ?? 0) + 20_000 }])
  })

  it("leaves a chat alone for as long as the process before was asked to, and no other", async () => {
    const remembered = [{ name: "1", untilMs: 20_000 }, { name: "poll:7", untilMs: 50_000 }]
    const { calls } = await sending({ play: () => well, remembered, waiting: [["1", "a"], ["2", "b"]], forMs: 40_000 })
    const at = (text: string) => calls.find((call) => call.text.startsWith(text))?.atMs ?? Infinity
    expect(at("a")).toBeGreaterThanOrEqual(20_000)
    expect(at("a")).toBeLessThan(21_000)
    expect(at("b")).toBeLessThan(3000)
  })

  it("tries at once what waits for its next try when it starts: the clock by which it waits may have been set since", async () => {
    const { calls, unstuck } = await sending({ play: () => well, waiting: [["1", "a", 1_000_000]], forMs: 5000 })
    expect(calls.map(({ text }) => text.split("\n")[0])).toEqual(["a"])
    // Not what was tried often: starts alone must not spend its tries.
    expect(unstuck).toEqual([20])
  })

  it("lets nothing wait for a clock that was set back to catch up", async () => {
    const { calls } = await sending({ play: (count) => (count < 4 ? failed("http_500") : well), behindMs: (nowMs) => (nowMs > 4500 ? 0 : -1_000_000), waiting: [["1", "a"]], forMs: 90_000 })
    expect(calls.map(({ text }) => text.split("\n")[0])).toEqual(["a", "a", "a", "a"])
  })

  it("stops when the service does not know the token, says so, and gives nothing up", async () => {
    const { calls, exit, left } = await sending({ play: () => failed("http_401"), waiting: [["1", "a"], ["1", "b"]], forMs: 5000 })
    expect(calls).toHaveLength(1)
    expect(left).toEqual(["a", "b"])
    expect(exit._tag === "Some" && Exit.isFailure(exit.value) && String(exit.value.cause)).toContain("http_401")
  })

  it("is back as soon as the poller is, after an outage of an hour, with nothing lost or doubled", async () => {
    const backMs = 3_600_000
    const play = () => Effect.flatMap(Clock.currentTimeMillis, (nowMs) => (nowMs < backMs ? failed("ECONNREFUSED") : well))
    const { calls, ended } = await sending({ play, polls: (nowMs) => nowMs >= backMs, waiting: [["1", "a"], ["1", "b"], ["2", "c"]], forMs: backMs + 180_000 })
    expect(ended.toSorted()).toEqual(["a sent", "b sent", "c sent"])
    expect((calls.find(({ atMs }) => atMs >= backMs)?.atMs ?? Infinity) - backMs).toBeLessThanOrEqual(60_000)
    expect(calls.filter(({ atMs }) => atMs >= backMs)).toHaveLength(3)
    // A quarter of an hour apart, once the pauses have grown.
    expect(calls.length).toBeLessThan(45)
  })
})
