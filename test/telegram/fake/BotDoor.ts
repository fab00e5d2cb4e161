/**
 * The Bot API over HTTP: `/bot<token>/<method>`, and files at `/file/bot<token>/<path>`. It reads the request; what becomes of the
 * call is `BotApi.ts`, and this is how that goes over a connection.
 */
import { timingSafeEqual } from "node:crypto"
import type { IncomingMessage, ServerResponse } from "node:http"
import { type Body, parseBody } from "./Body.ts"
import { carry, internal, type Line, refusal, refuse } from "./BotApi.ts"
import type { Clock } from "./Clock.ts"
import { readAll } from "./ReadAll.ts"
import { ApiError } from "./Wire.ts"
import type { World } from "./World.ts"

const isToken = (given: string, token: string): boolean => {
  const [a, b] = [Buffer.from(given), Buffer.from(token)]
  return a.length === b.length && timingSafeEqual(a, b)
}

const send = (response: ServerResponse, status: number, type: string, body: string | Buffer): void => {
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(body) })
  response.end(body)
}

/** In ten pieces, with `ms` from the first to the last. */
const dribble = async (response: ServerResponse, status: number, text: string, ms: number, { sleep }: Clock, gone: AbortSignal): Promise<void> => {
  const bytes = Buffer.from(text)
  response.writeHead(status, { "content-type": "application/json", "content-length": bytes.length })
  response.flushHeaders()
  const pieces = 10
  for (let piece = 0; piece < pieces && !response.destroyed; piece++) {
    if (piece > 0) await sleep(ms / (pieces - 1), gone)
    response.write(bytes.subarray(Math.floor((bytes.length * piece) / pieces), Math.floor((bytes.length * (piece + 1)) / pieces)))
  }
  response.end()
}

/** The connection as the way back. */
const lineOf = ({ clock }: World, request: IncomingMessage, response: ServerResponse): Line => {
  const ended = new AbortController()
  response.on("close", () => {
    if (!response.writableFinished) ended.abort()
  })
  return {
    gone: ended.signal,
    answer: (status, json) => send(response, status, "application/json", JSON.stringify(json)),
    page: (status, html) => send(response, status, "text/html", html),
    slowly: (status, json, ms) => dribble(response, status, JSON.stringify(json), ms, clock, ended.signal),
    cut: (status, json) => {
      const text = JSON.stringify(json)
      response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text) })
      response.write(text.slice(0, Math.ceil(text.length / 2)))
      // What was written is on its way before the end of the connection.
      response.socket?.end()
    },
    // An RST and not an orderly end: whoever reads gets ECONNRESET.
    reset: () => void request.socket.resetAndDestroy(),
    end: () => void response.destroy()
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
  const type = request.headers["content-type"] ?? ""
  const entry = world.record.open(request.method ?? "", name, type)
  const line = lineOf(world, request, response)
  let bytes: Buffer
  try {
    bytes = await readAll(request)
  } catch (cause) {
    // Who goes away in the middle of a request has asked nothing.
    if (!(cause instanceof ApiError)) return entry.add({ answered: false })
    return refuse(cause, entry, line)
  }
  if (!isToken(decodeURIComponent(token), world.options.token)) return refuse(new ApiError(401, "Unauthorized"), entry, line)
  if (kind === "file/bot") return download(world, path, response)
  let body: Body
  try {
    body = parseBody(url, type, bytes)
  } catch (cause) {
    entry.add({ raw: bytes.toString("latin1") })
    return refuse(internal(cause), entry, line)
  }
  await carry(world, name, body, entry, line)
}
