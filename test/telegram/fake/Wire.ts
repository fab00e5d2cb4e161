/**
 * The shapes that the Bot API speaks, as far as the fake has them, and the one error that a method answers with. Names are the
 * API's own (core.telegram.org/bots/api), so that what is stored is what is sent.
 */

export interface User {
  readonly id: number
  readonly is_bot: boolean
  readonly first_name: string
  readonly last_name?: string
  readonly username?: string
  readonly language_code?: string
}

export const chatTypes = ["private", "group", "supergroup", "channel"] as const
export type ChatType = typeof chatTypes[number]

export interface Chat {
  readonly id: number
  readonly type: ChatType
  readonly title?: string
  readonly username?: string
  readonly first_name?: string
  readonly last_name?: string
}

/** Offsets and lengths count UTF-16 units. */
export interface Entity {
  readonly type: string
  readonly offset: number
  readonly length: number
  readonly url?: string
  readonly user?: unknown
  readonly language?: string
  readonly custom_emoji_id?: string
  readonly unix_time?: number
}

export interface Formatted {
  readonly text: string
  readonly entities: ReadonlyArray<Entity>
}

export interface Button {
  readonly text: string
  readonly callback_data?: string
  readonly url?: string
  readonly [more: string]: unknown
}

export interface InlineKeyboard {
  readonly inline_keyboard: ReadonlyArray<ReadonlyArray<Button>>
}

export interface Document {
  readonly file_id: string
  readonly file_unique_id: string
  readonly file_name: string
  readonly mime_type: string
  readonly file_size: number
}

export interface Message {
  readonly message_id: number
  readonly date: number
  readonly chat: Chat
  readonly from?: User
  readonly sender_chat?: Chat
  readonly message_thread_id?: number
  readonly edit_date?: number
  readonly text?: string
  readonly entities?: ReadonlyArray<Entity>
  readonly caption?: string
  readonly caption_entities?: ReadonlyArray<Entity>
  readonly document?: Document
  readonly reply_markup?: InlineKeyboard
  readonly reply_to_message?: Message
  readonly forward_origin?: unknown
  readonly migrate_to_chat_id?: number
  readonly migrate_from_chat_id?: number
}

export interface Update {
  readonly update_id: number
  readonly [kind: string]: unknown
}

export interface Parameters {
  readonly retry_after?: number
  readonly migrate_to_chat_id?: number
}

/** What a method refuses with: the HTTP status, the words and the parameters of the Bot API. Nothing was changed. */
export class ApiError extends Error {
  readonly code: number
  readonly parameters: Parameters | undefined

  constructor(code: number, description: string, parameters?: Parameters) {
    super(description)
    this.code = code
    this.parameters = parameters
  }
}

export const badRequest = (what: string): ApiError => new ApiError(400, `Bad Request: ${what}`)

export type Fields = Readonly<Record<string, unknown>>

export const isFields = (value: unknown): value is Fields => typeof value === "object" && value !== null && !Array.isArray(value)
