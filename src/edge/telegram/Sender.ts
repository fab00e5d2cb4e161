/**
 * Sends what is stored for chats: in order within a chat, chats beside each other, within the limits of the service. A message is over
 * when its mark is stored; one whose answer was lost comes again, with the same reference. Whatever becomes of a message, its task never
 * hears of it.
 */
import { Cause, Clock, Deferred, Effect, FiberSet } from "effect"
import { jitteredMs } from "../../domain/Backoff.ts"
import { type Delivery, undeliverable } from "../../domain/Chat.ts"
import { matrix } from "../../domain/Matrix.ts"
import { ChatStore } from "../../engine/ChatStore.ts"
import { Chance, type EngineUnavailable } from "../../engine/Engine.ts"
import { rounds, withPatience } from "../../engine/Patience.ts"
import { within } from "../../engine/Waiting.ts"
import { BotApi, BotApiFailed } from "./BotApi.ts"
import { type Call, callsOf } from "./Calls.ts"
import { ChatHealth } from "./ChatHealth.ts"
import { isPoll } from "./Poller.ts"
import { toastsPause } from "./Toasts.ts"
import { messageIn, outcomeOf, type Outcome } from "./Outcome.ts"
import * as Pacer from "./Pacer.ts"

/** Chats that are looked at in one round; the limit in all lets far fewer through. */
const chatsAtOnce = 500
/** Calls that are on their way at once. */
const flightsMax = 30
/** The longest sleep without a look; and while the service cannot be reached. */
const napMs = 60_000
const alertNapMs = 1000
/** So many failures in a row are trouble of the service and not of one message: when it is over, what waits goes at once. */
const streakMin = 3
/** The wall clock may be slewed by so much between two looks without having been set. */
const setBackMinMs = 1000
/** A start lets what was tried less often than this go at once. */
const restartTriesMax = 20

const monoMs = Effect.clockWith((clock) => Effect.sync(() => Number(clock.unsafeCurrentTimeNanos() / 1_000_000n)))

/** How long after so many failed tries of a message the next one is; null: there is none. First as for a call, then as for what is stored. */
export const againMs = (tries: number, ageMs: number, askedMs: number, drawn: number): number | null => {
  const call = matrix.telegram_send.retry
  const stored = matrix.outbox_delivery.retry
  const ownMs = tries < call.attemptsMax ? jitteredMs(call, tries, drawn) : jitteredMs(stored, tries - call.attemptsMax + 1, drawn)
  const ms = Math.max(ownMs, Math.min(stored.askedMaxMs, askedMs))
  return tries >= stored.attemptsMax || ageMs + ms > stored.totalMs ? null : ms
}

/** A store that cannot take a mark now can take it later: what was sent is not sent again because of that. */
const kept = <A>(effect: Effect.Effect<A, EngineUnavailable>): Effect.Effect<A, EngineUnavailable> =>
  effect.pipe(
    withPatience<EngineUnavailable>("chat_outbox", { codeOf: ({ why }) => why }),
    Effect.catchTags({ TryTimedOut: Effect.die, PatienceSpent: Effect.die })
  )

interface Way {
  readonly chats: ChatStore["Type"]
  readonly pacer: Pacer.Pacer
  readonly call: BotApi["Type"]["call"]
  readonly draw: () => number
}

type Stopped = BotApiFailed | EngineUnavailable

const unanswered = (method: string) => new BotApiFailed({ method, code: "timeout", description: "", retryAfterMs: null, migrateTo: null })

/** One call, and what follows from its answer. Fails when the service does not know the token. */
const calling = (call: Way["call"], { method, params }: Call, isEdit: boolean): Effect.Effect<Outcome, BotApiFailed> =>
  call(method, params).pipe(
    within(matrix.telegram_send.timeoutMs, () => unanswered(method)),
    Effect.map((answer): Outcome => ({ _tag: "Sent", message: isEdit ? null : messageIn(answer) })),
    Effect.catchAll((failed) => {
      const outcome = outcomeOf(failed, isEdit)
      return outcome._tag === "Stop" ? Effect.fail(failed) : Effect.succeed(outcome)
    })
  )

const givenUp = ({ chats }: Way, delivery: Delivery, code: string, why: string): Effect.Effect<void, EngineUnavailable> =>
  Effect.zipRight(
    Effect.logError("a message was given up", { chat: delivery.chat, ref: delivery.ref, code }),
    kept(chats.giveUp(delivery.id, why, undeliverable(delivery, code, false)))
  )

