/**
 * Takes updates from the Bot API and confirms them. An update is confirmed by asking for the next one, so that is done only after it was
 * stored, with the offset, in one transaction: whatever dies in between, the service sends it again, and the store knows it.
 * Telegraf's own `launch` confirms before its handlers have ended, which loses updates (docs/benchmarks.md, "Telegram").
 */
import { Clock, Duration, Effect } from "effect"
import type { Received } from "../../domain/Chat.ts"
import { matrix } from "../../domain/Matrix.ts"
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

/** Under which a pause of the polls of a bot is remembered. */
const pauseOf = (bot: string): string => `poll:${bot}`
export const isPoll = (name: string): boolean => name.startsWith("poll:")

/** Waits until a pause is over that the service had asked the process before for. */
const resting = (bot: string): Effect.Effect<void, EngineUnavailable, ChatStore> =>
  Effect.gen(function*() {
    const pauses = yield* (yield* ChatStore).pauses
    const untilMs = pauses.find(({ name }) => name === pauseOf(bot))?.untilMs ?? 0
    const leftMs = Math.min(untilMs - (yield* Clock.currentTimeMillis), matrix.telegram_poll.retry.askedMaxMs)
    if (leftMs > 0) yield* Effect.sleep(Duration.millis(leftMs))
  })

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
    // A store that cannot be read now is met by the round, which tries again.
    return yield* Effect.zipRight(Effect.ignore(resting(bot)), round.pipe(
      rounds<BotApiFailed | EngineUnavailable>("telegram_poll", {
        codeOf: (error) => (error._tag === "BotApiFailed" ? error.code : error.why),
        askedMs: (error) => (error._tag === "BotApiFailed" ? error.retryAfterMs ?? undefined : undefined),
        onFailure: ({ code, pauseMs }) =>
          Effect.gen(function*() {
            const nowMs = yield* Clock.currentTimeMillis
            // Where it cannot be stored, only a process that comes soon after this one does not know of it.
            if (code === "http_429" && pauseMs !== null) yield* Effect.ignore(chats.pause(pauseOf(bot), nowMs + pauseMs))
            // The first of a row is told, and its end: a day without a network is two records and not thousands.
            if (health.trouble() === null) yield* Effect.logWarning("the chat service is not reached", { code })
            yield* health.pollFailed(code, nowMs)
          })
      }),
      Effect.catchTags({
        // The row has no budget and a time of its own for each try: both mean that it goes on.
        TryTimedOut: Effect.die,
        PatienceSpent: Effect.die
      })
    ))
  })
