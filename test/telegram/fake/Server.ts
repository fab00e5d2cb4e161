/**
 * The two doors of the fake, on loopback only: the Bot API with the control API and the page beside it, and the control API alone
 * on a port of its own, which stays open while the Bot API refuses connections.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo, Socket } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { answer } from "./BotDoor.ts"
import { machineTime } from "./Clock.ts"
import type { Sim } from "./Control.ts"
import { control } from "./ControlDoor.ts"
import { deliver } from "./Delivery.ts"
import { servePage } from "./Page.ts"
import { post } from "./Post.ts"
import type { Fields } from "./Wire.ts"
import { makeWorld, type Options, type World } from "./World.ts"

export interface Fake {
  readonly port: number
  readonly controlPort: number
  readonly world: () => World
  readonly close: () => Promise<void>
}

const listening = (server: Server, port: number): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once("error", reject)
    server.listen(port, "127.0.0.1", () => {
      server.off("error", reject)
      resolve((server.address() as AddressInfo).port)
    })
  })

/** A port that was free a moment ago may be taken by a connection that goes out from it; it is free again soon. */
const listenAgain = async (server: Server, port: number): Promise<void> => {
  for (let tries = 0;; tries++) {
    try {
      await listening(server, port)
      return
    } catch (cause) {
      if (tries >= 200) throw cause
      await sleep(25)
    }
  }
}

const notFound = (response: ServerResponse): void => {
  response.writeHead(404, { "content-type": "application/json" })
  response.end(JSON.stringify({ ok: false, error_code: 404, description: "Not Found" }))
}

/** `page` is the text of the chat page; null to serve none. */
export const startFake = async (options: Options, port: number, controlPort: number, page: string | null): Promise<Fake> => {
  let world = makeWorld(options, machineTime)
  let delivery = deliver(world, post)
  const sockets = new Set<Socket>()
  /** Connections that speak to the control API outlive an outage. */
  const controlling = new WeakSet<Socket>()

  const handle = (withApi: boolean) => (request: IncomingMessage, response: ServerResponse): void => {
    const url = new URL(request.url ?? "/", "http://127.0.0.1")
    response.on("error", () => undefined)
    if (url.pathname.startsWith("/_sim/")) {
      controlling.add(request.socket)
      void control(sim, request, response, url)
    } else if (withApi && /^\/(file\/)?bot/.test(url.pathname)) void answer(world, request, response, url).catch(() => response.destroy())
    else if (url.pathname === "/" && page !== null) servePage(page, request, response)
    else notFound(response)
  }

  const api = createServer({ keepAliveTimeout: 65_000, requestTimeout: 0 }, handle(true))
  const aside = createServer({ keepAliveTimeout: 65_000, requestTimeout: 0 }, handle(false))
  api.on("connection", (socket: Socket) => {
    sockets.add(socket)
    socket.on("close", () => sockets.delete(socket))
  })

  let closed = false
  /** Until when the door is shut; an outage during another one makes it longer. */
  let shutUntil = 0
  const reopen = async (): Promise<void> => {
    for (;;) {
      const left = shutUntil - performance.now()
      if (left <= 0) break
      await sleep(left)
    }
    shutUntil = 0
    if (!closed) await listenAgain(api, ports.api)
  }
  const sim: Sim = {
    world: () => world,
    reset: (changes: Fields) => {
      delivery.stop()
      world.updates.endPoll()
      world = makeWorld({ ...options, ...changes }, machineTime)
      delivery = deliver(world, post)
    },
    outage: async (ms) => {
      const already = shutUntil !== 0
      shutUntil = Math.max(shutUntil, performance.now() + ms)
      if (already) return
      api.close()
      for (const socket of sockets) if (!controlling.has(socket)) socket.resetAndDestroy()
      void reopen()
    }
  }

  const ports = { api: await listening(api, port), control: await listening(aside, controlPort) }
  return {
    port: ports.api,
    controlPort: ports.control,
    world: () => world,
    close: async () => {
      closed = true
      delivery.stop()
      api.close()
      aside.close()
      api.closeAllConnections()
      aside.closeAllConnections()
    }
  }
}
