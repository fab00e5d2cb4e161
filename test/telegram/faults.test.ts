import { Telegraf, TelegramError } from "telegraf"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { startFake, type StartedFake, token } from "./startFake.ts"

let fake: StartedFake

beforeAll(async () => {
  fake = await startFake()
})
afterAll(() => fake.stop())
beforeEach(async () => {
  await fake.sim("reset", { seed: 7, first_update_id: 5000 })
  await fake.sim("users", { id: 1, first_name: "Ada" })
  await fake.sim("send", { user: 1, text: "/start" })
})

const text = (words: string) => fake.call("sendMessage", { chat_id: 1, text: words })
const next = (...queue: ReadonlyArray<object>) => fake.sim("faults", { queue })
const written = async () => (await fake.sim("messages?chat=1")).filter(({ by_bot }: any) => by_bot).map(({ text }: any) => text)
const codeOf = (work: Promise<unknown>): Promise<unknown> => work.then(() => "answered", (error: any) => error.cause?.code ?? error.cause?.message ?? error.name)

describe("the limits of Telegram", () => {
  const send = (chat: number, method = "sendMessage", more: object = {}) => fake.call(method, { chat_id: chat, text: `x ${Math.random()}`, ...more })

  it("let a small burst into a chat, then one a second, edits counted; who waits as told has no violation more", async () => {
    const first = await send(1)
    expect([(await send(1)).ok, (await send(1)).ok]).toEqual([true, true])
    const fourth = await send(1, "editMessageText", { message_id: first.result.message_id })
    expect([fourth.status, fourth.description, fourth.parameters]).toEqual([429, "Too Many Requests: retry after 1", { retry_after: 1 }])
    await fake.sim("clock", { advance_ms: 1000 })
    expect((await send(1)).ok).toBe(true)
    expect(await fake.sim("violations")).toMatchObject([{ scope: "chat 1", method: "editMessageText", early: false }])
  })

  it("count it when somebody comes back too early", async () => {
    for (let n = 0; n < 3; n++) await send(1)
    expect([(await send(1)).status, (await send(1)).status]).toEqual([429, 429])
    expect((await fake.sim("violations")).map(({ early }: any) => early)).toEqual([false, true])
  })

  it("let 20 messages a minute into a group", async () => {
    const { id } = await fake.sim("chats", { type: "group", members: [1] })
    let offset_ms = 0
    const slowly = async () => {
      await fake.sim("clock", { offset_ms: (offset_ms += 1000) })
      return send(id)
    }
    for (let n = 0; n < 20; n++) expect((await slowly()).ok).toBe(true)
    const { parameters } = await slowly()
    expect(parameters?.retry_after).toBeGreaterThanOrEqual(35)
    await fake.sim("clock", { offset_ms: offset_ms + 40_000 })
    expect((await send(id)).ok).toBe(true)
  })

  it("let 30 messages a second out in all", async () => {
    for (let id = 2; id <= 32; id++) {
      await fake.sim("users", { id, first_name: `U${id}` })
      await fake.sim("send", { user: id, text: "hi" })
    }
    const replies = await Promise.all(Array.from({ length: 31 }, (_, n) => send(n + 2)))
    expect(replies.filter(({ ok }) => ok).length).toBe(30)
    expect(await fake.sim("violations")).toMatchObject([{ scope: "all" }])
  })

  it("do not count what was refused for another reason, nor answers to buttons", async () => {
    for (let n = 0; n < 10; n++) await fake.call("sendMessage", { chat_id: 1, text: "" })
    for (let n = 0; n < 10; n++) await fake.call("answerCallbackQuery", { callback_query_id: "1" })
    expect([(await send(1)).ok, await fake.sim("violations")]).toEqual([true, []])
  })

  it("can be set and switched off", async () => {
    await fake.sim("limits", { burst: 1 })
    expect([(await send(1)).status, (await send(1)).status]).toEqual([200, 429])
    await fake.sim("clock", { advance_ms: 2000 })
    await fake.sim("limits", { enabled: false })
    expect((await Promise.all(Array.from({ length: 40 }, () => send(1)))).every(({ ok }) => ok)).toBe(true)
  })
})

