/** What a bot may change of what it sent. */
import { isDeepStrictEqual } from "node:util"
import { inSeconds } from "./Clock.ts"
import { inlineMarkupOf } from "./Markup.ts"
import type { Method } from "./Method.ts"
import type { Params } from "./Params.ts"
import { isGroup } from "./SendMethods.ts"
import { formattedOf, textMax } from "./Text.ts"
import { badRequest, type InlineKeyboard, type Message } from "./Wire.ts"
import type { Room, World } from "./World.ts"

const named = (world: World, params: Params, what: string): readonly [room: Room, message: Message] => {
  if (params.has("inline_message_id")) throw badRequest("MESSAGE_ID_INVALID")
  const room = world.writable(params.text("chat_id"))
  const id = params.integer("message_id")
  if (id === undefined || id === 0) throw badRequest("message identifier is not specified")
  const message = room.messages.get(id)
  if (message === undefined) throw badRequest(`message to ${what} not found`)
  return [room, message]
}

const editable = (world: World, params: Params): readonly [room: Room, message: Message] => {
  const [room, message] = named(world, params, "edit")
  if (!room.byBot.has(message.message_id)) throw badRequest("message can't be edited")
  return [room, message]
}

const notModified = (): Error =>
  badRequest("message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message")

/** The message without its buttons: an edit that names none takes them away. */
const withMarkup = (message: Message, markup: InlineKeyboard | undefined): Message => {
  const { reply_markup: _, ...rest } = message
  return markup === undefined ? rest : { ...rest, reply_markup: markup }
}

const put = (world: World, room: Room, message: Message): Message => {
  const edited = { ...message, edit_date: inSeconds(world.clock.nowMs()) }
  room.messages.set(message.message_id, edited)
  world.outbox.add("edited", edited)
  world.changed()
  return edited
}

const editMessageText: Method = {
  takes: [
    "business_connection_id",
    "chat_id",
    "message_id",
    "inline_message_id",
    "text",
    "parse_mode",
    "entities",
    "link_preview_options",
    "reply_markup",
    "disable_web_page_preview"
  ],
  run: (world, params) => {
    const [room, message] = editable(world, params)
    const { entities, text } = formattedOf(params, "text", "entities")
    if (text === "") throw badRequest("message text is empty")
    if (text.length > textMax) throw badRequest("MESSAGE_TOO_LONG")
    if (message.text === undefined) throw badRequest("there is no text in the message to edit")
    const markup = inlineMarkupOf(params)
    world.flood.admit("editMessageText", room.chat.id, isGroup(room))
    const same = message.text === text && isDeepStrictEqual(message.entities ?? [], entities) && isDeepStrictEqual(message.reply_markup, markup)
    if (same) throw notModified()
    const { entities: _, ...rest } = withMarkup(message, markup)
    return put(world, room, { ...rest, text, ...(entities.length === 0 ? {} : { entities }) })
  }
}

const editMessageReplyMarkup: Method = {
  takes: ["business_connection_id", "chat_id", "message_id", "inline_message_id", "reply_markup"],
  run: (world, params) => {
    const [room, message] = editable(world, params)
    const markup = inlineMarkupOf(params)
    world.flood.admit("editMessageReplyMarkup", room.chat.id, isGroup(room))
    if (isDeepStrictEqual(message.reply_markup, markup)) throw notModified()
    return put(world, room, withMarkup(message, markup))
  }
}

/** Older messages cannot be deleted by a bot. */
const deletableMs = 48 * 3_600_000

const deleteMessage: Method = {
  takes: ["chat_id", "message_id"],
  run: (world, params) => {
    const [room, message] = named(world, params, "delete")
    const own = room.byBot.has(message.message_id)
    if (!own && room.chat.type !== "private" && !room.admins.has(world.bot.id)) throw badRequest("message can't be deleted")
    if (world.clock.nowMs() - message.date * 1000 > deletableMs) throw badRequest("message can't be deleted for everyone")
    room.messages.delete(message.message_id)
    world.outbox.add("deleted", message)
    world.changed()
    return true
  }
}

export const editMethods: Readonly<Record<string, Method>> = { editMessageText, editMessageReplyMarkup, deleteMessage }