const later = (way: Way, delivery: Delivery, code: string, askedMs: number): Effect.Effect<void, EngineUnavailable> =>
  Effect.gen(function*() {
    const { chat, id, ref } = delivery
    const tries = delivery.tries + 1
    const nowMs = yield* Clock.currentTimeMillis
    const nowMonoMs = yield* monoMs
    if (code === "http_429") {
      const heldMs = Math.max(askedMs, Pacer.chatGapMs)
      way.pacer.hold(chat, nowMonoMs + heldMs, nowMonoMs)
      // The process that comes after this one keeps it too.
      yield* kept(way.chats.pause(chat, nowMs + heldMs))
    }
    const ms = againMs(tries, nowMs - delivery.atMs, askedMs, way.draw())
    if (ms === null) return yield* givenUp(way, delivery, code, `${code}: given up after ${tries} tries`)
    yield* Effect.logWarning("a message could not be sent; it is sent later", { chat, ref, code, tries, pause_ms: ms })
    yield* kept(Effect.flatMap(Clock.currentTimeMillis, (thenMs) => way.chats.retry(id, code, thenMs + ms)))
  })

/** Stores what became of a call. */
const settled = (way: Way, delivery: Delivery, outcome: Outcome, isLast: boolean): Effect.Effect<void, EngineUnavailable> => {
  const { chats } = way
  const { card, chat, id, parts } = delivery
  switch (outcome._tag) {
    case "Sent":
      return kept(isLast ? chats.sent(id, outcome.message) : chats.partSent(id, parts + 1))
    case "Gone":
      return kept(chats.leaveCard(chat, card ?? ""))
    case "Moved":
      return Effect.zipRight(Effect.logInfo("a chat has moved", { chat, to: outcome.to }), kept(chats.migrate(chat, outcome.to)))
    case "Dead":
      return Effect.zipRight(
        Effect.logWarning("a chat cannot be written to; nothing is sent there until it writes", { chat, code: outcome.code }),
        kept(chats.bury(chat, `${outcome.code} ${outcome.why}`, undeliverable(delivery, outcome.code, true)))
      )
    case "Later":
      return later(way, delivery, outcome.code, outcome.askedMs)
    case "Refused":
      return givenUp(way, delivery, outcome.code, `${outcome.code} ${outcome.why}`)
    case "Stop":
      return Effect.void
  }
}

/** The message that a delivery answers. */
const answeredBy = ({ chats }: Way, { body, chat }: Delivery): Effect.Effect<number | null, EngineUnavailable> =>
  body._tag === "Document" || body.about === undefined
    ? Effect.succeed(body._tag === "Text" ? body.answers ?? null : null)
    : Effect.map(kept(chats.cards(body.about)), (cards) => cards.find((card) => card.chat === chat)?.message ?? null)

/** Sends what is due of a delivery, and stores what became of it. Answers whether the service could be reached. */
const attempt = (way: Way, delivery: Delivery, ended: (atMs: number) => void): Effect.Effect<boolean, Stopped> =>
  Effect.gen(function*() {
    const calls = callsOf(delivery, yield* answeredBy(way, delivery))
    const call = calls[delivery.parts] ?? calls.at(-1)
    if (call === undefined) return true
    const outcome = yield* calling(way.call, call, delivery.message !== null).pipe(Effect.ensuring(Effect.map(monoMs, ended)))
    yield* settled(way, delivery, outcome, delivery.parts + 1 >= calls.length)
    return outcome._tag !== "Later" || outcome.code === "http_429"
  })

/** Whether the service can be reached, as far as sending shows it; poll and send share their way. */
const reachability = (chats: ChatStore["Type"], pollTrouble: () => boolean) => {
  let streak = 0
  let wasTroubled = false
  const over = Effect.suspend(() => {
    const wasLong = streak >= streakMin
    streak = 0
    return wasLong ? Effect.asVoid(kept(chats.hurry)) : Effect.void
  })
  return {
    told: (isWell: boolean) => (isWell ? over : Effect.sync(() => void (streak += 1))),
    isTroubled: () => streak > 0,
    /** Takes the word of the poller that the service is back. */
    look: Effect.suspend(() => {
      const isTroubled = pollTrouble()
      const isOver = wasTroubled && !isTroubled
      wasTroubled = isTroubled
      return isOver ? over : Effect.void
    })
  }
}

const unstuck = (chats: ChatStore["Type"], triesBelow: number): Effect.Effect<void, EngineUnavailable> =>
  Effect.flatMap(Clock.currentTimeMillis, (nowMs) => kept(chats.unstick(triesBelow, nowMs + matrix.telegram_send.retry.askedMaxMs)))

