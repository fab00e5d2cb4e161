/** The commands that a bot shows to people, per scope and language. */
import type { Method } from "./Method.ts"
import { fieldsOf, type Params } from "./Params.ts"
import { badRequest } from "./Wire.ts"
import type { World } from "./World.ts"

const commandsMax = 100
const descriptionMax = 256

const wide = ["default", "all_private_chats", "all_group_chats", "all_chat_administrators"]
const ofChat = ["chat", "chat_administrators", "chat_member"]

export interface Scope {
  readonly type: string
  readonly chat: number | null
  readonly user: number | null
  readonly language: string
}

const scopeOf = (world: World, params: Params): Scope => {
  const given = params.json("scope")
  const scope = given === undefined ? { type: "default" } : fieldsOf(given, "BotCommandScope")
  const type = String(scope["type"])
  const language = params.text("language_code") ?? ""
  if (language !== "" && !/^[a-z]{2}$/.test(language)) throw badRequest("invalid language code specified")
  if (wide.includes(type)) return { type, chat: null, user: null, language }
  if (!ofChat.includes(type)) throw badRequest("can't parse BotCommandScope: Unsupported type specified")
  const chat = world.writable(scope["chat_id"] === undefined ? undefined : String(scope["chat_id"])).chat
  if (type === "chat_administrators" && chat.type !== "group" && chat.type !== "supergroup") throw badRequest("there are no administrators in the chat")
  const user = type === "chat_member" ? Number(scope["user_id"]) : null
  if (user !== null && !world.users.has(user)) throw badRequest("user not found")
  return { type, chat: chat.id, user, language }
}

const commandOf = (value: unknown) => {
  const { command, description } = fieldsOf(value, "BotCommand")
  if (typeof command !== "string" || !/^\/?[a-z0-9_]{1,32}$/.test(command)) throw badRequest("BOT_COMMAND_INVALID")
  if (typeof description !== "string" || description.trim() === "" || description.length > descriptionMax) throw badRequest("BOT_COMMAND_DESCRIPTION_INVALID")
  return { command: command.replace(/^\//, ""), description: description.trim() }
}

export const commandMethods: Readonly<Record<string, Method>> = {
  setMyCommands: {
    takes: ["commands", "scope", "language_code"],
    run: (world, params) => {
      const given = params.json("commands")
      if (!Array.isArray(given)) throw badRequest("can't parse commands: expected an Array of BotCommand")
      if (given.length > commandsMax) throw badRequest("BOT_COMMANDS_TOO_MUCH")
      const commands = given.map(commandOf)
      if (new Set(commands.map(({ command }) => command)).size !== commands.length) throw badRequest("BOT_COMMAND_DUPLICATE")
      world.commands.set(JSON.stringify(scopeOf(world, params)), commands)
      world.changed()
      return true
    }
  },
  getMyCommands: { takes: ["scope", "language_code"], run: (world, params) => world.commands.get(JSON.stringify(scopeOf(world, params))) ?? [] },
  deleteMyCommands: {
    takes: ["scope", "language_code"],
    run: (world, params) => {
      world.commands.delete(JSON.stringify(scopeOf(world, params)))
      world.changed()
      return true
    }
  }
}

/** What a person sees in a chat: the commands of the narrowest scope that has some (core.telegram.org/bots/api#determining-list-of-commands). */
export const commandsSeen = (world: World, chatId: number, userId: number): ReadonlyArray<unknown> => {
  const room = world.rooms.get(chatId)
  const isPrivate = room?.chat.type === "private"
  const isAdmin = room?.admins.has(userId) === true
  const scopes: ReadonlyArray<Omit<Scope, "language">> = [
    ...(isPrivate ? [] : [{ type: "chat_member", chat: chatId, user: userId }]),
    ...(isAdmin ? [{ type: "chat_administrators", chat: chatId, user: null }] : []),
    { type: "chat", chat: chatId, user: null },
    ...(isAdmin ? [{ type: "all_chat_administrators", chat: null, user: null }] : []),
    { type: isPrivate ? "all_private_chats" : "all_group_chats", chat: null, user: null },
    { type: "default", chat: null, user: null }
  ]
  const language = world.users.get(userId)?.language_code ?? ""
  for (const scope of scopes) {
    for (const spoken of [language, ""]) {
      const found = world.commands.get(JSON.stringify({ ...scope, language: spoken }))
      if (found !== undefined && found.length > 0) return found
    }
  }
  return []
}
