/**
 * Canonical JSON (RFC 8785) and the digests made of it: the same value gives the same bytes everywhere.
 */
import { hash } from "node:crypto"
import { Schema } from "effect"

export type Json = null | boolean | number | string | ReadonlyArray<Json> | { readonly [key: string]: Json }

/** Any JSON value, checked to be one: no `undefined`, no functions, no NaN. */
export const Json: Schema.Schema<Json> = Schema.suspend(() =>
  Schema.Union(
    Schema.Null,
    Schema.Boolean,
    Schema.JsonNumber,
    Schema.String,
    Schema.Array(Json),
    Schema.Record({ key: Schema.String, value: Json })
  )
)

/**
 * Members sorted by UTF-16 code units, no white space. Lone surrogates are written as escapes, as `JSON.stringify` does.
 * Written as loops, since every event passes through here.
 */
export const canonical = (value: Json): string => {
  if (typeof value === "string") return quoted(value)
  if (typeof value !== "object" || value === null) return String(value)
  return isArray(value) ? canonicalArray(value) : canonicalObject(value)
}

// Most names and values hold nothing that needs an escape, and to see that takes half as long as to look for one.
const plain = /^[\w .:/-]*$/
const quoted = (text: string): string => (plain.test(text) ? `"${text}"` : JSON.stringify(text))

// `Array.isArray` does not narrow readonly arrays.
const isArray = (value: Json): value is ReadonlyArray<Json> => Array.isArray(value)

const canonicalArray = (items: ReadonlyArray<Json>): string => {
  let text = "["
  for (const item of items) text += text === "[" ? canonical(item) : `,${canonical(item)}`
  return `${text}]`
}

// Insertion by `<`, which compares UTF-16 code units: for the handful of members that most objects have it takes a third of the
// time of `sort`, which is left to the large ones.
const insertedMax = 16
const inOrder = (keys: Array<string>): Array<string> => {
  if (keys.length > insertedMax) return keys.sort()
  for (let index = 1; index < keys.length; index++) {
    const key = keys[index] ?? ""
    let place = index
    for (; place > 0 && (keys[place - 1] ?? "") > key; place--) keys[place] = keys[place - 1] ?? ""
    keys[place] = key
  }
  return keys
}

const canonicalObject = (value: { readonly [key: string]: Json }): string => {
  let text = "{"
  for (const key of inOrder(Object.keys(value))) text += `${text === "{" ? "" : ","}${quoted(key)}:${canonical(value[key] ?? null)}`
  return `${text}}`
}

/** SHA-256 of the UTF-8 bytes, 64 hex digits. */
export const sha256 = (text: string): string => hash("sha256", text, "hex")
