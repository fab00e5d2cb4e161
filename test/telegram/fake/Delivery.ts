/**
 * Sends updates to a webhook, each again and again until it is taken with a 2xx: the messages of one chat in their order, the
 * buttons of one person in theirs, and all of these at once (telegram-bot-api, WebhookActor.cpp). What the other end answers as
 * JSON with a `method` is carried out as a call.
 */
import { request as httpRequest } from "node:http"
import { request as httpsRequest } from "node:https"
import { call } from "./BotApi.ts"
import { inSeconds } from "./Clock.ts"
import { type Fields, isFields, type Update } from "./Wire.ts"
import type { Webhook, World } from "./World.ts"

const answerMaxMs = 30_000

interface Reply {
  readonly status: number
  readonly body: Fields
}

const post = ({ secret, url }: Webhook, update: Update): Promise<Reply> =>
  new Promise((resolve, reject) => {
    const text = JSON.stringify(update)
    const headers = {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(text),
      ...(secret === undefined ? {} : { "x-telegram-bot-api-secret-token": secret })
    }
    const request = (url.startsWith("https:") ? httpsRequest : httpRequest)(url, { method: "POST", headers, timeout: answerMaxMs }, (response) => {
      const chunks: Array<Buffer> = []
      response.on("data", (chunk: Buffer) => chunks.push(chunk))
      response.on("error", reject)
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body: replyOf(Buffer.concat(chunks).toString()) }))
    })
    request.on("timeout", () => request.destroy(new Error("Read timeout expired")))
    request.on("error", reject)
    request.end(text)
  })

const replyOf = (text: string): Fields => {
  try {
    const value: unknown = JSON.parse(text)
    return isFields(value) ? value : {}
  } catch {
    return {}
  }
}

const repeatsMax = 60

/** Updates of one line wait for each other. */
const lineOf = (update: Update): string => {
  const [kind = "", body] = Object.entries(update).find(([name]) => name !== "update_id") ?? []
  const { chat, from } = isFields(body) ? body : {}
  if (kind === "callback_query") return `user ${isFields(from) ? String(from["id"]) : ""}`
  return `chat ${isFields(chat) ? String(chat["id"]) : ""}`
}

export interface Delivery {
  readonly stop: () => void
}

export const deliver = (world: World): Delivery => {
  const flying = new Set<number>()
  const tries = new Map<number, { readonly count: number; readonly atMs: number }>()
  let timer: NodeJS.Timeout | undefined
  let stopped = false

  const send = async (hook: Webhook, update: Update): Promise<void> => {
    const id = update.update_id
    const entry = world.record.open("webhook", "(update)", "application/json")
    entry.add({ params: { url: hook.url, update_id: id } })
    world.updates.delivered(id)
    let wrong: string | null = null
    try {
      const { body, status } = await post(hook, update)
      entry.add({ status, answer: body, answered: true })
      if (status < 200 || status > 299) wrong = `Wrong response from the webhook: ${status}`
      else {
        world.updates.confirm(id)
        if (typeof body["method"] === "string") await replied(body["method"], body)
      }
    } catch (cause) {
      wrong = cause instanceof Error ? cause.message : String(cause)
      entry.add({ answered: false, answer: wrong })
    }
    flying.delete(id)
    if (wrong === null) tries.delete(id)
    else {
      const count = (tries.get(id)?.count ?? 0) + 1
      tries.set(id, { count, atMs: performance.now() + world.webhookRetryMs * Math.min(2 ** (count - 1), repeatsMax) })
      hook.lastErrorDate = inSeconds(world.clock.nowMs())
      hook.lastError = wrong
    }
    world.changed()
  }

  const replied = async (method: string, fields: Fields): Promise<void> => {
    const entry = world.record.open("webhook reply", method, "application/json")
    entry.add({ params: fields })
    const { json, status } = await call(world, method, { fields, files: new Map() }, AbortSignal.timeout(answerMaxMs), entry)
    // Nobody is told what became of it.
    entry.add({ status, answer: json, answered: false })
  }

  const pump = (): void => {
    const hook = world.webhook
    if (hook === null || stopped) return
    clearTimeout(timer)
    const now = performance.now()
    let wait = Infinity
    const lines = new Set<string>()
    for (const update of world.updates.pending()) {
      if (flying.size >= hook.max) break
      const line = lineOf(update)
      if (lines.has(line)) continue
      lines.add(line)
      if (flying.has(update.update_id)) continue
      const due = tries.get(update.update_id)?.atMs ?? 0
      if (due > now) wait = Math.min(wait, due - now)
      else {
        flying.add(update.update_id)
        void send(hook, update)
      }
    }
    if (wait < Infinity) timer = setTimeout(pump, wait)
  }

  // Not from inside whatever changed: what it is about is finished first.
  const off = world.onChange(() => queueMicrotask(pump))
  return {
    stop: () => {
      stopped = true
      off()
      clearTimeout(timer)
    }
  }
}
