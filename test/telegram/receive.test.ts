import { once } from "node:events"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { startFake, type StartedFake } from "./startFake.ts"

let fake: StartedFake

beforeAll(async () => {
  fake = await startFake()
})
afterAll(() => fake.stop())
beforeEach(async () => {
  await fake.sim("reset", { seed: 7, first_update_id: 5000 })
  for (const [id, first_name] of [[1, "Ada"], [2, "Grace"]]) await fake.sim("users", { id, first_name })
})

const write = (...texts: ReadonlyArray<string>) => fake.sim("send", texts.map((text) => ({ user: 1, text })))
const poll = async (params: object = {}): Promise<ReadonlyArray<number>> => (await fake.result("getUpdates", params)).map(({ update_id }: any) => update_id)

describe("getUpdates", () => {
  it("gives an update again and again until a higher offset is asked for, and never after", async () => {
    await write("a", "b", "c")
    expect(await poll()).toEqual([5000, 5001, 5002])
    expect(await poll({ offset: 5000 })).toEqual([5000, 5001, 5002])
    expect(await poll({ offset: 5002 })).toEqual([5002])
    expect(await poll({ offset: 0 })).toEqual([5002])
    expect(await fake.sim("updates")).toEqual([
      { update_id: 5000, deliveries: 2, confirmed: true },
      { update_id: 5001, deliveries: 2, confirmed: true },
      { update_id: 5002, deliveries: 4, confirmed: false }
    ])
  })

  it("forgets all but the last with a negative offset", async () => {
    await write("a", "b", "c", "d")
    expect(await poll({ offset: -2 })).toEqual([5002, 5003])
    expect(await poll()).toEqual([5002, 5003])
    await fake.sim("reset", { first_update_id: 5000 })
    expect(await poll({ offset: -1 })).toEqual([])
  })

  it("gives at most the limit, 100 where none fits", async () => {
    await write(...Array.from({ length: 103 }, (_, n) => `m${n}`))
    expect(await poll({ limit: 2 })).toEqual([5000, 5001])
    expect(await Promise.all([0, 101, 1000].map(async (limit) => (await poll({ limit })).length))).toEqual([100, 100, 100])
    expect((await poll({ offset: "5100", limit: "100" })).length).toBe(3)
  })

  it("waits for the first update, and answers empty at the end of the time", async () => {
    const waiting = poll({ timeout: 50 })
    await fake.sim("wait", { polled: true })
    await write("a")
    expect(await waiting).toEqual([5000])
    expect(await poll({ offset: 5001, timeout: 1 })).toEqual([])
  })

  it("ends the poll that waits when there is a second one, with 409", async () => {
    const first = fake.call("getUpdates", { timeout: 50 })
    await fake.sim("wait", { polled: true })
    const second = poll({ timeout: 50 })
    const { description, status } = await first
    expect([status, description]).toEqual([409, "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"])
    await write("a")
    expect(await second).toEqual([5000])
  })

  it("forgets who hung up: his updates come to the next who asks", async () => {
    const ended = new AbortController()
    const gone = fake.call("getUpdates", { timeout: 50 }, ended.signal).catch(() => "gone")
    await fake.sim("wait", { polled: true })
    ended.abort()
    expect(await gone).toBe("gone")
    await fake.sim("wait", { polled: false })
    await write("a")
    expect(await poll()).toEqual([5000])
  })

  it("brings only the kinds that were asked for, until others are", async () => {
    await poll({ allowed_updates: ["callback_query"] })
    await write("a")
    expect(await poll()).toEqual([])
    await poll({ allowed_updates: "[\"message\"]" })
    await write("b")
    expect(await poll()).toEqual([5000])
    expect((await fake.call("getUpdates", { allowed_updates: "message" })).description).toBe("Bad Request: can't parse allowed_updates JSON object")
  })

  it("drops what nobody fetched for a day", async () => {
    await write("a")
    await fake.sim("clock", { advance_ms: 86_400_000 })
    await write("b")
    expect(await poll()).toEqual([5001])
    expect((await fake.sim("updates"))[0]).toEqual({ update_id: 5000, deliveries: 0, confirmed: false })
  })
})

