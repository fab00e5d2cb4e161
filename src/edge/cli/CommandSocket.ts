/**
 * How a command reaches the server that holds the file: one JSON line each way over a Unix socket that only its owner
 * may open. Whoever can open it is the server's user, so actor and roles are set by the server and never taken from the line.
 */
import { chmodSync, existsSync, unlinkSync } from "node:fs"
import { createServer, type Server, type Socket } from "node:net"
import { Effect, FiberSet, Schema } from "effect"
import type { CommandFailed } from "../../control/Commands.ts"
import { DoorAnswer, DoorAsk } from "../../control/Door.ts"
import { refuseMalformed } from "../../control/EarlyRefusal.ts"
import type { Kinds } from "../../control/Kinds.ts"
import { opsSummary, storageReasons } from "../../control/OpsSummary.ts"
import { handleAs } from "../../control/Plans.ts"
import type { Caller } from "../../domain/Authorization.ts"
import { issueOfUnread, keyMax } from "../../domain/AskLimits.ts"
import { Plan, planPattern } from "../../domain/Plan.ts"
import { payloadIssueOf } from "../../domain/PayloadLimits.ts"
import { redact } from "../../domain/Redaction.ts"
import type { Engine, EngineReader, Instants } from "../../engine/Engine.ts"
import type { Rehearser } from "../../engine/Rehearsal.ts"
import { isTooLong, lineMax, silenceMs } from "./CommandClient.ts"

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
  new CommandRefused({ tag: failure._tag, text: redact(failure.message) })

const Line = Schema.parseJson(Schema.Struct({
  v: Schema.Literal(1),
  ask: DoorAsk,
  key: Schema.NullOr(Schema.String.pipe(Schema.maxLength(keyMax))),
  /** See `How`: rehearsed, or carried out only as it was planned. */
  plan: Schema.optionalWith(Schema.Literal(true), { exact: true }),
  if_plan: Schema.optionalWith(Schema.String.pipe(Schema.pattern(planPattern)), { exact: true })
}).pipe(Schema.filter(({ if_plan, plan }) => plan === undefined || if_plan === undefined)))
const Reply = Schema.parseJson(Schema.Union(Schema.Struct({ ok: Schema.Union(DoorAnswer, Plan) }), Schema.Struct({ refused: CommandRefused })))
type Reply = typeof Reply.Type

/** A question of `StorageClient.ts`, which changes nothing. */
const Question = Schema.parseJson(Schema.Struct({ v: Schema.Literal(1), look: Schema.Literal("storage", "ops"), hours: Schema.Int.pipe(Schema.between(1, 24 * 365)) }))

type HandlerContext = Engine | EngineReader | Instants | Kinds | Rehearser

/** Answers commands until the scope closes. The caller holds the instance lock, so a socket that is there is a dead one's. */
export const serve = (path: string, caller: Caller) =>
  Effect.gen(function*() {
    const fork = yield* FiberSet.makeRuntime<HandlerContext>()
    const server = createServer((socket) => answer(socket, caller, (effect) => void fork(effect)))
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
const answer = (socket: Socket, caller: Caller, fork: (effect: Effect.Effect<void, never, HandlerContext>) => void): void => {
  socket.setTimeout(silenceMs, () => socket.destroy())
  socket.on("error", () => socket.destroy())
  readLine(socket, (line) => {
    fork(
      // Suspended, because a line can exhaust the stack of its decoder: that ends this command and not the server.
      Effect.flatMap(Effect.suspend(() => line === null ? tooLong(caller) : answerTo(line, caller)), (text) => Effect.sync(() => void socket.end(`${text}\n`))).pipe(
        Effect.catchAllCause((cause) => Effect.zipRight(Effect.logError("a command broke", cause), Effect.sync(() => void socket.destroy())))
      )
    )
  })
}

/** The line that answers a line. */
export const answerTo = (line: string, caller: Caller) =>
  Effect.matchEffect(Schema.decodeUnknown(Question, { onExcessProperty: "error" })(line), {
    onSuccess: ({ hours, look }) =>
      look === "storage"
        ? Effect.map(storageReasons, (storage) => JSON.stringify({ storage }))
        : Effect.map(opsSummary(hours), (ops) => JSON.stringify({ ops })),
    onFailure: () => Effect.flatMap(replyTo(line, caller), (reply) => Schema.encode(Reply)(reply))
  })

const jsonIssueOf = (ask: DoorAsk): string | null => {
  if ("payload" in ask && ask.payload !== undefined) return payloadIssueOf(ask.payload)
  return "result" in ask && ask.result !== undefined ? payloadIssueOf(ask.result, "the result") : null
}

/** What is wrong with a line that is no command, and which command it looks like. */
const malformed = (line: string): ReturnType<typeof issueOfUnread> => {
  try {
    const json: unknown = JSON.parse(line)
    return typeof json === "object" && json !== null ? issueOfUnread("ask" in json ? json.ask : null, "key" in json ? json.key : null) : issueOfUnread(null, null)
  } catch {
    return issueOfUnread(null, null)
  }
}

const replyTo = (line: string, caller: Caller): Effect.Effect<Reply, never, HandlerContext> => {
  const by = { ...caller, channel: "cli" as const }
  return Schema.decodeUnknown(Line, { onExcessProperty: "error" })(line).pipe(
    Effect.matchEffect({
      onFailure: () => {
        const { issue, op } = malformed(line)
        return refuseMalformed(by, op, issue)
      },
      onSuccess: ({ ask, key, v: _v, ...how }) => {
        const issue = jsonIssueOf(ask)
        return issue === null ? handleAs({ ask, key, ...by }, how) : refuseMalformed(by, ask.op, issue)
      }
    }),
    Effect.match({ onSuccess: (ok) => ({ ok }), onFailure: (failure: CommandFailed) => ({ refused: refusedBy(failure) }) })
  )
}

// What follows is read and dropped for a while, so that the answer is not lost with the connection.
const tooLong = (caller: Caller) =>
  refuseMalformed({ ...caller, channel: "cli" }, null, `the command is longer than ${lineMax} bytes`).pipe(
    Effect.catchAll((failure: CommandFailed) => Schema.encode(Reply)({ refused: refusedBy(failure) }))
  )

/** The most bytes of a line that is too long that are read and dropped before its answer. */
const dropMax = 16 * lineMax

const drop = (socket: Socket, before: number): void => {
  let size = before
  socket.on("data", (chunk: Buffer) => {
    size += chunk.length
    if (size > dropMax) socket.destroy()
  })
}

/** One line, or null for one that is too long. */
const readLine = (socket: Socket, onLine: (line: string | null) => void): void => {
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
      socket.off("data", onData)
      drop(socket, size)
      onLine(null)
    }
  }
  socket.on("data", onData)
}
