/**
 * The control API, `/_sim/*`: JSON in and out. Only this machine reaches it, and no page of another site.
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import { parseBody } from "./Body.ts"
import { gets, posts, type Sim } from "./Control.ts"
import { readAll } from "./ReadAll.ts"
import { ApiError, badRequest, type Fields, isFields } from "./Wire.ts"
import type { World } from "./World.ts"

const fieldsIn = (value: unknown): Fields => {
  if (!isFields(value)) throw badRequest("the body is a JSON object, or a list of them")
  return value
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
  const act = posts[name]
  if (act === undefined || request.method !== "POST") throw new ApiError(404, `Not Found: there is no ${request.method} ${name}; there are ${Object.keys(posts).join(", ")}`)
  if (name === "send" && Array.isArray(list)) return json(response, 200, list.map((one) => act(sim, fieldsIn(one), gone)))
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
