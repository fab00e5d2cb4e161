/** Waiting for the end of tasks: one listener for all who wait. */
import { Deferred, Effect, Exit, FiberId, Queue, Schedule } from "effect"
import { TaskNotFound } from "../domain/Refusal.ts"
import type { Task, TaskId } from "../domain/Task.ts"
import { isTerminal } from "../domain/TaskState.ts"
import { Engine, EngineReader, EngineUnavailable } from "../engine/Engine.ts"

type Ended = Deferred.Deferred<Task, TaskNotFound | EngineUnavailable>

interface Waiting {
  readonly deferred: Ended
  /** Whether it is known that the task had not ended when somebody began to wait. Until then it may have ended before, and nobody tells. */
  sure: boolean
}

/** Most tasks end soon after somebody began to wait: the file is asked only about those that did not. */
const lookAfter = "50 millis"
/** Tasks that ended lately are remembered, for who asks a moment too late. */
const rememberedMax = 1024
const rememberedLength = 4096
/** How often the file is asked about all, in case the word was lost in a flood. */
const lookEvery = "2 seconds"

/** Answers the function that waits for the end of a task. Its fiber lives in the scope of the caller. */
export const make = Effect.gen(function*() {
  const engine = yield* Engine
  const reader = yield* EngineReader
  const waiting = new Map<TaskId, Waiting>()
  const look = yield* Queue.sliding<void>(1)

  const done = (id: TaskId, exit: Exit.Exit<Task, TaskNotFound | EngineUnavailable>) => {
    const one = waiting.get(id)
    waiting.delete(id)
    if (one !== undefined) Deferred.unsafeDone(one.deferred, exit)
  }
  const lately = new Map<TaskId, Task>()
  const tell = (task: Task) => {
    const one = waiting.get(task.id)
    if (!isTerminal[task.state]) {
      lately.delete(task.id)
      // Changes are told in their order: the end is still to come.
      if (one !== undefined) one.sure = true
      return
    }
    if (one !== undefined) return done(task.id, Exit.succeed(task))
    // What is large is read again when somebody asks: results may be a megabyte each.
    if (task.payload.length + (task.result?.length ?? 0) > rememberedLength) return
    lately.set(task.id, task)
    const { value: oldest } = lately.size > rememberedMax ? lately.keys().next() : { value: undefined }
    if (oldest !== undefined) lately.delete(oldest)
  }
  const lookAt = (id: TaskId, one: Waiting) =>
    Effect.matchEffect(reader.get(id), {
      onFailure: (error) => Effect.sync(() => done(id, Exit.fail(error))),
      onSuccess: (task) =>
        Effect.sync(() => {
          one.sure = true
          if (task === undefined) done(id, Exit.fail(new TaskNotFound({ task: id })))
          else tell(task)
        })
    })
  const lookAtAll = (which: (one: Waiting) => boolean) =>
    Effect.suspend(() => Effect.forEach([...waiting].filter(([, one]) => which(one)), ([id, one]) => lookAt(id, one), { discard: true }))

  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      const closed = new EngineUnavailable({ operation: "wait for the end of a task", why: "closed", cause: null })
      for (const id of waiting.keys()) done(id, Exit.fail(closed))
    })
  )
  const changes = yield* engine.watch
  yield* Effect.forkScoped(Effect.forever(Effect.map(Queue.take(changes), (tasks) => tasks.forEach(tell))))
  yield* Effect.forkScoped(Effect.forever(Queue.take(look).pipe(Effect.zipRight(Effect.sleep(lookAfter)), Effect.zipRight(lookAtAll(({ sure }) => !sure)))))
  yield* Effect.forkScoped(Effect.repeat(lookAtAll(() => true), Schedule.spaced(lookEvery)))

  return (id: TaskId): Effect.Effect<Task, TaskNotFound | EngineUnavailable> =>
    Effect.suspend(() => {
      const ended = lately.get(id)
      if (ended !== undefined) return Effect.succeed(ended)
      const known = waiting.get(id)
      if (known !== undefined) return Deferred.await(known.deferred)
      const deferred: Ended = Deferred.unsafeMake(FiberId.none)
      waiting.set(id, { deferred, sure: false })
      look.unsafeOffer(undefined)
      return Deferred.await(deferred)
    })
})
