/**
 * What a request carries, in each of the four ways that the Bot API takes: query string, form, multipart with files, JSON.
 * Everything is kept, also what no method knows.
 */
import { createHash } from "node:crypto"
import { ApiError, badRequest, type Fields, isFields } from "./Wire.ts"

export interface SentFile {
  readonly file_name: string
  readonly mime_type: string
  readonly bytes: Buffer
}

export interface Body {
  readonly fields: Fields
  readonly files: ReadonlyMap<string, SentFile>
}

export const sha256 = (bytes: Buffer | string): string => createHash("sha256").update(bytes).digest("hex")

const utf8 = new TextDecoder("utf-8", { fatal: true })

const textOf = (bytes: Buffer): string => {
  try {
    return utf8.decode(bytes)
  } catch {
    throw badRequest("strings must be encoded in UTF-8")
  }
}

/** A lone half of a surrogate pair cannot be sent as UTF-8; in JSON it comes escaped, and Telegram refuses it. */
const wellFormed = (_: string, value: unknown): unknown => {
  if (typeof value === "string" && /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/.test(value)) throw badRequest("strings must be encoded in UTF-8")
  return value
}

/** `what` names it to whoever sent something else. */
export const parseJson = (text: string, what: string): unknown => {
  try {
    // In what was sent as UTF-8, half of a pair can only stand as an escape. Most texts have none, and are read twice as fast.
    return (/\\u[dD]/.test(text) ? JSON.parse(text, wellFormed) : JSON.parse(text)) as unknown
  } catch (cause) {
    throw cause instanceof ApiError ? cause : badRequest(`can't parse ${what}`)
  }
}

const jsonOf = (bytes: Buffer): Fields => {
  const value = parseJson(textOf(bytes), "JSON object")
  if (!isFields(value)) throw badRequest("can't parse JSON object")
  return value
}

export const quoted = (header: string, name: string): string | undefined => new RegExp(`(?:^|[;\\s])${name}="((?:[^"\\\\]|\\\\.)*)"`, "i").exec(header)?.[1]

/** Cuts a multipart body (RFC 7578) at its boundary. A part with a file name is a file, every other one a field. */
const multipartOf = (body: Buffer, boundary: string): Body => {
  const fields: Record<string, unknown> = {}
  const files = new Map<string, SentFile>()
  const mark = Buffer.from(`--${boundary}`)
  let at = body.indexOf(mark)
  if (at < 0) throw badRequest("can't parse multipart body")
  for (;;) {
    const start = at + mark.length
    if (body.toString("latin1", start, start + 2) === "--") return { fields, files }
    const end = body.indexOf(mark, start)
    const split = body.indexOf("\r\n\r\n", start)
    if (end < 0 || split < 0 || split > end) throw badRequest("can't parse multipart body")
    const head = body.toString("utf8", start, split)
    // The line end before the boundary belongs to the boundary.
    const bytes = body.subarray(split + 4, end - 2)
    const disposition = /^content-disposition:(.*)$/im.exec(head)?.[1] ?? ""
    const name = quoted(disposition, "name")
    if (name === undefined) throw badRequest("can't parse multipart body")
    const fileName = quoted(disposition, "filename")
    if (fileName === undefined) fields[name] = textOf(bytes)
    else files.set(name, { file_name: fileName, mime_type: /^content-type:\s*(\S+)/im.exec(head)?.[1] ?? "application/octet-stream", bytes: Buffer.from(bytes) })
    at = end
  }
}

/** Fields of the query string and of the body together; where both have a name, the body's counts. */
export const parseBody = (url: URL, contentType: string, bytes: Buffer): Body => {
  const query = Object.fromEntries(url.searchParams)
  const type = contentType.split(";", 1)[0]?.trim().toLowerCase() ?? ""
  if (bytes.length === 0) return { fields: query, files: new Map() }
  if (type === "application/json") return { fields: { ...query, ...jsonOf(bytes) }, files: new Map() }
  if (type === "application/x-www-form-urlencoded") return { fields: { ...query, ...Object.fromEntries(new URLSearchParams(textOf(bytes))) }, files: new Map() }
  if (type === "multipart/form-data") {
    const boundary = /boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(contentType)
    const { fields, files } = multipartOf(bytes, boundary?.[1] ?? boundary?.[2] ?? "")
    return { fields: { ...query, ...fields }, files }
  }
  return { fields: query, files: new Map() }
}
