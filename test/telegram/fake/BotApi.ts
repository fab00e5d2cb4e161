/**
 * The Bot API over HTTP: `/bot<token>/<method>`. It reads the request, lets faults strike, carries the method out and answers;
 * each call is in the record, whatever became of it.
 */
import { timingSafeEqual } from "node:crypto"
import type { IncomingMessage, ServerResponse } from "node:http"
import { setTimeout as sleep } from "node:timers/promises"
import { type Body, parseBody, readAll } from "./Body.ts"
import { shuffled } from "./Chance.ts"
import type { Fault } from "./Faults.ts"
import { tooMany } from "./Flood.ts"
import { methodOf } from "./Methods.ts"
import { paramsOf } from "./Params.ts"
import { type Entry, filesIn } from "./Record.ts"
import { ApiError, type Update } from "./Wire.ts"
import type { World } from "./World.ts"

interface Answer {
  readonly status: number
  readonly json: unknown
}

const refusal = ({ code, message, parameters }: ApiError): Answer => ({
  status: code,
  json: { ok: false, error_code: code, description: message, ...(parameters === undefined ? {} : { parameters }) }
})

const internal = (cause: unknown): ApiError => (cause instanceof ApiError ? cause : new ApiError(500, `Internal Server Error: ${String(cause)}`))

const isToken = (given: string, token: string): boolean => {
  const [a, b] = [Buffer.from(given), Buffer.from(token)]
  return a.length === b.length && timingSafeEqual(a, b)
}

/** Carries a method out, without HTTP: also for what a webhook answers with. */
export const call = async (world: World, name: string, body: Body, gone: AbortSignal, entry: Entry): Promise<Answer> => {
  try {
    const method = methodOf(name)
    if (method === undefined) throw new ApiError(404, "Not Found: method not found")
    const params = paramsOf(body)
    entry.add({ unknown: params.names.filter((field) => field !== "method" && !field.startsWith("attach") && !method.takes.includes(field)) })
    world.flood.checkWait(`method ${name.toLowerCase()}`, name)
    return { status: 200, json: { ok: true, result: await method.run(world, params, gone) } }
  } catch (cause) {
    return refusal(internal(cause))
  }
}

const html = (code: number): string => `<html>\r\n<head><title>${code} Bad Gateway</title></head>\r\n<body><center><h1>${code} Bad Gateway</h1></center><hr><center>nginx</center></body>\r\n</html>\r\n`

const send = (response: ServerResponse, status: number, type: string, body: string | Buffer): void => {
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(body) })
  response.end(body)
}

/** In ten pieces, with `ms` from the first to the last. */
const dribble = async (response: ServerResponse, status: number, text: string, ms: number): Promise<void> => {
  const bytes = Buffer.from(text)
  response.writeHead(status, { "content-type": "application/json", "content-length": bytes.length })
  response.flushHeaders()
  const pieces = 10
  for (let piece = 0; piece < pieces && !response.destroyed; piece++) {
    if (piece > 0) await sleep(ms / (pieces - 1))
    response.write(bytes.subarray(Math.floor((bytes.length * piece) / pieces), Math.floor((bytes.length * (piece + 1)) / pieces)))
  }
  response.end()
}

/** An RST and not an orderly end: whoever reads gets ECONNRESET. */
const reset = (request: IncomingMessage): void => void request.socket.resetAndDestroy()

const twisted = (world: World, answer: Answer, faults: ReadonlyArray<Fault>, before: ReadonlyArray<Update>): Answer => {
  const { json } = answer
  if (typeof json !== "object" || json === null || !("result" in json) || !Array.isArray(json.result)) return answer
  let updates: ReadonlyArray<Update> = json.result
  if (faults.some(({ kind }) => kind === "duplicate")) {
    for (const { update_id } of updates) world.updates.delivered(update_id)
    updates = [...before.filter(({ update_id }) => !updates.some((update) => update.update_id === update_id)), ...updates.flatMap((update) => [update, update])]
  }
  if (faults.some(({ kind }) => kind === "reorder")) updates = shuffled(updates, world.chance)
  return { ...answer, json: { ok: true, result: updates } }
}

