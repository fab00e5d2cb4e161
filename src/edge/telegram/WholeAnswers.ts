/**
 * Connections whose answers come whole or not at all. Telegraf calls with node-fetch 2, which pipes an answer on, and a pipe passes no
 * error on: where a connection ends before the length that its answer announced, node-fetch waits for the rest for ever (pull request
 * 1064 of node-fetch mended only chunked answers). Here such a request fails as one whose connection was lost.
 */
import { Agent as HttpAgent, ClientRequest, type IncomingMessage } from "node:http"
import { Agent as HttpsAgent } from "node:https"

/** As telegraf's own agent has it: Telegram is far, and each connection costs three journeys. */
const kept = { keepAlive: true, keepAliveMsecs: 10_000 }

// Node tells an answer that it is incomplete only when somebody listens; node-fetch listens to the request.
const watched = (request: ClientRequest): void => {
  request.once("response", (response: IncomingMessage) => {
    response.once("error", (cause) => void request.emit("error", cause))
  })
}

/** An agent for this address, which is one of `http:` or `https:`. */
export const agentFor = (root: string | undefined): HttpAgent => {
  const agent = root?.startsWith("http://") === true ? new HttpAgent(kept) : new HttpsAgent(kept)
  // The one place through which every request of an agent goes; `agent-base` of npm stands on it too.
  const add: unknown = Reflect.get(agent, "addRequest")
  if (typeof add !== "function") return agent
  Reflect.set(agent, "addRequest", (request: unknown, ...more: ReadonlyArray<unknown>): unknown => {
    if (request instanceof ClientRequest) watched(request)
    return Reflect.apply(add, agent, [request, ...more])
  })
  return agent
}
