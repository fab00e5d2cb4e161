/**
 * An update of the Bot API, as far as it matters here, and what is made of it: words, a press of a button, or nothing. Pure. Whatever is
 * not plainly the word of one person in a chat is nothing: forwarded and edited messages, bots, anonymous admins, channels.
 */
import { Either, Schema } from "effect"

const optional = { exact: true } as const
const User = Schema.Struct({ id: Schema.Int, is_bot: Schema.Boolean, first_name: Schema.optionalWith(Schema.String, optional), username: Schema.optionalWith(Schema.String, optional) })
const Chat = Schema.Struct({ id: Schema.Int, type: Schema.String })

const Message = Schema.Struct({
  message_id: Schema.Int,
  date: Schema.Int,
  chat: Chat,
  from: Schema.optionalWith(User, optional),
  sender_chat: Schema.optionalWith(Chat, optional),
  text: Schema.optionalWith(Schema.String, optional),
  forward_origin: Schema.optionalWith(Schema.Unknown, optional),
  forward_date: Schema.optionalWith(Schema.Unknown, optional),
  is_automatic_forward: Schema.optionalWith(Schema.Unknown, optional),
  via_bot: Schema.optionalWith(Schema.Unknown, optional),
  migrate_to_chat_id: Schema.optionalWith(Schema.Int, optional)
})

const Callback = Schema.Struct({
  id: Schema.String,
  from: User,
  data: Schema.optionalWith(Schema.String, optional),
  message: Schema.optionalWith(Schema.Struct({ message_id: Schema.Int, chat: Chat }), optional)
})

const Update = Schema.Struct({
  update_id: Schema.Int,
  message: Schema.optionalWith(Message, optional),
  edited_message: Schema.optionalWith(Message, optional),
  channel_post: Schema.optionalWith(Message, optional),
  edited_channel_post: Schema.optionalWith(Message, optional),
  callback_query: Schema.optionalWith(Callback, optional)
})
type Update = typeof Update.Type

/** What is asked for of the service: nothing else is sent. */
export const allowedUpdates = ["message", "edited_message", "channel_post", "callback_query"] as const

/** Why an update is nothing to act on. */
export type Ignored = "forwarded" | "edited" | "bot" | "anonymous" | "channel" | "no_text" | "unreadable"

interface Incoming {
  readonly chat: string
  readonly private: boolean
}

export interface FromPerson extends Incoming {
  /** `telegram:<id>`. */
  readonly identity: string
}

export type Came =
  | FromPerson & { readonly _tag: "Words"; readonly text: string; readonly dateMs: number; readonly message: number }
  | FromPerson & { readonly _tag: "Press"; readonly data: string; readonly query: string; readonly message: number }
  | Incoming & { readonly _tag: "Moved"; readonly to: string }
  | { readonly _tag: "Nothing"; readonly why: Ignored; readonly chat: string | null; readonly identity: string | null }

/** Anonymous admins of groups speak as this user. */
const anonymousAdmin = 1_087_968_824

const identityOf = (user: { readonly id: number } | undefined): string | null => (user === undefined ? null : `telegram:${user.id}`)

const wordsOf = (message: typeof Message.Type): Came => {
  const { chat, date, from, message_id, migrate_to_chat_id, sender_chat, text } = message
  const nothing = (why: Ignored): Came => ({ _tag: "Nothing", why, chat: String(chat.id), identity: identityOf(from) })
  if (migrate_to_chat_id !== undefined) return { _tag: "Moved", chat: String(chat.id), private: false, to: String(migrate_to_chat_id) }
  if (chat.type === "channel" || from === undefined) return nothing("channel")
  if (from.id === anonymousAdmin || sender_chat !== undefined) return nothing("anonymous")
  if (from.is_bot || message.via_bot !== undefined) return nothing("bot")
  if (message.forward_origin !== undefined || message.forward_date !== undefined || message.is_automatic_forward !== undefined) return nothing("forwarded")
  if (text === undefined || text === "") return nothing("no_text")
  return { _tag: "Words", chat: String(chat.id), private: chat.type === "private", identity: `telegram:${from.id}`, text, dateMs: date * 1000, message: message_id }
}

const pressOf = ({ data, from, id, message }: typeof Callback.Type): Came => {
  if (from.is_bot) return { _tag: "Nothing", why: "bot", chat: message === undefined ? null : String(message.chat.id), identity: identityOf(from) }
  // Without its message nobody knows whose button it was.
  if (message === undefined || data === undefined) return { _tag: "Nothing", why: "no_text", chat: null, identity: identityOf(from) }
  return { _tag: "Press", chat: String(message.chat.id), private: message.chat.type === "private", identity: `telegram:${from.id}`, data, query: id, message: message.message_id }
}

const came = (update: Update): Came => {
  if (update.callback_query !== undefined) return pressOf(update.callback_query)
  if (update.message !== undefined) return wordsOf(update.message)
  const other = update.edited_message ?? update.channel_post ?? update.edited_channel_post
  if (other === undefined) return { _tag: "Nothing", why: "unreadable", chat: null, identity: null }
  return { _tag: "Nothing", why: update.edited_message === undefined ? "channel" : "edited", chat: String(other.chat.id), identity: identityOf(other.from) }
}

const decode = Schema.decodeUnknownEither(Update)

/** What an update says. It never fails: what cannot be read is nothing to act on. */
export const read = (raw: unknown): Came =>
  Either.match(decode(raw), { onLeft: (): Came => ({ _tag: "Nothing", why: "unreadable", chat: null, identity: null }), onRight: came })

/** Its number; null when it has none and so is none. */
export const numberOf = (raw: unknown): number | null => {
  const number: unknown = typeof raw === "object" && raw !== null ? Reflect.get(raw, "update_id") : undefined
  return typeof number === "number" && Number.isSafeInteger(number) && number >= 0 ? number : null
}

/** The chat whose order it keeps. What belongs to none has an order of its own. */
export const orderOf = (raw: unknown): string => {
  const said = read(raw)
  return said.chat ?? "none"
}

/** Whether something that is nothing to act on looks like a command all the same: words that begin with a slash, or a press. */
export const carriesCommand = (raw: unknown): boolean =>
  Either.match(decode(raw), {
    onLeft: () => false,
    onRight: ({ callback_query: query, channel_post: post, edited_channel_post: editedPost, edited_message: edited, message }) =>
      query !== undefined || [message, edited, post, editedPost].some((one) => one?.text?.trimStart().startsWith("/") === true)
  })
