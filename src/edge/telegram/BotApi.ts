/**
 * One call of the Bot API, by telegraf's client. What fails comes out as one error with a code that the retry matrix knows. The token is
 * part of every address, so nothing that the client says about a failure is passed on as it is.
 */
import { Context, Effect, Schema } from "effect"
import { Telegram, TelegramError } from "telegraf"
import { oneLine, redact } from "../../domain/Redaction.ts"
import { agentFor } from "./WholeAnswers.ts"

/** A call was not answered as it was meant. Whether it happened on the other side is known for codes that begin with `http_4` only: it did not. */
export class BotApiFailed extends Schema.TaggedError<BotApiFailed>()("BotApiFailed", {
  method: Schema.String,
  /** `http_<status>` of an answer, `timeout`, `unreadable`, or a code of the operating system. */
  code: Schema.String,
  description: Schema.String,
  /** How long the service asks to be left alone. */
  retryAfterMs: Schema.NullOr(Schema.Number),
  /** The chat has this id by now. */
  migrateTo: Schema.NullOr(Schema.String)
}) {
  override get message() {
    return `${this.method}: ${this.code} ${this.description}`.trim()
  }
}

export interface BotApiOptions {
  readonly token: string
  /** Default: that of Telegram. */
  readonly root?: string
}

type Params = Readonly<Record<string, unknown>>

export class BotApi extends Context.Tag("opsgate/edge/telegram/BotApi")<BotApi, {
  /** Answers the result of a method as it came. It is aborted when its fiber is interrupted. */
  readonly call: (method: string, params: Params) => Effect.Effect<unknown, BotApiFailed>
  /** The part of the token in front of the colon: the id of the bot, which is no secret. */
  readonly bot: string
}>() {}

/** The most characters of a description that are kept. */
const descriptionMax = 200

const textIn = (value: unknown, member: string): string | null => {
  const found: unknown = typeof value === "object" && value !== null ? Reflect.get(value, member) : undefined
  return typeof found === "string" ? found : null
}

const numberIn = (value: unknown, member: string): number | null => {
  const found: unknown = typeof value === "object" && value !== null ? Reflect.get(value, member) : undefined
  return typeof found === "number" && Number.isFinite(found) ? found : null
}

/** What is kept of a text of the client or the service. */
const plain = (text: string, token: string): string => oneLine(redact(text.replaceAll(token, "…").replaceAll(token.slice(token.indexOf(":") + 1), "…"))).slice(0, descriptionMax)

/** Statuses that the matrix tells apart; others stand for the first of their hundred. */
const statuses: ReadonlyArray<number> = [400, 401, 403, 404, 409, 429, 500, 502, 503, 504]
const statusCode = (status: number): string => `http_${statuses.includes(status) ? status : status >= 500 ? 500 : 400}`

/** Codes of a connection that was not made, or was lost; whatever else goes wrong is an answer that could not be read. */
const connectionCodes: ReadonlyArray<string> = ["ECONNREFUSED", "ECONNRESET", "EPIPE", "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH", "EAI_AGAIN", "ENOTFOUND"]
const connectionCode = (cause: unknown): string => {
  const code = textIn(cause, "code")
  if (code !== null && connectionCodes.includes(code)) return code
  return textIn(cause, "type") === "aborted" ? "timeout" : "unreadable"
}

const failure = (method: string, token: string, cause: unknown): BotApiFailed => {
  if (cause instanceof TelegramError) {
    const parameters: unknown = cause.parameters
    const retryAfter = numberIn(parameters, "retry_after")
    const migrateTo = numberIn(parameters, "migrate_to_chat_id")
    return new BotApiFailed({
      method,
      code: statusCode(cause.code),
      description: plain(cause.description, token),
      retryAfterMs: retryAfter === null ? null : retryAfter * 1000,
      migrateTo: migrateTo === null ? null : String(migrateTo)
    })
  }
  return new BotApiFailed({ method, code: connectionCode(cause), description: "", retryAfterMs: null, migrateTo: null })
}

/** How a call reaches the service: answers the result of the method, or fails as telegraf's client does. */
type Carry = (method: string, params: Params, signal: AbortSignal) => Promise<unknown>

const over = (token: string, carry: Carry): BotApi["Type"] => ({
  bot: token.slice(0, token.indexOf(":")),
  call: (method, params) =>
    Effect.tryPromise({ try: (signal) => carry(method, params, signal), catch: (cause) => failure(method, token, cause) })
})

const client = ({ root, token }: BotApiOptions): Carry => {
  // With a slash at its end, or the client drops the last part of the path.
  const telegram = new Telegram(token, root === undefined ? {} : { apiRoot: root.endsWith("/") ? root : `${root}/` })
  // Set behind its back: for `http:` it takes no agent.
  telegram.options.agent = agentFor(root)
  // The client knows the methods of its own release only; which ones are called here, and with what, a strict fake checks.
  return (method, params, signal) => Reflect.apply(Telegram.prototype.callApi.bind(telegram), undefined, [method, params, { signal }])
}

export const make = (options: BotApiOptions): BotApi["Type"] => over(options.token, client(options))

/** An answer of the service: its status and JSON, or why there is none: a code of the operating system, `aborted`, or `unreadable`. */
export type Reply = { readonly status: number; readonly json: unknown } | { readonly failed: string }

// As telegraf's client answers and fails.
const resultOf = (method: string, reply: Reply): unknown => {
  if ("failed" in reply) throw Object.assign(new Error(reply.failed), { code: reply.failed, type: reply.failed })
  const { json, status } = reply
  if (typeof json === "object" && json !== null && "ok" in json && json.ok === true && "result" in json) return json.result
  const refusal: { readonly error_code: number; readonly description: string } = { error_code: status, description: "", ...(typeof json === "object" ? json : {}) }
  throw new TelegramError(refusal, { method, payload: {} })
}

/** Calls that are carried by something else than telegraf's client, and fail as it would. */
export const overReplies = (token: string, call: (method: string, params: Params, signal: AbortSignal) => Promise<Reply>): BotApi["Type"] =>
  over(token, async (method, params, signal) => resultOf(method, await call(method, params, signal)))

/** What makes the service. In production calls go by telegraf's client over HTTP; a simulation has its own way. */
export class Maker extends Context.Reference<Maker>()("opsgate/edge/telegram/Maker", { defaultValue: (): { readonly make: (options: BotApiOptions) => BotApi["Type"] } => ({ make }) }) {}
