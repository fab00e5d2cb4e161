/** What people do in Telegram: write, forward, edit, press, block, leave; and what the bot hears of it. */
import { sha256 } from "./Body.ts"
import { numberFrom } from "./Chance.ts"
import { inSeconds } from "./Clock.ts"
import { cleaned, textMax, withFound } from "./Text.ts"
import { badRequest, type Button, type Chat, chatTypes, type Fields, isFields, type Message, type User } from "./Wire.ts"
import { anonymousAdmin, type Room, type World } from "./World.ts"

const numberOf = (fields: Fields, name: string): number | undefined => {
  const value = fields[name]
  if (value === undefined || value === null) return undefined
  if (typeof value !== "number" || !Number.isSafeInteger(value)) throw badRequest(`${name} must be a whole number`)
  return value
}

const wordsOf = (fields: Fields, name: string): string | undefined => {
  const value = fields[name]
  if (value === undefined || value === null) return undefined
  if (typeof value !== "string") throw badRequest(`${name} must be a text`)
  return value
}

const numbersOf = (fields: Fields, name: string): ReadonlyArray<number> => {
  const value = fields[name] ?? []
  if (!Array.isArray(value) || !value.every((id) => Number.isSafeInteger(id))) throw badRequest(`${name} must be a list of ids`)
  return value
}

export const onlyFields = (fields: Fields, names: ReadonlyArray<string>): void => {
  const unknown = Object.keys(fields).filter((name) => !names.includes(name))
  if (unknown.length > 0) throw badRequest(`unknown field ${unknown.join(", ")}; there are ${names.join(", ")}`)
}

const optional = (fields: Fields, name: string): Fields => {
  const value = wordsOf(fields, name)
  return value === undefined ? {} : { [name]: value }
}

export const addUser = (world: World, fields: Fields): User => {
  onlyFields(fields, ["id", "first_name", "last_name", "username", "language_code", "is_bot"])
  const id = numberOf(fields, "id") ?? 1000 + world.users.size + 1
  if (id < 1) throw badRequest("id must be positive")
  if (id === world.bot.id || world.users.has(id)) throw badRequest(`there is a user ${id} already`)
  const user: User = {
    id,
    is_bot: fields["is_bot"] === true,
    first_name: wordsOf(fields, "first_name") ?? `User ${id}`,
    ...optional(fields, "last_name"),
    ...optional(fields, "username"),
    ...optional(fields, "language_code")
  }
  world.users.set(id, user)
  world.changed()
  return user
}

const idRange = { private: 0, group: -4000, supergroup: -1_001_000_000_000, channel: -1_002_000_000_000 } as const

export const addChat = (world: World, fields: Fields): Chat => {
  onlyFields(fields, ["id", "type", "title", "username", "members", "admins"])
  const type = chatTypes.find((one) => one === fields["type"])
  if (type === undefined) throw badRequest(`type must be one of ${chatTypes.join(", ")}`)
  const members = numbersOf(fields, "members")
  const admins = numbersOf(fields, "admins")
  for (const id of [...members, ...admins]) if (id !== world.bot.id && !world.users.has(id)) throw badRequest(`there is no user ${id}`)
  if (type === "private") {
    const user = world.users.get(members[0] ?? numberOf(fields, "id") ?? 0)
    if (user === undefined) throw badRequest("a private chat needs its user, as id or as its member")
    return world.privateRoom(user).chat
  }
  const id = numberOf(fields, "id") ?? idRange[type] - world.rooms.size - 1
  if (id >= 0 || world.rooms.has(id)) throw badRequest("id must be negative and new")
  return world.addRoom({ id, type, title: wordsOf(fields, "title") ?? type, ...optional(fields, "username") }, [...members, ...admins], admins).chat
}

const userOf = (world: World, fields: Fields): User => {
  const user = world.users.get(numberOf(fields, "user") ?? 0)
  if (user === undefined) throw badRequest("there is no such user")
  return user
}

/** The chat of an act: the one that is named, or the private one of who acts. A group that became a supergroup is left behind. */
export const roomOf = (world: World, fields: Fields, user: User | undefined): Room => {
  const id = numberOf(fields, "chat")
  if (id === undefined && user !== undefined) return world.privateRoom(user)
  const named = id === undefined ? undefined : world.users.get(id)
  const room = id === undefined ? undefined : world.rooms.get(id) ?? (named === undefined ? undefined : world.privateRoom(named))
  if (room === undefined) throw badRequest("there is no such chat")
  return room
}

const messageOf = (room: Room, id: number | undefined): Message => {
  const message = room.messages.get(id ?? 0)
  if (message === undefined) throw badRequest("MESSAGE_ID_INVALID: there is no such message in the chat")
  return message
}

export const kinds = ["text", "forwarded", "edited", "anonymous_admin", "channel_post", "bot"] as const
type Kind = typeof kinds[number]