describe("a fault", () => {
  it("of an error answers without effect, once for each in the queue", async () => {
    await next({ kind: "error", code: 500, method: "sendMessage" }, { kind: "error", code: 409, method: "sendMessage", times: 2 })
    const replies = [await text("a"), await text("b"), await text("c"), await text("d")]
    expect(replies.map(({ status }) => status)).toEqual([500, 409, 409, 200])
    expect(await written()).toEqual(["d"])
  })

  it("strikes its own method only", async () => {
    await next({ kind: "error", code: 500, method: "sendMessage" })
    expect([(await fake.call("getMe")).status, (await text("a")).status]).toEqual([200, 500])
  })

  it("of 502 comes as the page of a proxy", async () => {
    await next({ kind: "error", code: 502 })
    const response = await fetch(`${fake.root}bot${token}/getMe`)
    expect([response.status, response.headers.get("content-type"), (await response.text()).startsWith("<html>")]).toEqual([502, "text/html", true])
  })

  it("of 429 insists on its wait", async () => {
    await next({ kind: "error", code: 429, retry_after: 7, method: "sendMessage" }, { kind: "error", code: 429, retry_after: 3, method: "getUpdates" })
    expect((await text("a")).parameters).toEqual({ retry_after: 7 })
    expect((await fake.call("getUpdates")).parameters).toEqual({ retry_after: 3 })
    expect([(await text("a")).parameters, (await fake.call("getUpdates")).parameters]).toEqual([{ retry_after: 7 }, { retry_after: 3 }])
    expect((await fake.sim("violations")).map(({ early, scope }: any) => [scope, early])).toEqual([["chat 1", true], ["method getupdates", true]])
    await fake.sim("clock", { advance_ms: 7000 })
    expect([(await text("a")).ok, (await fake.call("getUpdates")).ok]).toEqual([true, true])
  })

  it("of a reset loses the call, or only the answer", async () => {
    await next({ kind: "reset_before", method: "sendMessage" }, { kind: "reset_after", method: "sendMessage" })
    expect([await codeOf(text("before")), await codeOf(text("after"))]).toEqual(["ECONNRESET", "ECONNRESET"])
    expect(await written()).toEqual(["after"])
    const calls = await fake.sim("record?method=sendMessage")
    expect(calls.map(({ answered, faults, status }: any) => [answered, faults, status])).toEqual([[false, ["reset_before"], null], [false, ["reset_after"], 200]])
  })

  it("that loses the answer to a poll loses no update", async () => {
    await next({ kind: "reset_after", method: "getUpdates" })
    expect(await codeOf(fake.call("getUpdates"))).toBe("ECONNRESET")
    expect((await fake.result("getUpdates")).length).toBe(1)
  })

  it("garbles the answer, or cuts it in the middle, after the effect", async () => {
    await next({ kind: "garbage", method: "sendMessage" }, { kind: "truncated", method: "sendMessage" })
    expect(await codeOf(text("a"))).toBe("SyntaxError")
    expect(await codeOf(text("b"))).not.toBe("answered")
    expect(await written()).toEqual(["a", "b"])
  })

  it("makes the answer come in pieces, its head first", async () => {
    await next({ kind: "slow", ms: 900 })
    const response = await fetch(`${fake.root}bot${token}/getMe`)
    const pieces: Array<string> = []
    for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) pieces.push(piece)
    expect(pieces.length).toBeGreaterThan(1)
    expect(JSON.parse(pieces.join(""))).toMatchObject({ ok: true })
  })

  it("lets a poll hang that would be answered at once, until who asked goes", async () => {
    await next({ kind: "hang", ms: 3_600_000, method: "getUpdates" })
    const ended = new AbortController()
    const hanging = codeOf(fake.call("getUpdates", {}, ended.signal))
    const struck = async (): Promise<void> => {
      for (;;) if ((await fake.sim("faults")).struck.hang === 1) return
    }
    await struck()
    expect((await fake.result("getUpdates")).length).toBe(1)
    expect((await fake.sim("record?method=getUpdates"))[0]).toMatchObject({ status: null, answered: false, faults: ["hang"] })
    ended.abort()
    expect(await hanging).not.toBe("answered")
  })

  it("brings updates twice, those of the batch before once more, and in another order", async () => {
    await fake.sim("send", [1, 2, 3, 4].map((n) => ({ user: 1, text: `m${n}` })))
    const ids = async (offset: number): Promise<ReadonlyArray<number>> => (await fake.result("getUpdates", { offset })).map(({ update_id }: any) => update_id)
    expect(await ids(0)).toEqual([5000, 5001, 5002, 5003, 5004])
    await next({ kind: "duplicate" })
    expect(await ids(5003)).toEqual([5000, 5001, 5002, 5003, 5003, 5004, 5004])
    await next({ kind: "reorder", times: 3 })
    await fake.sim("send", [5, 6, 7].map((n) => ({ user: 1, text: `m${n}` })))
    const orders = [await ids(5004), await ids(5004), await ids(5004)]
    expect(orders.map((order) => [...order].sort())).toEqual(Array.from({ length: 3 }, () => [5004, 5005, 5006, 5007]))
    expect(orders).not.toEqual(orders.map((order) => [...order].sort()))
  })

  it("strikes by chance as its seed says", async () => {
    const rules = [{ kind: "error", code: 500, method: "getMe", probability: 0.5 }]
    const run = async (seed: number) => {
      await fake.sim("faults", { seed, rules })
      const statuses: Array<number> = []
      for (let n = 0; n < 40; n++) statuses.push((await fake.call("getMe")).status)
      return statuses
    }
    const [first, again, other] = [await run(1), await run(1), await run(2)]
    expect(again).toEqual(first)
    expect(other).not.toEqual(first)
    expect(first.filter((status) => status === 500).length).toBeGreaterThan(8)
    await fake.sim("faults", undefined, "DELETE")
    expect((await fake.call("getMe")).status).toBe(200)
    expect((await fake.sim("faults")).struck.error).toBeGreaterThan(24)
  })

  it("that is none is refused with what there is", async () => {
    await expect(next({ kind: "flood" })).rejects.toThrow("kind must be one of error, reset_before")
    await expect(next({ kind: "error", chance: 1 })).rejects.toThrow("unknown field chance")
    await expect(next({ kind: "error", probability: 2 })).rejects.toThrow("probability must be a number from 0 to 1")
    await expect(next({ kind: "reorder", method: "getMe" })).rejects.toThrow("reorder strikes getUpdates only")
  })
})

