/**
 * Takes updates from the Bot API and confirms them. An update is confirmed by asking for the next one, so that is done only after it was
 * stored, with the offset, in one transaction: whatever dies in between, the service sends it again, and the store knows it.
 * Telegraf's own `launch` confirms before its handlers have ended, which loses updates (ADR 18).
 */
import { Clock, Effect } from "effect"
import type { Received } from "../../domain/Chat.ts"
import { ChatStore } from "../../engine/ChatStore.ts"
import type { EngineUnavailable } from "../../engine/Engine.ts"
import { rounds } from "../../engine/Patience.ts"
import { BotApi, type BotApiFailed } from "./BotApi.ts"
import { ChatHealth } from "./ChatHealth.ts"
import { allowedUpdates, numberOf, orderOf } from "./Update.ts"

/** How long the service may wait for news, in seconds; the matrix bounds the whole call. */
const waitS = 25
/** The most updates of one answer. */
const limit = 100

/** The longest update that is kept, in UTF-16 units; the service's own are much shorter. */
const updateMax = 200_000

const received = (raw: unknown): Received | null => {
  const update = numberOf(raw)
  const payload = JSON.stringify(raw)
  return update === null || payload.length > updateMax ? null : { update, chat: orderOf(raw), payload }
}

/** The offset behind these updates. What has no number cannot be confirmed apart; the next one that has takes it along. */
const behind = (updates: ReadonlyArray<unknown>): number | null =>
  updates.reduce<number | null>((offset, raw) => {
    const number = numberOf(raw)
    return number === null ? offset : Math.max(offset ?? 0, number + 1)
  }, null)

/** Stores what came. Answers how many were new. */
export const store = (bot: string, updates: ReadonlyArray<unknown>): Effect.Effect<number, EngineUnavailable, ChatStore> =>
  Effect.flatMap(ChatStore, (chats) => chats.receive(bot, updates.flatMap((raw) => received(raw) ?? []), behind(updates)))

/**
 * Polls for as long as its scope is open. `wake` is called when something new is stored. Fails with the answer of the service when it
 * does not know the token: then nothing helps but a person.
 */
export const poll = (wake: Effect.Effect<void>): Effect.Effect<never, BotApiFailed | EngineUnavailable, BotApi | ChatStore | ChatHealth> =>
  Effect.gen(function*() {
    const { bot, call } = yield* BotApi
    const chats = yield* ChatStore
    const health = yield* ChatHealth
    const round = Effect.gen(function*() {
      const offset = yield* chats.offset(bot)
      const answer = yield* call("getUpdates", { timeout: waitS, limit, allowed_updates: allowedUpdates, ...(offset === null ? {} : { offset }) })
      const updates: ReadonlyArray<unknown> = Array.isArray(answer) ? answer : []
      if (updates.length > 0 && (yield* store(bot, updates)) > 0) yield* wake
      const before = health.trouble()
      if (before !== null) yield* Effect.logWarning("the chat service is reached again", { code: before.code, failures: before.failures })
      yield* health.polled(yield* Clock.currentTimeMillis)
    })
    return yield* round.pipe(
      rounds<BotApiFailed | EngineUnavailable>("telegram_poll", {
        codeOf: (error) => (error._tag === "BotApiFailed" ? error.code : error.why),
        askedMs: (error) => (error._tag === "BotApiFailed" ? error.retryAfterMs ?? undefined : undefined),
        onFailure: ({ code }) =>
          Effect.gen(function*() {
            // The first of a row is told, and its end: a day without a network is two records and not thousands.
            if (health.trouble() === null) yield* Effect.logWarning("the chat service is not reached", { code })
            yield* health.pollFailed(code, yield* Clock.currentTimeMillis)
          })
      }),
      Effect.catchTags({
        // The row has no budget and a time of its own for each try: both mean that it goes on.
        TryTimedOut: Effect.die,
        PatienceSpent: Effect.die
      })
    )
  })
