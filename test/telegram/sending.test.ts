/** What is stored for chats, sent over HTTP to the fake: under each fault in order and none lost, never beyond the limits, and after a SIGKILL with the same reference. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Duration, Effect, Layer, Logger, LogLevel } from "effect"
import { rolldown } from "rolldown"
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest"
import type { DeliveryDraft } from "../../src/domain/Chat.ts"
import { BotApi, make } from "../../src/edge/telegram/BotApi.ts"
import * as ChatHealth from "../../src/edge/telegram/ChatHealth.ts"
import { deliver } from "../../src/edge/telegram/Sender.ts"
import { ChatStore } from "../../src/engine/ChatStore.ts"
import { Chance, EngineReader } from "../../src/engine/Engine.ts"
import * as Live from "../../src/engine/Live.ts"
import * as SqliteEngine from "../../src/engine/SqliteEngine.ts"
import { startFake, type StartedFake, token } from "./startFake.ts"

let fake: StartedFake

beforeAll(async () => {
  fake = await startFake()
})
afterAll(() => fake.stop())
beforeEach(async () => {
  await fake.sim("reset", { seed: 3, first_update_id: 10 })
})

const people = async (count: number): Promise<ReadonlyArray<string>> => {
  for (let id = 1; id <= count; id++) {
    await fake.sim("users", { id, first_name: `U${id}` })
    await fake.sim("send", { user: id, text: "/start" })
  }
  return Array.from({ length: count }, (_, at) => String(at + 1))
}

const folder = () => {
  const made = mkdtempSync(join(tmpdir(), "opsgate-sending-"))
  onTestFinished(() => rmSync(made, { recursive: true, force: true }))
  return join(made, "opsgate.db")
}

const quick = Layer.succeed(Chance, { next: () => 0 })
const opened = (file: string) =>
  Layer.mergeAll(SqliteEngine.layer({ file, streamId: "db-test" }), Layer.sync(BotApi, () => make({ token, root: fake.root })), ChatHealth.layer, quick, Logger.minimumLogLevel(LogLevel.None)).pipe(Layer.provideMerge(Live.layer))
type Opened = Layer.Layer.Success<ReturnType<typeof opened>>
const on = <A, E>(file: string, body: Effect.Effect<A, E, Opened>): Promise<A> => Effect.runPromise(body.pipe(Effect.provide(opened(file))))

/** Until nothing waits any more. */
const drained = Effect.gen(function*() {
  const chats = yield* ChatStore
  while ((yield* chats.count("1")).unsent > 0) yield* Effect.sleep(Duration.millis(50))
})

const text = (chat: string, ref: string, words = ref): DeliveryDraft => ({ chat, ref, card: null, body: { _tag: "Text", text: words, entities: [], buttons: [] } })
const sending = (file: string, deliveries: ReadonlyArray<DeliveryDraft>) =>
  on(file, Effect.gen(function*() {
    yield* (yield* ChatStore).enqueue({ deliveries, tokens: [] })
    yield* Effect.raceFirst(deliver, drained)
  }))

const written = async (chat: string): Promise<ReadonlyArray<any>> => (await fake.sim<ReadonlyArray<any>>(`messages?chat=${chat}`)).filter(({ by_bot }) => by_bot)
const textsIn = async (chat: string): Promise<ReadonlyArray<string>> => (await written(chat)).map((message) => message.text)

/** Each message is there, the first of each in order, and a repeat is the same to the letter. */
const expectAll = async (chat: string, refs: ReadonlyArray<string>): Promise<number> => {
  const texts = await textsIn(chat)
  const distinct = [...new Set(texts)]
  expect(distinct.map((one) => one.split("\n")[0])).toEqual(refs)
  expect(distinct.every((one) => /\n\n· [0-9a-f]{8}$/.test(one))).toBe(true)
  return texts.length - distinct.length
}

const violations = () => fake.sim<ReadonlyArray<unknown>>("violations")

