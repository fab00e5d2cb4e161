/**
 * What Telegram makes of a text before anybody sees it: control characters go, white space at both ends goes, entities move
 * along and are checked. Lengths and offsets count UTF-16 units. The rules and words are those of tdlib,
 * td/telegram/misc.cpp (`clean_input_string`) and td/telegram/MessageEntity.cpp (`fix_entities`, `fix_formatted_text`).
 */
import { readHtml } from "./Html.ts"
import { readMarkdown } from "./MarkdownV2.ts"
import type { Params } from "./Params.ts"
import { badRequest, type Entity, type Formatted, isFields } from "./Wire.ts"

const isControl = (unit: string): boolean => unit < " " && unit !== "\n"

/** Carriage returns, and separators and overrides of direction, which the server takes out. */
const removed = /[\r\u2028-\u202e]/

const isHighHalf = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdbff

const splitsPair = (text: string, at: number): boolean => at > 0 && at < text.length && isHighHalf(text.charCodeAt(at - 1))

/** The types that a sender may name. The server finds the first seven in the text itself and ignores them where they are given. */
const found = ["mention", "hashtag", "cashtag", "bot_command", "url", "email", "phone_number"]
const styled = ["bold", "italic", "underline", "strikethrough", "spoiler", "blockquote", "expandable_blockquote", "code", "pre"]
const withMore: Readonly<Record<string, string>> = { text_link: "url", text_mention: "user", custom_emoji: "custom_emoji_id", date_time: "unix_time" }
const entitiesMax = 100

const checkEntity = (value: unknown, text: string): ReadonlyArray<Entity> => {
  if (!isFields(value)) throw badRequest("can't parse MessageEntity: expected an Object")
  const { length, offset, type } = value
  if (typeof type !== "string") throw badRequest("can't parse MessageEntity: Can't find field \"type\"")
  if (typeof offset !== "number" || !Number.isInteger(offset) || offset < 0) throw badRequest("can't parse MessageEntity: Field \"offset\" must be a non-negative whole number")
  if (typeof length !== "number" || !Number.isInteger(length) || length < 1) throw badRequest("can't parse MessageEntity: Field \"length\" must be a positive whole number")
  const end = offset + length
  if (end > text.length) throw badRequest(`entity beginning at UTF-16 offset ${offset} ends after the end of the text at UTF-16 offset ${text.length}`)
  if (splitsPair(text, offset)) throw badRequest(`entity begins in a middle of a UTF-16 symbol at UTF-16 offset ${offset}`)
  if (splitsPair(text, end)) throw badRequest(`entity ends in a middle of a UTF-16 symbol at UTF-16 offset ${end}`)
  if (found.includes(type)) return []
  const more = withMore[type]
  if (more === undefined && !styled.includes(type)) throw badRequest("can't parse MessageEntity: Unsupported type specified")
  if (more !== undefined && value[more] === undefined) throw badRequest(`can't parse MessageEntity: Can't find field "${more}"`)
  return [{ ...value, type, offset, length }]
}

const checkEntities = (value: unknown, text: string): ReadonlyArray<Entity> => {
  if (value === undefined) return []
  if (!Array.isArray(value)) throw badRequest("expected an Array of MessageEntity")
  return value.slice(0, entitiesMax).flatMap((entity) => checkEntity(entity, text))
}

/** Takes units out of a text and moves its entities; an entity of which nothing is left goes. */
const keeping = ({ entities, text }: Formatted, keeps: (at: number) => boolean, shown: (unit: string) => string): Formatted => {
  let kept = ""
  const moved: Array<number> = []
  for (let at = 0; at < text.length; at++) {
    moved.push(kept.length)
    if (keeps(at)) kept += shown(text.charAt(at))
  }
  moved.push(kept.length)
  const at = (offset: number): number => moved[offset] ?? kept.length
  return {
    text: kept,
    entities: entities.flatMap((entity) => {
      const offset = at(entity.offset)
      const length = at(entity.offset + entity.length) - offset
      return length === 0 ? [] : [{ ...entity, offset, length }]
    })
  }
}

/** Of everything that `cleaned` changes something of, and of little else. */
const unclean = /[^\P{Cc}\n]|[\u2028-\u202e]|^[ \n]|[ \n]$/u

export const cleaned = (formatted: Formatted): Formatted => {
  // Nearly every text; the rest below looks at each character.
  const { entities, text } = formatted
  if (!unclean.test(text) && entities.every(({ length, offset }) => offset >= 0 && length > 0 && offset + length <= text.length)) return formatted
  const plain = keeping(formatted, (at) => !removed.test(formatted.text.charAt(at)), (unit) => (isControl(unit) ? " " : unit))
  const first = plain.text.search(/[^ \n]/)
  const last = plain.text.replace(/[ \n]+$/, "").length
  return keeping(plain, (at) => first >= 0 && at >= first && at < last, (unit) => unit)
}

const inWords = (text: string): ReadonlyArray<Entity> =>
  [...text.matchAll(/(?<![\w/@])(\/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?|@[A-Za-z0-9_]{3,32})(?![\w/])/g)].map((match) => ({
    type: match[0].startsWith("/") ? "bot_command" : "mention",
    offset: match.index,
    length: match[0].length
  }))

/** Commands and mentions that the server marks itself; none inside code. */
export const withFound = ({ entities, text }: Formatted): Formatted => {
  const code = entities.filter(({ type }) => type === "code" || type === "pre")
  const free = inWords(text).filter((word) => code.every(({ length, offset }) => word.offset + word.length <= offset || word.offset >= offset + length))
  return { text, entities: [...entities, ...free].sort((a, b) => a.offset - b.offset || b.length - a.length) }
}

const parsed = (params: Params, field: string, entitiesField: string): Formatted => {
  const text = params.text(field) ?? ""
  const mode = (params.text("parse_mode") ?? "").toLowerCase()
  if (mode === "markdownv2") return readMarkdown(text)
  if (mode === "html") return readHtml(text)
  if (mode !== "") throw badRequest("unsupported parse_mode")
  return { text, entities: checkEntities(params.json(entitiesField), text) }
}

/** The text of a call as it is stored: parsed, cleaned, with the entities that the server finds. It may be empty. */
export const formattedOf = (params: Params, field: string, entitiesField: string): Formatted => withFound(cleaned(parsed(params, field, entitiesField)))

export const textMax = 4096
export const captionMax = 1024
