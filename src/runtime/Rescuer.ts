/**
 * Takes back the runs of earlier epochs: at the start, and after this process was stopped for longer than its lease.
 * It first looks what became of each command, adopts, settles or ends it, and only then lets anybody claim.
 */
import { Effect, FiberSet } from "effect"
import { type Finding, reclaim } from "../domain/Execution.ts"
import type { Held } from "../domain/Lease.ts"
import { onTask } from "../domain/OnTask.ts"
import type { Task } from "../domain/Task.ts"
import { Chance, Engine, EngineReader } from "../engine/Engine.ts"
import { Handlers } from "./Handler.ts"
import { Runs } from "./Runs.ts"
import { patience, patientlyUntilStopped } from "./Patience.ts"
import { settleRun } from "./Worker.ts"

/** How many lost runs are looked after at once. */
const lookups = 256
/** How many are read at a time. */
const page = 1000

const findingFor = (task: Task) =>
  Effect.gen(function*() {
    if (task.intents.length === 0) return { _tag: "NotBegun" } as const
    const handler = (yield* Handlers).get(task.kind)
    const gone: Finding = { _tag: "Gone", error: `its kind ${task.kind} is not declared any more, so nobody can look` }
    return handler === undefined ? gone : yield* handler.find(task)
  })

const takeBack = (task: Task, worker: string, watch: (task: Task, held: Held) => void) =>
  Effect.gen(function*() {
    const engine = yield* Engine
    const finding = yield* findingFor(task)
    const jitter = (yield* Chance).next()
    const { adopted, task: after } = yield* engine.commit(onTask(task.id, (current, now) => reclaim(current, finding, worker, now, jitter))).pipe(patientlyUntilStopped)
    if (adopted !== null) watch(after, adopted)
    yield* Effect.logDebug("a lost run was taken back", { task: task.id, finding: finding._tag, state: after.state })
  }).pipe(
    // Somebody settled it in the meantime.
    Effect.catchAll((error) => Effect.logWarning("a lost run was not taken back", { task: task.id, reason: error.message }))
  )

/** Answers the effect that takes back all runs of epochs before `epoch`; what it adopts is watched in the caller's scope. */
export const make = (worker: string) =>
  Effect.gen(function*() {
    const reader = yield* EngineReader
    const runs = yield* Runs
    const handlers = yield* Handlers
    const engine = yield* Engine
    const chance = yield* Chance
    const fork = yield* FiberSet.makeRuntime()

    const watch = (task: Task, held: Held) => {
      const handler = handlers.get(task.kind)
      if (handler === undefined) return
      fork(runs.during(task, held, ({ requested }) =>
        Effect.flatMap(handler.watch(task, requested), (outcome) => settleRun({ chance, engine }, { held, task }, outcome))))
    }

    const takeBackAll = (epoch: number): Effect.Effect<void, never, Engine | Handlers> =>
      Effect.gen(function*() {
        const lost = yield* reader.list({ leasedBefore: epoch, limit: page })
        yield* Effect.forEach(lost, (task) => takeBack(task, worker, watch), { concurrency: lookups, discard: true })
        if (lost.length > 0) yield* Effect.logInfo("lost runs were taken back", { count: lost.length })
        if (lost.length === page) yield* takeBackAll(epoch)
      }).pipe(
        Effect.retry({ schedule: patience }),
        Effect.orDie
      )
    return takeBackAll
  })
