/**
 * Brings to chats what people are to be told, and keeps the cards of tasks as their tasks are. Each notice is stored for its chats
 * together with the mark that it was, so it is there once, whatever dies in between. Of a card only the latest look counts: it is stored
 * every two seconds at most, and not at all when it is the one that is shown.
 */
import { Clock, Effect, Fiber, Queue } from "effect"
import { Redacting } from "../../control/Redacting.ts"
import { type Card, type DeliveryDraft, nothingOut, type Outgoing } from "../../domain/Chat.ts"
import type { Topic } from "../../domain/Message.ts"
import { storedError } from "../../domain/Redaction.ts"
import { type Task, TaskId } from "../../domain/Task.ts"
import { shortId } from "../../domain/TaskState.ts"
import { ChatStore, type Notice } from "../../engine/ChatStore.ts"
import { Chance, Engine, EngineReader, type EngineUnavailable } from "../../engine/Engine.ts"
import { rounds } from "../../engine/Patience.ts"
import { Bell } from "../../engine/Waiting.ts"
import { laidOut, type Look, shownOf } from "./Look.ts"
import { editGapMs } from "./Pacer.ts"

/** Under which it is remembered what was relayed. */
export const relayName = "telegram"
const noticesAtOnce = 500
/** Older notices are not worth a message any more. */
const noticeMs = 86_400_000
/** Tasks that are looked at in one round, and open cards that are looked at again each minute, since news may be lost on its way. */
const tasksAtOnce = 2000
const sweepMs = 60_000
/** Tasks that may wait for a look. What is beyond is found by the sweep. */
const changedMax = 50_000
/** What the topics are about that want somebody to do something: their card has the buttons for it. */
const isAsk: Readonly<Record<Topic, boolean>> = { approval_needed: true, outcome_unknown: true, dead_letter: true, review_failed: false, break_glass: false, task_ended: false }

export interface RelayOptions {
  /** The chats that are told of this. */
  readonly notify: (topic: string, task: string) => ReadonlyArray<string>
  /** How a task looks in a chat. */
  readonly look: (task: Task, chat: string) => Effect.Effect<Look, EngineUnavailable>
}

const isTopic = (topic: string): topic is Topic => Object.hasOwn(isAsk, topic)

const monoMs = Effect.clockWith((clock) => Effect.sync(() => Number(clock.unsafeCurrentTimeNanos() / 1_000_000n)))

const together = (parts: ReadonlyArray<Outgoing>): Outgoing => ({ deliveries: parts.flatMap(({ deliveries }) => deliveries), tokens: parts.flatMap(({ tokens }) => tokens) })

/** The look of a task; null where a bug keeps it from having one: then the others go on. */
const looked = (look: RelayOptions["look"], task: Task, chat: string): Effect.Effect<Look | null, EngineUnavailable> =>
  Effect.catchAllDefect(look(task, chat), (defect) => Effect.as(Effect.logError("a task could not be shown in a chat", { task: task.id, reason: storedError(String(defect)) }), null))

const asks = (topic: string): boolean => isTopic(topic) && isAsk[topic]

const textOf = ({ redactor }: Services, { id, task, text, topic }: Notice, chat: string): DeliveryDraft => ({
  chat,
  ref: `n${id}:${chat}`,
  card: null,
  mayWait: !asks(topic),
  body: { _tag: "Text", text: `${redactor.text(text)} · ${shortId(task)}`, entities: [], buttons: [], about: task }
})

/** The services that are taken once. */
const services = Effect.gen(function*() {
  return { chats: yield* ChatStore, reader: yield* EngineReader, draw: (yield* Chance).next, redactor: yield* Redacting }
})
type Services = Effect.Effect.Success<typeof services>

const cardOf = ({ draw }: Services, task: Task, look: Look, chat: string, ref: string, nowMs: number): Outgoing => {
  const { delivery, tokens } = laidOut(look, { chat, ref, card: true, task, nowMs, next: draw })
  return { deliveries: [delivery], tokens }
}

/** What a notice is in the chats that are told of it: the card of the task where that asks for something and is not there yet, else words. */
const noticed = (services: Services, { look, notify }: RelayOptions, notice: Notice, nowMs: number): Effect.Effect<Outgoing, EngineUnavailable> =>
  Effect.gen(function*() {
    const told = nowMs - notice.atMs > noticeMs ? [] : notify(notice.topic, notice.task)
    if (told.length === 0) return nothingOut
    const task = asks(notice.topic) ? yield* services.reader.get(TaskId.make(notice.task)) : undefined
    const cards = task === undefined ? [] : yield* services.chats.cards(notice.task)
    const parts = yield* Effect.forEach([...new Set(told)], (chat) =>
      task === undefined || cards.some((card) => card.chat === chat)
        ? Effect.succeed<Outgoing>({ deliveries: [textOf(services, notice, chat)], tokens: [] })
        : Effect.map(looked(look, task, chat), (shows) => (shows === null ? { deliveries: [textOf(services, notice, chat)], tokens: [] } : cardOf(services, task, shows, chat, `n${notice.id}:${chat}`, nowMs))))
    return together(parts)
  })

