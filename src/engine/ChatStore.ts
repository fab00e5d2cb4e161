/**
 * Where what chats bring and what they are sent is kept. It is the file of the engine, written by its one writer: each method is one
 * transaction, answered after the commit.
 */
import { Context, type Effect, type Scope } from "effect"
import type { Card, Delivery, InboxItem, Outgoing, Received, Taken } from "../domain/Chat.ts"
import type { EventDraft } from "../domain/TaskEvent.ts"
import type { EngineUnavailable } from "./Engine.ts"
import type { Bell } from "./Waiting.ts"

type Stored<A> = Effect.Effect<A, EngineUnavailable>

/** A message to people, as a change stored it. */
export interface Notice {
  readonly id: number
  readonly topic: string
  readonly task: string
  readonly text: string
  readonly atMs: number
}

export class ChatStore extends Context.Tag("opsgate/engine/ChatStore")<ChatStore, {
  /** The number of the next update that the service is asked for; null when none was ever received. */
  readonly offset: (bot: string) => Stored<number | null>
  /** Stores updates and the offset behind them. An update that is there already is left as it is. Answers how many are new. */
  readonly receive: (bot: string, updates: ReadonlyArray<Received>, offset: number | null) => Stored<number>
  /** The first update of each chat that is not worked off, oldest first, as far as it is due; and when the next one is. */
  readonly pending: (bot: string, limit: number) => Stored<{ readonly items: ReadonlyArray<InboxItem>; readonly nextMs: number | null }>
  /** An update is worked off; what it is answered with is stored along. Nothing the second time. */
  readonly settle: (bot: string, update: number, out: Outgoing) => Stored<void>
  /** It failed, and is tried again at this instant; null: it is dead, and those behind it go on. */
  readonly fail: (bot: string, update: number, error: string, againAtMs: number | null) => Stored<void>
  readonly dead: (bot: string, limit: number) => Stored<ReadonlyArray<InboxItem>>
  /** A dead update waits again, behind nobody. False when it is not dead. */
  readonly replay: (bot: string, update: number) => Stored<boolean>
  readonly count: (bot: string) => Stored<{ readonly pending: number; readonly dead: number; readonly unsent: number; readonly oldestPendingMs: number | null; readonly oldestUnsentMs: number | null }>

  /** Messages to people that were not given to this relay yet, oldest first. None while a restored file waits for its release. */
  readonly notices: (relay: string, limit: number) => Stored<ReadonlyArray<Notice>>
  /** Those up to this one were given; what became of them is stored along. */
  readonly relayed: (relay: string, throughId: number, out: Outgoing) => Stored<void>
  readonly enqueue: (out: Outgoing) => Stored<void>

  /** A bell that rings whenever something to send was stored. */
  readonly watchOut: Effect.Effect<Bell, never, Scope.Scope>
  /** The delivery of each chat whose turn it is, unless the chat is dead, as far as it is due; and when the next one is. None while a restored file waits for its release. */
  readonly due: (limit: number) => Stored<{ readonly deliveries: ReadonlyArray<Delivery>; readonly nextMs: number | null }>
  /** What was sent, or may have been, within the last minute to chats that have a limit a minute. Instants are Unix ms. */
  readonly lately: Stored<ReadonlyArray<{ readonly chat: string; readonly atMs: number }>>
  /** So many of its parts were sent; the next one is due. */
  readonly partSent: (id: number, parts: number) => Stored<void>
  /** It was sent as this message; null for an edit. */
  readonly sent: (id: number, message: number | null) => Stored<void>
  readonly retry: (id: number, error: string, againAtMs: number) => Stored<void>
  /** What waits for its next try is due now, but for what the service asked to wait for. Answers how many. */
  readonly hurry: Stored<number>
  /**
   * The clock by which messages wait for their next try may have been set: those with fewer tries are due now, and what the service asked to
   * wait for waits until this instant at most.
   */
  readonly unstick: (triesBelow: number, atMostMs: number) => Stored<void>
  /** The service asked to be left alone until then: in this chat, with polls of a bot (`poll:<bot>`), or with the words that answer presses (`toasts`). */
  readonly pause: (name: string, untilMs: number) => Stored<void>
  /** The pauses that are not over. */
  readonly pauses: Stored<ReadonlyArray<{ readonly name: string; readonly untilMs: number }>>
  /** It is never sent; the event is stored along, unless it is over already. */
  readonly giveUp: (id: number, error: string, event: EventDraft) => Stored<void>
  /** Nothing is sent there any more, until something comes from there; the event is stored along. */
  readonly bury: (chat: string, why: string, event: EventDraft) => Stored<void>
  /** The message of a card is gone: the next look of it is sent as a new one. */
  readonly leaveCard: (chat: string, task: string) => Stored<void>
  readonly migrate: (from: string, to: string) => Stored<void>
  /** The chats that have a card of this task. */
  readonly cards: (task: string) => Stored<ReadonlyArray<{ readonly chat: string; readonly message: number | null }>>
  /** The cards of these tasks. */
  readonly carded: (tasks: ReadonlyArray<string>) => Stored<ReadonlyArray<Card>>
  /** Tasks behind `after` with a card that does not show their end, by id. */
  readonly openCards: (after: string, limit: number) => Stored<ReadonlyArray<string>>
  /** The task whose card a message is. */
  readonly taskOfCard: (chat: string, message: number) => Stored<string | null>
  /** Takes a token for this update. The same update may take it again: it was interrupted. */
  readonly take: (token: string, bot: string, update: number) => Stored<Taken>
  /** What this update took did nothing: somebody else may take it. */
  readonly giveBack: (token: string, bot: string, update: number) => Stored<void>
}>() {}