describe("a webhook", () => {
  interface Arrived {
    readonly request: IncomingMessage
    readonly text: string
    readonly response: ServerResponse
  }

  const receiver = async () => {
    const arrived: Array<Arrived> = []
    const listeners: Array<() => void> = []
    const server = createServer(async (request, response) => {
      const chunks: Array<Buffer> = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      arrived.push({ request, text: Buffer.concat(chunks).toString(), response })
      listeners.splice(0).forEach((wake) => wake())
    }).listen(0, "127.0.0.1")
    await once(server, "listening")
    let taken = 0
    const next = async (): Promise<Arrived> => {
      while (arrived.length <= taken) await new Promise<void>((wake) => void listeners.push(wake))
      return arrived[taken++]!
    }
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, next, close: () => { server.closeAllConnections(); server.close() } }
  }

  it("gets each update with the secret until it takes it, one by one in order, and excludes polling", async () => {
    const hook = await receiver()
    await fake.sim("limits", { webhook_retry_ms: 1 })
    await write("ä", "b")
    await fake.result("setWebhook", { url: hook.url, secret_token: "s-3_cret", max_connections: 1 })
    expect((await fake.call("getUpdates")).description).toBe("Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first")
    const seen: Array<unknown> = []
    for (const status of [500, 302, 200, 204]) {
      const { request, response, text } = await hook.next()
      seen.push([request.headers["x-telegram-bot-api-secret-token"], JSON.parse(text).message.text, status])
      if (status === 302) response.destroy()
      else response.writeHead(status).end()
    }
    await fake.sim("wait", { drained: true })
    expect(seen).toEqual([["s-3_cret", "ä", 500], ["s-3_cret", "ä", 302], ["s-3_cret", "ä", 200], ["s-3_cret", "b", 204]])
    const info = await fake.result("getWebhookInfo")
    expect(info).toMatchObject({ url: hook.url, pending_update_count: 0, max_connections: 1 })
    hook.close()
  })

  it("that answers with a method has called it", async () => {
    const hook = await receiver()
    await fake.result("setWebhook", { url: hook.url })
    await write("a")
    const { response } = await hook.next()
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ method: "sendMessage", chat_id: 1, text: "from the answer" }))
    await fake.sim("wait", { messages: { chat: 1, contains: "from the answer", by_bot: true } })
    await fake.result("deleteWebhook")
    expect((await fake.result("getWebhookInfo")).url).toBe("")
    expect(await poll()).toEqual([])
    hook.close()
  })

  it("is refused with a secret that is none, an address that is none, or one that is elsewhere", async () => {
    const words = async (params: object) => (await fake.call("setWebhook", params)).description
    expect(await words({ url: "http://127.0.0.1:1/", secret_token: "a b" })).toBe("Bad Request: secret token contains unallowed characters")
    expect(await words({ url: "nowhere" })).toBe("Bad Request: bad webhook: invalid webhook URL specified")
    expect(await words({ url: "https://example.org/" })).toBe("Bad Request: bad webhook: the fake delivers to this machine only")
    await fake.result("setWebhook", { url: "http://127.0.0.1:1/" })
    await write("a")
    await fake.result("deleteWebhook", { drop_pending_updates: true })
    expect(await poll()).toEqual([])
  })
})

