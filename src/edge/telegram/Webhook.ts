/**
 * The other way to receive: the service posts each update. It is answered 200 only after the update was stored; anything else makes the
 * service send it again. The secret is compared without telling how much of it was right.
 */
import { createHash, timingSafeEqual } from "node:crypto"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import { Effect, Either, FiberSet, Schema } from "effect"
import { ChatStore } from "../../engine/ChatStore.ts"
import { store } from "./Poller.ts"

/** The webhook cannot be listened on. */
export class WebhookUnavailable extends Schema.TaggedError<WebhookUnavailable>()("WebhookUnavailable", { port: Schema.Int, why: Schema.String }) {
  override get message() {
    return `the webhook cannot listen on port ${this.port}: ${this.why}`
  }
}

export interface WebhookOptions {
  readonly bot: string
  readonly host: string
  /** 0: one that is free. */
  readonly port: number
  readonly path: string
  /** What the service sends in the header `X-Telegram-Bot-Api-Secret-Token`. */
  readonly secret: string
  readonly wake: Effect.Effect<void>
}

/** The longest body, in bytes. An update of the service is some kB. */
const bodyMax = 1_000_000
/** How long a body may take to arrive. */
const bodyMs = 10_000

const digest = (text: string): Buffer => createHash("sha256").update(text).digest()

/** Compares in a time that depends on neither text. */
const isSecret = (given: string | ReadonlyArray<string> | undefined, secret: Buffer): boolean =>
  typeof given === "string" && timingSafeEqual(digest(given), secret)

const parse = Schema.decodeUnknownEither(Schema.parseJson(Schema.Unknown))

const end = (response: ServerResponse, status: number): void => {
  if (!response.headersSent) response.writeHead(status, { "content-length": "0" })
  response.end()
}

// Whole bytes before they are text: a character may come in two pieces.
const bodyOf = (request: IncomingMessage, done: (body: string | null) => void): void => {
  const chunks: Array<Buffer> = []
  let size = 0
  request.on("data", (chunk: Buffer) => {
    size += chunk.length
    if (size <= bodyMax) chunks.push(chunk)
    else if (size - chunk.length <= bodyMax) done(null)
  })
  request.on("end", () => (size <= bodyMax ? done(Buffer.concat(chunks).toString("utf8")) : undefined))
  request.on("error", () => request.destroy())
}

const answering = ({ bot, path, secret, wake }: WebhookOptions, fork: (effect: Effect.Effect<void, never, ChatStore>) => void) => {
  const expected = digest(secret)
  return (request: IncomingMessage, response: ServerResponse): void => {
    if (request.method !== "POST" || request.url !== path) return end(response, 404)
    if (!isSecret(request.headers["x-telegram-bot-api-secret-token"], expected)) return end(response, 403)
    bodyOf(request, (body) => {
      if (body === null) return end(response, 413)
      const update = parse(body)
      if (Either.isLeft(update)) return end(response, 400)
      fork(
        store(bot, [update.right]).pipe(
          Effect.tap((count) => (count > 0 ? wake : Effect.void)),
          Effect.match({ onSuccess: () => end(response, 200), onFailure: () => end(response, 500) }),
          Effect.catchAllDefect((defect) => Effect.zipRight(Effect.logError("an update could not be stored", defect), Effect.sync(() => end(response, 500))))
        )
      )
    })
  }
}

const listen = (server: Server, { host, port }: WebhookOptions): Effect.Effect<number, WebhookUnavailable> =>
  Effect.async((resume) => {
    server.once("error", (error) => resume(new WebhookUnavailable({ port, why: error.message })))
    server.listen(port, host, () => {
      const address = server.address()
      resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : port))
    })
  })

/** Listens until the scope closes; answers the port. */
export const serve = (options: WebhookOptions) =>
  Effect.gen(function*() {
    const fork = yield* FiberSet.makeRuntime<ChatStore>()
    const server = createServer({ requestTimeout: bodyMs, headersTimeout: bodyMs }, answering(options, (effect) => void fork(effect)))
    return yield* Effect.acquireRelease(listen(server, options), () =>
      Effect.async<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      }))
  })
