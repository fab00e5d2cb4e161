/** The settings of the bot, and its token, which is read when the bot starts and appears nowhere. */
import { readFileSync } from "node:fs"
import { resolve } from "node:path"
import { Effect, Redacted, Schema } from "effect"
import type { People } from "./domain/People.ts"

/** The bot cannot be started as it is set up. */
export class TelegramRefused extends Schema.TaggedError<TelegramRefused>()("TelegramRefused", { issue: Schema.String }) {
  override get message() {
    return `telegram: ${this.issue}`
  }
}

export interface TelegramEntry {
  readonly token_file?: string
  readonly api_root: string
  readonly chats: ReadonlyArray<number>
  readonly notify: ReadonlyArray<number>
  readonly stale_after_ms: number
  readonly commands_per_minute: number
  readonly approve: "all" | "none" | ReadonlyArray<string>
  readonly link?: string
  readonly webhook?: { readonly host: string; readonly port: number; readonly url: string; readonly secret_file: string }
}

export interface TelegramSettings {
  readonly tokenFile: string | null
  readonly apiRoot: string
  readonly chats: ReadonlySet<string>
  readonly notify: ReadonlyArray<string>
  readonly staleAfterMs: number
  readonly commandsPerMinute: number
  /** Whether a task with these risks may be approved in a chat. */
  readonly mayApprove: (risks: ReadonlyArray<string>) => boolean
  readonly link: string | null
  readonly webhook: { readonly host: string; readonly port: number; readonly url: string; readonly secretFile: string } | null
}

/** Whether a text has the form of a bot token. */
const isToken = (text: string): boolean => /^\d{6,20}:[A-Za-z0-9_-]{30,100}$/.test(text)

const approvable = (approve: TelegramEntry["approve"]) => (risks: ReadonlyArray<string>): boolean =>
  typeof approve === "string" ? approve === "all" : risks.every((risk) => approve.includes(risk))

/** The settings as the configuration has them; paths are relative to `root`. */
export const settingsOf = (entry: TelegramEntry, root: string): TelegramSettings => ({
  tokenFile: entry.token_file === undefined ? null : resolve(root, entry.token_file),
  apiRoot: entry.api_root,
  chats: new Set(entry.chats.map(String)),
  notify: entry.notify.map(String),
  staleAfterMs: entry.stale_after_ms,
  commandsPerMinute: entry.commands_per_minute,
  mayApprove: approvable(entry.approve),
  link: entry.link ?? null,
  webhook: entry.webhook === undefined
    ? null
    : { host: entry.webhook.host, port: entry.webhook.port, url: entry.webhook.url, secretFile: resolve(root, entry.webhook.secret_file) }
})

/** What the settings ask for and can hardly mean: each in a sentence, for the log of a server that starts. */
export const doubtsOf = ({ chats, notify }: TelegramSettings, people: People): ReadonlyArray<string> => {
  const known = [...people?.keys() ?? []].some((identity) => identity.startsWith("telegram:"))
  const positive = [...chats].filter((chat) => !chat.startsWith("-"))
  const silent = notify.filter((chat) => chat.startsWith("-") && !chats.has(chat))
  return [
    ...(known ? [] : ["nobody of people has an identity telegram:<number>, so the bot answers nobody"]),
    ...(positive.length === 0 ? [] : [`telegram.chats names ${positive.join(", ")}: numbers of groups are negative, and private chats need not be named`]),
    ...(silent.length === 0 ? [] : [`telegram.notify names ${silent.join(", ")}, which telegram.chats does not: the group is written to, and nobody is answered there`])
  ]
}

const firstLine = (file: string, what: string) =>
  Effect.try({ try: () => (readFileSync(file, "utf8").split("\n")[0] ?? "").trim(), catch: () => new TelegramRefused({ issue: `the file of the ${what} cannot be read: ${file}` }) })

/** The token of the environment, otherwise that of the file. What is no token is refused without being shown. */
export const tokenOf = (settings: TelegramSettings): Effect.Effect<Redacted.Redacted, TelegramRefused> =>
  Effect.gen(function*() {
    const given = process.env["OPSGATE_TELEGRAM_TOKEN"]
    if (given === undefined && settings.tokenFile === null) return yield* new TelegramRefused({ issue: "give the token in OPSGATE_TELEGRAM_TOKEN, or name a file in telegram.token_file" })
    const text = given ?? (yield* firstLine(settings.tokenFile ?? "", "token"))
    if (!isToken(text)) return yield* new TelegramRefused({ issue: `what ${given === undefined ? "the file" : "OPSGATE_TELEGRAM_TOKEN"} holds is not a bot token` })
    return Redacted.make(text)
  })

/** The secret of the webhook. */
export const secretOf = (file: string): Effect.Effect<Redacted.Redacted, TelegramRefused> =>
  Effect.flatMap(firstLine(file, "webhook secret"), (text) =>
    /^[A-Za-z0-9_-]{16,256}$/.test(text) ? Effect.succeed(Redacted.make(text)) : new TelegramRefused({ issue: "the secret of the webhook is 16 to 256 of A-Z a-z 0-9 _ -" }))
