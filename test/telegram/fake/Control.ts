/**
 * The control API, `/_sim/*`: JSON in and out, for whoever plays Telegram's part. It makes people act, shows what they see and
 * what the bot did, and switches faults. Only this machine reaches it, and no page of another site.
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import { parseBody, readAll, sha256 } from "./Body.ts"
import { commandsSeen } from "./CommandMethods.ts"
import { ruleOf } from "./Faults.ts"
import { addChat, addUser, block, kick, migrate, onlyFields, press, send } from "./People.ts"
import { wait } from "./Waiting.ts"
import { ApiError, badRequest, type Fields, isFields, type Message } from "./Wire.ts"
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

const messagesOf = (world: World, chat: number) => {
  const room = world.rooms.get(chat)
  if (room === undefined) throw badRequest("there is no such chat")
  return [...room.messages.values()].map((message) => seen(world, room.byBot.has(message.message_id), message))
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

const setFaults = ({ chance, faults }: World, fields: Fields) => {
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

const setLimits = (world: World, fields: Fields) => {
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

const many = <A>(value: unknown, act: (fields: Fields) => A): A | ReadonlyArray<A> => {
  if (Array.isArray(value)) return value.map((one) => act(fieldsIn(one)))
  return act(fieldsIn(value))
}

const fieldsIn = (value: unknown): Fields => {
  if (!isFields(value)) throw badRequest("the body is a JSON object, or a list of them")
  return value
}

type Act = (sim: Sim, body: Fields, gone: AbortSignal) => unknown

const posts: Readonly<Record<string, Act>> = {
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

const gets: Readonly<Record<string, (world: World, query: URLSearchParams) => unknown>> = {
  state,
  messages: (world, query) => messagesOf(world, Number(query.get("chat"))),
  commands: (world, query) => commandsSeen(world, Number(query.get("chat")), Number(query.get("user"))),
  updates: ({ updates }) => updates.states(),
  violations: ({ flood }) => flood.violations(),
  faults: ({ faults }) => faults.state(),
  query: ({ queries }, query) => queries.get(query.get("id") ?? "") ?? null,
  record: ({ record }, query) =>
    record.calls().filter(({ method, seq }) => seq > Number(query.get("after") ?? 0) && (query.get("method") ?? method) === method)
}

const json = (response: ServerResponse, status: number, value: unknown): void => {
  const text = JSON.stringify(value)
  response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text), "cache-control": "no-store", "x-content-type-options": "nosniff" })
  response.end(text)
}

/** A file as it was sent. It is never shown in the page, only saved. */
const download = ({ files }: World, id: string, response: ServerResponse): void => {
  const file = files.get(id)
  if (file === undefined) throw new ApiError(404, "Not Found: there is no such file")
  response.writeHead(200, {
    "content-type": "application/octet-stream",
    "content-length": file.bytes.length,
    "content-disposition": `attachment; filename*=UTF-8''${encodeURIComponent(file.file_name).replaceAll("'", "%27")}`,
    "content-security-policy": "default-src 'none'; sandbox",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store"
  })
  response.end(file.bytes)
}

/**
 * Refuses what a page of another site could send through the browser of whoever runs the simulator: another name for this
 * machine (DNS rebinding), another origin, and bodies that a form can send without asking first.
 */
export const checkCaller = ({ headers, method }: IncomingMessage): void => {
  const host = (headers.host ?? "").replace(/:\d+$/, "")
  if (!["127.0.0.1", "localhost", "[::1]"].includes(host)) throw new ApiError(403, "Forbidden: this machine only")
  const site = headers["sec-fetch-site"]
  if (site !== undefined && site !== "same-origin" && site !== "none") throw new ApiError(403, "Forbidden: this page only")
  if (headers.origin !== undefined && headers.origin !== `http://${headers.host ?? ""}`) throw new ApiError(403, "Forbidden: this page only")
  if (method === "POST" && !(headers["content-type"] ?? "").startsWith("application/json")) throw new ApiError(415, "Unsupported Media Type: application/json is wanted")
}

const carryOut = async (sim: Sim, request: IncomingMessage, response: ServerResponse, url: URL, gone: AbortSignal): Promise<void> => {
  checkCaller(request)
  const name = url.pathname.slice("/_sim/".length)
  const world = sim.world()
  if (request.method === "GET") {
    if (name === "file") return download(world, url.searchParams.get("id") ?? "", response)
    const look = gets[name]
    if (look === undefined) throw new ApiError(404, `Not Found: there is no ${name}; there are ${Object.keys(gets).join(", ")}, file`)
    return json(response, 200, look(world, url.searchParams))
  }
  if (request.method === "DELETE" && name === "faults") {
    world.faults.off()
    return json(response, 200, world.faults.state())
  }
  const bytes = await readAll(request)
  // A list is read as such; parseBody knows objects only.
  const list: unknown = bytes[0] === 0x5b ? JSON.parse(bytes.toString()) : parseBody(url, "application/json", bytes).fields
  if (name === "send" && request.method === "POST") return json(response, 200, many(list, (fields) => send(world, fields)))
  const act = posts[name]
  if (act === undefined || request.method !== "POST") throw new ApiError(404, `Not Found: there is no ${request.method} ${name}; there are ${["send", ...Object.keys(posts)].join(", ")}`)
  return json(response, 200, await act(sim, fieldsIn(list), gone))
}

/** Answers one request of the control API: the result as such, or an `error`. */
export const control = async (sim: Sim, request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> => {
  const ended = new AbortController()
  response.on("close", () => {
    if (!response.writableFinished) ended.abort()
  })
  try {
    await carryOut(sim, request, response, url, ended.signal)
  } catch (cause) {
    const error = cause instanceof ApiError ? cause : cause instanceof SyntaxError ? badRequest("can't parse JSON") : new ApiError(500, String(cause))
    if (!response.headersSent) json(response, error.code, { error: error.message })
  }
}
