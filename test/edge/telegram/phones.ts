/**
 * People with phones: the fake of Telegram, a server whose bot talks to it, and what somebody sees, types and presses. Every wait is for
 * something to be there, and says what was there instead when it does not come.
 */
import { startFake, token } from "../../telegram/startFake.ts"
import { type AtTheEnd, type Home, opsgate, type Started } from "../cli/Opsgate.ts"

/** Buttons, texts and documents of the bot, as a person sees them now. */
export interface Shown {
  readonly message_id: number
  readonly text?: string
  readonly caption?: string
  readonly by_bot: boolean
  readonly buttons: ReadonlyArray<ReadonlyArray<{ readonly text: string; readonly callback_data?: string }>>
  readonly document?: { readonly file_name: string; readonly file_id: string }
}

export const labels = ({ buttons }: Shown): ReadonlyArray<string> => buttons.flat().map(({ text }) => text)

const told = (messages: ReadonlyArray<Shown>): string => messages.map((one) => `#${one.message_id} ${one.text ?? one.caption ?? ""} [${labels(one).join(", ")}]`).join("\n")

export const operator = ["requester", "approver", "reviewer", "operator"] as const

/** A person of the configuration with this number in Telegram. */
export const person = (id: number, roles: ReadonlyArray<string> = operator) => ({ identities: [`telegram:${id}`], roles })

interface Setting {
  readonly kinds: object
  readonly people: Readonly<Record<string, ReturnType<typeof person>>>
  readonly settings?: object
  readonly telegram?: object
  /** Groups by number, and who is in them. */
  readonly groups?: Readonly<Record<string, ReadonlyArray<number>>>
  /** People who write to the bot and stand in no configuration. */
  readonly strangers?: ReadonlyArray<number>
}

export type Phones = Awaited<ReturnType<typeof phones>>

export const phones = async (atTheEnd: AtTheEnd, { groups = {}, kinds, people, settings = {}, strangers = [], telegram = {} }: Setting) => {
  const fake = await startFake(["--seed", "11", "--no-page"])
  atTheEnd(() => void fake.child.kill("SIGKILL"))
  const numbers = Object.values(people).flatMap(({ identities }) => identities.map((identity) => Number(identity.slice("telegram:".length))))
  const home: Home = opsgate(atTheEnd, kinds, {
    ...settings,
    people,
    telegram: { api_root: fake.root, token_file: "token", chats: Object.keys(groups).map(Number), commands_per_minute: 600, ...telegram }
  })
  home.write("token", `${token}\n`)
  for (const id of [...numbers, ...strangers]) await fake.sim("users", { id, first_name: `U${id}` })
  for (const [id, members] of Object.entries(groups)) await fake.sim("chats", { type: "group", id: Number(id), title: `G${id}`, members })

  const see = (chat: number): Promise<ReadonlyArray<Shown>> => fake.sim(`messages?chat=${chat}`)
  /** The first message of the bot in the chat that holds these words, as soon as it is there. */
  const sees = async (chat: number, contains: string, more: object = {}): Promise<Shown> => {
    const { found, met } = await fake.sim("wait", { messages: { chat, contains, by_bot: true, ...more }, timeout_ms: 30_000 })
    if (met !== true) throw new Error(`${chat} does not see ${JSON.stringify(contains)}, but:\n${told(await see(chat))}`)
    const at: number = found.at(0).message_id
    const message = (await see(chat)).find(({ message_id }) => message_id === at)
    if (message === undefined) throw new Error(`message ${at} is gone`)
    return message
  }
  /** The same message with other buttons. */
  const anew = async (chat: number, before: Shown): Promise<Shown> => {
    const deadline = performance.now() + 30_000
    for (;;) {
      const { revision } = await fake.sim("state")
      const now = (await see(chat)).find(({ message_id }) => message_id === before.message_id)
      if (now !== undefined && JSON.stringify(now.buttons) !== JSON.stringify(before.buttons)) return now
      if (performance.now() > deadline) throw new Error(`no other buttons at ${told([before])}`)
      await fake.sim("wait", { revision, timeout_ms: 1000 })
    }
  }
  const type = async (user: number, text: string, more: object = {}): Promise<{ readonly update: number; readonly message: number }> => {
    const { message, update_id } = await fake.sim("send", { user, chat: user, text, ...more })
    return { update: update_id, message: message.message_id }
  }
  /** Presses, and answers the number of the question. */
  const tap = async (user: number, message: Shown, button: string, more: object = {}): Promise<string> => {
    const data = message.buttons.flat().find(({ text }) => text.includes(button))?.callback_data
    if (data === undefined) throw new Error(`no button ${button} at ${told([message])}`)
    const { query } = await fake.sim("press", { user, chat: user, message: message.message_id, data, ...more })
    return query.id ?? query
  }
  /** The word that is seen for a moment. */
  const toast = async (query: string): Promise<string> => {
    const { found, met } = await fake.sim("wait", { query, timeout_ms: 30_000 })
    if (met !== true) throw new Error(`question ${query} is not answered`)
    return found.text ?? ""
  }

  return {
    fake,
    home,
    see,
    sees,
    anew,
    type,
    tap,
    toast,
    /** Types, and answers what the bot says behind it that holds these words. */
    asks: async (user: number, text: string, contains: string, more: { readonly chat?: number; readonly age_s?: number } = {}): Promise<Shown> => {
      const { message } = await type(user, text, more)
      return sees(more.chat ?? user, contains, { after: message })
    },
    press: async (user: number, message: Shown, button: string, more: object = {}): Promise<string> => toast(await tap(user, message, button, more)),
    /** The id of a task as a card shows it. */
    shortIn: ({ text = "" }: Shown): string => /^[0-9a-z]{6}\b/m.exec(text)?.[0] ?? "",
    /** The one task whose id ends so. */
    stored: (short: string) => {
      const found = home.tasks().filter(({ id }) => id.toLowerCase().endsWith(short))
      if (found.length !== 1 || short === "") throw new Error(`${found.length} tasks end with ${short}`)
      return found[0]
    },
    payloads: (): ReadonlyArray<unknown> => home.query<{ spec: string }>("SELECT spec FROM task ORDER BY id").map(({ spec }) => JSON.parse(JSON.parse(spec).payload)),
    /** Starts the server, and waits until its bot asks for news. */
    serve: async (options: Parameters<Home["serve"]>[0] = {}): Promise<Started> => {
      const server = await home.serve(options)
      await fake.sim("wait", { polled: true })
      return server
    },
    kill: async (server: Started): Promise<void> => {
      server.signal("SIGKILL")
      await server.ended
      // The service notices that the poll of the dead is gone.
      await fake.sim("wait", { polled: false })
    }
  }
}