/** A wall clock that is set back would hold up what waits by it for as long. */
const clockLook = (chats: ChatStore["Type"]) => {
  let knownMs = -Infinity
  return Effect.gen(function*() {
    const aheadMs = (yield* Clock.currentTimeMillis) - (yield* monoMs)
    const isSetBack = aheadMs < knownMs - setBackMinMs
    knownMs = aheadMs
    if (isSetBack) yield* unstuck(chats, Number.MAX_SAFE_INTEGER)
  })
}

const started = Effect.gen(function*() {
  const chats = yield* ChatStore
  const { call } = yield* BotApi
  const { next: draw } = yield* Chance
  // What waits for its next try waits by a clock that may have been set meanwhile. Whatever was tried often waits all the same, so that a
  // server that is started again and again does not spend its tries.
  yield* unstuck(chats, restartTriesMax)
  const [nowMs, nowMonoMs] = [yield* Clock.currentTimeMillis, yield* monoMs]
  const lately = (yield* kept(chats.lately)).map(({ atMs, chat }) => ({ chat, atMs: nowMonoMs - Math.max(0, nowMs - atMs) }))
  const pacer = Pacer.make(nowMonoMs, lately)
  for (const { name, untilMs } of yield* kept(chats.pauses)) {
    if (!isPoll(name) && name !== toastsPause) pacer.hold(name, nowMonoMs + Math.min(untilMs - nowMs, matrix.telegram_send.retry.askedMaxMs), nowMonoMs)
  }
  return { chats, call, draw, pacer } satisfies Way
})

/**
 * Sends for as long as its scope is open. Fails with the answer of the service when it does not know the token, and with
 * `EngineUnavailable` when the store is closed.
 */
export const deliver: Effect.Effect<never, Stopped, BotApi | ChatStore | ChatHealth> = Effect.scoped(Effect.gen(function*() {
  const way = yield* started
  const { chats, pacer } = way
  const health = yield* ChatHealth
  const reach = reachability(chats, () => health.trouble() !== null)
  const stopped = yield* Deferred.make<never, Stopped>()
  const fork = yield* FiberSet.makeRuntime<never>()
  const bell = yield* chats.watchOut
  const busy = new Set<string>()
  const clock = clockLook(chats)

  const fly = (delivery: Delivery, ended: (atMs: number) => void) =>
    attempt(way, delivery, ended).pipe(
      Effect.flatMap(reach.told),
      Effect.catchAllCause((cause) => {
        if (Cause.isInterruptedOnly(cause)) return Effect.void
        const known = Cause.failureOption(cause)
        if (known._tag === "Some") return Effect.asVoid(Deferred.fail(stopped, known.value))
        return Effect.zipRight(Effect.logError("a message broke its sender", { ref: delivery.ref }), Effect.ignore(later(way, delivery, "defect", 0)))
      }),
      Effect.ensuring(Effect.map(monoMs, (atMs) => {
        ended(atMs)
        busy.delete(delivery.chat)
        bell.ring()
      }))
    )

  /** Sends what may be sent now; answers when the next one may. */
  const start = (due: ReadonlyArray<Delivery>, nowMs: number): number =>
    due.reduce((soonestMs, delivery) => {
      if (busy.has(delivery.chat) || busy.size >= flightsMax) return soonestMs
      const target = { chat: delivery.chat, message: delivery.message }
      const atMs = pacer.at(target, nowMs)
      if (atMs > nowMs) return Math.min(soonestMs, atMs)
      busy.add(delivery.chat)
      fork(fly(delivery, pacer.begin(target, nowMs)))
      return soonestMs
    }, Infinity)

  const round = Effect.gen(function*() {
    yield* reach.look
    yield* clock
    // What is on its way now may be marked while the store answers; its chat's next one is not known before that.
    const before = new Set(busy)
    const { deliveries, nextMs } = yield* chats.due(chatsAtOnce)
    const nowMs = yield* monoMs
    const soonestMs = start(deliveries.filter(({ chat }) => !before.has(chat)), nowMs)
    const wallMs = yield* Clock.currentTimeMillis
    const longestMs = reach.isTroubled() ? alertNapMs : napMs
    const waitMs = Math.max(1, Math.min(longestMs, soonestMs - nowMs, nextMs === null ? longestMs : nextMs - wallMs))
    yield* bell.wait(waitMs)
  })

  return yield* Effect.raceFirst(
    Deferred.await(stopped),
    round.pipe(
      rounds<EngineUnavailable>("chat_outbox", { codeOf: ({ why }) => why }),
      Effect.catchTags({ TryTimedOut: Effect.die, PatienceSpent: Effect.die })
    )
  )
}))