describe("a message", () => {
  it.each([
    [{ kind: "error", code: 500 }, 0],
    [{ kind: "error", code: 502 }, 0],
    [{ kind: "error", code: 429, retry_after: 2 }, 0],
    [{ kind: "reset_before" }, 0],
    [{ kind: "slow", ms: 300 }, 0],
    [{ kind: "reset_after" }, 1],
    [{ kind: "garbage" }, 1],
    [{ kind: "truncated" }, 1]
  ])("is sent in its order after %j, and at most repeated with the same reference", async (fault, repeats) => {
    const [chat = ""] = await people(1)
    await fake.sim("faults", { queue: [{ method: "sendMessage", ...fault }] })
    await sending(folder(), [text(chat, "one"), text(chat, "two")])
    expect(await expectAll(chat, ["one", "two"])).toBe(repeats)
    expect(await violations()).toEqual([])
  })

  it("of every kind of letters arrives as it was written, with its entities and its buttons", async () => {
    const [chat = ""] = await people(1)
    const nasty = "_*[]()~`>#+-=|{}.!\\ <b>&amp;</b> \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 \u{1f469}\u200d\u{1f680}\u200b\u2067x\u2069 \ud83d end"
    const body = { _tag: "Text", text: nasty, entities: [{ type: "bold", offset: 0, length: 5 }, { type: "code", offset: nasty.length - 3, length: 3 }], buttons: [[{ label: "Approve \u{1f44d}", token: "v1:abcdefghijklmnopqrstuv" }, { label: "Open", url: "https://example.org/x" }]] } as const
    await sending(folder(), [{ chat, ref: "n", card: null, body }])
    const [message] = await written(chat)
    expect(message.text.split("\n\n· ")[0]).toBe(nasty.replace("\ud83d ", "\ufffd "))
    expect(message.entities.filter(({ type }: any) => type === "bold" || type === "code")).toEqual(body.entities)
    expect(message.buttons).toMatchObject([[{ text: "Approve \u{1f44d}", callback_data: "v1:abcdefghijklmnopqrstuv" }, { text: "Open", url: "https://example.org/x" }]])
  })

  it("of 10,000 characters is three, one of more a document", async () => {
    const [chat = ""] = await people(1)
    const lines = "a line of words, \u{1f600} and more of them\n".repeat(260).slice(0, 10_000)
    await sending(folder(), [text(chat, "long", lines), text(chat, "longer", "z\u{1f600}".repeat(10_000)), text(chat, "after")])
    const messages = await written(chat)
    expect(messages.map(({ document, text }: any) => (document === undefined ? text.split(/\s/).at(-1) : document.file_name))).toEqual(["1/3", "2/3", "3/3", expect.stringMatching(/^message-/), expect.any(String)])
    expect(messages.slice(0, 3).map(({ text }: any) => text.split("\n\n· ")[0]).join("\n").trimEnd()).toBe(lines.trimEnd())
    expect(await violations()).toEqual([])
  })

  it("to somebody who has blocked the bot is given up with all that wait for him, on record, without its words", async () => {
    const [chat = "", other = ""] = await people(2)
    await fake.sim("block", { user: 1, blocked: true })
    const file = folder()
    await sending(file, [text(chat, "r1", "secret words"), text(chat, "r2"), text(other, "o1")])
    expect(await textsIn(other)).toHaveLength(1)
    const events = await on(file, Effect.flatMap(EngineReader, (reader) => reader.events(0, 100)))
    expect(events.map(({ payload, type }) => [type, JSON.parse(payload ?? "null")])).toEqual([["chat.undeliverable", { chat, ref: "r1", code: "http_403", buried: true }]])
  })

  it("that the service refuses is given up on record, and those behind it go on", async () => {
    const [chat = ""] = await people(1)
    const file = folder()
    const broken: DeliveryDraft = { chat, ref: "bad", card: null, body: { _tag: "Text", text: "x", entities: [], buttons: [[{ label: "x", token: "t".repeat(65) }]] } }
    await sending(file, [broken, text(chat, "good")])
    expect(await expectAll(chat, ["good"])).toBe(0)
    const events = await on(file, Effect.flatMap(EngineReader, (reader) => reader.events(0, 100)))
    expect(events.map(({ payload }) => JSON.parse(payload ?? "null"))).toEqual([{ chat, ref: "bad", code: "http_400", buried: false }])
  })

  it("follows a group that has become a supergroup", async () => {
    await people(1)
    const { id } = await fake.sim("chats", { type: "group", members: [1], title: "ops" })
    const { id: to } = await fake.sim("migrate", { chat: id })
    await sending(folder(), [text(String(id), "one"), text(String(id), "two")])
    expect(await expectAll(String(to), ["one", "two"])).toBe(0)
  })
})

