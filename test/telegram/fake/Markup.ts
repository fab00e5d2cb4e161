/**
 * What may stand under a message. Telegram refuses a whole message for one button that is wrong, so the fake does; the words are
 * those of telegram-bot-api, Client.cpp, and of the servers behind it.
 */
import type { Params } from "./Params.ts"
import { badRequest, type Button, type InlineKeyboard, isFields } from "./Wire.ts"

export const callbackDataMax = 64
const rowMax = 8
const buttonsMax = 100

const actions = [
  "url",
  "callback_data",
  "web_app",
  "login_url",
  "switch_inline_query",
  "switch_inline_query_current_chat",
  "switch_inline_query_chosen_chat",
  "copy_text",
  "callback_game",
  "pay"
]
const known = ["text", "style", "icon_custom_emoji_id", ...actions]

const wrong = (what: string): Error => badRequest(`can't parse inline keyboard button: ${what}`)

/** An address without a dot in its host, `localhost` above all, is none for Telegram. */
const checkUrl = (url: unknown): void => {
  if (typeof url !== "string") throw wrong("Field \"url\" must be of type String")
  const full = /^[a-z][a-z0-9+.-]*:/i.test(url) ? url : `http://${url}`
  const fits = URL.canParse(full) && (/^(tg|ton):/i.test(full) || (/^https?:/i.test(full) && new URL(full).hostname.includes(".")))
  if (!fits) throw badRequest(`inline keyboard button URL '${url}' is invalid: Wrong HTTP URL`)
}

const checkButton = (value: unknown): Button => {
  if (!isFields(value)) throw wrong("expected an Object")
  const { callback_data: data, style, text } = value
  if (typeof text !== "string") throw wrong("Field \"text\" must be of type String")
  if (text.trim() === "") throw wrong("Button text must be non-empty")
  const given = actions.filter((name) => value[name] !== undefined)
  if (given.length === 0) throw wrong("Text buttons are unallowed in the inline keyboard")
  if (given.length > 1) throw wrong(`exactly one action is wanted, and there are ${given.join(" and ")}`)
  const unknown = Object.keys(value).filter((name) => !known.includes(name))
  if (unknown.length > 0) throw wrong(`unknown field ${unknown[0]}`)
  if (style !== undefined && !["danger", "success", "primary"].includes(String(style))) throw wrong("Field \"style\" must be danger, success or primary")
  if (value["url"] !== undefined) checkUrl(value["url"])
  if (data !== undefined) {
    const bytes = typeof data === "string" ? Buffer.byteLength(data) : 0
    if (bytes < 1 || bytes > callbackDataMax) throw badRequest("BUTTON_DATA_INVALID")
  }
  return { ...value, text }
}

const inline = (rows: unknown): InlineKeyboard | undefined => {
  if (!Array.isArray(rows) || !rows.every((row) => Array.isArray(row))) throw badRequest("can't parse inline keyboard: expected an Array of Arrays of buttons")
  const buttons = rows.map((row) => row.map(checkButton)).filter((row) => row.length > 0)
  if (buttons.some((row) => row.length > rowMax) || buttons.flat().length > buttonsMax) throw badRequest("REPLY_MARKUP_TOO_LONG")
  return buttons.length === 0 ? undefined : { inline_keyboard: buttons }
}

const checkKeys = (rows: unknown): void => {
  if (!Array.isArray(rows) || !rows.every((row) => Array.isArray(row))) throw badRequest("can't parse reply keyboard: expected an Array of Arrays of buttons")
  for (const key of rows.flat()) {
    const text: unknown = isFields(key) ? key["text"] : key
    if (typeof text !== "string" || text.trim() === "") throw badRequest("can't parse keyboard button: Button text must be non-empty")
  }
}

/** The buttons under a message. A keyboard of the other kinds is checked too; it belongs to the chat and not to the message. */
export const markupOf = (params: Params): InlineKeyboard | undefined => {
  const value = params.json("reply_markup")
  if (value === undefined || value === "") return undefined
  if (!isFields(value)) throw badRequest("object expected as reply markup")
  if (value["inline_keyboard"] !== undefined) return inline(value["inline_keyboard"])
  if (value["keyboard"] !== undefined) checkKeys(value["keyboard"])
  else if (value["remove_keyboard"] !== true && value["force_reply"] !== true && Object.keys(value).length > 0) throw badRequest("can't parse reply markup: unknown kind of keyboard")
  return undefined
}

/** For edits: other kinds of keyboard cannot stand under a message that is there already. */
export const inlineMarkupOf = (params: Params): InlineKeyboard | undefined => {
  const value = params.json("reply_markup")
  if (isFields(value) && Object.keys(value).length > 0 && value["inline_keyboard"] === undefined) throw badRequest("inline keyboard expected")
  return markupOf(params)
}