describe("an outage", () => {
  it("refuses connections, ends those there are, and is over on the same port", async () => {
    await fake.result("getUpdates", { offset: 5001 })
    const hanging = codeOf(fake.call("getUpdates", { offset: 5001, timeout: 50 }))
    await fake.sim("wait", { polled: true })
    await fake.sim("outage", { ms: 300 })
    expect(await hanging).not.toBe("answered")
    expect(await codeOf(fake.call("getMe"))).toBe("ECONNREFUSED")
    const back = async (): Promise<number> => {
      for (;;) {
        const status = await fake.call("getMe").then(({ status }) => status, () => null)
        if (status !== null) return status
      }
    }
    expect(await back()).toBe(200)
    await fake.sim("send", { user: 1, text: "after" })
    expect((await fake.result("getUpdates")).map(({ update_id }: any) => update_id)).toEqual([5001])
  })
})

describe("telegraf 4.16.3", () => {
  const client = () => new Telegraf(token, { telegram: { apiRoot: fake.root } }).telegram

  it("gets its updates and sends, edits, answers and uploads", async () => {
    const telegram = client()
    expect(await telegram.getMe()).toMatchObject({ is_bot: true, username: "opsgate_bot" })
    expect(await telegram.callApi("getUpdates", { offset: 0, limit: 100, timeout: 0, allowed_updates: ["message", "callback_query"] })).toMatchObject([{ update_id: 5000, message: { text: "/start" } }])
    const { fmt, bold } = await import("telegraf/format")
    const sent = await telegram.sendMessage(1, fmt`a ${bold("b_")}.`, { reply_markup: { inline_keyboard: [[{ text: "ok", callback_data: "v1:x" }]] } })
    expect(sent).toMatchObject({ text: "a b_.", entities: [{ type: "bold", offset: 2, length: 2 }] })
    const { query } = await fake.sim("press", { user: 1, message: sent.message_id, button: "ok" })
    expect(await telegram.answerCbQuery(query, "done")).toBe(true)
    expect(await fake.sim("wait", { query })).toEqual({ met: true, found: { text: "done", show_alert: false, url: null } })
    expect(await telegram.editMessageText(1, sent.message_id, undefined, "after")).toMatchObject({ text: "after" })
    const { document } = await telegram.sendDocument(1, { source: Buffer.from("ä\n"), filename: "out.txt" }, { caption: "c", reply_markup: { inline_keyboard: [[{ text: "ok", callback_data: "y" }]] } })
    expect(Buffer.from(await (await fetch(await telegram.getFileLink(document.file_id))).arrayBuffer()).toString()).toBe("ä\n")
    expect(await telegram.setMyCommands([{ command: "ops", description: "is it healthy?" }], { scope: { type: "chat", chat_id: 1 } })).toBe(true)
    expect(await telegram.deleteMessage(1, sent.message_id)).toBe(true)
    expect((await fake.sim("record")).flatMap(({ unknown }: any) => unknown)).toEqual([])
  })

  it("sees a refusal as what it is", async () => {
    const failed = await client().sendMessage(99, "x").catch((error: unknown) => error)
    expect(failed).toBeInstanceOf(TelegramError)
    expect((failed as TelegramError).description).toBe("Bad Request: chat not found")
    await next({ kind: "error", code: 429, retry_after: 9, method: "sendMessage" })
    const flooded = await client().sendMessage(1, "x").catch((error: unknown) => error)
    expect((flooded as TelegramError).parameters).toEqual({ retry_after: 9 })
  })
})