describe("people", () => {
  const last = async () => (await fake.result("getUpdates")).at(-1)

  it("write, forward, edit, answer, as bots, as anonymous admins and into channels", async () => {
    const { id: group } = await fake.sim("chats", { type: "supergroup", members: [1, 2], admins: [1] })
    const { id: channel } = await fake.sim("chats", { type: "channel", title: "News" })
    await fake.sim("users", { id: 3, is_bot: true, first_name: "Robot" })
    const { message: { message_id } } = await fake.sim("send", { user: 1, text: "/run x" })
    expect((await last()).message).toMatchObject({ from: { id: 1, is_bot: false }, chat: { id: 1, type: "private" }, entities: [{ type: "bot_command", offset: 0, length: 4 }] })
    await fake.sim("send", { user: 1, kind: "forwarded", forward_from: 2, text: "/run x" })
    expect((await last()).message).toMatchObject({ from: { id: 1 }, forward_origin: { type: "user", sender_user: { id: 2 } } })
    await fake.sim("send", { user: 1, kind: "edited", message: message_id, text: "/run y" })
    expect((await last()).edited_message).toMatchObject({ message_id, text: "/run y", edit_date: expect.any(Number) })
    await fake.sim("send", { user: 1, reply_to: message_id, text: "and" })
    expect((await last()).message.reply_to_message).toMatchObject({ message_id, text: "/run y" })
    await fake.sim("send", { kind: "anonymous_admin", chat: group, text: "/run z" })
    expect((await last()).message).toMatchObject({ from: { id: 1_087_968_824, is_bot: true }, sender_chat: { id: group } })
    await fake.sim("send", { kind: "channel_post", chat: channel, text: "/run c" })
    const { channel_post } = await last()
    expect([channel_post.from, channel_post.chat.id]).toEqual([undefined, channel])
    await fake.sim("send", { user: 3, kind: "bot", text: "/run b" })
    expect((await last()).message.from.is_bot).toBe(true)
    await expect(fake.sim("send", { user: 9, text: "x" })).rejects.toThrow("there is no such user")
    await expect(fake.sim("send", { user: 3, chat: group, text: "x" })).rejects.toThrow("the user is not a member of the chat")
    await expect(fake.sim("send", { user: 1, text: "x", txt: "y" })).rejects.toThrow("unknown field txt")
  })

  it("write at any date, and the clock may be moved", async () => {
    await fake.sim("send", { user: 1, text: "old", date: 1_000_000 })
    expect((await last()).message.date).toBe(1_000_000)
    const { now_ms } = await fake.sim("clock", { advance_ms: 600_000 })
    expect(now_ms - Date.now()).toBeGreaterThan(500_000)
    await fake.sim("send", { user: 1, text: "aged", age_s: 300 })
    const { message: { date } } = await last()
    expect(date * 1000 - Date.now()).toBeGreaterThan(200_000)
    expect(date * 1000 - Date.now()).toBeLessThanOrEqual(300_000)
  })

  it("in a group are heard only when they speak to the bot, unless it may hear all", async () => {
    const { id } = await fake.sim("chats", { type: "group", members: [1, 2] })
    const { message_id } = await fake.result("sendMessage", { chat_id: id, text: "hi" })
    const heard = async (text: string, more: object = {}) => (await fake.sim("send", { user: 1, chat: id, text, ...more })).update_id !== null
    expect([await heard("hello"), await heard("/ops"), await heard("/ops@opsgate_bot"), await heard("/ops@other_bot"), await heard("you, @opsgate_bot"), await heard("yes", { reply_to: message_id })])
      .toEqual([false, true, true, false, true, true])
    await fake.sim("limits", { privacy: false })
    expect([await heard("hello"), await heard("/ops@other_bot")]).toEqual([true, true])
  })

  it("are told to the bot when they block it", async () => {
    await fake.sim("send", { user: 1, text: "hi" })
    await fake.sim("block", { user: 1 })
    expect((await last()).my_chat_member).toMatchObject({ chat: { id: 1 }, old_chat_member: { status: "member" }, new_chat_member: { status: "kicked" } })
  })
})

describe("the control API", () => {
  const raw = (path: string, headers: Record<string, string>, body?: string) =>
    fetch(`${fake.simRoot}${path}`, { headers, ...(body === undefined ? {} : { method: "POST", body }) }).then(({ status }) => status)

  it("answers no other site, and nothing that a form can send", async () => {
    expect(await raw("state", { origin: "https://evil.example" })).toBe(403)
    expect(await raw("state", { "sec-fetch-site": "cross-site" })).toBe(403)
    expect(await raw("reset", { "content-type": "text/plain" }, "{}")).toBe(415)
    expect(await raw("state", { "sec-fetch-site": "same-origin" })).toBe(200)
    expect(await raw("nothing", {})).toBe(404)
    expect(await raw("send", { "content-type": "application/json" }, "[1")).toBe(400)
  })

  it("answers no other name of this machine", async () => {
    const status = await new Promise<number | undefined>((resolve, reject) => {
      void import("node:http").then(({ get }) => get(`${fake.simRoot}state`, { headers: { host: "evil.example" } }, ({ statusCode }) => resolve(statusCode)).on("error", reject))
    })
    expect(status).toBe(403)
  })

  it("waits until something is so, or says that it is not", async () => {
    const waiting = fake.sim("wait", { messages: { chat: 1, by_bot: true, contains: "done" } })
    await fake.sim("send", { user: 1, text: "done" })
    await fake.result("sendMessage", { chat_id: 1, text: "well done" })
    expect(await waiting).toMatchObject({ met: true, found: [{ text: "well done" }] })
    expect(await fake.sim("wait", { messages: { chat: 1, contains: "never" }, timeout_ms: 1 })).toEqual({ met: false })
    await expect(fake.sim("wait", {})).rejects.toThrow("wait for one of")
  })

  it("serves the page with a policy that allows exactly its own script and style", async () => {
    const response = await fetch(fake.root)
    const html = await response.text()
    const policy = response.headers.get("content-security-policy") ?? ""
    const { createHash } = await import("node:crypto")
    const hash = (tag: string) => `'sha256-${createHash("sha256").update(new RegExp(`<${tag}>([^]*?)</${tag}>`).exec(html)?.[1] ?? "").digest("base64")}'`
    expect(policy).toBe(`default-src 'none'; script-src ${hash("script")}; style-src ${hash("style")}; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`)
    expect(html.match(/<script|<style|<link|<img|<iframe| on\w+=| style=/g)).toEqual(["<style", "<script"])
    expect(html).not.toMatch(/innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|https?:\/\/[a-z]/)
    expect((await fetch(fake.root, { headers: { "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors" } })).status).toBe(403)
  })
})
