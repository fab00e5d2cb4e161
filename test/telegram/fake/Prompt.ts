/** The chat in a terminal: what is typed is sent, what the bot writes is printed, and buttons have numbers. */
import { createInterface } from "node:readline"
import { press, send } from "./People.ts"
import { ApiError, type Message } from "./Wire.ts"
import type { World } from "./World.ts"

const help = `  <text>             send it, as the one you are, into the chat you are in
  :as <user>         be somebody else, in the private chat with the bot
  :in <chat>         go to another chat, a group for example
  :press <#> <n>     press button n of message #
  :who               people and chats
  :quit              end the simulator
`

/** Nothing that moves a cursor, changes colours, turns the reading direction or hides reaches the terminal. The joiner of emoji does. */
export const plain = (text: string): string =>
  text.replace(/(?![\n\u200d])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`)

export const lineOf = (chat: number, { caption, document, edit_date, message_id, reply_markup, text }: Message): string => {
  const buttons = (reply_markup?.inline_keyboard ?? []).flat().map((button, at) => `  [${at + 1}] ${plain(button.text)}${button.url === undefined ? "" : ` → ${plain(button.url)}`}\n`)
  const file = document === undefined ? "" : `  (document ${plain(document.file_name)}, ${document.file_size} bytes)\n`
  return `${chat} #${message_id}${edit_date === undefined ? "" : " (edited)"}: ${plain(text ?? caption ?? "")}\n${file}${buttons.join("")}`
}

const out = (text: string): void => void process.stdout.write(text)

export const prompt = (world: () => World): void => {
  let user = 1001
  let chat = 1001
  const shown = new Map<string, Message>()
  const look = (): void => {
    for (const [id, room] of world().rooms) {
      for (const message of room.messages.values()) {
        const key = `${id}/${message.message_id}`
        if (!room.byBot.has(message.message_id) || shown.get(key) === message) continue
        shown.set(key, message)
        out(lineOf(id, message))
      }
    }
  }
  world().onChange(look)

  const pressed = (words: ReadonlyArray<string>): void => {
    const message = Number(words[0])
    const room = world().rooms.get(chat)
    const buttons = (room?.messages.get(message)?.reply_markup?.inline_keyboard ?? []).flat()
    const data = buttons[Number(words[1] ?? 1) - 1]?.callback_data
    const { query } = press(world(), { user, chat, message, data: data ?? "(there is none)" })
    const off = world().onChange(() => {
      const answer = world().queries.get(query)?.answer ?? null
      if (answer === null) return
      off()
      out(`(answer: ${plain(answer.text)})\n`)
    })
  }

  const who = (): void => {
    for (const { first_name, id } of world().users.values()) out(`  ${id} ${plain(first_name)}${id === user ? ", you" : ""}\n`)
    for (const { chat: { id, title, type } } of world().rooms.values()) out(`  ${id} ${type} ${plain(title ?? "")}${id === chat ? ", where you are" : ""}\n`)
  }

  const verbs: Readonly<Record<string, (words: ReadonlyArray<string>) => void>> = {
    ":as": ([id]) => {
      if (!world().users.has(Number(id))) throw new ApiError(400, "there is no such user; :who lists them")
      user = Number(id)
      chat = user
    },
    ":in": ([id]) => {
      if (!world().rooms.has(Number(id))) throw new ApiError(400, "there is no such chat; :who lists them")
      chat = Number(id)
    },
    ":press": pressed,
    ":who": who,
    ":help": () => out(help),
    ":quit": () => process.exit(0)
  }

  const line = (text: string): void => {
    const [verb = "", ...words] = text.trim().split(/\s+/)
    if (verb === "") return
    try {
      const known = verbs[verb]
      if (known !== undefined) known(words)
      else if (verb.startsWith(":")) out(help)
      else send(world(), { user, chat, text })
    } catch (cause) {
      out(`(${plain(cause instanceof Error ? cause.message : String(cause))})\n`)
    }
  }

  out(`Type a message, or :help. You are Ada.\n`)
  const input = createInterface({ input: process.stdin })
  input.on("line", line)
  // In a terminal this is Ctrl+D. A pipe that has ended leaves the simulator running for others.
  if (process.stdin.isTTY) input.on("close", () => process.exit(0))
}
