/** What a bot did to chats, in order: people who look for news need not look at every message again. */
import type { Clock } from "./Clock.ts"
import type { Message } from "./Wire.ts"

export interface Written {
  /** From 1, without gaps. */
  readonly seq: number
  readonly at_ms: number
  readonly chat: number
  readonly kind: "sent" | "edited" | "deleted"
  /** As it was then; of one that was deleted, as it was last. */
  readonly message: Message
}

export interface Outbox {
  readonly add: (kind: Written["kind"], message: Message) => void
  /** Those after a number, all without one. */
  readonly written: (after?: number) => ReadonlyArray<Written>
}

export const makeOutbox = (clock: Clock): Outbox => {
  const written: Array<Written> = []
  return {
    add: (kind, message) => void written.push({ seq: written.length + 1, at_ms: clock.nowMs(), chat: message.chat.id, kind, message }),
    written: (after = 0) => (after <= 0 ? written : written.slice(after))
  }
}
