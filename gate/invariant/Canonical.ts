/**
 * Canonical JSON (RFC 8785) and the digest made of it, written anew for the gate: what is judged is not asked how it
 * would like to be hashed.
 */
import { hash } from "node:crypto"

/** Members sorted by UTF-16 code units, no white space, strings and numbers as `JSON.stringify` writes them. `value` came from `JSON.parse`. */
export const canonical = (value: unknown): string => (isInOrder(value) ? JSON.stringify(value) : sorted(value))

// What was printed in order is parsed in order, and written in order again: most of a log is. `undefined` has no JSON.
const isInOrder = (value: unknown): boolean => {
  if (typeof value !== "object" || value === null) return value !== undefined
  if (Array.isArray(value)) return value.every(isInOrder)
  let before = ""
  for (const name in value) {
    if (name < before || !isInOrder(Reflect.get(value, name))) return false
    before = name
  }
  return true
}

const sorted = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null"
  const members = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1))
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(",")}}`
}

/** SHA-256 of the UTF-8 bytes, 64 hex digits. */
export const sha256 = (text: string): string => hash("sha256", text)