const kindOf = (fields: Fields): Kind => {
  const kind = kinds.find((one) => one === (fields["kind"] ?? "text"))
  if (kind === undefined) throw badRequest(`kind must be one of ${kinds.join(", ")}`)
  return kind
}

const dateOf = (world: World, fields: Fields): number => {
  const date = numberOf(fields, "date") ?? inSeconds(world.clock.nowMs()) - (numberOf(fields, "age_s") ?? 0)
  if (date < 0) throw badRequest("date must be in seconds since 1970")
  return date
}

/** With privacy on, a bot in a group hears commands that are not for others, mentions of it, and answers to it. */
const hears = (world: World, room: Room, message: Message): boolean => {
  if (room.chat.type !== "group" && room.chat.type !== "supergroup") return true
  if (room.kicked) return false
  if (!world.privacy || room.admins.has(world.bot.id)) return true
  const text = message.text ?? message.caption ?? ""
  const name = (world.bot.username ?? "").toLowerCase()
  const command = /^\/[A-Za-z0-9_]{1,64}(?:@(\w+))?/.exec(text)
  const answered = message.reply_to_message?.message_id
  if (answered !== undefined && room.byBot.has(answered)) return true
  if (command !== null) return command[1] === undefined || command[1].toLowerCase() === name
  return text.toLowerCase().includes(`@${name}`)
}

export interface Sent {
  readonly update_id: number | null
  readonly message: Message
}

const originOf = (world: World, fields: Fields, date: number) => {
  const from = world.users.get(numberOf(fields, "forward_from") ?? 0)
  return from === undefined ? { type: "hidden_user", sender_user_name: "Somebody", date } : { type: "user", sender_user: from, date }
}

const fileOf = (world: World, value: unknown): Fields => {
  if (value === undefined) return {}
  if (!isFields(value)) throw badRequest("document is an object with file_name and base64")
  const bytes = Buffer.from(wordsOf(value, "base64") ?? "", "base64")
  if (bytes.length === 0) throw badRequest("a document is not empty")
  const id = sha256(bytes).slice(0, 24)
  const file = { file_id: `BQAC${id}${world.files.size}`, file_unique_id: id.slice(0, 15), file_name: wordsOf(value, "file_name") ?? "file", mime_type: wordsOf(value, "mime_type") ?? "application/octet-stream" }
  world.files.set(file.file_id, { ...file, bytes })
  return { document: { ...file, file_size: bytes.length } }
}

const sendFields = ["user", "chat", "text", "kind", "date", "age_s", "reply_to", "message", "forward_from", "thread", "document", "entities"]

/** Somebody writes. In a private chat that lifts a block. What is longer than a message may be is refused, as by the clients. */
export const send = (world: World, fields: Fields): Sent => {
  onlyFields(fields, sendFields)
  const kind = kindOf(fields)
  const user = kind === "channel_post" || kind === "anonymous_admin" ? undefined : userOf(world, fields)
  const room = roomOf(world, fields, user)
  if (room.migratedTo !== null) throw badRequest(`the group is the supergroup ${room.migratedTo} now`)
  const isChannel = room.chat.type === "channel"
  if (isChannel !== (kind === "channel_post") && kind !== "edited") throw badRequest("a channel has channel posts, and only a channel has")
  if (kind === "anonymous_admin" && room.chat.type !== "supergroup" && room.chat.type !== "group") throw badRequest("anonymous admins are in groups only")
  if (user !== undefined && !isChannel && !room.members.has(user.id)) throw badRequest("the user is not a member of the chat")
  const given = wordsOf(fields, "text") ?? ""
  const { entities, text } = withFound(cleaned({ text: given, entities: Array.isArray(fields["entities"]) ? fields["entities"] : [] }))
  if (text === "" && fields["document"] === undefined) throw badRequest("message text is empty")
  if (text.length > textMax) throw badRequest("message is too long")
  const words = { ...(text === "" ? {} : { text }), ...(entities.length === 0 ? {} : { entities }) }
  if (room.chat.type === "private") room.blocked = false
  if (kind === "edited") return edit(world, room, messageOf(room, numberOf(fields, "message")), words)

  const date = dateOf(world, fields)
  const reply = numberOf(fields, "reply_to")
  const thread = numberOf(fields, "thread")
  const message = world.addMessage(room, {
    ...(user === undefined ? {} : { from: user }),
    ...(kind === "anonymous_admin" ? { from: anonymousAdmin } : {}),
    ...(user === undefined ? { sender_chat: room.chat } : {}),
    date,
    ...words,
    ...fileOf(world, fields["document"]),
    ...(reply === undefined ? {} : { reply_to_message: messageOf(room, reply) }),
    ...(thread === undefined ? {} : { message_thread_id: thread }),
    ...(kind === "forwarded" ? { forward_origin: originOf(world, fields, date) } : {})
  })
  const update_id = hears(world, room, message) ? world.updates.push(isChannel ? "channel_post" : "message", message) : null
  return { update_id, message }
}

