/**
 * Carries out bulk commands: batches of items, each item a change of its own, at the pace that was asked for. What is done stands in
 * the items, so that a process that dies goes on where it was; after a restart the first batch waits a whole window, and the pace
 * holds.
 */
import { Duration, Effect, Either, FiberMap, Queue } from "effect"
import { type Bulk, type BulkItem } from "../domain/Bulk.ts"
import { carryOutItem, endBulk, giveUpItem, namingBulk } from "../domain/BulkRules.ts"
import type { Kind } from "../domain/Kind.ts"
import { matrix } from "../domain/Matrix.ts"
import { onTask } from "../domain/OnTask.ts"
import { ownName } from "../domain/Placement.ts"
import { ItemNotStored, type Refusal } from "../domain/Refusal.ts"
import { type Change, Engine, EngineReader, type EngineUnavailable, type Found, Instants } from "../engine/Engine.ts"
import { pause } from "../engine/Patience.ts"
import { patience, patiently } from "./Patience.ts"

/** The most items of a batch. */
const batchMax = 64
/** Batches a second, while the pace allows less than full ones. */
const batchesPerS = 10
/** Tries of an item whose change the store does not take. */
const triesMax = 3
/** Bulk commands that are carried out at once. */
const runningMax = 100

/** A kind as it is declared now. */
export type KindOf = (kind: string) => Kind | undefined

const changeFor = ({ number, task }: BulkItem, bulk: Bulk, kindOf: KindOf): Change<unknown> => {
  const change = onTask(task, (found, now, { bulk, holder }) => carryOutItem(bulk, found, { kind: kindOf(found.kind), holder }, now))
  return { ...change, ...(bulk.verb === "recover" ? { unique: ownName } : {}), bulk: { id: bulk.id, number }, rule: (found: Found, now) => namingBulk(change.rule(found, now), bulk.id) }
}

const isNothing = (answer: Either.Either<unknown, unknown>): boolean => Either.isRight(answer) && answer.right === null

type Answered = Either.Either<unknown, Refusal | EngineUnavailable>

const unstored = (answer: Answered): boolean => Either.isLeft(answer) && answer.left._tag === "EngineUnavailable"

/**
 * What an item is given up with, or null while it is worth another try. A disk that is full, locked or read-only is waited for, however
 * long that takes; what else is in the way is this task's own, and stays there.
 */
const giveUpWith = ({ task }: BulkItem, answer: Answered | undefined, tries: number): Refusal | null => {
  if (answer === undefined || Either.isRight(answer)) return null
  const { left } = answer
  if (left._tag !== "EngineUnavailable") return left
  return isOwn(answer) && tries >= triesMax ? new ItemNotStored({ task }) : null
}

const isOwn = (answer: Answered | undefined): boolean =>
  answer !== undefined && Either.isLeft(answer) && answer.left._tag === "EngineUnavailable" && (answer.left.why === "other" || answer.left.why === "damaged")

/**
 * Gives up the items that failed too often. Whether the store works at all shows at once: if it does not, this is not stored either,
 * and the items wait as before.
 */
const givingUp = (bulk: string) => {
  const tries = new Map<number, number>()
  return (items: ReadonlyArray<BulkItem>, answers: ReadonlyArray<Answered>) =>
    Effect.gen(function*() {
      const engine = yield* Engine
      const failed = items.flatMap((item, index) => {
        const answer = answers[index]
        if (isOwn(answer)) tries.set(item.number, (tries.get(item.number) ?? 0) + 1)
        const refusal = giveUpWith(item, answer, tries.get(item.number) ?? 0)
        return refusal === null ? [] : [{ item, refusal }]
      })
      if (failed.length === 0) return
      const ended = yield* engine.commitAll(failed.map(({ item, refusal }): Change<unknown> => ({
        tasks: [],
        key: null,
        bulk: { id: bulk, number: item.number },
        rule: (found, now) => namingBulk(giveUpItem(found.bulk, refusal, now), bulk)
      })))
      if (ended.some(unstored)) return
      yield* Effect.logWarning("tasks of a bulk command were given up", { bulk, tasks: failed.length, first: failed[0]?.item.task, reason: failed[0]?.refusal.message })
    })
}

/** Carries out one bulk command to its end. Answers when it has ended, or was stopped. */
export const carryOut = (id: string, kindOf: KindOf): Effect.Effect<void, EngineUnavailable, Engine | EngineReader | Instants> =>
  Effect.gen(function*() {
    const engine = yield* Engine
    const reader = yield* EngineReader
    const { monoMs, wallMs } = yield* Instants
    const first = yield* reader.bulk(id)
    if (first === undefined) return
    const { bulk, counts } = first
    if (bulk.state !== "running") return
    const size = Math.max(1, Math.min(batchMax, Math.floor(bulk.ratePerS / batchesPerS)))
    const windowMs = (size * 1000) / bulk.ratePerS
    const sinceLast = counts.lastAtMs === null ? windowMs : Math.max(0, wallMs() - counts.lastAtMs)
    let readyMs = monoMs() + Math.max(0, windowMs - sinceLast)

    const giveUp = givingUp(id)

    const round = Effect.gen(function*() {
      const items = yield* reader.bulkItems(id, { after: 0, pending: true, limit: size })
      if (items.length === 0) {
        yield* Effect.orDie(patiently(engine.commit({ tasks: [], key: null, bulk: { id }, rule: ({ bulk: found }, at) => endBulk(found, at) })))
        return false
      }
      yield* Effect.sleep(Duration.millis(Math.max(0, readyMs - monoMs())))
      readyMs = Math.max(readyMs, monoMs()) + windowMs
      const answers = yield* engine.commitAll(items.map((item) => changeFor(item, bulk, kindOf)))
      yield* giveUp(items, answers)
      if (answers.some(unstored)) yield* pause(matrix.bulk_batch.retry)
      // Nothing came of any of them: then it was stopped.
      return !answers.every(isNothing) || (yield* reader.bulk(id))?.bulk.state === "running"
    })
    yield* Effect.repeat(round, { while: (more) => more })
  })

/** Carries out whatever is asked for, each bulk command in a fiber of its own, until it is interrupted. */
export const loop = (kindOf: KindOf) =>
  Effect.gen(function*() {
    const engine = yield* Engine
    const reader = yield* EngineReader
    const fibers = yield* FiberMap.make<string>()
    const ended = yield* Queue.sliding<void>(1)
    const requests = yield* engine.watchRequests
    const look = Effect.gen(function*() {
      for (const { id } of yield* reader.bulks({ running: true, limit: runningMax })) {
        const carried = Effect.retry(carryOut(id, kindOf), { schedule: patience, while: ({ why }) => why !== "closed" }).pipe(
          Effect.catchAll((error) => Effect.logWarning("a bulk command was left", { bulk: id, reason: error.message })),
          // Its place is free for one that waits.
          Effect.zipRight(Queue.offer(ended, undefined))
        )
        yield* FiberMap.run(fibers, id, carried, { onlyIfMissing: true })
      }
      yield* Effect.race(Queue.take(requests), Queue.take(ended))
    })
    return yield* look.pipe(Effect.retry({ schedule: patience }), Effect.forever)
  }).pipe(Effect.scoped)
