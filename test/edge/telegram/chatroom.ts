/** A chat that is played: what people type and press comes in as updates, what the bot answers is shown as a person sees it. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Layer } from "effect"
import { onTestFinished } from "vitest"
import { Kinds } from "../../../src/control/Kinds.ts"
import type { Body } from "../../../src/domain/Chat.ts"
import { type Kind, KindUnknown } from "../../../src/domain/Kind.ts"
import type { Person } from "../../../src/domain/People.ts"
import type { Task } from "../../../src/domain/Task.ts"
import { make, type TalkOptions } from "../../../src/edge/telegram/Talk.ts"
import { ChatStore } from "../../../src/engine/ChatStore.ts"
import { EngineReader } from "../../../src/engine/Engine.ts"
import * as Live from "../../../src/engine/Live.ts"
import * as SqliteEngine from "../../../src/engine/SqliteEngine.ts"
import { heavyKind, kindOf, movable } from "../../engine/tasks.ts"

export const bot = "7"
/** Numbers of people. */
export const [ada, bob, eve, vic] = [101, 102, 666, 103]
export const group = -500

const person = (name: string, ...roles: ReadonlyArray<string>): Person => ({ name, roles, service: false })
export const everybody: ReadonlyMap<string, Person> = new Map([
  [`telegram:${ada}`, person("ada", "viewer", "requester", "approver", "reviewer", "operator")],
  [`telegram:${bob}`, person("bob", "viewer", "approver", "reviewer", "operator")],
  [`telegram:${vic}`, person("vic", "viewer")]
])

interface Shown {
  readonly chat: string
  readonly message: number
  text: string
  buttons: ReadonlyArray<ReadonlyArray<{ readonly label: string; readonly token?: string; readonly url?: string }>>
}

const shownOf = (body: Body): Pick<Shown, "text" | "buttons"> => body._tag === "Text" ? body : { text: `[${body.name}] ${body.caption}\n${body.content}`, buttons: [] }

/** The kinds of the house: `report` needs nobody, `deploy` one yes, `launch` two. */
const two: NonNullable<Kind["policy"]> = {
  version: "p1",
  mode: "supervised",
  allow: { light: null, heavy: null },
  deny: [],
  risks: [{ name: "deploy", words: [], paths: [], demand: { approvals: 2, approver: "approver", plan: false, review: false, ttlMs: null } }],
  kinds: new Map(),
  heavy: { approvals: 1, approver: "approver", plan: false, review: false, ttlMs: null },
  selfApproval: new Set()
}
export const kinds: ReadonlyMap<string, Kind> = new Map([
  ["report", kindOf()],
  ["deploy", heavyKind()],
  ["own", heavyKind({ name: "own", selfApproval: true })],
  ["launch", heavyKind({ name: "launch", risk: "deploy", policy: two })]
])

const kindsLayer = Layer.succeed(Kinds, {
  get: (name) => kinds.get(name),
  check: (name) => {
    const kind = kinds.get(name)
    return kind === undefined ? new KindUnknown({ kind: name, known: [...kinds.keys()] }) : Effect.succeed(kind)
  }
})

type Raw = Readonly<Record<string, unknown>> & { readonly update_id: number }

export interface Typed {
  readonly chat?: number
  readonly update?: number
  /** How long ago it was typed. */
  readonly agoMs?: number
  readonly extra?: Readonly<Record<string, unknown>>
}

