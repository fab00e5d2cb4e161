/**
 * What the server gets of a call that a bot makes with telegraf 4.16.3 (lib/core/network/client.js, `callApi`), without the bytes in
 * between: JSON as long as no parameter is a file; else a form, in which every value is text, and an object that is neither a file
 * nor one of the JSON fields is left out.
 */
import { type Body, parseJson, quoted, type SentFile } from "./Body.ts"
import { type Fields, isFields } from "./Wire.ts"

export interface Carried {
  readonly type: string
  /** The body where it is read as it came, for a record of what cannot be read. */
  readonly text: string
  readonly body: () => Body
}

/** A file is given as its bytes. Files by path or address are for a machine that has some. */
const bytesOf = (value: Fields, name: string): Uint8Array => {
  const { source } = value
  if (source instanceof Uint8Array) return source
  throw new TypeError(`${name}: a file is given as { source: Buffer, filename }`)
}

const isFile = (name: string, value: unknown): value is Fields =>
  name !== "link_preview_options" && isFields(value) && (Boolean(value["source"]) || Boolean(value["url"]))

/** `FORM_DATA_JSON_FIELDS` of the client. */
const asJson = ["results", "reply_markup", "mask_position", "shipping_options", "errors"]

/** As written to a form and read from it: half of a surrogate pair becomes U+FFFD. */
const written = (text: string): string => Buffer.from(text).toString()

const formOf = (method: string, params: Fields): Body => {
  const fields: Record<string, unknown> = { method }
  const files = new Map<string, SentFile>()
  for (const [name, value] of Object.entries(params)) {
    if (value === undefined || value === null) continue
    if (isFile(name, value)) {
      const given = value["filename"]
      const head = `form-data; name="${name}"; filename="${written(typeof given === "string" ? given : `${name}.dat`)}"`
      files.set(name, { file_name: quoted(head, "filename") ?? "", mime_type: "application/octet-stream", bytes: Buffer.from(bytesOf(value, name)) })
    } else if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") fields[name] = written(String(value))
    else if (asJson.includes(name) || Array.isArray(value)) fields[name] = written(JSON.stringify(value))
  }
  return { fields, files }
}

export const carried = (method: string, params: Fields): Carried => {
  if (Object.entries(params).some(([name, value]) => isFile(name, value))) {
    const body = formOf(method, params)
    return { type: "multipart/form-data", text: "", body: () => body }
  }
  const text = JSON.stringify(params, (_, value: unknown) => value ?? undefined)
  return {
    type: "application/json",
    text,
    body: () => {
      const fields = parseJson(text, "JSON object")
      return { fields: isFields(fields) ? fields : {}, files: new Map() }
    }
  }
}
