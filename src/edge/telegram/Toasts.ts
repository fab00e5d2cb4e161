/**
 * The word of a moment that answers a press. It is tried for as long as the service takes it; while the service asks to be left alone, the
 * words of all presses wait, also in the process that comes after this one, and go one by one until one was taken. Best effort: what
 * became of a press is told by its card too.
 */
import { Clock, Duration, Effect } from "effect"
import { ChatStore } from "../../engine/ChatStore.ts"
import { withPatience } from "../../engine/Patience.ts"
import { BotApi, type BotApiFailed } from "./BotApi.ts"

const monoMs = Effect.clockWith((clock) => Effect.sync(() => Number(clock.unsafeCurrentTimeNanos() / 1_000_000n)))

/** Under which their pause is remembered. */
export const toastsPause = "toasts"

export type Toast = (query: string, text: string) => Effect.Effect<void>

/** How the words of a bot are said. Its needs are taken once. */
export const toasts: Effect.Effect<Toast, never, BotApi | ChatStore> = Effect.gen(function*() {
  const { call } = yield* BotApi
  const chats = yield* ChatStore
  const alone = yield* Effect.makeSemaphore(1)
  // A store that cannot be read now tells of no pause: then the service does, at the first word.
  const pauses = yield* Effect.orElseSucceed(chats.pauses, () => [])
  const leftMs = (pauses.find(({ name }) => name === toastsPause)?.untilMs ?? 0) - (yield* Clock.currentTimeMillis)
  /** When they may go on; null: nobody asked for a pause. */
  let freeMs = leftMs > 0 ? (yield* monoMs) + leftMs : null

  const left: Effect.Effect<void, BotApiFailed> = Effect.flatMap(monoMs, (nowMs) => (freeMs === null || freeMs <= nowMs ? Effect.void : Effect.sleep(Duration.millis(freeMs - nowMs))))
  const held = (askedMs: number) =>
    Effect.gen(function*() {
      freeMs = Math.max(freeMs ?? 0, (yield* monoMs) + askedMs)
      yield* Effect.ignore(chats.pause(toastsPause, (yield* Clock.currentTimeMillis) + askedMs))
    })
  const said = (query: string, text: string) =>
    call("answerCallbackQuery", { callback_query_id: query, text }).pipe(
      Effect.tap(() => Effect.sync(() => void (freeMs = null))),
      Effect.tapError(({ code, retryAfterMs }) => (code === "http_429" ? held(retryAfterMs ?? 0) : Effect.void))
    )
  const saidInTurn = (query: string, text: string) =>
    Effect.suspend(() => (freeMs === null ? said(query, text) : alone.withPermits(1)(Effect.zipRight(left, said(query, text)))))
  return (query, text) =>
    saidInTurn(query, text).pipe(
      withPatience<BotApiFailed>("telegram_toast", { askedMs: ({ retryAfterMs }) => retryAfterMs ?? undefined, onFailure: () => Effect.void }),
      // Nobody waits for this word; a question that is too old is refused, and that is all there is to it.
      Effect.ignore
    )
})
