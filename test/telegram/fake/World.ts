/**
 * Who and what there is: the bot, people, chats with their messages, files, questions of buttons, commands. It holds and finds;
 * what a bot may do is `Methods.ts`, what people do is `People.ts`.
 */
import { makeChance } from "./Chance.ts"
import { inSeconds, makeClock, type Time } from "./Clock.ts"
import { makeFaults } from "./Faults.ts"
import { makeFlood } from "./Flood.ts"
import { makeOutbox } from "./Outbox.ts"
import { makeRecord } from "./Record.ts"
import { makeUpdates } from "./Updates.ts"
import { ApiError, badRequest, type Chat, type Message, type User } from "./Wire.ts"

export interface Room {
  chat: Chat
  readonly members: Set<number>
  readonly admins: Set<number>
  readonly messages: Map<number, Message>
  /** Messages that the bot wrote: it may edit no other. */
  readonly byBot: Set<number>
  nextMessage: number
  blocked: boolean
  kicked: boolean
  migratedTo: number | null
}

/** A button that was pressed. */
export interface Query {
  readonly id: string
  readonly user: number
  readonly chat: number
  readonly message: number
  readonly atMs: number
  answer: { readonly text: string; readonly show_alert: boolean; readonly url: string | null } | null
}

export interface StoredFile {
  readonly file_id: string
  readonly file_unique_id: string
  readonly file_name: string
  readonly mime_type: string
  readonly bytes: Buffer
}

export interface Webhook {
  readonly url: string
  readonly secret: string | undefined
  readonly max: number
  lastErrorDate: number | null
  lastError: string | null
}

export interface Options {
  readonly token: string
  readonly username: string
  readonly seed: number
  readonly first_update_id?: number
}

/** After this time a button's question cannot be answered any more: about 15 s were seen (telegraf issue 1839). */
const queryKeptMs = 15_000

/** Any number: it keeps the two chances of one seed apart. */
const idsSeed = 0x5eed_1d5

export const anonymousAdmin: User = { id: 1_087_968_824, is_bot: true, first_name: "Group", username: "GroupAnonymousBot" }

export type World = ReturnType<typeof makeWorld>

export const makeWorld = (options: Options, time: Time) => {
  const listeners = new Set<() => void>()
  let revision = 0
  const changed = (): void => {
    revision++
    for (const listener of listeners) listener()
  }
  const clock = makeClock(time)
  const chance = makeChance(options.seed)
  const bot: User = { id: Number(options.token.split(":", 1)[0]), is_bot: true, first_name: "Opsgate", username: options.username }
  const users = new Map<number, User>()
  const rooms = new Map<number, Room>()

  const addRoom = (chat: Chat, members: ReadonlyArray<number> = [], admins: ReadonlyArray<number> = []): Room => {
    const room: Room = {
      chat,
      members: new Set(members),
      admins: new Set(admins),
      messages: new Map(),
      byBot: new Set(),
      nextMessage: 1,
      blocked: false,
      kicked: false,
      migratedTo: null
    }
    rooms.set(chat.id, room)
    changed()
    return room
  }

  const privateRoom = ({ first_name, id, last_name, username }: User): Room =>
    rooms.get(id) ??
    addRoom({ id, type: "private", first_name, ...(last_name === undefined ? {} : { last_name }), ...(username === undefined ? {} : { username }) }, [id])

  const addMessage = (room: Room, body: Omit<Message, "message_id" | "chat" | "date"> & { readonly date?: number }): Message => {
    const message: Message = { message_id: room.nextMessage++, date: inSeconds(clock.nowMs()), chat: room.chat, ...body }
    room.messages.set(message.message_id, message)
    changed()
    return message
  }

  /** The chat that a bot may write to, or the refusal that Telegram has for it. */
  const writable = (chatId: string | undefined): Room => {
    if (chatId === undefined || chatId === "") throw badRequest("chat_id is empty")
    const named = chatId.startsWith("@") ? [...rooms.values()].find(({ chat }) => chat.type !== "private" && chat.username?.toLowerCase() === chatId.slice(1).toLowerCase()) : undefined
    const room = named ?? rooms.get(Number(chatId))
    if (room === undefined) {
      if (users.has(Number(chatId))) throw new ApiError(403, "Forbidden: bot can't initiate conversation with a user")
      throw badRequest("chat not found")
    }
    if (room.migratedTo !== null) throw new ApiError(400, "Bad Request: group chat was upgraded to a supergroup chat", { migrate_to_chat_id: room.migratedTo })
    if (room.blocked) throw new ApiError(403, "Forbidden: bot was blocked by the user")
    if (room.kicked) throw new ApiError(403, `Forbidden: bot was kicked from the ${room.chat.type === "group" ? "group" : room.chat.type} chat`)
    return room
  }

  const world = {
    options,
    bot,
    clock,
    chance,
    /** Of the ids of files and buttons, so that they do not shift what strikes when. */
    ids: makeChance(options.seed ^ idsSeed),
    changed,
    users,
    rooms,
    addRoom,
    privateRoom,
    addMessage,
    writable,
    faults: makeFaults(chance),
    flood: makeFlood(clock),
    record: makeRecord(clock, changed),
    outbox: makeOutbox(clock),
    updates: makeUpdates(clock, chance, changed, options.first_update_id),
    queries: new Map<string, Query>(),
    files: new Map<string, StoredFile>(),
    /** By scope and language, as JSON. */
    commands: new Map<string, ReadonlyArray<unknown>>(),
    webhook: null as Webhook | null,
    queryKeptMs,
    /** In groups a bot sees only what is meant for it, unless its owner switched that off. */
    privacy: true,
    /** Of the first repetition of a webhook that was not taken; it doubles up to 60 times that. */
    webhookRetryMs: 1000,
    revision: () => revision,
    onChange: (listener: () => void): () => void => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    }
  }
  return world
}
