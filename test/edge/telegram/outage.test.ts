/** Receiving, working off and sending together, on a real file, while the chat service cannot be reached for ten minutes of virtual time. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Effect, Fiber, Layer, Logger, LogLevel, Runtime, TestClock, TestContext } from "effect"
import { expect, it, onTestFinished } from "vitest"
import type { InboxItem } from "../../../src/domain/Chat.ts"
import { BotApi, overReplies } from "../../../src/edge/telegram/BotApi.ts"
import * as ChatHealth from "../../../src/edge/telegram/ChatHealth.ts"
import { workOff } from "../../../src/edge/telegram/Inbox.ts"
import { poll } from "../../../src/edge/telegram/Poller.ts"
import { deliver } from "../../../src/edge/telegram/Sender.ts"
import { Chance } from "../../../src/engine/Engine.ts"
import * as Live from "../../../src/engine/Live.ts"
import * as SqliteEngine from "../../../src/engine/SqliteEngine.ts"
import { Bell } from "../../../src/engine/Waiting.ts"
import type { makeVirtualFake as Make } from "../../telegram/fake/Virtual.ts"
import { token } from "../../telegram/startFake.ts"

const { makeVirtualFake }: { readonly makeVirtualFake: typeof Make } = await import(fileURLToPath(new URL("../../../dist/telegram-world.js", import.meta.url)))

const outageMs = 600_000
const stepMs = 250
/** The longest pauses that chance can have. */
const longest = Layer.succeed(Chance, { next: () => 0.999 })
const codes: Readonly<Record<string, string>> = { refused: "ECONNREFUSED", garbage: "unreadable", timeout: "aborted" }

/** The fake on the clock of the test. */
const opened = Effect.gen(function*() {
  const runtime = yield* Effect.runtime<never>()
  const clock = yield* Effect.clock
  const run = Runtime.runFork(runtime)
  const later = (delayMs: number, act: () => void) => {
    const timer = run(Effect.delay(Effect.sync(act), Math.max(1, delayMs)))
    return () => void run(Fiber.interrupt(timer))
  }
  const fake = makeVirtualFake({ token, username: "opsgate_bot", seed: 3, nowMs: () => clock.unsafeCurrentTimeMillis(), later })
  const call = async (method: string, params: Readonly<Record<string, unknown>>, signal: AbortSignal) => {
    const outcome = await fake.call(method, params, signal)
    return "failed" in outcome ? { failed: codes[outcome.failed] ?? "ECONNRESET" } : outcome
  }
  return { fake, api: Layer.succeed(BotApi, overReplies(token, call)) }
})

/** Answers each update with its text. */
const talk = ({ chat, payload, update }: InboxItem) => {
  const text: string = JSON.parse(payload).message.text
  return Effect.succeed({ deliveries: [{ chat, ref: `u${update}`, card: null, body: { _tag: "Text" as const, text, entities: [], buttons: [] } }], tokens: [] })
}

it("an outage of ten minutes is over within one cap of the pauses, and each message of it is answered once, in its order", async () => {
  const folder = mkdtempSync(join(tmpdir(), "opsgate-outage-"))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const played = Effect.gen(function*() {
    const { api, fake } = yield* opened
    for (const id of [1, 2]) fake.people.user({ id, first_name: `P${id}` })
    const bell = new Bell()
    const bot = yield* Effect.fork(Effect.provide(
      Effect.all([poll(Effect.sync(bell.ring)), workOff(token.split(":")[0] ?? "", talk, bell), deliver], { concurrency: "unbounded", discard: true }),
      [api, ChatHealth.layer, SqliteEngine.layer({ file: join(folder, "opsgate.db"), streamId: "db-test" }).pipe(Layer.provide(Live.layer))]
    ))
    const pass = (ms: number) =>
      Effect.gen(function*() {
        for (let passed = 0; passed < ms; passed += stepMs) {
          yield* TestClock.adjust(stepMs)
          // What the store and the fake do in turns of the event loop.
          for (let turn = 0; turn < 4; turn++) yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
        }
      })
    // Sent when the service is there: before, a message that waits at the service, and after.
    fake.people.send({ user: 1, text: "before" })
    yield* pass(10_000)
    const startedMs = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
    fake.outage(outageMs)
    for (let minute = 0; minute < 10; minute++) {
      fake.people.send({ user: 1 + (minute % 2), text: `minute ${minute}` })
      yield* pass(60_000)
    }
    yield* pass(90_000)
    expect((yield* Fiber.poll(bot))._tag).toBe("None")
    yield* Fiber.interrupt(bot)
    const texts = (chat: number) => fake.messages(chat).filter(({ by_bot }) => by_bot === true).map(({ text }) => String(text).split("\n")[0])
    expect(texts(1)).toEqual(["before", ...[0, 2, 4, 6, 8].map((n) => `minute ${n}`)])
    expect(texts(2)).toEqual([1, 3, 5, 7, 9].map((n) => `minute ${n}`))
    expect(fake.updates().every(({ confirmed }) => confirmed)).toBe(true)
    expect(fake.violations()).toEqual([])
    const back = fake.record().find(({ answered, at_ms, method }) => method === "getUpdates" && answered && at_ms >= startedMs + outageMs)
    expect((back?.at_ms ?? Infinity) - startedMs - outageMs).toBeLessThanOrEqual(15_000)
  })
  await Effect.runPromise(played.pipe(Effect.scoped, Effect.provide([Logger.minimumLogLevel(LogLevel.None), longest]), Effect.provide(TestContext.TestContext)))
}, 120_000)
