/**
 * MarkdownV2 as the server reads it: 18 characters are reserved and stand only where they mean something, or behind a backslash.
 * What is refused, and the words, are those of tdlib, td/telegram/MessageEntity.cpp (`do_parse_markdown_v2`).
 */
import { badRequest, type Entity, type Formatted } from "./Wire.ts"

const reserved = "_*[]()~`>#+-=|{}.!\n"

interface Open {
  readonly type: string
  readonly from: number
  readonly at: number
  readonly language?: string
}

const names: Readonly<Record<string, string>> = {
  bold: "Bold",
  italic: "Italic",
  underline: "Underline",
  strikethrough: "Strikethrough",
  spoiler: "Spoiler",
  code: "Code",
  pre: "Pre",
  text_link: "TextUrl",
  custom_emoji: "CustomEmoji"
}

export const bytesBefore = (text: string, at: number): number => Buffer.byteLength(text.slice(0, at))

const wrong = (what: string): Error => badRequest(`can't parse entities: ${what}`)

const mustBeEscaped = (character: string): Error => wrong(`Character '${character}' is reserved and must be escaped with the preceding '\\'`)

/** What closes an entity; null where nothing at this place does. */
const closing = (type: string, text: string, at: number): string | null => {
  const one = text.charAt(at)
  const two = text.slice(at, at + 2)
  if (type === "bold" && one === "*") return "*"
  if (type === "italic" && one === "_" && two !== "__") return "_"
  if (type === "underline" && two === "__") return "__"
  if (type === "strikethrough" && one === "~") return "~"
  if (type === "spoiler" && two === "||") return "||"
  if (type === "code" && one === "`") return "`"
  if (type === "pre" && text.startsWith("```", at)) return "```"
  return (type === "text_link" || type === "custom_emoji") && one === "]" ? "]" : null
}

const opening = (text: string, at: number): readonly [type: string, mark: string] => {
  const one = text.charAt(at)
  if (text.startsWith("```", at)) return ["pre", "```"]
  if (text.startsWith("__", at)) return ["underline", "__"]
  if (text.startsWith("||", at)) return ["spoiler", "||"]
  if (text.startsWith("![", at)) return ["custom_emoji", "!["]
  const types: Readonly<Record<string, string>> = { "_": "italic", "*": "bold", "~": "strikethrough", "[": "text_link", "`": "code" }
  const type = types[one]
  if (type === undefined) throw mustBeEscaped(one)
  return [type, one]
}

const isEscape = (text: string, at: number): boolean => text.charAt(at) === "\\" && text.charCodeAt(at + 1) > 0 && text.charCodeAt(at + 1) <= 126

/** The address in the brackets that start at `at`, and where they end. */
const readAddress = (text: string, at: number): readonly [address: string, end: number] => {
  let address = ""
  let to = at + 1
  while (to < text.length && text.charAt(to) !== ")") {
    if (isEscape(text, to)) to++
    address += text.charAt(to)
    to++
  }
  if (to >= text.length) throw wrong(`Can't find end of a URL at byte offset ${bytesBefore(text, at + 1)}`)
  return [address, to]
}

/** A link whose address is none stays in the text as plain words, as on the server. */
export const linked = (address: string, offset: number, length: number): ReadonlyArray<Entity> => {
  const user = /^tg:\/\/user\?id=(\d+)$/.exec(address)?.[1]
  if (user !== undefined) return [{ type: "text_mention", offset, length, user: { id: Number(user) } }]
  const url = /^[a-z][a-z0-9+.-]*:/i.test(address) ? address : `http://${address}`
  return /^(https?|tg|ton|mailto|tel):/i.test(url) && URL.canParse(url) && (!/^https?:/i.test(url) || new URL(url).hostname.includes(".")) ? [{ type: "text_link", offset, length, url }] : []
}

export const readMarkdown = (text: string): Formatted => {
  let out = ""
  const entities: Array<Entity> = []
  const open: Array<Open> = []
  let quoteFrom: number | null = null
  let lineStart = true
  const endQuote = (): void => {
    if (quoteFrom !== null && out.length > quoteFrom) entities.push({ type: "blockquote", offset: quoteFrom, length: out.length - quoteFrom })
    quoteFrom = null
  }

  for (let at = 0; at < text.length; at++) {
    const one = text.charAt(at)
    const inner = open.at(-1)
    const verbatim = inner?.type === "code" || inner?.type === "pre"
    if (isEscape(text, at)) {
      out += text.charAt(++at)
      lineStart = false
      continue
    }
    if (!(verbatim ? "`" : reserved).includes(one)) {
      out += one
      lineStart = false
      continue
    }
    const close = inner === undefined ? null : closing(inner.type, text, at)
    if (inner !== undefined && close !== null) {
      open.pop()
      at += close.length - 1
      const length = out.length - inner.from
      if (inner.type === "text_link" || inner.type === "custom_emoji") {
        const bracket = text.charAt(at + 1) === "("
        if (inner.type === "custom_emoji" && !bracket) throw wrong("Custom emoji entity must contain a tg://emoji URL")
        const [address, end] = bracket ? readAddress(text, at + 1) : [out.slice(inner.from), at]
        at = end
        const emoji = /^tg:\/\/emoji\?id=(\d+)$/.exec(address)?.[1]
        if (inner.type === "custom_emoji" && emoji === undefined) throw wrong("Custom emoji URL must have an emoji identifier")
        if (length > 0) entities.push(...(emoji === undefined ? linked(address, inner.from, length) : [{ type: "custom_emoji", offset: inner.from, length, custom_emoji_id: emoji }]))
      } else if (length > 0) entities.push({ type: inner.type, offset: inner.from, length, ...(inner.language === undefined ? {} : { language: inner.language }) })
      continue
    }
    if (one === "\n") {
      // A quotation ends with the first line that does not begin with its mark.
      if (quoteFrom !== null && text.charAt(at + 1) !== ">") endQuote()
      out += one
      lineStart = true
      continue
    }
    if (one === ">" && lineStart) {
      quoteFrom ??= out.length
      lineStart = false
      continue
    }
    const [type, mark] = opening(text, at)
    const start = at
    at += mark.length - 1
    lineStart = false
    if (type === "pre") {
      const language = /^[^\s`]+(?=\s)/.exec(text.slice(at + 1))?.[0]
      if (language !== undefined) at += language.length
      if (text.charAt(at + 1) === "\n") at++
      open.push({ type, from: out.length, at: start, ...(language === undefined ? {} : { language }) })
    } else open.push({ type, from: out.length, at: start })
  }
  endQuote()
  const last = open.at(-1)
  if (last !== undefined) throw wrong(`Can't find end of ${names[last.type] ?? last.type} entity at byte offset ${bytesBefore(text, last.at)}`)
  return { text: out, entities }
}
