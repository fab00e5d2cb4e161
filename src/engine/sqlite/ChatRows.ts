/** `ChatStore` on the engine's file: each method is a job of the one writer. */
import { Effect, Either } from "effect"
import type { EventDraft } from "../../domain/TaskEvent.ts"
import type { ChatStore } from "../ChatStore.ts"
import type { EngineUnavailable } from "../Engine.ts"
import { Bell } from "../Waiting.ts"
import type { Chats } from "./Chats.ts"

export interface Ports {
  readonly wallMs: () => number
  /** Puts on record, within the transaction. */
  readonly record: (event: EventDraft, atMs: number) => void
  /** Whether nothing may begin by itself: the file was restored and waits for its release. */
  readonly isHeld: () => boolean
}

type Job = <A>(apply: () => Either.Either<A>, done: () => void) => Effect.Effect<A, EngineUnavailable>

export const make = (chats: Chats, job: Job, { isHeld, record, wallMs }: Ports): ChatStore["Type"] => {
  const bells = new Set<Bell>()
  const stored = <A>(apply: () => A): Effect.Effect<A, EngineUnavailable> => job(() => Either.right(apply()), () => undefined)
  const storedOut = <A>(apply: () => A): Effect.Effect<A, EngineUnavailable> => job(() => Either.right(apply()), () => bells.forEach(({ ring }) => ring()))
  return {
    offset: (bot) => stored(() => chats.offset(bot)),
    receive: (bot, updates, offset) => stored(() => chats.receive(bot, updates, offset, wallMs())),
    pending: (bot, limit) => stored(() => chats.pending(bot, limit, wallMs())),
    settle: (bot, update, out) => storedOut(() => chats.settle(bot, update, out, wallMs())),
    fail: (bot, update, error, againAtMs) => stored(() => chats.fail(bot, update, error, againAtMs)),
    dead: (bot, limit) => stored(() => chats.dead(bot, limit)),
    replay: (bot, update) => stored(() => chats.replay(bot, update)),
    count: (bot) => stored(() => chats.count(bot)),
    notices: (relay, limit) => stored(() => (isHeld() ? [] : chats.notices(relay, limit))),
    relayed: (relay, throughId, out) => storedOut(() => chats.relayed(relay, throughId, out, wallMs())),
    enqueue: (out) => storedOut(() => chats.enqueue(out, wallMs())),
    watchOut: Effect.acquireRelease(
      Effect.sync(() => {
        const bell = new Bell()
        bells.add(bell)
        return bell
      }),
      (bell) => Effect.sync(() => bells.delete(bell))
    ),
    due: (limit) => stored(() => (isHeld() ? { deliveries: [], nextMs: null } : chats.due(limit, wallMs()))),
    lately: stored(() => chats.lately(wallMs())),
    partSent: (id, parts) => stored(() => chats.partSent(id, parts, wallMs())),
    sent: (id, message) => stored(() => chats.sent(id, message, wallMs())),
    retry: (id, error, againAtMs) => stored(() => chats.retry(id, error, againAtMs, wallMs())),
    hurry: stored(chats.hurry),
    unstick: (triesBelow, atMostMs) => stored(() => chats.unstick(triesBelow, atMostMs)),
    pause: (name, untilMs) => stored(() => chats.pause(name, untilMs, wallMs())),
    pauses: stored(() => chats.pauses(wallMs())),
    giveUp: (id, error, event) =>
      stored(() => {
        if (chats.giveUp(id, error)) record(event, wallMs())
      }),
    bury: (chat, why, event) =>
      stored(() => {
        chats.bury(chat, why, wallMs())
        record(event, wallMs())
      }),
    leaveCard: (chat, task) => stored(() => chats.leaveCard(chat, task)),
    migrate: (from, to) => stored(() => chats.migrate(from, to)),
    cards: (task) => stored(() => chats.cards(task)),
    carded: (tasks) => stored(() => chats.carded(tasks)),
    openCards: (after, limit) => stored(() => chats.openCards(after, limit)),
    taskOfCard: (chat, message) => stored(() => chats.taskOfCard(chat, message)),
    giveBack: (token, bot, update) => stored(() => chats.giveBack(token, bot, update)),
    take: (token, bot, update) => stored(() => chats.take(token, bot, update, wallMs()))
  }
}
