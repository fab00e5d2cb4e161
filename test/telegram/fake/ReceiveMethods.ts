/** How a bot gets its updates: it asks for them, or names an address that they are sent to. Never both. */
import type { Method } from "./Method.ts"
import type { Params } from "./Params.ts"
import { limitMax } from "./Updates.ts"
import { ApiError, badRequest } from "./Wire.ts"
import type { World } from "./World.ts"

const allowedOf = (params: Params): ReadonlyArray<string> | undefined => {
  const given = params.json("allowed_updates")
  if (given === undefined) return undefined
  if (!Array.isArray(given) || !given.every((kind) => typeof kind === "string")) throw badRequest("can't parse allowed_updates: expected an Array of String")
  return given
}

const timeoutMaxS = 50

const getUpdates: Method = {
  takes: ["offset", "limit", "timeout", "allowed_updates"],
  run: async (world, params, gone) => {
    if (world.webhook !== null) throw new ApiError(409, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first")
    const allowed = allowedOf(params)
    const limit = params.integer("limit") ?? limitMax
    const timeout = params.integer("timeout") ?? 0
    if (allowed !== undefined) world.updates.allow(allowed)
    return world.updates.poll(
      {
        offset: params.integer("offset") ?? 0,
        limit: limit < 1 || limit > limitMax ? limitMax : limit,
        timeoutMs: Math.min(Math.max(timeout, 0), timeoutMaxS) * 1000
      },
      gone
    )
  }
}

const setWebhook: Method = {
  takes: ["url", "certificate", "ip_address", "max_connections", "allowed_updates", "drop_pending_updates", "secret_token"],
  run: (world, params) => {
    const url = params.text("url") ?? ""
    if (url === "") return removeWebhook(world, params)
    // Telegram takes https on four ports only. Here the other end is on the same machine.
    if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) throw badRequest("bad webhook: invalid webhook URL specified")
    if (!["127.0.0.1", "localhost", "[::1]"].includes(new URL(url).hostname)) throw badRequest("bad webhook: the fake delivers to this machine only")
    const secret = params.text("secret_token")
    if (secret !== undefined && !/^[A-Za-z0-9_-]{1,256}$/.test(secret)) throw badRequest("secret token contains unallowed characters")
    const max = params.integer("max_connections") ?? 40
    if (max < 1 || max > 100) throw badRequest("max_connections must be from 1 to 100")
    const allowed = allowedOf(params)
    if (allowed !== undefined) world.updates.allow(allowed)
    if (params.flag("drop_pending_updates")) world.updates.dropAll()
    world.updates.endPoll()
    world.webhook = { url, secret, max, lastErrorDate: null, lastError: null }
    world.changed()
    return true
  }
}

const removeWebhook = (world: World, params: Params): true => {
  if (params.flag("drop_pending_updates")) world.updates.dropAll()
  world.webhook = null
  world.changed()
  return true
}

export const receiveMethods: Readonly<Record<string, Method>> = {
  getUpdates,
  setWebhook,
  deleteWebhook: { takes: ["drop_pending_updates"], run: removeWebhook },
  getWebhookInfo: {
    takes: [],
    run: ({ updates, webhook }) => ({
      url: webhook?.url ?? "",
      has_custom_certificate: false,
      pending_update_count: updates.pending().length,
      ...(webhook === null ? {} : { max_connections: webhook.max }),
      ...(webhook === null || webhook.lastError === null ? {} : { last_error_date: webhook.lastErrorDate, last_error_message: webhook.lastError }),
      ...(updates.allowed().length === 0 ? {} : { allowed_updates: updates.allowed() })
    })
  }
}
