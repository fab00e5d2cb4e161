/** The runs that this process has in its hands, and the word that one of them is asked to end. */
import { Context, Deferred, Effect, Layer, Queue } from "effect"
import type { Held } from "../domain/Lease.ts"
import type { Task } from "../domain/Task.ts"

export interface Entry {
  readonly task: Task
  readonly held: Held
  readonly cancel: Deferred.Deferred<void>
}

export class Runs extends Context.Tag("opsgate/runtime/Runs")<Runs, {
  /** Registers a run for as long as `use` takes. */
  readonly during: <A, E, R>(task: Task, held: Held, use: (cancelRequested: Effect.Effect<void>) => Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  readonly entries: () => ReadonlyArray<Entry>
  /** How many runs of this epoch are in hand: those of earlier ones hold no slot. */
  readonly countOf: (epoch: number) => number
  /** Tells the run of a task, if it is in hand, that it is asked to end. */
  readonly cancel: (task: Task) => Effect.Effect<void>
  /** One token whenever a slot may have become free or a task may have become due. */
  readonly wake: Queue.Queue<void>
}>() {}

const make = Effect.gen(function*() {
  const entries = new Set<Entry>()
  const wake = yield* Queue.sliding<void>(1)
  return Runs.of({
    during: (task, held, use) =>
      Effect.acquireUseRelease(
        Effect.map(Deferred.make<void>(), (cancel) => {
          const entry: Entry = { task, held, cancel }
          entries.add(entry)
          return entry
        }),
        (entry) => use(Deferred.await(entry.cancel)),
        (entry) =>
          Effect.suspend(() => {
            entries.delete(entry)
            return Queue.offer(wake, undefined)
          })
      ),
    entries: () => [...entries],
    countOf: (epoch) => [...entries].filter(({ held }) => held.epoch === epoch).length,
    cancel: (task) =>
      Effect.forEach([...entries].filter((entry) => entry.task.id === task.id), ({ cancel }) => Deferred.succeed(cancel, undefined), { discard: true }),
    wake
  })
})

export const layer = Layer.effect(Runs, make)
