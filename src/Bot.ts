/** The bot of a server: receives, answers and sends for as long as its scope is open. Whatever becomes of it, tasks go on. */
import { Clock, Effect, Layer, Queue, Redacted, Schema } from "effect"
import { join } from "node:path"
import type { Config } from "./Config.ts"
import { Redacting } from "./control/Redacting.ts"
import * as Inbox from "./edge/telegram/Inbox.ts"
import { BotApi, type BotApiFailed, Maker } from "./edge/telegram/BotApi.ts"
import * as ChatHealth from "./edge/telegram/ChatHealth.ts"
import { menus } from "./edge/telegram/Menus.ts"
import { poll } from "./edge/telegram/Poller.ts"
import { relay } from "./edge/telegram/Relay.ts"
import { deliver } from "./edge/telegram/Sender.ts"
import * as Talk from "./edge/telegram/Talk.ts"
import { toasts } from "./edge/telegram/Toasts.ts"
import { allowedUpdates } from "./edge/telegram/Update.ts"
import { latest } from "./edge/telegram/Verdict.ts"
import * as Webhook from "./edge/telegram/Webhook.ts"
import { Engine, type EngineUnavailable } from "./engine/Engine.ts"
import { withPatience } from "./engine/Patience.ts"
import { Bell } from "./engine/Waiting.ts"
import { Log } from "./Log.ts"
import { doubtsOf, secretOf, type TelegramSettings, TelegramRefused, tokenOf } from "./TelegramSettings.ts"

const Me = Schema.Struct({ username: Schema.String })
const isMe = Schema.is(Me)

/** The name of the bot, once the service says it. */
const nameOf = Effect.flatMap(BotApi, ({ call }) => Effect.map(withPatience<BotApiFailed>("telegram_start")(call("getMe", {})), (me) => (isMe(me) ? me.username : null)))

const webhookAt = (settings: NonNullable<TelegramSettings["webhook"]>, secret: string, bot: string, wake: Effect.Effect<void>) =>
  Effect.gen(function*() {
    const { call } = yield* BotApi
    const url = yield* Effect.try({ try: () => new URL(settings.url), catch: () => new TelegramRefused({ issue: "webhook.url is no address" }) })
    yield* Webhook.serve({ bot, host: settings.host, port: settings.port, path: url.pathname, secret, wake })
    yield* withPatience<BotApiFailed>("telegram_start")(call("setWebhook", { url: settings.url, secret_token: secret, allowed_updates: allowedUpdates }))
    return yield* Effect.never
  })

const polling = (wake: Effect.Effect<void>) =>
  Effect.gen(function*() {
    const { call } = yield* BotApi
    // While a webhook is set the service refuses to be polled. What waits there is kept.
    yield* withPatience<BotApiFailed>("telegram_start")(call("deleteWebhook", { drop_pending_updates: false }))
    return yield* poll(wake)
  })

const receiving = ({ webhook }: TelegramSettings, { hook }: Secrets, bot: string, wake: Effect.Effect<void>) =>
  Effect.gen(function*() {
    return webhook === null || hook === null ? yield* polling(wake) : yield* webhookAt(webhook, Redacted.value(hook), bot, wake)
  })

/** What nobody may see. */
interface Secrets {
  readonly token: Redacted.Redacted
  /** Of the webhook, where there is one. */
  readonly hook: Redacted.Redacted | null
}

const secretsOf = (settings: TelegramSettings): Effect.Effect<Secrets, TelegramRefused> =>
  Effect.all({ token: tokenOf(settings), hook: settings.webhook === null ? Effect.succeed(null) : secretOf(settings.webhook.secretFile) })

/** From here on these very values are taken out of what is shown in chats, and of the log. */
const keepingThem = <A, E, R>(effect: Effect.Effect<A, E, R>, { hook, token }: Secrets) =>
  Effect.gen(function*() {
    const whole = Redacted.value(token)
    const values = [whole, whole.slice(whole.indexOf(":") + 1), ...(hook === null ? [] : [Redacted.value(hook)])]
    ;(yield* Log).know(values)
    return yield* Effect.provideService(effect, Redacting, (yield* Redacting).knowing(values))
  })

/** What ends the bot, and not the server: only a person can change it. */
const stopped = (error: { readonly _tag: string; readonly message: string; readonly code?: string }) =>
  Effect.gen(function*() {
    const health = yield* ChatHealth.ChatHealth
    yield* health.stopped(error.code ?? error._tag, yield* Clock.currentTimeMillis)
    yield* Effect.logError("the bot has stopped; nothing is received or sent until the server is started anew", { reason: error.message })
  })

const working = (settings: TelegramSettings, secrets: Secrets, config: Config) =>
  Effect.gen(function*() {
    const { bot } = yield* BotApi
    const bell = new Bell()
    const wake = Effect.sync(bell.ring)
    const engine = yield* Engine
    // What somebody replays was stored by no poll.
    const requests = yield* engine.watchRequests
    yield* Effect.forkScoped(Effect.forever(Effect.flatMap(Queue.take(requests), ({ type }) => (type === "chat.replayed" ? wake : Effect.void))))
    const name = yield* nameOf
    const { all: setMenus, met } = yield* menus(config.people)
    const { look, talk } = yield* Talk.make({
      bot,
      name,
      chats: settings.chats,
      people: config.people,
      roles: config.policy.roles,
      staleAfterMs: settings.staleAfterMs,
      commandsPerMinute: settings.commandsPerMinute,
      limits: { workers: config.workers, queues: config.queues },
      link: settings.link,
      mayApprove: settings.mayApprove,
      verdict: latest(join("evidence", "latest.json")),
      toast: yield* toasts,
      met
    })
    yield* Effect.forkScoped(setMenus)
    // Each goes on for ever; when one of them cannot, none does.
    yield* Effect.all([
      receiving(settings, secrets, bot, wake),
      Inbox.workOff(bot, talk, bell),
      deliver,
      relay({ notify: () => settings.notify, look })
    ], { concurrency: "unbounded", discard: true })
  })

/** Runs the bot. It never fails: what stops it is logged and shown by /ops. */
export const run = (settings: TelegramSettings, config: Config) =>
  Effect.gen(function*() {
    for (const doubt of doubtsOf(settings, config.people)) yield* Effect.logWarning(doubt)
    const secrets = yield* secretsOf(settings)
    const { make } = yield* Maker
    const api = Layer.succeed(BotApi, make({ token: Redacted.value(secrets.token), root: settings.apiRoot }))
    return yield* keepingThem(Effect.provide(working(settings, secrets, config), api), secrets)
  }).pipe(Effect.scoped, Effect.catchAll((error: BotApiFailed | EngineUnavailable | { readonly _tag: string; readonly message: string }) => stopped(error)))
