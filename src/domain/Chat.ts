/**
 * What a chat brings and what it is sent, as it is kept between a crash and the next start. Texts of people are in here, and nothing of
 * how a chat service is spoken to.
 */
import type { EventDraft } from "./TaskEvent.ts"

/** Something that came from a chat service, as it came. Its number is unique for the bot. */
export interface Received {
  readonly update: number
  /** The chat that it belongs to; updates of one chat are worked off in the order of their numbers. */
  readonly chat: string
  /** JSON, as it came. */
  readonly payload: string
}

export interface InboxItem extends Received {
  /** `dead`: it could not be worked off, and waits for somebody to replay it. */
  readonly state: "pending" | "done" | "dead"
  readonly receivedAtMs: number
  readonly tries: number
  readonly notBeforeMs: number
  readonly error: string | null
}

/** A stretch of a message with a look of its own; positions count in UTF-16 units, as chat services count them. */
export interface Entity {
  readonly type: "bold" | "italic" | "code" | "pre"
  readonly offset: number
  readonly length: number
}

export interface Button {
  readonly label: string
  /** What it does when it is pressed: an opaque word that stands for a row of `Token`, or an address to open. */
  readonly token?: string
  readonly url?: string
}

export type Body =
  | {
    readonly _tag: "Text"
    readonly text: string
    readonly entities: ReadonlyArray<Entity>
    readonly buttons: ReadonlyArray<ReadonlyArray<Button>>
    /** The task whose card it answers, where its chat has one. */
    readonly about?: string
    /** The message of a person that it answers, in the same chat. */
    readonly answers?: number
  }
  | { readonly _tag: "Document"; readonly name: string; readonly content: string; readonly caption: string }

/** A message that is to be sent, or the new look of one that was. */
export interface DeliveryDraft {
  readonly chat: string
  /** Names the message for ever: a second draft under it is not stored. A repeat of a message carries it. */
  readonly ref: string
  readonly body: Body
  /** The task whose card this is: the first is sent, each later one is an edit of that message. Those that wait are replaced by the latest. */
  readonly card: string | null
  /** The card is sent once more, as a new message, which is the card from then on. */
  readonly anew?: boolean
  /** Of a card: the digest of what it shows, so that the same is not sent again. Without one nobody knows. */
  readonly shown?: string
  /** Of a card: what it shows is the end of its task. */
  readonly last?: boolean
  /** Nobody waits for it: it lets what is stored soon after it go first, answers and requests. */
  readonly mayWait?: boolean
}

export interface Delivery extends DeliveryDraft {
  readonly id: number
  readonly tries: number
  readonly notBeforeMs: number
  /** When it was stored, Unix ms. */
  readonly atMs: number
  /** How many of its parts were sent: a long text is several messages. */
  readonly parts: number
  /** The message to edit; null: it is sent. */
  readonly message: number | null
}

/** An update that was given up. */
export interface DeadUpdate {
  readonly bot: string
  readonly update: number
  readonly chat: string
  readonly tries: number
}

/** The card of a task in a chat. */
export interface Card {
  readonly chat: string
  readonly task: string
  /** Null until it was sent. */
  readonly message: number | null
  /** The digest of what it shows, or will once what waits was sent; null: nobody knows. */
  readonly shown: string | null
}

/** What a button does. Whoever presses it needs the right to do so; the token is no authority. */
export interface Token {
  readonly token: string
  readonly chat: string
  readonly task: string
  /** What it does, as JSON, without who asks. */
  readonly ask: string
  readonly expiresAtMs: number
}

export type Taken =
  | { readonly _tag: "Fresh"; readonly token: Token }
  /** `by`: the update that took it, as it came; null when it is not kept any more. */
  | { readonly _tag: "Used"; readonly token: Token; readonly atMs: number; readonly by: string | null }
  | { readonly _tag: "Expired"; readonly token: Token }
  | { readonly _tag: "Unknown" }

/** What is stored together. */
export interface Outgoing {
  readonly deliveries: ReadonlyArray<DeliveryDraft>
  readonly tokens: ReadonlyArray<Token>
}

export const nothingOut: Outgoing = { deliveries: [], tokens: [] }

/** Puts on record that a message, or everything for its chat, is never sent. What the message says is not in it. */
export const undeliverable = ({ card, chat, ref }: Pick<DeliveryDraft, "card" | "chat" | "ref">, code: string, buried: boolean): EventDraft =>
  ({ type: "chat.undeliverable", task: card, trace: null, actor: "system:telegram", payload: { chat, ref, code, buried } })