export const chatroom = (change: Partial<TalkOptions> = {}) => {
  const folder = mkdtempSync(join(tmpdir(), "opsgate-talk-"))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const { clocks, layer: instants, pass } = movable()
  const layer = Layer.merge(SqliteEngine.layer({ file: join(folder, "opsgate.db"), streamId: "db-test" }).pipe(Layer.provideMerge(instants), Layer.provideMerge(Live.layer)), kindsLayer)
  const toasts: Array<string> = []
  const options: TalkOptions = {
    bot,
    name: "opsbot",
    chats: new Set([String(group)]),
    people: everybody,
    roles: new Map(),
    staleAfterMs: 300_000,
    commandsPerMinute: 600,
    limits: null,
    verdict: Effect.succeed(null),
    mayApprove: () => true,
    link: null,
    toast: (_query, text) => Effect.sync(() => void toasts.push(text)),
    met: () => Effect.void,
    ...change
  }
  const shown: Array<Shown> = []
  let [updates, messages] = [0, 1000]

  /** What waits is sent: a message of its own, or an edit. */
  const deliver = Effect.gen(function*() {
    const chats = yield* ChatStore
    for (;;) {
      const { deliveries } = yield* chats.due(50)
      if (deliveries.length === 0) return
      for (const { body, chat, id, message } of deliveries) {
        const known = shown.find((one) => one.chat === chat && one.message === message)
        if (known === undefined) shown.push({ chat, message: ++messages, ...shownOf(body) })
        else Object.assign(known, shownOf(body))
        yield* chats.sent(id, known === undefined ? messages : null)
      }
    }
  })

  /** Works off what came. */
  const work = Effect.gen(function*() {
    const chats = yield* ChatStore
    const talk = yield* talking
    for (;;) {
      const { items } = yield* chats.pending(bot, 50)
      if (items.length === 0) return
      for (const item of items) yield* chats.settle(bot, item.update, yield* talk(item))
    }
  })
  let made: Effect.Effect.Success<ReturnType<typeof make>> | null = null
  const both = Effect.suspend(() => made === null ? Effect.tap(make(options), (talks) => Effect.sync(() => {
    made = talks
  })) : Effect.succeed(made))
  const talking = Effect.map(both, ({ talk }) => talk)

  const arrive = (raw: Raw, chat: number) => Effect.flatMap(ChatStore, (chats) => chats.receive(bot, [{ update: raw.update_id, chat: String(chat), payload: JSON.stringify(raw) }], raw.update_id + 1))

  const messageOf = (who: number, text: string, { agoMs = 0, chat = who, extra = {} }: Typed) => ({
    message_id: ++messages,
    date: Math.floor((clocks.wallMs - agoMs) / 1000),
    chat: { id: chat, type: chat < 0 ? "group" : "private" },
    from: { id: who, is_bot: false },
    text,
    ...extra
  })

  const come = (raw: Raw, chat: number) => Effect.gen(function*() {
    const before = shown.map((one) => one.text)
    yield* arrive(raw, chat)
    yield* work
    yield* deliver
    // The word of a moment is said by a fiber of its own.
    yield* Effect.yieldNow()
    return shown.filter((one, index) => one.chat === String(chat) && one.text !== before[index]).map(({ text }) => text)
  })

  return {
    clocks,
    pass,
    shown,
    toasts,
    work,
    deliver,
    arrive,
    talking,
    look: (task: Task) => Effect.flatMap(both, ({ look }) => look(task)),
    /** Answers the texts that are new or were edited. */
    type: (who: number, text: string, typed: Typed = {}) => Effect.suspend(() => come({ update_id: typed.update ?? ++updates, message: messageOf(who, text, typed) }, typed.chat ?? who)),
    /** The update of something typed, as the service sends it. */
    updateOf: (who: number, text: string, typed: Typed = {}) => ({ update_id: typed.update ?? ++updates, message: messageOf(who, text, typed) }),
    raw: (raw: Readonly<Record<string, unknown>>, chat: number) => Effect.suspend(() => come({ update_id: ++updates, ...raw }, chat)),
    message: (who: number, text: string, typed: Typed = {}) => messageOf(who, text, typed),
    /** Presses the button of the latest message that has one of this name. */
    press: (who: number, label: string, { chat = who, token }: { readonly chat?: number; readonly token?: string | undefined } = {}) =>
      Effect.suspend(() => {
        const on = shown.findLast((one) => one.chat === String(chat) && one.buttons.flat().some((button) => button.label.includes(label)))
        const data = token ?? on?.buttons.flat().find((button) => button.label.includes(label))?.token ?? "none"
        return come({ update_id: ++updates, callback_query: { id: `q${updates}`, from: { id: who, is_bot: false }, data, message: { message_id: on?.message ?? 1, chat: { id: chat, type: chat < 0 ? "group" : "private" } } } }, chat)
      }),
    /** The words behind a button of the latest message that has it. */
    token: (label: string): string | undefined => shown.flatMap(({ buttons }) => buttons.flat()).findLast((button) => button.label.includes(label))?.token,
    buttons: (): ReadonlyArray<string> => shown.at(-1)?.buttons.flat().map(({ label }) => label) ?? [],
    on: <A, E>(body: Effect.Effect<A, E, Layer.Layer.Success<typeof layer>>): Promise<A> => Effect.runPromise(Effect.provide(body, layer))
  }
}

export const events = Effect.flatMap(EngineReader, (reader) => reader.events(0, 1000))
export const eventsOf = (type: string) => Effect.map(events, (all) => all.filter((event) => event.type === type))
export const tasks = Effect.flatMap(EngineReader, (reader) => reader.list({ limit: 50 }))
export const onlyTask = Effect.flatMap(tasks, ([task, ...more]) => task === undefined || more.length > 0 ? Effect.dieMessage("not one task") : Effect.succeed(task))
