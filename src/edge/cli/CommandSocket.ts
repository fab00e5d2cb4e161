/**
 * How a command reaches the server that holds the file: one JSON line each way over a Unix socket that only its owner
 * may open. Whoever can open it is the server's user, so the actor is set by the server and never taken from the line.
 */
import { chmodSync, existsSync, unlinkSync } from "node:fs"
import { createServer, type Server, type Socket } from "node:net"
import { Effect, FiberSet, Schema } from "effect"
import type { CommandFailed } from "../../control/Commands.ts"
import { DoorAnswer, DoorAsk, handleAny } from "../../control/Door.ts"
import type { Kinds } from "../../control/Kinds.ts"
import { opsSummary, storageReasons } from "../../control/OpsSummary.ts"
import { issueOf, keyMax } from "../../domain/AskLimits.ts"
import type { Engine, EngineReader, Instants } from "../../engine/Engine.ts"
import { isTooLong, lineMax, payloadIssueOf, silenceMs } from "./CommandClient.ts"

/** The socket cannot be listened on. */
export class SocketUnavailable extends Schema.TaggedError<SocketUnavailable>()("SocketUnavailable", { path: Schema.String, why: Schema.String }) {
  override get message() {
    return `cannot listen on ${this.path}: ${this.why}`
  }
}

/** A command that was refused or failed, as it crosses the socket. */
export class CommandRefused extends Schema.TaggedError<CommandRefused>()("CommandRefused", { tag: Schema.String, text: Schema.String }) {
  override get message() {
    return this.text
  }
}

export const refusedBy = (failure: { readonly _tag: string; readonly message: string }): CommandRefused =>
  new CommandRefused({ tag: failure._tag, text: failure.message })

const Line = Schema.parseJson(Schema.Struct({ v: Schema.Literal(1), ask: DoorAsk, key: Schema.NullOr(Schema.String.pipe(Schema.maxLength(keyMax))) }))
const Reply = Schema.parseJson(Schema.Union(Schema.Struct({ ok: DoorAnswer }), Schema.Struct({ refused: CommandRefused })))
type Reply = typeof Reply.Type

/** A question of `StorageClient.ts`, which changes nothing. */
const Question = Schema.parseJson(Schema.Struct({ v: Schema.Literal(1), look: Schema.Literal("storage", "ops"), hours: Schema.Int.pipe(Schema.between(1, 24 * 365)) }))

type HandlerContext = Engine | EngineReader | Instants | Kinds

/** Answers commands until the scope closes. The caller holds the instance lock, so a socket that is there is a dead one's. */
export const serve = (path: string, actor: string) =>
  Effect.gen(function*() {
    const fork = yield* FiberSet.makeRuntime<HandlerContext>()
    const server = createServer((socket) => answer(socket, actor, (effect) => void fork(effect)))
    yield* Effect.acquireRelease(listen(server, path), () => Effect.sync(() => server.close()))
  })

const listen = (server: Server, path: string): Effect.Effect<void, SocketUnavailable> =>
  Effect.async((resume) => {
    if (isTooLong(path)) return resume(new SocketUnavailable({ path, why: "a socket's path is not longer than 107 bytes" }))
    const left = leftover(path)
    if (left !== null) return resume(new SocketUnavailable({ path, why: left }))
    server.on("error", (error) => resume(new SocketUnavailable({ path, why: error.message })))
    const mask = process.umask(0o177)
    server.listen(path, () => {
      chmodSync(path, 0o600)
      resume(Effect.void)
    })
    process.umask(mask)
  })

// Removes the socket of a dead server; answers why it could not.
const leftover = (path: string): string | null => {
  try {
    if (existsSync(path)) unlinkSync(path)
    return null
  } catch (cause) {
    return cause instanceof Error ? cause.message : String(cause)
  }
}

// One line, one answer, end. A peer that is slow, long or gone is dropped; the decision it asked for stands.
const answer = (socket: Socket, actor: string, fork: (effect: Effect.Effect<void, never, HandlerContext>) => void): void => {
  socket.setTimeout(silenceMs, () => socket.destroy())
  socket.on("error", () => socket.destroy())
  readLine(socket, (line) => {
    fork(
      // Suspended, because a line can exhaust the stack of its decoder: that ends this command and not the server.
      Effect.flatMap(Effect.suspend(() => textFor(line, actor)), (text) => Effect.sync(() => void socket.end(`${text}\n`))).pipe(
        Effect.catchAllCause((cause) => Effect.zipRight(Effect.logError("a command broke", cause), Effect.sync(() => void socket.destroy())))
      )
    )
  })
}

const textFor = (line: string, actor: string) =>
  Effect.matchEffect(Schema.decodeUnknown(Question, { onExcessProperty: "error" })(line), {
    onSuccess: ({ hours, look }) =>
      look === "storage"
        ? Effect.map(storageReasons, (storage) => JSON.stringify({ storage }))
        : Effect.map(opsSummary(hours), (ops) => JSON.stringify({ ops })),
    onFailure: () => Effect.flatMap(replyTo(line, actor), (reply) => Schema.encode(Reply)(reply))
  })

const jsonIssueOf = (ask: DoorAsk): string | null => {
  if ("payload" in ask && ask.payload !== undefined) return payloadIssueOf(ask.payload)
  return "result" in ask && ask.result !== undefined ? payloadIssueOf(ask.result, "the result") : null
}

const replyTo = (line: string, actor: string): Effect.Effect<Reply, never, HandlerContext> =>
  Schema.decodeUnknown(Line, { onExcessProperty: "error" })(line).pipe(
    Effect.mapError(() => new CommandRefused({ tag: "Usage", text: "the request is not a command" })),
    Effect.tap(({ ask, key }) => {
      const issue = issueOf(ask, key) ?? jsonIssueOf(ask)
      return issue === null ? Effect.void : new CommandRefused({ tag: "Usage", text: issue })
    }),
    Effect.flatMap(({ ask, key }) =>
      handleAny({ ask, key, actor, channel: "cli" }).pipe(Effect.mapError((failure: CommandFailed) => refusedBy(failure)))
    ),
    Effect.match({ onSuccess: (ok) => ({ ok }), onFailure: (refused) => ({ refused }) })
  )

const readLine = (socket: Socket, onLine: (line: string) => void): void => {
  const chunks: Array<Buffer> = []
  let size = 0
  const onData = (chunk: Buffer): void => {
    chunks.push(chunk)
    size += chunk.length
    if (chunk.includes(10)) {
      socket.off("data", onData)
      const text = Buffer.concat(chunks).toString("utf8")
      onLine(text.slice(0, text.indexOf("\n")))
    } else if (size > lineMax) {
      socket.destroy()
    }
  }
  socket.on("data", onData)
}