/** What strikes before the effect. True when the call is over. */
const before = async (world: World, name: string, faults: ReadonlyArray<Fault>, chat: unknown, exchange: Exchange): Promise<boolean> => {
  const { entry, gone, request, response } = exchange
  for (const { code, kind, ms, retry_after } of faults) {
    if (kind === "latency") await sleep(ms, undefined, { signal: gone }).catch(() => undefined)
    if (kind === "reset_before") {
      entry.add({ answered: false })
      reset(request)
      return true
    }
    if (kind === "hang") {
      entry.add({ answered: false })
      await sleep(ms, undefined, { signal: gone }).catch(() => undefined)
      response.destroy()
      return true
    }
    if (kind === "error") {
      if (code === 429) world.flood.ask(chat === undefined ? `method ${name.toLowerCase()}` : `chat ${String(chat)}`, retry_after)
      const { json, status } = refusal(code === 429 ? tooMany(retry_after) : new ApiError(code, words[code] ?? "Internal Server Error"))
      entry.add({ status, answer: code === 502 ? html(code) : json, answered: true })
      if (code === 502) send(response, code, "text/html", html(code))
      else send(response, status, "application/json", JSON.stringify(json))
      return true
    }
  }
  return false
}

const words: Readonly<Record<number, string>> = {
  400: "Bad Request: injected",
  401: "Unauthorized",
  403: "Forbidden: injected",
  404: "Not Found",
  409: "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
  500: "Internal Server Error"
}

interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly entry: Entry
  readonly gone: AbortSignal
}

const after = async (faults: ReadonlyArray<Fault>, { json, status }: Answer, { entry, request, response }: Exchange): Promise<void> => {
  const text = JSON.stringify(json)
  const fault = faults.find(({ kind }) => kind === "reset_after" || kind === "slow" || kind === "garbage" || kind === "truncated")
  if (fault === undefined) {
    entry.add({ status, answer: json, answered: !response.destroyed })
    send(response, status, "application/json", text)
    return
  }
  entry.add({ status, answer: json, answered: fault.kind === "slow" })
  if (fault.kind === "reset_after") reset(request)
  else if (fault.kind === "slow") await dribble(response, status, text, fault.ms)
  else if (fault.kind === "garbage") send(response, 200, "text/html", "<!doctype html><title>Please wait</title>")
  else {
    response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text) })
    response.write(text.slice(0, Math.ceil(text.length / 2)))
    // What was written is on its way before the end of the connection.
    response.socket?.end()
  }
}

const download = (world: World, path: string, response: ServerResponse): void => {
  const file = world.files.get(path.split("/")[1] ?? "")
  if (file === undefined) send(response, 404, "application/json", JSON.stringify(refusal(new ApiError(404, "Not Found")).json))
  else send(response, 200, "application/octet-stream", file.bytes)
}

/** Answers one request of a bot. `token` and `method` are from its path. */
export const answer = async (world: World, request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> => {
  const [, kind = "", token = "", path = ""] = /^\/(file\/bot|bot)([^/]*)\/?(.*)$/.exec(url.pathname) ?? []
  const name = kind === "bot" ? path : "(file)"
  const entry = world.record.open(request.method ?? "", name, request.headers["content-type"] ?? "")
  const ended = new AbortController()
  response.on("close", () => {
    if (!response.writableFinished) ended.abort()
  })
  const exchange = { request, response, entry, gone: ended.signal }
  const refuse = (error: ApiError): void => {
    const { json, status } = refusal(error)
    entry.add({ status, answer: json, answered: true })
    send(response, status, "application/json", JSON.stringify(json))
  }
  let bytes: Buffer
  try {
    bytes = await readAll(request)
  } catch (cause) {
    // Who goes away in the middle of a request has asked nothing.
    if (!(cause instanceof ApiError)) return entry.add({ answered: false })
    return refuse(cause)
  }
  if (!isToken(decodeURIComponent(token), world.options.token)) return refuse(new ApiError(401, "Unauthorized"))
  if (kind === "file/bot") return download(world, path, response)
  let body: Body
  try {
    body = parseBody(url, request.headers["content-type"] ?? "", bytes)
  } catch (cause) {
    entry.add({ raw: bytes.toString("latin1") })
    return refuse(internal(cause))
  }
  const faults = world.faults.strike(name)
  entry.add({ params: body.fields, files: filesIn(body), faults: faults.map((fault) => fault.kind) })
  if (await before(world, name, faults, body.fields["chat_id"], exchange)) return
  const lately = world.updates.lately()
  const done = await call(world, name, body, ended.signal, entry)
  await after(faults, twisted(world, done, faults, lately), exchange)
}