const relayed = (services: Services, options: RelayOptions): Effect.Effect<void, EngineUnavailable> =>
  Effect.gen(function*() {
    const { chats } = services
    const notices = yield* chats.notices(relayName, noticesAtOnce)
    const last = notices.at(-1)
    if (last === undefined) return
    const nowMs = yield* Clock.currentTimeMillis
    const parts = yield* Effect.forEach(notices, (notice) => noticed(services, options, notice, nowMs))
    yield* chats.relayed(relayName, last.id, together(parts))
    if (notices.length === noticesAtOnce) yield* relayed(services, options)
  })

/** Tasks that have changed, and when each card was edited last. */
const makeChanged = () => {
  const changed = new Set<string>()
  const edited = new Map<string, number>()
  return {
    add: (tasks: ReadonlyArray<string>): void => {
      for (const task of tasks) if (changed.size < changedMax) changed.add(task)
    },
    take: (): ReadonlyArray<string> => {
      const taken = [...changed].slice(0, tasksAtOnce)
      for (const task of taken) changed.delete(task)
      return taken
    },
    isEmpty: () => changed.size === 0,
    /** How long a card has to rest still, in milliseconds. */
    restMs: ({ chat, task }: Card, nowMs: number): number => (edited.get(`${chat} ${task}`) ?? -Infinity) + editGapMs - nowMs,
    edited: ({ chat, task }: Card, nowMs: number): void => {
      for (const [card, atMs] of edited) {
        if (nowMs - atMs < editGapMs) break
        edited.delete(card)
      }
      // Behind all others, which are older.
      edited.delete(`${chat} ${task}`)
      edited.set(`${chat} ${task}`, nowMs)
    }
  }
}
type Changed = ReturnType<typeof makeChanged>

/** Stores the new looks of cards. Answers after how long the next one may be due; null: nothing waits. */
const shown = (services: Services, { look }: RelayOptions, changed: Changed): Effect.Effect<number | null, EngineUnavailable> =>
  Effect.gen(function*() {
    const { chats, draw, reader } = services
    const tasks = changed.take()
    if (tasks.length === 0) return null
    const nowMs = yield* Clock.currentTimeMillis
    const nowMonoMs = yield* monoMs
    const cards = yield* chats.carded(tasks)
    const resting = cards.filter((card) => changed.restMs(card, nowMonoMs) > 0)
    const edits = yield* Effect.forEach(cards.filter((card) => !resting.includes(card)), (card) =>
      Effect.gen(function*() {
        const task = yield* reader.get(TaskId.make(card.task))
        if (task === undefined) return nothingOut
        const shows = yield* looked(look, task, card.chat)
        if (shows === null || shownOf(shows) === card.shown) return nothingOut
        changed.edited(card, nowMonoMs)
        return cardOf(services, task, shows, card.chat, `e${Math.floor(draw() * 2 ** 48).toString(36)}${nowMs.toString(36)}:${card.chat}`, nowMs)
      })).pipe(Effect.tapErrorCause(() => Effect.sync(() => changed.add(tasks))))
    const out = together(edits)
    if (out.deliveries.length > 0) yield* Effect.tapErrorCause(chats.enqueue(out), () => Effect.sync(() => changed.add(tasks)))
    changed.add(resting.map(({ task }) => task))
    if (resting.length > 0) return Math.min(...resting.map((card) => changed.restMs(card, nowMonoMs)))
    return changed.isEmpty() ? null : 0
  })

/** Relays for as long as its scope is open. */
export const relay = (options: RelayOptions): Effect.Effect<never, EngineUnavailable, ChatStore | Engine | EngineReader> =>
  Effect.scoped(Effect.gen(function*() {
    const all = yield* services
    const news = yield* (yield* Engine).watch
    const changed = makeChanged()
    const bell = new Bell()
    let sweptMs = -Infinity
    let after = ""

    const listen = Effect.forkScoped(Effect.forever(Effect.flatMap(Queue.takeBetween(news, 1, 64), (batches) =>
      Effect.sync(() => {
        for (const tasks of batches) changed.add(tasks.map(({ id }) => id))
        bell.ring()
      }))))

    const sweep = Effect.gen(function*() {
      const nowMs = yield* monoMs
      if (nowMs - sweptMs < sweepMs) return
      const open = yield* all.chats.openCards(after, tasksAtOnce)
      changed.add(open)
      after = open.length < tasksAtOnce ? "" : open.at(-1) ?? ""
      // Page by page; a pause follows the last one only.
      if (after === "") sweptMs = nowMs
    })

    const round = Effect.gen(function*() {
      yield* relayed(all, options)
      yield* sweep
      const waitMs = (yield* shown(all, options, changed)) ?? (after === "" ? sweepMs : 0)
      yield* bell.wait(waitMs)
    })

    const listening = yield* listen
    return yield* round.pipe(
      rounds<EngineUnavailable>("chat_relay", { codeOf: ({ why }) => why }),
      Effect.catchTags({ TryTimedOut: Effect.die, PatienceSpent: Effect.die }),
      Effect.ensuring(Fiber.interrupt(listening))
    )
  }))
