/** The methods of the Bot API that the fake has: which parameters each takes, and what it does or refuses. */
import { commandMethods } from "./CommandMethods.ts"
import { editMethods } from "./EditMethods.ts"
import type { Method } from "./Method.ts"
import { receiveMethods } from "./ReceiveMethods.ts"
import { sendMethods } from "./SendMethods.ts"
import { badRequest } from "./Wire.ts"

const file: Method = {
  takes: ["file_id"],
  run: ({ files }, params) => {
    const found = files.get(params.text("file_id") ?? "")
    if (found === undefined) throw badRequest("invalid file_id")
    const { bytes, file_id, file_name, file_unique_id } = found
    // As of the API: a bot may fetch 20 MB.
    if (bytes.length > 20_000_000) throw badRequest("file is too big")
    return { file_id, file_unique_id, file_size: bytes.length, file_path: `documents/${file_id}/${encodeURIComponent(file_name)}` }
  }
}

const methods: Readonly<Record<string, Method>> = {
  getMe: {
    takes: [],
    run: ({ bot, privacy }) => ({ ...bot, can_join_groups: true, can_read_all_group_messages: !privacy, supports_inline_queries: false, can_connect_to_business: false, has_main_web_app: false })
  },
  getChat: { takes: ["chat_id"], run: (world, params) => ({ ...world.writable(params.text("chat_id")).chat, accent_color_id: 0, max_reaction_count: 11 }) },
  getFile: file,
  ...receiveMethods,
  ...sendMethods,
  ...editMethods,
  ...commandMethods
}

const byName: ReadonlyMap<string, Method> = new Map(Object.entries(methods).map(([name, method]) => [name.toLowerCase(), method]))

export const methodNames = Object.keys(methods)

/** Method names are case-insensitive, as of the API. */
export const methodOf = (name: string): Method | undefined => byName.get(name.toLowerCase())
