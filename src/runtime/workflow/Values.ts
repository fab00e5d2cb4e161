/** Results as JSON: what is kept is what a replay gets, so the first run gets it in the same form. */
import { Either, ParseResult, Schema } from "effect"
import type { Json } from "../../domain/Canonical.ts"
import { type Paths, sensitiveInSchema } from "../../domain/Sensitive.ts"

/** Where a value is no plain JSON, in words; null when it is. `undefined` stands for null at the top and is left out of objects. */
export const notJson = (value: unknown, path = ""): string | null => {
  if (value === null || value === undefined || typeof value === "string" || typeof value === "boolean") return null
  if (typeof value === "number") return Number.isFinite(value) ? null : `${at(path)} is ${value}`
  if (typeof value !== "object") return `${at(path)} is a ${typeof value}`
  if (depthOf(path) > 100) return `${at(path)} is nested too deep, or holds itself`
  if (Array.isArray(value)) return first(Array.from(value, (item: unknown, index) => () => (item === undefined ? `${at(`${path}[${index}]`)} is undefined` : notJson(item, `${path}[${index}]`))))
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return `${at(path)} is a ${value.constructor?.name ?? "class"}`
  return first(Object.entries(value).map(([key, member]) => () => notJson(member, `${path}.${key}`)))
}

const at = (path: string): string => (path === "" ? "it" : path)
const depthOf = (path: string): number => path.split(/[.[]/).length
const first = (looks: ReadonlyArray<() => string | null>): string | null => {
  for (const look of looks) {
    const found = look()
    if (found !== null) return found
  }
  return null
}

/** The largest result that is kept, in characters of JSON. Larger things are artifacts. */
export const resultMax = 1_000_000

const isJson = (value: unknown): value is Json => notJson(value) === null

/** The value as plain JSON, or why it is none. */
export const encodedJson = (value: unknown): Either.Either<Json, string> => {
  const plain = value === undefined ? null : value
  if (!isJson(plain)) return Either.left(`${notJson(plain) ?? ""}; return plain JSON, or give an output schema`)
  const text = JSON.stringify(plain)
  return text.length > resultMax ? Either.left(`it has ${text.length} characters of JSON and ${resultMax} are kept; store it with ctx.artifact`) : Either.right(JSON.parse(text))
}

/** How a value is written and read again. */
export interface Codec<A> {
  /** What the schema marks as sensitive; absent when that is nothing. */
  readonly sensitive?: Paths
  readonly encode: (value: A) => Either.Either<Json, string>
  readonly decode: (json: Json) => Either.Either<A, string>
}

/** The codec of a schema, which has to need nothing and wait for nothing. Its own failures are told in words. */
export const schemaCodec = <A, I>(schema: Schema.Schema<A, I>): Codec<A> => {
  const encode = Schema.encodeEither(schema, { onExcessProperty: "error" })
  const decode = Schema.decodeUnknownEither(schema, { onExcessProperty: "error" })
  const sensitive = sensitiveInSchema(schema)
  return {
    ...(sensitive.length === 0 ? {} : { sensitive }),
    encode: (value) => Either.flatMap(Either.mapLeft(encode(value), issueOf), encodedJson),
    decode: (json) => Either.mapLeft(decode(json), issueOf)
  }
}

/** The first issue, in words. */
export const issueOf = (error: ParseResult.ParseError): string => {
  const [issue] = ParseResult.ArrayFormatter.formatErrorSync(error)
  return issue === undefined ? "it does not fit its schema" : `${issue.path.length === 0 ? "it" : issue.path.map(String).join(".")}: ${issue.message}`
}
