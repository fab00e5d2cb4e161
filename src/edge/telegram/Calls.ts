/**
 * The calls that a delivery is: a message, several for a long text, or a document for a very long one. Pure. Each carries the short
 * reference of its delivery and its part, so that people can tell a repeat, which a lost answer may cause, from something new.
 */
import { Input } from "telegraf"
import { sha256 } from "../../domain/Canonical.ts"
import type { Body, Button, Delivery } from "../../domain/Chat.ts"
import { cut, type Piece, split, wellFormed } from "./Split.ts"

/** The longest text of a message, and of what stands under a document. */
export const textMax = 4096
export const captionMax = 1024
/** A text of more messages than that is sent as a document. */
export const partsMax = 3
/** Room for the reference under a text. */
const referenceMax = 32
const labelMax = 64
/** How much of a long text stands under its document. */
const excerptMax = 600

export interface Call {
  readonly method: "sendMessage" | "editMessageText" | "sendDocument"
  readonly params: Readonly<Record<string, unknown>>
}

/** How people tell a message from another: the same for every try of it, and for every look of a card. */
export const referenceOf = ({ card, chat, ref }: Pick<Delivery, "card" | "chat" | "ref">): string => sha256(card === null ? ref : `${chat}\n${card}`).slice(0, 8)

const withReference = ({ entities, text }: Piece, reference: string): Piece => ({ text: `${text}${text === "" ? "" : "\n\n"}· ${reference}`, entities })

const buttonOf = ({ label, token, url }: Button) => ({ text: cut(label === "" ? "…" : label, [], labelMax).text, ...(url === undefined ? { callback_data: token ?? "-" } : { url }) })

const keyboardOf = (buttons: ReadonlyArray<ReadonlyArray<Button>>): object =>
  buttons.length === 0 ? {} : { reply_markup: { inline_keyboard: buttons.map((row) => row.map(buttonOf)) } }

// What is gone is not answered; the message is sent all the same.
const replyTo = (message: number | null): object => (message === null ? {} : { reply_parameters: { message_id: message, allow_sending_without_reply: true } })

const said = ({ entities, text }: Piece): object => ({ text, ...(entities.length === 0 ? {} : { entities }), link_preview_options: { is_disabled: true } })

// The name stands in a header as it is.
const fileName = (name: string): string => {
  const plain = name.replace(/[^A-Za-z0-9._-]+/g, "_").slice(-60)
  return /[A-Za-z0-9]/.test(plain) ? plain : "message.txt"
}

const document = (delivery: Delivery, name: string, content: string, caption: string, buttons: ReadonlyArray<ReadonlyArray<Button>>): Call => ({
  method: "sendDocument",
  params: {
    chat_id: delivery.chat,
    document: Input.fromBuffer(Buffer.from(content === "" ? "\n" : wellFormed(content), "utf8"), fileName(name)),
    caption: withReference(cut(caption, [], captionMax - referenceMax), referenceOf(delivery)).text,
    ...keyboardOf(buttons)
  }
})

const textCalls = (delivery: Delivery, body: Extract<Body, { _tag: "Text" }>, answered: number | null): ReadonlyArray<Call> => {
  const { chat } = delivery
  const reference = referenceOf(delivery)
  const pieces = split(body.text, body.entities, textMax - referenceMax)
  if (pieces.length > partsMax) return [document(delivery, `message-${reference}.txt`, body.text, cut(body.text, [], excerptMax).text, body.buttons)]
  return pieces.map((piece, at): Call => ({
    method: "sendMessage",
    params: {
      chat_id: chat,
      ...said(withReference(piece, pieces.length === 1 ? reference : `${reference} ${at + 1}/${pieces.length}`)),
      ...(at === 0 ? replyTo(answered) : {}),
      ...(at === pieces.length - 1 ? keyboardOf(body.buttons) : {})
    }
  }))
}

const edit = (delivery: Delivery, message: number, body: Extract<Body, { _tag: "Text" }>): Call => ({
  method: "editMessageText",
  params: { chat_id: delivery.chat, message_id: message, ...said(withReference(cut(body.text, body.entities, textMax - referenceMax), referenceOf(delivery))), ...keyboardOf(body.buttons) }
})

/** The calls of a delivery, in order; at least one, and the same ones at every try. `answered`: the message that it is an answer to. */
export const callsOf = (delivery: Delivery, answered: number | null = null): ReadonlyArray<Call> => {
  const { body, message } = delivery
  if (body._tag === "Document") return [document(delivery, body.name, body.content, body.caption, [])]
  return message === null ? textCalls(delivery, body, answered) : [edit(delivery, message, body)]
}
