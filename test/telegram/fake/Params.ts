/**
 * Reads the parameters of one call. The Bot API takes each value as JSON or as text (a form has nothing else), and that is what
 * is taken here; what cannot be read is refused in the API's words.
 */
import { type Body, parseJson, type SentFile } from "./Body.ts"
import { badRequest, type Fields, isFields } from "./Wire.ts"

export interface Params {
  readonly has: (name: string) => boolean
  readonly text: (name: string) => string | undefined
  readonly integer: (name: string) => number | undefined
  readonly flag: (name: string) => boolean
  /** A list or an object, given as such or as JSON text. */
  readonly json: (name: string) => unknown
  readonly file: (name: string) => SentFile | undefined
  readonly names: ReadonlyArray<string>
}

export const paramsOf = ({ fields, files }: Body): Params => {
  const value = (name: string): unknown => fields[name] ?? undefined
  const text = (name: string): string | undefined => {
    const found = value(name)
    if (found === undefined) return undefined
    return typeof found === "object" ? JSON.stringify(found) : String(found as string | number | boolean)
  }
  return {
    has: (name) => value(name) !== undefined || files.has(name),
    text,
    integer: (name) => {
      const given = text(name)
      if (given === undefined || given === "") return undefined
      const found = Number(given)
      if (!Number.isSafeInteger(found)) throw badRequest(`${name} must be a whole number`)
      return found
    },
    flag: (name) => ["true", "1", "yes", "y", "t"].includes((text(name) ?? "").toLowerCase()),
    json: (name) => {
      const found = value(name)
      return typeof found === "string" ? parseJson(found, `${name} JSON object`) : found
    },
    file: (name) => {
      const found = value(name)
      // As of the API, a field may name the part of the request that holds the file.
      return files.get(typeof found === "string" && found.startsWith("attach://") ? found.slice("attach://".length) : name)
    },
    names: [...Object.keys(fields), ...files.keys()]
  }
}

export const fieldsOf = (value: unknown, what: string): Fields => {
  if (!isFields(value)) throw badRequest(`can't parse ${what}: expected an Object`)
  return value
}
