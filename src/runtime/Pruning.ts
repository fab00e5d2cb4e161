/**
 * Retention at work: gives up what is old in small batches, forgets old keys, returns free pages to the disk, and empties the
 * write-ahead log when it can.
 *
 * A commit waits at most for the batch before it, so batches are short, and between two of them others have the disk to themselves
 * for several times as long. How many tasks a batch has follows from how long the last one took.
 */
import { Duration, Effect, Queue, Ref } from "effect"
import { finalStates, nothingPruned, plus, pruned, type PrunedCounts, prunedEvent, type Retention } from "../domain/Retention.ts"
import { granted } from "../domain/Decision.ts"
import { matrix } from "../domain/Matrix.ts"
import { type Cursor, Engine, EngineReader, type EngineUnavailable, Instants, type PruneResult } from "../engine/Engine.ts"
import { pause } from "../engine/Patience.ts"
import { patiently } from "./Patience.ts"

/** The most tasks or keys of one transaction, and the fewest. */
const batchMax = 500
const batchMin = 8
/** How long the work of a transaction should take. */
const batchMs = 1
/** Pause after a batch, as a multiple of how long it took, and the shortest. */
const pauseFactor = 8
const pauseMinMs = 5
/** Pages that are returned to the disk in one transaction, and how many stay free for what comes next. */
const shrinkPages = 128
const spareFreePages = 256
/** How often somebody looks whether something has become old. */
const every = Duration.millis(matrix.retention_pass.roundMs)
/** A write-ahead log that stays this large although it was to be emptied is worth a word. */
const walWarnBytes = 256 * 1024 * 1024
/** From this size on it is emptied. */
const walIdleBytes = 4 * 1024 * 1024

interface Paced {
  readonly more: boolean
  readonly tookMs: number
}

// As large as the time of a batch allows; both clocks count whole milliseconds.
const sizeAfter = (size: number, tookMs: number): number => Math.round(Math.min(batchMax, Math.max(batchMin, size * Math.min(1.5, Math.max(0.5, batchMs / Math.max(1, tookMs))))))

/** Runs a step again and again, with pauses, until it answers that nothing is left. */
const paced = <E, R>(step: (size: number) => Effect.Effect<Paced, E, R>) =>
  Effect.gen(function*() {
    const size = yield* Ref.make(batchMin * 2)
    const round = Effect.gen(function*() {
      const { more, tookMs } = yield* step(yield* Ref.get(size))
      yield* Ref.update(size, (now) => sizeAfter(now, tookMs))
      if (more) yield* Effect.sleep(Duration.millis(Math.max(pauseMinMs, tookMs * pauseFactor)))
      return more
    })
    yield* Effect.repeat(round, { while: (more) => more })
  })

// Batch after batch from the oldest on.
const through = (batch: (after: Cursor | null, limit: number) => Effect.Effect<PruneResult, EngineUnavailable>) =>
  Effect.gen(function*() {
    const total = yield* Ref.make<PrunedCounts>(nothingPruned)
    const cursor = yield* Ref.make<Cursor | null>(null)
    yield* paced((size) =>
      Effect.gen(function*() {
        const { counts, next, tookMs } = yield* batch(yield* Ref.get(cursor), size)
        yield* Ref.update(total, (sum) => plus(sum, counts))
        yield* Ref.set(cursor, next)
        return { more: next !== null, tookMs }
      }))
    return yield* Ref.get(total)
  })

/** Gives up everything that is old now; answers how much that was. */
export const prunePass = ({ keysMs, tasks }: Retention) =>
  Effect.gen(function*() {
    const engine = yield* Engine
    const { wallMs } = yield* Instants
    const nowMs = wallMs()
    const parts = yield* Effect.forEach(finalStates, (state) => {
      const ageMs = tasks[state]
      if (ageMs === null) return Effect.succeed(nothingPruned)
      const throughMs = nowMs - ageMs
      return through((after, limit) =>
        engine.prune({ state, throughMs, after, limit, rule: pruned, event: (counts) => prunedEvent(counts, { state, before_ms: throughMs }) }))
    })
    // A key stays as long as its task has its payload: a repeat of the request would ask for the same work again.
    const throughMs = nowMs - keysMs
    const keys = yield* through((after, limit) =>
      engine.pruneKeys({
        throughMs,
        after,
        limit,
        rule: (task) => task === undefined || task.prunedAtMs !== null,
        event: (counts) => prunedEvent(counts, { state: null, before_ms: throughMs })
      }))
    return [...parts, keys].reduce(plus)
  })

/** Returns free pages to the disk, and empties the write-ahead log if nobody reads. */
export const shrinkFile = Effect.gen(function*() {
  const engine = yield* Engine
  const reader = yield* EngineReader
  const storage = yield* reader.storage
  if (storage === null) return
  if (storage.shrinks && storage.freeBytes / storage.pageBytes > spareFreePages) {
    yield* paced(() => Effect.map(engine.shrink(shrinkPages), ({ left, tookMs }) => ({ more: left > spareFreePages, tookMs })))
  }
  if (((yield* reader.storage)?.walBytes ?? 0) < walIdleBytes) return
  const emptied = yield* engine.checkpoint
  const walBytes = (yield* reader.storage)?.walBytes ?? 0
  if (!emptied && walBytes >= walWarnBytes) yield* Effect.logWarning("the write-ahead log cannot be emptied: something reads the database for a long time", { walBytes })
})

const asked = (trace: string | null, counts: PrunedCounts) =>
  granted(null, { events: [{ type: "retention.ended" as const, task: null, trace, actor: "system:retention", payload: { ...counts } }] })

/** Says that a pass that somebody asked for has ended, under the trace of the request. */
export const sayEnded = (trace: string | null, counts: PrunedCounts) =>
  Effect.flatMap(Engine, (engine) => patiently(engine.commit({ tasks: [], key: null, rule: () => asked(trace, counts) })))

// A restored file is old: what it kept would go at once, before anybody has looked.
const waitsForRelease = Effect.gen(function*() {
  const reader = yield* EngineReader
  const { wallMs } = yield* Instants
  return (yield* reader.summary(wallMs())).heldSinceMs !== null
})

/** Prunes from time to time, unless a restored file waits for its release, and when somebody asks; until it is interrupted. */
export const loop = (retention: Retention) =>
  Effect.gen(function*() {
    const engine = yield* Engine
    const requests = yield* engine.watchRequests
    const untilAsked: Effect.Effect<string | null> = Effect.flatMap(Queue.take(requests), (event) => (event.type === "retention.requested" ? Effect.succeed(event.trace) : untilAsked))
    const round = Effect.gen(function*() {
      const trace = yield* Effect.race(untilAsked, Effect.as(Effect.sleep(every), undefined))
      const counts = trace === undefined && (yield* waitsForRelease) ? nothingPruned : yield* prunePass(retention)
      yield* shrinkFile
      if (trace !== undefined) yield* sayEnded(trace, counts)
      if (counts.tasks + counts.keys > 0) yield* Effect.logInfo("what was old was pruned", { ...counts })
    }).pipe(
      Effect.catchAll((error) => Effect.zipRight(Effect.logWarning("pruning was put off", { reason: error.message }), pause(matrix.retention_pass.retry)))
    )
    return yield* Effect.forever(round)
  }).pipe(Effect.scoped)
