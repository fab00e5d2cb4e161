/** What virtual people do with a task in their chats with the bot: by words, and by the buttons under its card. */
import type { ChatCommand, Request } from "../History.ts"
import { between, type Draw } from "./Chance.ts"
import type { Service } from "./Service.ts"
import { approvalsOf, thinking } from "./Townspeople.ts"
import { approvers, bot, numbers, type Person, type Planned } from "./Workspace.ts"
import { isObject } from "../Json.ts"
import type { Open, World } from "./World.ts"

/** People look at their phones so often. */
const lookMs = 7000
/** Nobody scrolls up further than so many messages. */
const seenMax = 60
/** How long somebody waits for the card of a task before he types. */
const cardMs = 45_000

/** Everybody writes to the bot once: it may write to nobody who has not. */
export const introduce = ({ fake }: Service): void => {
  for (const [name, id] of Object.entries(numbers)) fake.people.user({ id, first_name: name })
  for (const [name, id] of Object.entries(numbers)) if (name !== "eve") fake.people.send({ user: id, text: "/start" })
}

type Op = ChatCommand["op"]

class Phone {
  private readonly world: World
  private readonly service: Service

  constructor(world: World, service: Service) {
    this.world = world
    this.service = service
  }

  /** Says something that is a command. Answers its key. */
  say(person: Person, text: string, op: Op, about: Pick<ChatCommand, "task" | "expect"> & Partial<Pick<ChatCommand, "standing">>): string {
    const chat = numbers[person]
    const sent = this.service.fake.people.send({ user: chat, chat, text })
    const message = isObject(sent) && isObject(sent["message"]) ? Number(sent["message"]["message_id"]) : null
    return this.noted(person, sent, op, { ...about, message, query: null })
  }

  /** Presses a button. Null: there is no such button any more. */
  press(person: Person, message: number, button: string, op: Op, about: Pick<ChatCommand, "task" | "expect">): string | null {
    const chat = numbers[person]
    try {
      const pressed = this.service.fake.people.press({ user: chat, chat, message, button })
      return this.noted(person, pressed, op, { ...about, message: null, query: isObject(pressed) ? String(pressed["query"]) : null })
    } catch {
      return null
    }
  }

  /** The card of a task in somebody's chat, if it is there and has this button. */
  card(person: Person, task: string, label: string): { readonly message: number; readonly button: string } | null {
    const short = task.slice(-6).toLowerCase()
    for (const { buttons, message_id, text } of [...this.service.fake.messages(numbers[person], seenMax)].reverse()) {
      if (typeof text !== "string" || !text.startsWith(short) || typeof message_id !== "number") continue
      const all: ReadonlyArray<unknown> = Array.isArray(buttons) ? buttons.flat() : []
      const found = all.find((button) => isObject(button) && String(button["text"]).includes(label))
      if (isObject(found)) return { message: message_id, button: String(found["text"]) }
    }
    return null
  }

  private noted(person: Person, sent: unknown, op: Op, about: Pick<ChatCommand, "task" | "expect" | "message" | "query"> & Partial<Pick<ChatCommand, "standing">>): string {
    const update = isObject(sent) ? Number(sent["update_id"]) : 0
    const key = `telegram:${bot}:${update}`
    this.world.books.chat.commands.push({ update, key, chat: numbers[person], person, op, at: this.world.kernel.wallMs(), ...about })
    return key
  }
}

// The log does not have it at once: who gave the command looks again.
const heard = async (world: World, find: () => string | null): Promise<string> => {
  for (;;) {
    await world.wait(lookMs)
    const found = find()
    if (found !== null) return found
  }
}

const taskMadeBy = (world: World, key: string): string | null => world.lately().find((event) => event.type === "task.requested" && event.key === key)?.task ?? null

const given = (world: World, type: string, key: string): string | null => (world.lately().some((event) => event.type === type && event.key === key) ? key : null)

/** Plays one task by chat, from the request to the last thing that a person does about it. */
export const byPhone = async (world: World, service: Service, planned: Planned): Promise<void> => {
  const { books, setting } = world
  const draw = world.chance(`person ${planned.key}`)
  const phone = new Phone(world, service)
  const happens = (ppm: number): boolean => draw() * 1_000_000 < ppm
  await world.wait(planned.atMs)
  if (happens(setting.people.mistake_ppm)) phone.say(planned.by, `/newtsk ${planned.kind} {}`, "submit", { task: null, expect: "nothing", standing: "malformed" })
  if (happens(setting.people.stranger_ppm)) phone.say("eve", `/newtask ${planned.kind} ${JSON.stringify(planned.payload)}`, "submit", { task: null, expect: "nothing", standing: "unauthorised" })
  const key = phone.say(planned.by, `/newtask ${planned.kind} ${JSON.stringify(planned.payload)}`, "submit", { task: null, expect: "once" })
  const request: Open<Request> = { key, kind: planned.kind, class: planned.class, task: null, expect: planned.expect }
  books.requests.push(request)
  const task = await heard(world, () => taskMadeBy(world, key))
  request.task = task
  const needed = approvalsOf[planned.kind]
  if (needed === 0 || planned.handling === "leave") return
  const short = task.slice(-6).toLowerCase()
  await world.wait(thinking(world, draw))
  if (happens(setting.people.double_ppm)) phone.say(planned.by, `/approve ${short} my own`, "approve", { task, expect: "nothing", standing: "unauthorised" })
  for (const person of approvers.slice(0, needed)) {
    await world.wait(thinking(world, draw))
    await heard(world, await acted(world, phone, draw, { person, task, op: "approve", label: "Approve", words: `/approve ${short} fine` }, "approval.given"))
  }
  await world.wait(thinking(world, draw))
  await heard(world, await acted(world, phone, draw, { person: between(draw, 0, 1) === 0 ? "bob" : "cyd", task, op: "resume", label: "Resume", words: `/resume ${short} go` }, "task.queued"))
}

interface Act {
  readonly person: Person
  readonly task: string
  readonly op: "approve" | "resume"
  readonly label: string
  readonly words: string
}

// Half the people press the button, some of them twice; the others type, and so do those whose card does not come.
const acted = async (world: World, phone: Phone, draw: Draw, { label, op, person, task, words }: Act, effect: string): Promise<() => string | null> => {
  const about = { task, expect: "once" } as const
  let waited = draw() < 0.5 ? cardMs : 0
  while (waited < cardMs) {
    const card = phone.card(person, task, label)
    const key = card === null ? null : phone.press(person, card.message, card.button, op, about)
    if (card !== null && key !== null) {
      if (draw() * 1_000_000 < world.setting.people.double_ppm) phone.press(person, card.message, card.button, op, { task, expect: "nothing" })
      return () => given(world, effect, key)
    }
    await world.wait(lookMs)
    waited += lookMs
  }
  const key = phone.say(person, words, op, about)
  return () => given(world, effect, key)
}
