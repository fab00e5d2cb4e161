/**
 * What whoever plays Telegram's part may do: make people act, see what they see and what the bot did, switch faults.
 * `ControlDoor.ts` takes these as `/_sim/*` over HTTP, `Virtual.ts` as functions.
 */
import { sha256 } from "./Body.ts"
import { commandsSeen } from "./CommandMethods.ts"
import { ruleOf } from "./Faults.ts"
import { addChat, addUser, block, kick, migrate, onlyFields, press, send } from "./People.ts"
import { wait } from "./Waiting.ts"
import { badRequest, type Fields, type Message } from "./Wire.ts"
import type { World } from "./World.ts"

export interface Sim {
  readonly world: () => World
  readonly reset: (changes: Fields) => void
  /** The Bot API refuses connections for so long. */
  readonly outage: (ms: number) => Promise<void>
}

const numberIn = (fields: Fields, name: string, from: number, to: number): number | undefined => {
  const value = fields[name]
  if (value === undefined) return undefined
  if (typeof value !== "number" || !(value >= from && value <= to)) throw badRequest(`${name} must be a number from ${from} to ${to}`)
  return value
}

/** A message as a person sees it now. */
const seen = (world: World, byBot: boolean, message: Message) => {
  const { document, reply_markup, ...rest } = message
  const file = document === undefined ? undefined : world.files.get(document.file_id)
  return {
    ...rest,
    by_bot: byBot,
    buttons: reply_markup?.inline_keyboard ?? [],
    ...(document === undefined ? {} : { document: { ...document, sha256: file === undefined ? null : sha256(file.bytes) } })
  }
}

/** A chat as a person sees it now; the last so many messages, all without a number. */
export const messagesOf = (world: World, chat: number, last = Infinity) => {
  const room = world.rooms.get(chat)
  if (room === undefined) throw badRequest("there is no such chat")
  return [...room.messages.values()].slice(-last).map((message) => seen(world, room.byBot.has(message.message_id), message))
}

const state = (world: World) => ({
  revision: world.revision(),
  bot: world.bot,
  users: [...world.users.values()],
  chats: [...world.rooms.values()].map(({ admins, blocked, chat, kicked, members, messages, migratedTo }) => ({
    ...chat,
    members: [...members],
    admins: [...admins],
    blocked,
    kicked,
    migrated_to: migratedTo,
    messages: messages.size
  })),
  pending: world.updates.pending().length,
  polled: world.updates.isPolled(),
  webhook: world.webhook === null ? null : { url: world.webhook.url, last_error: world.webhook.lastError },
  clock: { offset_ms: world.clock.offsetMs(), now_ms: world.clock.nowMs() },
  flood: { limits: world.flood.limits(), violations: world.flood.violations().length },
  faults: world.faults.state(),
  commands: [...world.commands].map(([scope, commands]) => ({ scope: JSON.parse(scope) as unknown, commands }))
})

const setClock = ({ clock, changed }: World, fields: Fields) => {
  onlyFields(fields, ["offset_ms", "advance_ms"])
  const most = 10 * 365 * 86_400_000
  const advance = numberIn(fields, "advance_ms", 0, most)
  const offset = numberIn(fields, "offset_ms", -most, most)
  clock.shiftTo(offset ?? clock.offsetMs() + (advance ?? 0))
  changed()
  return { offset_ms: clock.offsetMs(), now_ms: clock.nowMs() }
}

export const setFaults = ({ chance, faults }: World, fields: Fields) => {
  onlyFields(fields, ["seed", "rules", "queue"])
  const { queue = [], rules } = fields
  if ((rules !== undefined && !Array.isArray(rules)) || !Array.isArray(queue)) throw badRequest("rules and queue are lists of faults")
  const parsed = rules?.map(ruleOf)
  const queued = queue.map(ruleOf)
  const seed = numberIn(fields, "seed", 0, 2 ** 32 - 1)
  if (seed !== undefined) chance.seed(seed)
  if (parsed !== undefined) faults.set(parsed)
  for (const rule of queued) faults.enqueue(rule)
  return faults.state()
}

export const setLimits = (world: World, fields: Fields) => {
  onlyFields(fields, ["enabled", "per_chat_ms", "burst", "group_per_minute", "per_second", "query_ttl_ms", "webhook_retry_ms", "privacy"])
  const one = (name: string, from: number, to: number): Fields => {
    const value = numberIn(fields, name, from, to)
    return value === undefined ? {} : { [name]: value }
  }
  if (typeof fields["privacy"] === "boolean") world.privacy = fields["privacy"]
  world.queryKeptMs = numberIn(fields, "query_ttl_ms", 0, 3_600_000) ?? world.queryKeptMs
  world.webhookRetryMs = numberIn(fields, "webhook_retry_ms", 1, 60_000) ?? world.webhookRetryMs
  world.flood.set({
    ...(typeof fields["enabled"] === "boolean" ? { enabled: fields["enabled"] } : {}),
    ...one("per_chat_ms", 0, 3_600_000),
    ...one("burst", 1, 1000),
    ...one("group_per_minute", 1, 100_000),
    ...one("per_second", 1, 100_000)
  })
  return world.flood.limits()
}

type Act = (sim: Sim, body: Fields, gone: AbortSignal) => unknown

export const posts: Readonly<Record<string, Act>> = {
  send: ({ world }, body) => send(world(), body),
  users: ({ world }, body) => addUser(world(), body),
  chats: ({ world }, body) => addChat(world(), body),
  press: ({ world }, body) => press(world(), body),
  block: ({ world }, body) => block(world(), body),
  kick: ({ world }, body) => kick(world(), body),
  migrate: ({ world }, body) => migrate(world(), body),
  wait: ({ world }, body, gone) => wait(world(), body, gone),
  clock: ({ world }, body) => setClock(world(), body),
  faults: ({ world }, body) => setFaults(world(), body),
  limits: ({ world }, body) => setLimits(world(), body),
  reset: (sim, body) => {
    onlyFields(body, ["seed", "first_update_id"])
    sim.reset({ ...optionalNumber(body, "seed", 0, 2 ** 32 - 1), ...optionalNumber(body, "first_update_id", 1, 2 ** 50) })
    return state(sim.world())
  },
  outage: async (sim, body) => {
    onlyFields(body, ["ms"])
    await sim.outage(numberIn(body, "ms", 1, 3_600_000) ?? 1000)
    return true
  },
  "record/clear": ({ world }) => {
    world().record.clear()
    return true
  }
}

const optionalNumber = (fields: Fields, name: string, from: number, to: number): Fields => {
  const value = numberIn(fields, name, from, to)
  return value === undefined ? {} : { [name]: value }
}

export const gets: Readonly<Record<string, (world: World, query: URLSearchParams) => unknown>> = {
  state,
  messages: (world, query) => messagesOf(world, Number(query.get("chat")), Number(query.get("last") ?? Infinity)),
  commands: (world, query) => commandsSeen(world, Number(query.get("chat")), Number(query.get("user"))),
  outbox: ({ outbox }, query) => outbox.written(Number(query.get("after") ?? 0)),
  updates: ({ updates }) => updates.states(),
  violations: ({ flood }) => flood.violations(),
  faults: ({ faults }) => faults.state(),
  query: ({ queries }, query) => queries.get(query.get("id") ?? "") ?? null,
  record: ({ record }, query) =>
    record.calls(Number(query.get("after") ?? 0)).filter(({ method }) => (query.get("method") ?? method) === method)
}
