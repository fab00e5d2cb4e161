/**
 * Sends updates to a webhook, each again and again until it is taken with a 2xx: the messages of one chat in their order, the
 * buttons of one person in theirs, and all of these at once (telegram-bot-api, WebhookActor.cpp). What the other end answers as
 * JSON with a `method` is carried out as a call.
 */
import { call } from "./BotApi.ts"
import { inSeconds } from "./Clock.ts"
import { type Fields, isFields, type Update } from "./Wire.ts"
import type { Webhook, World } from "./World.ts"

export const answerMaxMs = 30_000

export interface Reply {
  readonly status: number
  readonly body: Fields
}

/** Brings one update to a webhook; an Error when nothing was answered. */
export type Post = (webhook: Webhook, update: Update) => Promise<Reply>

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

export const deliver = (world: World, post: Post): Delivery => {
  const { clock } = world
  const flying = new Set<number>()
  const tries = new Map<number, { readonly count: number; readonly atMs: number }>()
  let cancel = (): void => undefined
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
      tries.set(id, { count, atMs: clock.timerMs() + world.webhookRetryMs * Math.min(2 ** (count - 1), repeatsMax) })
      hook.lastErrorDate = inSeconds(clock.nowMs())
      hook.lastError = wrong
    }
    world.changed()
  }

  const replied = async (method: string, fields: Fields): Promise<void> => {
    const entry = world.record.open("webhook reply", method, "application/json")
    entry.add({ params: fields })
    const over = new AbortController()
    const inTime = clock.later(answerMaxMs, () => over.abort())
    const { json, status } = await call(world, method, { fields, files: new Map() }, over.signal, entry)
    inTime()
    // Nobody is told what became of it.
    entry.add({ status, answer: json, answered: false })
  }

  const pump = (): void => {
    const hook = world.webhook
    if (hook === null || stopped) return
    cancel()
    const now = clock.timerMs()
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
    if (wait < Infinity) cancel = clock.later(wait, pump)
  }

  // Not from inside whatever changed: what it is about is finished first.
  const off = world.onChange(() => {
    if (world.webhook !== null) queueMicrotask(pump)
  })
  return {
    stop: () => {
      stopped = true
      off()
      cancel()
    }
  }
}
