/**
 * The HTML of the Bot API: a dozen tags, four named entities, everything closed. What is refused, and the words, are those of
 * tdlib, td/telegram/MessageEntity.cpp (`do_parse_html`).
 */
import { bytesBefore, linked } from "./MarkdownV2.ts"
import { badRequest, type Entity, type Formatted } from "./Wire.ts"

const types: Readonly<Record<string, string>> = {
  b: "bold",
  strong: "bold",
  i: "italic",
  em: "italic",
  u: "underline",
  ins: "underline",
  s: "strikethrough",
  strike: "strikethrough",
  del: "strikethrough",
  "tg-spoiler": "spoiler",
  span: "spoiler",
  "tg-emoji": "custom_emoji",
  "tg-time": "date_time",
  a: "text_link",
  code: "code",
  pre: "pre",
  blockquote: "blockquote"
}

const named: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: "\"" }

const wrong = (what: string): Error => badRequest(`can't parse entities: ${what}`)

/** The character of an entity at `at`, and its length; what is no entity is an ampersand and nothing more. */
const decoded = (text: string, at: number): readonly [character: string, length: number] => {
  const match = /^&(?:#x([0-9a-f]{1,6})|#([0-9]{1,7})|([a-z]+));?/i.exec(text.slice(at, at + 12))
  if (match === null) return ["&", 1]
  const [whole, hex, decimal, name] = match
  const character = name === undefined ? codePoint(hex === undefined ? Number(decimal) : Number.parseInt(hex, 16)) : named[name]
  return character === undefined ? ["&", 1] : [character, whole.length]
}

const codePoint = (code: number): string | undefined => (code > 0 && code < 0x10ffff && (code < 0xd800 || code > 0xdfff) ? String.fromCodePoint(code) : undefined)

const decodedAll = (text: string): string => {
  let out = ""
  for (let at = 0; at < text.length;) {
    const [character, length] = text.charAt(at) === "&" ? decoded(text, at) : [text.charAt(at), 1]
    out += character
    at += length
  }
  return out
}

interface Open {
  readonly tag: string
  readonly from: number
  readonly attributes: ReadonlyMap<string, string>
}

const readAttributes = (text: string, tag: string, tagAt: number, from: number): readonly [attributes: Map<string, string>, end: number] => {
  const attributes = new Map<string, string>()
  const offset = bytesBefore(text, tagAt)
  let at = from
  for (;;) {
    while (/\s/.test(text.charAt(at))) at++
    if (at >= text.length) throw wrong(`Unclosed start tag "${tag}" at byte offset ${offset}`)
    if (text.charAt(at) === ">") return [attributes, at]
    const name = /^[^\s=>/"']*/.exec(text.slice(at))?.[0] ?? ""
    if (name === "") throw wrong(`Empty attribute name in the tag "${tag}" at byte offset ${offset}`)
    at += name.length
    while (/\s/.test(text.charAt(at))) at++
    if (text.charAt(at) !== "=") {
      attributes.set(name.toLowerCase(), "")
      continue
    }
    at++
    while (/\s/.test(text.charAt(at))) at++
    const quote = text.charAt(at)
    if (quote === "\"" || quote === "'") {
      const end = text.indexOf(quote, at + 1)
      if (end < 0) throw wrong(`Unclosed start tag at byte offset ${offset}`)
      attributes.set(name.toLowerCase(), decodedAll(text.slice(at + 1, end)))
      at = end + 1
    } else {
      const value = /^[a-z0-9.-]*/i.exec(text.slice(at))?.[0] ?? ""
      if (value === "") throw wrong(`Unexpected end of name token at byte offset ${bytesBefore(text, at)}`)
      attributes.set(name.toLowerCase(), value)
      at += value.length
    }
  }
}

const entityOf = ({ attributes, from, tag }: Open, length: number, words: string): ReadonlyArray<Entity> => {
  const type = types[tag] ?? tag
  if (length === 0) return []
  if (type === "text_link") return linked(attributes.get("href") ?? words, from, length)
  if (type === "custom_emoji") return [{ type, offset: from, length, custom_emoji_id: attributes.get("emoji-id") ?? "" }]
  if (type === "date_time") return [{ type, offset: from, length, unix_time: Number(attributes.get("unix")) }]
  if (type === "blockquote" && attributes.has("expandable")) return [{ type: "expandable_blockquote", offset: from, length }]
  const language = languageOf(attributes)
  return [{ type, offset: from, length, ...(type === "pre" && language !== undefined ? { language } : {}) }]
}

const languageOf = (attributes: ReadonlyMap<string, string>): string | undefined => /^language-(.+)$/.exec(attributes.get("class") ?? "")?.[1]

export const readHtml = (text: string): Formatted => {
  let out = ""
  const entities: Array<Entity> = []
  const open: Array<Open> = []
  let lastCode: { readonly entity: Entity | undefined; readonly language: string | undefined } | null = null
  const close = (inner: Open): void => {
    const [entity] = entityOf(inner, out.length - inner.from, out.slice(inner.from))
    if (entity === undefined) return
    const code = lastCode?.entity
    // Code that fills a block says the language of the block, and is nothing of its own.
    if (inner.tag === "pre" && code !== undefined && code === entities.at(-1) && code.offset === entity.offset && code.length === entity.length) {
      entities.pop()
      entities.push({ ...entity, ...(lastCode?.language === undefined ? {} : { language: lastCode.language }) })
      return
    }
    if (inner.tag === "code") lastCode = { entity, language: languageOf(inner.attributes) }
    entities.push(entity)
  }
  for (let at = 0; at < text.length; at++) {
    const one = text.charAt(at)
    if (one === "&") {
      const [character, length] = decoded(text, at)
      out += character
      at += length - 1
      continue
    }
    if (one !== "<") {
      out += one
      continue
    }
    const offset = bytesBefore(text, at)
    if (text.charAt(at + 1) === "/") {
      const inner = open.pop()
      if (inner === undefined) throw wrong(`Unexpected end tag at byte offset ${offset}`)
      const end = text.indexOf(">", at)
      if (end < 0) throw wrong(`Unclosed end tag at byte offset ${offset}`)
      const tag = text.slice(at + 2, end).trim().toLowerCase()
      if (tag !== "" && tag !== inner.tag) throw wrong(`Unmatched end tag at byte offset ${offset}, expected "</${inner.tag}>", found "</${tag}>"`)
      close(inner)
      at = end
      continue
    }
    const tag = (/^[^\s>]*/.exec(text.slice(at + 1))?.[0] ?? "").toLowerCase()
    if (at + 1 + tag.length >= text.length) throw wrong(`Unclosed start tag at byte offset ${offset}`)
    if (types[tag] === undefined) throw wrong(`Unsupported start tag "${tag}" at byte offset ${offset}`)
    const [attributes, end] = readAttributes(text, tag, at, at + 1 + tag.length)
    if (tag === "span" && attributes.get("class") !== "tg-spoiler") throw wrong(`Tag "span" must have class "tg-spoiler" at byte offset ${offset}`)
    open.push({ tag, from: out.length, attributes })
    at = end
  }
  const last = open.at(-1)
  if (last !== undefined) throw wrong(`Can't find end tag corresponding to start tag "${last.tag}"`)
  return { text: out, entities }
}
