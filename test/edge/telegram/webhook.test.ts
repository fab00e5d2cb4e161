/** The webhook over real HTTP: an update is answered 200 when it is stored, and never before. */
import { request } from "node:http"
import { Effect, Layer } from "effect"
import { describe, expect, it } from "vitest"
import type { Received } from "../../../src/domain/Chat.ts"
import { serve, type WebhookOptions } from "../../../src/edge/telegram/Webhook.ts"
import { ChatStore } from "../../../src/engine/ChatStore.ts"
import { EngineUnavailable } from "../../../src/engine/Engine.ts"

const secret = "s3cret-of-the-hook"
const full = new EngineUnavailable({ operation: "write", why: "full", cause: null })

/** A store that keeps what it is given, or takes nothing. */
const storeWith = (kept: Array<Received>, takes: () => boolean) =>
  Layer.mock(ChatStore, {
    receive: (_bot, updates) => takes() ? Effect.sync(() => kept.push(...updates)) : full
  })

const post = (port: number, body: string | ReadonlyArray<Buffer>, headers: Readonly<Record<string, string>> = { "x-telegram-bot-api-secret-token": secret }, path = "/hook", method = "POST"): Promise<number> =>
  new Promise((resolve, reject) => {
    const sent = request({ port, path, method, headers, agent: false }, (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    sent.on("error", reject)
    if (typeof body === "string") sent.end(body)
    else {
      body.forEach((chunk) => sent.write(chunk))
      sent.end()
    }
  })

const listening = <A>(use: (port: number, kept: Array<Received>) => Promise<A>, change: Partial<WebhookOptions> = {}, takes = () => true): Promise<A> => {
  const kept: Array<Received> = []
  return Effect.runPromise(
    Effect.gen(function*() {
      const port = yield* serve({ bot: "7", host: "127.0.0.1", port: 0, path: "/hook", secret, wake: Effect.void, ...change })
      return yield* Effect.promise(() => use(port, kept))
    }).pipe(Effect.scoped, Effect.provide(storeWith(kept, takes)))
  )
}

const update = JSON.stringify({ update_id: 5, message: { message_id: 1, date: 1, chat: { id: 9, type: "private" }, from: { id: 9, is_bot: false }, text: "/ops ü" } })

describe("the webhook", () => {
  it("stores an update before it answers 200, and wakes who works it off", async () => {
    let woken = 0
    await listening(async (port, kept) => {
      expect(await post(port, update)).toBe(200)
      expect(kept).toEqual([{ update: 5, chat: "9", payload: update }])
      expect(woken).toBe(1)
    }, { wake: Effect.sync(() => void (woken += 1)) })
  })

  it("answers 500 when the store takes nothing, so that it is sent again", () =>
    listening(async (port) => expect(await post(port, update)).toBe(500), {}, () => false))

  for (const [what, headers] of [["no secret", {}], ["another secret", { "x-telegram-bot-api-secret-token": "s3cret-of-the-hooK" }], ["an empty one", { "x-telegram-bot-api-secret-token": "" }]] as const) {
    it(`answers 403 to ${what}, and stores nothing`, () =>
      listening(async (port, kept) => {
        expect(await post(port, update, headers)).toBe(403)
        expect(kept).toEqual([])
      }))
  }

  it("puts a character together that comes in two pieces", () =>
    listening(async (port, kept) => {
      const bytes = Buffer.from(update)
      const cut = bytes.indexOf("ü") + 1
      expect(await post(port, [bytes.subarray(0, cut), bytes.subarray(cut)])).toBe(200)
      expect(kept[0]?.payload).toBe(update)
    }))

  it("answers 413 to what is too long, 400 to what is not JSON, and 404 to another path or method", () =>
    listening(async (port, kept) => {
      expect(await post(port, "x".repeat(1_000_001))).toBe(413)
      expect(await post(port, "{")).toBe(400)
      expect(await post(port, update, undefined, "/other")).toBe(404)
      expect(await post(port, "", undefined, "/hook", "GET")).toBe(404)
      expect(kept).toEqual([])
    }))
})