const edit = (world: World, room: Room, message: Message, words: Partial<Message>): Sent => {
  if (room.byBot.has(message.message_id)) throw badRequest("only the bot edits its messages")
  const { entities: _, ...rest } = message
  const edited = { ...rest, ...words, edit_date: inSeconds(world.clock.nowMs()) }
  room.messages.set(message.message_id, edited)
  world.changed()
  const kind = room.chat.type === "channel" ? "edited_channel_post" : "edited_message"
  return { update_id: hears(world, room, edited) ? world.updates.push(kind, edited) : null, message: edited }
}

const buttonOf = (message: Message, fields: Fields): Button => {
  const rows = message.reply_markup?.inline_keyboard ?? []
  const text = wordsOf(fields, "button")
  const data = wordsOf(fields, "data")
  const [row, column] = [numberOf(fields, "row"), numberOf(fields, "column")]
  const found = row === undefined
    ? rows.flat().find((button) => (text !== undefined && button.text === text) || (data !== undefined && button.callback_data === data))
    : rows[row]?.[column ?? 0]
  if (found === undefined) throw badRequest("DATA_INVALID: the message has no such button")
  return found
}

/**
 * Somebody presses a button. `forged` sends data that no button has, as a client may that was tampered with; `inaccessible` is
 * the press of a button whose message the bot cannot see any more.
 */
export const press = (world: World, fields: Fields): { readonly update_id: number | null; readonly query: string } => {
  onlyFields(fields, ["user", "chat", "message", "button", "data", "row", "column", "forged", "inaccessible"])
  const user = userOf(world, fields)
  const room = roomOf(world, fields, user)
  if (!room.members.has(user.id)) throw badRequest("the user is not a member of the chat")
  const inaccessible = fields["inaccessible"] === true
  const id = numberOf(fields, "message")
  const message = inaccessible ? undefined : messageOf(room, id)
  const data = fields["forged"] === true || message === undefined ? wordsOf(fields, "data") : buttonOf(message, fields).callback_data
  if (data === undefined) throw badRequest("DATA_INVALID: the button asks nothing of the bot")
  const query = String(numberFrom(world.ids)).padStart(18, "4")
  world.queries.set(query, { id: query, user: user.id, chat: room.chat.id, message: id ?? 0, atMs: world.clock.nowMs(), answer: null })
  const update_id = world.updates.push("callback_query", {
    id: query,
    from: user,
    message: message ?? { chat: room.chat, message_id: id ?? 0, date: 0 },
    chat_instance: sha256(String(room.chat.id)).slice(0, 18),
    data
  })
  return { update_id, query }
}

const membership = (world: World, room: Room, user: User | undefined, before: string, now: string): void => {
  const about = (status: string) => ({ user: world.bot, status, ...(status === "kicked" ? { until_date: 0 } : {}) })
  world.changed()
  world.updates.push("my_chat_member", {
    chat: room.chat,
    from: user ?? anonymousAdmin,
    date: inSeconds(world.clock.nowMs()),
    old_chat_member: about(before),
    new_chat_member: about(now)
  })
}

export const block = (world: World, fields: Fields): true => {
  onlyFields(fields, ["user", "blocked"])
  const user = userOf(world, fields)
  const room = world.privateRoom(user)
  const blocked = fields["blocked"] !== false
  if (room.blocked === blocked) return true
  room.blocked = blocked
  membership(world, room, user, blocked ? "member" : "kicked", blocked ? "kicked" : "member")
  return true
}

export const kick = (world: World, fields: Fields): true => {
  onlyFields(fields, ["chat", "kicked"])
  const room = roomOf(world, fields, undefined)
  if (room.chat.type === "private") throw badRequest("nobody is thrown out of a private chat; block is what there is")
  const kicked = fields["kicked"] !== false
  if (room.kicked === kicked) return true
  room.kicked = kicked
  membership(world, room, undefined, kicked ? "member" : "left", kicked ? "left" : "member")
  return true
}

/** A group becomes a supergroup, with a new id. What is sent to the old one is refused with the new one. */
export const migrate = (world: World, fields: Fields): Chat => {
  onlyFields(fields, ["chat"])
  const old = roomOf(world, fields, undefined)
  if (old.chat.type !== "group" || old.migratedTo !== null) throw badRequest("only a group becomes a supergroup, and once")
  const id = idRange.supergroup - world.rooms.size - 1
  const room = world.addRoom({ ...old.chat, id, type: "supergroup" }, [...old.members], [...old.admins])
  const gone = world.addMessage(old, { from: anonymousAdmin, migrate_to_chat_id: id })
  old.migratedTo = id
  const come = world.addMessage(room, { from: anonymousAdmin, sender_chat: room.chat, migrate_from_chat_id: old.chat.id })
  world.updates.push("message", gone)
  world.updates.push("message", come)
  return room.chat
}
