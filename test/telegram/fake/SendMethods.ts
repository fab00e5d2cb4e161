/** What a bot may send into a chat. Everything is checked before anything is counted or stored. */
import { nameFrom } from "./Chance.ts"
import { markupOf } from "./Markup.ts"
import type { Method } from "./Method.ts"
import { fieldsOf, type Params } from "./Params.ts"
import { captionMax, formattedOf, textMax } from "./Text.ts"
import { ApiError, badRequest, type Document, type InlineKeyboard, type Message } from "./Wire.ts"
import type { Room, StoredFile, World } from "./World.ts"

export const fileMax = 50_000_000

/** Parameters of every method that sends; the last three are older ones that the API still takes. */
const common = [
  "business_connection_id",
  "chat_id",
  "message_thread_id",
  "direct_messages_topic_id",
  "disable_notification",
  "protect_content",
  "allow_paid_broadcast",
  "message_effect_id",
  "suggested_post_parameters",
  "reply_parameters",
  "reply_markup",
  "parse_mode",
  "reply_to_message_id",
  "allow_sending_without_reply",
  "disable_web_page_preview"
]

export const isGroup = ({ chat }: Room): boolean => chat.type === "group" || chat.type === "supergroup"

/** The message that is answered, if one is named. */
const replied = (room: Room, params: Params): Message | undefined => {
  const given = params.json("reply_parameters")
  const reply = given === undefined ? undefined : fieldsOf(given, "reply parameters")
  const id = reply === undefined ? params.integer("reply_to_message_id") : Number(reply["message_id"])
  if (id === undefined) return undefined
  const message = room.messages.get(id)
  const mayMiss = reply === undefined ? params.flag("allow_sending_without_reply") : reply["allow_sending_without_reply"] === true
  if (message === undefined && !mayMiss) throw badRequest("message to be replied not found")
  return message
}

const bodyOf = (world: World, room: Room, params: Params, markup: InlineKeyboard | undefined): Partial<Message> => {
  const reply = replied(room, params)
  const thread = params.integer("message_thread_id")
  const author: Partial<Message> = room.chat.type === "channel" ? { sender_chat: room.chat } : { from: world.bot }
  return {
    ...author,
    ...(thread === undefined ? {} : { message_thread_id: thread }),
    ...(reply === undefined ? {} : { reply_to_message: reply }),
    ...(markup === undefined ? {} : { reply_markup: markup })
  }
}

const stored = (world: World, room: Room, body: Partial<Message>): Message => {
  const message = world.addMessage(room, body)
  room.byBot.add(message.message_id)
  world.outbox.add("sent", message)
  return message
}

const sendMessage: Method = {
  takes: [...common, "text", "entities", "link_preview_options"],
  run: (world, params) => {
    const room = world.writable(params.text("chat_id"))
    const { entities, text } = formattedOf(params, "text", "entities")
    if (text === "") throw badRequest("message text is empty")
    if (text.length > textMax) throw badRequest("message is too long")
    const body = bodyOf(world, room, params, markupOf(params))
    world.flood.admit("sendMessage", room.chat.id, isGroup(room))
    return stored(world, room, { ...body, text, ...(entities.length === 0 ? {} : { entities }) })
  }
}

const newFile = (world: World, params: Params): StoredFile => {
  const given = params.file("document")
  if (given === undefined) {
    const known = world.files.get(params.text("document") ?? "")
    if (known !== undefined) return known
    throw badRequest(params.has("document") ? "wrong file identifier/HTTP URL specified" : "there is no document in the request")
  }
  if (given.bytes.length === 0) throw badRequest("file must be non-empty")
  if (given.bytes.length > fileMax) throw new ApiError(413, "Request Entity Too Large")
  const id = nameFrom(world.ids, 24)
  return { ...given, file_id: `BQAC${id}`, file_unique_id: id.slice(0, 15) }
}

const documentOf = ({ bytes, file_id, file_name, file_unique_id, mime_type }: StoredFile): Document => ({ file_id, file_unique_id, file_name, mime_type, file_size: bytes.length })

const sendDocument: Method = {
  takes: [...common, "document", "thumbnail", "thumb", "caption", "caption_entities", "disable_content_type_detection"],
  run: (world, params) => {
    const room = world.writable(params.text("chat_id"))
    const { entities, text } = formattedOf(params, "caption", "caption_entities")
    if (text.length > captionMax) throw badRequest("message caption is too long")
    const body = bodyOf(world, room, params, markupOf(params))
    const file = newFile(world, params)
    world.flood.admit("sendDocument", room.chat.id, isGroup(room))
    world.files.set(file.file_id, file)
    return stored(world, room, {
      ...body,
      document: documentOf(file),
      ...(text === "" ? {} : { caption: text }),
      ...(entities.length === 0 ? {} : { caption_entities: entities })
    })
  }
}

const chatActions = [
  "typing",
  "upload_photo",
  "record_video",
  "upload_video",
  "record_voice",
  "upload_voice",
  "upload_document",
  "choose_sticker",
  "find_location",
  "record_video_note",
  "upload_video_note"
]

const sendChatAction: Method = {
  takes: ["business_connection_id", "chat_id", "message_thread_id", "action"],
  run: (world, params) => {
    world.writable(params.text("chat_id"))
    if (!chatActions.includes(params.text("action") ?? "")) throw badRequest("wrong parameter action in request")
    return true
  }
}

/** Of the text of an answer to a button. */
const answerMax = 200

const answerCallbackQuery: Method = {
  takes: ["callback_query_id", "text", "show_alert", "url", "cache_time"],
  run: (world, params) => {
    const text = params.text("text") ?? ""
    if (text.length > answerMax) throw badRequest("MESSAGE_TOO_LONG")
    const query = world.queries.get(params.text("callback_query_id") ?? "")
    // A question is answered once. What is asked again because an answer was lost on its way is late.
    if (query === undefined || query.answer !== null || world.clock.nowMs() - query.atMs > world.queryKeptMs) throw badRequest("query is too old and response timeout expired or query ID is invalid")
    query.answer = { text, show_alert: params.flag("show_alert"), url: params.text("url") ?? null }
    world.changed()
    return true
  }
}

export const sendMethods: Readonly<Record<string, Method>> = { sendMessage, sendDocument, sendChatAction, answerCallbackQuery }

