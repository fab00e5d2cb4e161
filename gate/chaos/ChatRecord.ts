/** What the chat service has on record, in the form of a journal: the same from a service that is a program and from one in a simulation. */
import { Either } from "effect"
import type { ChatCall } from "../History.ts"
import { isObject } from "../Json.ts"

const numberIn = (value: unknown): number | null => (typeof value === "number" || (typeof value === "string" && value !== "") ? Number(value) : null)
export const textIn = (value: unknown): string | null => (typeof value === "string" ? value : null)

const updatesIn = (answer: unknown): ReadonlyArray<number> => {
  const result = isObject(answer) ? answer["result"] : null
  return Array.isArray(result) ? result.flatMap((one: unknown) => (isObject(one) && typeof one["update_id"] === "number" ? [one["update_id"]] : [])) : []
}

// Objects come as the JSON that was sent.
const repliedIn = (parameters: unknown): number | null => {
  const decoded = typeof parameters === "string" ? Either.getOrNull(Either.try((): unknown => JSON.parse(parameters))) : parameters
  return isObject(decoded) ? numberIn(decoded["message_id"]) : null
}

/** A call of the product; null when it is none. */
export const callIn = (value: unknown): ChatCall | null => {
  if (!isObject(value)) return null
  const { answer, answered, at_ms, faults, method, params, seq, status, took_ms } = value
  if (typeof seq !== "number" || typeof at_ms !== "number" || typeof method !== "string") return null
  const given = isObject(params) ? params : {}
  return {
    seq,
    at: Math.floor(at_ms),
    took_ms: numberIn(took_ms),
    method,
    chat: numberIn(given["chat_id"]),
    text: textIn(given["text"] ?? given["caption"]),
    updates: method === "getUpdates" ? updatesIn(answer) : [],
    faults: Array.isArray(faults) ? faults.map(String) : [],
    status: numberIn(status),
    answered: answered === true,
    replies: repliedIn(given["reply_parameters"]),
    query: textIn(given["callback_query_id"])
  }
}

/** A call beyond the limits; nothing when it is none. */
export const violationIn = (value: unknown) =>
  isObject(value) ? [{ at: Math.floor(numberIn(value["at_ms"]) ?? 0), scope: String(value["scope"]), method: String(value["method"]), early: value["early"] === true }] : []
