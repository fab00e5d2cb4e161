/** What an answer is made of, and how it is stored: messages, cards and documents, in their order. Pure. */
import type { Outgoing } from "../../domain/Chat.ts"
import type { Task } from "../../domain/Task.ts"
import { laidOut, type Look, plainLook } from "./Look.ts"

export type Part =
  | { readonly _tag: "Say"; readonly look: Look; readonly task: Task | null }
  /** `anew`: as a message of its own; otherwise the card that the chat has is edited. */
  | { readonly _tag: "Card"; readonly look: Look; readonly task: Task; readonly anew: boolean }
  | { readonly _tag: "Paper"; readonly name: string; readonly content: string; readonly caption: string }

/** The most UTF-16 units of one message, as the service counts them. */
export const messageMax = 4096
/** The most characters of a document. */
const paperMax = 1_000_000

export const say = (text: string, buttons: Look["buttons"] = [], task: Task | null = null): Part => ({ _tag: "Say", look: plainLook(text, buttons), task })

/** Text, or a document where it is too long for one message. */
export const sayOrPaper = (text: string, name: string, buttons: Look["buttons"] = []): Part =>
  text.length <= messageMax ? say(text, buttons) : { _tag: "Paper", name, content: text.slice(0, paperMax), caption: `${text.split("\n")[0] ?? ""}`.slice(0, 200) }

export interface Post {
  readonly chat: string
  /** Names the answer for ever. */
  readonly ref: string
  readonly nowMs: number
  readonly next: () => number
}

/** The parts as they are stored with the mark of what they answer. */
export const posted = (parts: ReadonlyArray<Part>, { chat, next, nowMs, ref }: Post): Outgoing => {
  const laid = parts.map((part, index) => {
    const name = index === 0 ? ref : `${ref}.${index + 1}`
    if (part._tag === "Paper") return { delivery: { chat, ref: name, card: null, body: { _tag: "Document" as const, name: part.name, content: part.content, caption: part.caption } }, tokens: [] }
    const anew = part._tag === "Card" && part.anew
    return laidOut(part.look, { chat, ref: name, task: part.task, card: part._tag === "Card", anew, nowMs, next })
  })
  return { deliveries: laid.map(({ delivery }) => delivery), tokens: laid.flatMap(({ tokens }) => tokens) }
}
