/**
 * Works off what was received: in order within a chat, chats beside each other. An update is worked off when its answer is stored with its
 * mark, in one transaction; its command is keyed by its number, so an update that is worked off twice has one effect.
 */
import { Cause, Clock, Effect, Option } from "effect"
import { type Outgoing } from "../../domain/Chat.ts"
import type { InboxItem } from "../../domain/Chat.ts"
import { matrix } from "../../domain/Matrix.ts"
import { jitteredMs } from "../../domain/Backoff.ts"
import { storedError } from "../../domain/Redaction.ts"
import { ChatStore } from "../../engine/ChatStore.ts"
import { Chance, type EngineUnavailable } from "../../engine/Engine.ts"
import { rounds } from "../../engine/Patience.ts"
import type { Bell } from "../../engine/Waiting.ts"

/** Chats that are worked off beside each other. */
const chatsAtOnce = 32
/** The longest sleep without a look. */
const napMs = 60_000

/** What is answered to an update. A failure of the store is tried again for ever; a defect is the update's, which dies of too many. */
export type Talk = (item: InboxItem) => Effect.Effect<Outgoing, EngineUnavailable>

/** Works off updates of `bot` for as long as its scope is open. `bell` rings whenever something new is stored. */
export const workOff = (bot: string, talk: Talk, bell: Bell): Effect.Effect<never, EngineUnavailable, ChatStore> =>
  Effect.gen(function*() {
    const chats = yield* ChatStore
    const { next: draw } = yield* Chance
    const pauses = matrix.chat_update.retry

    const broke = (item: InboxItem, cause: Cause.Cause<never>) =>
      Effect.gen(function*() {
        const tries = item.tries + 1
        const nowMs = yield* Clock.currentTimeMillis
        const againAtMs = tries >= pauses.attemptsMax ? null : nowMs + jitteredMs(pauses, tries, draw())
        const error = storedError(Cause.pretty(cause))
        yield* Effect.logError(againAtMs === null ? "an update was given up" : "an update could not be worked off", { update: item.update, tries, reason: error })
        yield* chats.fail(bot, item.update, error, againAtMs)
      })

    const one = (item: InboxItem): Effect.Effect<void, EngineUnavailable> =>
      Effect.matchCauseEffect(Effect.flatMap(talk(item), (out) => chats.settle(bot, item.update, out)), {
        onSuccess: () => Effect.void,
        onFailure: (cause) => {
          const failure = Cause.failureOption(cause)
          if (Option.isSome(failure)) return Effect.fail(failure.value)
          return Cause.isInterruptedOnly(cause) ? Effect.interrupt : broke(item, Cause.die(Cause.squash(cause)))
        }
      })

    const round = Effect.gen(function*() {
      const { items, nextMs } = yield* chats.pending(bot, chatsAtOnce)
      if (items.length > 0) return yield* Effect.forEach(items, one, { concurrency: chatsAtOnce, discard: true })
      const nowMs = yield* Clock.currentTimeMillis
      yield* bell.wait(nextMs === null ? napMs : Math.min(napMs, Math.max(1, nextMs - nowMs)))
    })
    return yield* round.pipe(
      rounds<EngineUnavailable>("chat_inbox", { codeOf: ({ why }) => why }),
      Effect.catchTags({ TryTimedOut: Effect.die, PatienceSpent: Effect.die })
    )
  })
