/**
 * How a message looks before anybody knows its buttons' words: what is shown, and what each button does. A button carries no meaning of
 * its own to the service: it is an opaque word, drawn when the message is stored, that stands for a row of `Token`.
 */
import { Either, Schema } from "effect"
import { canonical, sha256 } from "../../domain/Canonical.ts"
import type { Body, DeliveryDraft, Entity, Token } from "../../domain/Chat.ts"
import { Ask } from "../../domain/Command.ts"
import type { Task } from "../../domain/Task.ts"
import { isTerminal } from "../../domain/TaskState.ts"

/** Words, as if whoever presses had typed them. */
const Words = Schema.Struct({ op: Schema.Literal("words"), text: Schema.String })

/** What a button does: a command, or words. The asker is whoever presses. */
export const Press = Schema.Union(Words, Ask)
export type Press = typeof Press.Type

export interface LookButton {
  readonly label: string
  readonly ask?: Press
  /** An address to open, instead of something to do. */
  readonly url?: string
}

export interface Look {
  readonly text: string
  readonly entities: ReadonlyArray<Entity>
  readonly buttons: ReadonlyArray<ReadonlyArray<LookButton>>
}

/** Text alone. */
export const plainLook = (text: string, buttons: Look["buttons"] = []): Look => ({ text, entities: [], buttons })

const encode = Schema.encodeSync(Schema.parseJson(Press))
const decode = Schema.decodeUnknownEither(Schema.parseJson(Press), { onExcessProperty: "error" })

/** What a stored token does; null when nobody knows any more. */
export const pressOf = ({ ask }: Token): Press | null => Either.getOrNull(decode(ask))

/** The digest of what people see and can do: equal looks have equal ones, whatever words their buttons were given. */
export const shownOf = (look: Look): string =>
  sha256(canonical({
    text: look.text,
    entities: look.entities.map(({ length, offset, type }) => ({ type, offset, length })),
    buttons: look.buttons.map((row) => row.map(({ ask, label, url }) => ({ label, ask: ask === undefined ? null : encode(ask), url: url ?? null })))
  })).slice(0, 32)

/** How long a button of a message works whose task asks nobody for anything. */
export const buttonMs = 86_400_000

/** 128 bits of chance as a button's word: `v1:` and 22 characters of base 64 (RFC 4648, section 5). `next` is uniform in [0, 1). */
const drawn = (next: () => number): string => {
  const bits = Buffer.alloc(16)
  for (let at = 0; at < bits.length; at += 4) bits.writeUInt32BE(Math.floor(next() * 2 ** 32), at)
  return `v1:${bits.toString("base64url")}`
}

export interface Place {
  readonly chat: string
  readonly ref: string
  /** Whose buttons they are; null: no task's. */
  readonly task: Pick<Task, "id" | "expiresAtMs" | "state"> | null
  /** Whether it is the card of that task: the first is sent, later ones are edits of it. */
  readonly card: boolean
  /** The card is sent once more, as a message of its own. */
  readonly anew?: boolean
  readonly nowMs: number
  readonly next: () => number
}

/** The look as it is stored: the message, and the rows behind its buttons. */
export const laidOut = (look: Look, { anew = false, card, chat, next, nowMs, ref, task }: Place): { readonly delivery: DeliveryDraft; readonly tokens: ReadonlyArray<Token> } => {
  const tokens: Array<Token> = []
  const expiresAtMs = task?.expiresAtMs ?? nowMs + buttonMs
  const buttons = look.buttons.map((row) =>
    row.map(({ ask, label, url }) => {
      if (ask === undefined) return { label, ...(url === undefined ? {} : { url }) }
      const token = drawn(next)
      tokens.push({ token, chat, task: task?.id ?? "", ask: encode(ask), expiresAtMs })
      return { label, token }
    }))
  const body: Body = { _tag: "Text", text: look.text, entities: look.entities, buttons }
  const shows = card && task !== null ? { shown: shownOf(look), last: isTerminal[task.state] } : {}
  return { delivery: { chat, ref, card: card ? task?.id ?? null : null, ...(anew ? { anew } : {}), ...shows, body }, tokens }
}
