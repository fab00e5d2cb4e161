/** What follows from the answer of the service to a message, pure. What cannot be read as an answer is not known to have been sent, and comes again. */
import { matrix } from "../../domain/Matrix.ts"
import { isTransient } from "../../engine/Patience.ts"
import type { BotApiFailed } from "./BotApi.ts"

export type Outcome =
  /** It is there; `message` is its number, null for an edit. */
  | { readonly _tag: "Sent"; readonly message: number | null }
  /** Another try may help. */
  | { readonly _tag: "Later"; readonly code: string; readonly askedMs: number }
  /** The message of the card is gone: the card is sent as a new one. */
  | { readonly _tag: "Gone" }
  | { readonly _tag: "Moved"; readonly to: string }
  | { readonly _tag: "Refused"; readonly code: string; readonly why: string }
  /** Nothing can be sent to this chat. */
  | { readonly _tag: "Dead"; readonly code: string; readonly why: string }
  /** The service does not know the token: only a person can help. */
  | { readonly _tag: "Stop" }

const notModified = /message is not modified/i
const gone = /message to edit not found|message can't be edited|MESSAGE_ID_INVALID|no text in the message to edit|message identifier is not specified/i
/** Chats that nobody can be reached in, which come as 400. */
const nowhere = /chat not found|PEER_ID_INVALID|user is deactivated|group chat was deactivated/i

/** The number of the message in an answer. */
export const messageIn = (answer: unknown): number | null => {
  const number: unknown = typeof answer === "object" && answer !== null ? Reflect.get(answer, "message_id") : undefined
  return typeof number === "number" && Number.isSafeInteger(number) ? number : null
}

/** `isEdit`: whether a message was to be changed. */
export const outcomeOf = ({ code, description, migrateTo, retryAfterMs }: BotApiFailed, isEdit: boolean): Outcome => {
  if (code === "http_401" || code === "http_404") return { _tag: "Stop" }
  if (migrateTo !== null) return { _tag: "Moved", to: migrateTo }
  if (code === "http_403" || nowhere.test(description)) return { _tag: "Dead", code, why: description }
  if (isEdit && notModified.test(description)) return { _tag: "Sent", message: null }
  if (isEdit && gone.test(description)) return { _tag: "Gone" }
  if (isTransient(matrix.telegram_send, code)) return { _tag: "Later", code, askedMs: retryAfterMs ?? 0 }
  return { _tag: "Refused", code, why: description }
}