describe("a card", () => {
  const card = (chat: string, ref: string): DeliveryDraft => ({ ...text(chat, ref), card: "T" })

  it("is edited; an edit that changes nothing counts as sent, and one of a message that is gone is a new message", async () => {
    const [chat = ""] = await people(1)
    const file = folder()
    await sending(file, [card(chat, "c1")])
    const [first] = await written(chat)
    await sending(file, [{ ...card(chat, "c2"), body: { _tag: "Text", text: "c1", entities: [], buttons: [] } }])
    expect(await textsIn(chat)).toEqual([first.text])
    await sending(file, [card(chat, "c3")])
    expect((await textsIn(chat)).map((one) => one.split("\n")[0])).toEqual(["c3"])
    await fake.call("deleteMessage", { chat_id: chat, message_id: first.message_id })
    await sending(file, [card(chat, "c4")])
    expect((await textsIn(chat)).map((one) => one.split("\n")[0])).toEqual(["c4"])
    const events = await on(file, Effect.flatMap(EngineReader, (reader) => reader.events(0, 100)))
    expect(events).toEqual([])
  })
})

describe("500 messages to 100 chats", () => {
  it("go out in order while everything goes wrong, and the limits of Telegram are never exceeded", async () => {
    const chats = await people(100)
    await fake.sim("limits", { burst: 1 })
    await fake.sim("faults", {
      seed: 5,
      rules: [
        { kind: "error", code: 500, method: "sendMessage", probability: 0.03 },
        { kind: "error", code: 429, retry_after: 1, method: "sendMessage", probability: 0.005 },
        { kind: "reset_before", method: "sendMessage", probability: 0.02 },
        { kind: "reset_after", method: "sendMessage", probability: 0.02 },
        { kind: "garbage", method: "sendMessage", probability: 0.01 },
        { kind: "latency", ms: 80, method: "sendMessage", probability: 0.3 }
      ]
    })
    await sending(folder(), chats.flatMap((chat) => Array.from({ length: 5 }, (_, at) => text(chat, `${chat}.${at}`))))
    await fake.sim("faults", undefined, "DELETE")
    for (const chat of chats) await expectAll(chat, Array.from({ length: 5 }, (_, at) => `${chat}.${at}`))
    expect(await violations()).toEqual([])
  }, 120_000)
})

describe("a sender that is killed", () => {
  const bundled = async (): Promise<string> => {
    const root = fileURLToPath(new URL("../..", import.meta.url))
    // Beside the packages, so that the one that stays outside is found.
    const made = mkdtempSync(join(root, "node_modules/.opsgate-sender-"))
    onTestFinished(() => rmSync(made, { recursive: true, force: true }))
    const bundle = await rolldown({ cwd: root, input: { main: "test/telegram/sender-main.ts" }, platform: "node", external: ["better-sqlite3"], onLog: () => undefined })
    await bundle.write({ dir: made, format: "esm", entryFileNames: "[name].mjs", chunkFileNames: "[name]-[hash].mjs" })
    await bundle.close()
    return join(made, "main.mjs")
  }

  it("loses nothing, keeps the order, and what is repeated carries the same reference", async () => {
    const chats = await people(12)
    const group = String((await fake.sim("chats", { type: "group", members: [1] })).id)
    const all = [...chats, group]
    const file = folder()
    const refs = (chat: string) => Array.from({ length: 5 }, (_, at) => `${chat}.${at}`)
    await on(file, Effect.flatMap(ChatStore, (store) => store.enqueue({ deliveries: all.flatMap((chat) => refs(chat).map((ref) => text(chat, ref))), tokens: [] })))
    await fake.sim("limits", { burst: 1 })
    await fake.sim("faults", { rules: [{ kind: "latency", ms: 60, method: "sendMessage", probability: 1 }] })
    const program = await bundled()
    let kills = 0
    for (let calls = 5;; calls += 9) {
      const child = spawn(process.execPath, [program, file, fake.root, token], { stdio: ["ignore", "ignore", "inherit"] })
      const ended = once(child, "exit")
      const met = kills < 5 && (await fake.sim("wait", { calls: { method: "sendMessage", min: calls }, timeout_ms: 30_000 })).met
      if (met) {
        child.kill("SIGKILL")
        await ended
        kills++
        continue
      }
      // The last one works it off.
      await fake.sim("wait", { messages: { chat: Number(group), contains: `${group}.4`, by_bot: true }, timeout_ms: 40_000 })
      const last = await Promise.all(all.map((chat) => fake.sim("wait", { messages: { chat: Number(chat), contains: `${chat}.4`, by_bot: true }, timeout_ms: 40_000 })))
      child.kill("SIGKILL")
      await ended
      expect(last.every(({ met: isThere }) => isThere)).toBe(true)
      break
    }
    expect(kills).toBe(5)
    const repeats = await Promise.all(all.map((chat) => expectAll(chat, refs(chat))))
    // Of each chat at most the one that was on its way.
    expect(repeats.every((count) => count <= kills)).toBe(true)
    expect(await violations()).toEqual([])
  }, 120_000)
})
