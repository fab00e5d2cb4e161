/**
 * Canonical JSON (RFC 8785): the one spelling of a value that digests are taken of. Members are sorted by
 * UTF-16 code units, there is no white space, and strings and numbers are spelled as `JSON.stringify` does.
 * A value that has no such spelling is refused, never repaired: a digest must not cover less than was given.
 */
import { createHash } from "node:crypto"
import { Either, Schema } from "effect"

/** Raised for a value without a canonical spelling. `at` is a path such as `$.a[2]`. */
export class NotCanonical extends Schema.TaggedError<NotCanonical>()("NotCanonical", {
  at: Schema.String,
  what: Schema.Literal("a number that is not finite", "a lone surrogate", "not a JSON value", "nested too deep")
}) {
  override get message() {
    return `${this.at} has no canonical JSON: ${this.what}`
  }
}

/** Deeper values are refused: the writer recurses, and a hostile file must not exhaust the stack. */
const depthMax = 256

/** The canonical spelling of a value that came from `JSON.parse` or is of that kind. */
export const canonical = (value: unknown): Either.Either<string, NotCanonical> => {
  const out: Array<string> = []
  const refused = write(value, "$", 0, out)
  return refused === null ? Either.right(out.join("")) : Either.left(refused)
}

/** Lower-case hex SHA-256 of bytes or of the UTF-8 of a text. */
export const sha256 = (data: string | Uint8Array): string => createHash("sha256").update(data).digest("hex")

const digests = new WeakMap<Uint8Array, string>()

/** The same of the bytes of a file, taken once. Nobody writes into bytes that were read. */
export const digestOf = (content: Uint8Array): string => {
  const known = digests.get(content) ?? sha256(content)
  digests.set(content, known)
  return known
}

const write = (value: unknown, at: string, depth: number, out: Array<string>): NotCanonical | null => {
  if (depth > depthMax) return new NotCanonical({ at, what: "nested too deep" })
  if (typeof value === "string") return writeText(value, at, out)
  if (typeof value === "number" && !Number.isFinite(value)) return new NotCanonical({ at, what: "a number that is not finite" })
  if (value === null || typeof value === "boolean" || typeof value === "number") {
    out.push(JSON.stringify(value))
    return null
  }
  if (Array.isArray(value)) return writeArray(value, at, depth, out)
  return isPlainObject(value) ? writeObject(value, at, depth, out) : new NotCanonical({ at, what: "not a JSON value" })
}

const writeText = (text: string, at: string, out: Array<string>): NotCanonical | null => {
  // `JSON.stringify` would spell a lone surrogate as an escape that other implementations refuse or replace.
  if (/\p{Cs}/u.test(text)) return new NotCanonical({ at, what: "a lone surrogate" })
  out.push(JSON.stringify(text))
  return null
}

const writeArray = (items: ReadonlyArray<unknown>, at: string, depth: number, out: Array<string>): NotCanonical | null => {
  out.push("[")
  for (let index = 0; index < items.length; index++) {
    if (index > 0) out.push(",")
    const refused = write(items[index], `${at}[${index}]`, depth + 1, out)
    if (refused !== null) return refused
  }
  out.push("]")
  return null
}

const writeObject = (
  object: Readonly<Record<string, unknown>>,
  at: string,
  depth: number,
  out: Array<string>
): NotCanonical | null => {
  out.push("{")
  let first = true
  for (const name of Object.keys(object).sort()) {
    if (!first) out.push(",")
    first = false
    const inside = `${at}.${name}`
    const refusedName = writeText(name, inside, out)
    if (refusedName !== null) return refusedName
    out.push(":")
    const refused = write(object[name], inside, depth + 1, out)
    if (refused !== null) return refused
  }
  out.push("}")
  return null
}

// A class instance (a Date, a Map) is refused: what it would become depends on its `toJSON`, not on its members.
const isPlainObject = (value: unknown): value is Readonly<Record<string, unknown>> => {
  if (typeof value !== "object" || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
