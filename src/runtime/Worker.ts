/**
 * Claims due tasks, as many as there are free slots, and runs each under its lease.
 *
 * A run that has lost its lease is not interrupted: it learns it from the fence, at its next write. Nobody waits for it.
 */
import { Cause, Duration, Effect, Exit, FiberSet, Option, Queue, Random, Ref, Schedule } from "effect"
import { claim, type Claimed } from "../domain/Dispatch.ts"
import { begin, type Outcome, settle } from "../domain/Execution.ts"
import type { Held } from "../domain/Lease.ts"
import { storedError } from "../domain/Redaction.ts"
import { LeaseLost, TaskNotFound } from "../domain/Refusal.ts"
import { refused } from "../domain/Decision.ts"
import type { Task } from "../domain/Task.ts"
import { Engine, type EngineUnavailable, Instants } from "../engine/Engine.ts"
import { type Handler, Handlers, type Run } from "./Handler.ts"
import { Runs } from "./Runs.ts"

/** The longest a worker sleeps without looking; a longer timer would overflow after 24.8 days and never fire. */
const napMax = Duration.minutes(10)
/** The shortest pause after a look that found due tasks and could claim none of them. */
const napMin = Duration.millis(50)

/** Pauses between tries to store something while the store is unavailable. */
export const patience = Schedule.exponential("20 millis").pipe(Schedule.union(Schedule.spaced("2 seconds")), Schedule.jittered)

export interface WorkerOptions {
  readonly slots: number
  readonly name: string
  /** The epoch under which to claim. */
  readonly epoch: Ref.Ref<number>
}

/** Stores how a run ended. A write that comes too late is refused, counted by its event, and dropped here. */
export const settleRun = (task: Task, held: Held, outcome: Outcome) =>
  Effect.gen(function*() {
    const engine = yield* Engine
    const chance = yield* Random.next
    yield* engine.commit({
      tasks: [task.id],
      key: null,
      rule: ({ tasks: [current] }, now) =>
        current === undefined ? refused(new TaskNotFound({ task: task.id }), {}) : settle(current, held, outcome, now, chance)
    }).pipe(
      Effect.retry({ schedule: patience, while: (error) => error._tag === "EngineUnavailable" }),
      Effect.catchAll((error) => Effect.logWarning("a result came too late", { task: task.id, reason: error.message }))
    )
  })

const beginUnder = (engine: Engine["Type"], task: Task, held: Held): Run["begin"] => (intent) =>
  engine.commit({
    tasks: [task.id],
    key: null,
    rule: ({ tasks: [current] }, now) =>
      current === undefined ? refused(new TaskNotFound({ task: task.id }), {}) : begin(current, held, intent, now)
  }).pipe(
    Effect.catchAll((error) => (error._tag === "LeaseLost" || error._tag === "EngineUnavailable" ? Effect.fail(error) : Effect.die(error)))
  )

// A handler that breaks is a failed attempt. Whether a dangerous effect had begun is then not known.
const outcomeOf = (exit: Exit.Exit<Outcome | null, LeaseLost | EngineUnavailable>, dangerous: boolean): Outcome | null => {
  if (Exit.isSuccess(exit)) return exit.value
  const failure = Cause.failureOption(exit.cause)
  if (Option.isSome(failure) && failure.value._tag === "LeaseLost") return null
  const error = storedError(Cause.pretty(exit.cause))
  return dangerous ? { _tag: "Unknown", code: "handler_broke", error } : { _tag: "Failed", code: "handler_broke", error }
}

const runClaimed = ({ held, task }: Claimed) =>
  Effect.gen(function*() {
    const engine = yield* Engine
    const runs = yield* Runs
    const handler: Handler | undefined = (yield* Handlers).get(task.kind)
    if (handler === undefined) return yield* settleRun(task, held, { _tag: "Failed", code: "kind_unknown", error: `no kind ${task.kind} is declared` })
    yield* runs.during(task, held, (cancelRequested) =>
      Effect.gen(function*() {
        let begun = false
        const tracked: Run["begin"] = (intent) =>
          Effect.tap(beginUnder(engine, task, held)(intent), () => Effect.sync(() => (begun = intent.effect === "dangerous")))
        const exit = yield* Effect.exit(handler.run({ task, held, begin: tracked, cancelRequested }))
        const outcome = outcomeOf(exit, begun)
        if (outcome !== null) yield* settleRun(task, held, outcome)
      }))
  })

/** Claims and runs until it is interrupted. Runs go on in the scope of the caller. */
export const loop = ({ epoch, name, slots }: WorkerOptions) =>
  Effect.gen(function*() {
    const engine = yield* Engine
    const runs = yield* Runs
    const handlers = yield* Handlers
    const instants = yield* Instants
    const fork = yield* FiberSet.makeRuntime<Engine | Runs | Handlers>()

    // Uninterruptible, so that no task is leased without somebody to run it.
    const claimDue = (limit: number) =>
      engine.claim({ limit, rule: (task, now) => claim(task, name, handlers.get(task.kind)?.version, now) }).pipe(
        Effect.tap((claimed) =>
          Effect.sync(() => {
            for (const one of claimed) if (one !== null) fork(runClaimed(one))
          })
        ),
        Effect.uninterruptible
      )

    const nap = Effect.gen(function*() {
      const free = slots - runs.countOf(yield* Ref.get(epoch))
      const { claimMs } = yield* engine.nextDue
      const wait = free <= 0 || claimMs === null ? napMax : Duration.clamp(Duration.millis(claimMs - instants.wallMs()), { minimum: napMin, maximum: napMax })
      yield* Effect.race(Queue.take(runs.wake), Effect.sleep(wait))
    })

    const round = Effect.gen(function*() {
      const free = slots - runs.countOf(yield* Ref.get(epoch))
      const claimed = free > 0 ? yield* claimDue(free) : []
      if (claimed.length === 0) yield* nap
      else yield* Effect.yieldNow()
    }).pipe(
      Effect.retry({ schedule: patience, while: (error) => error._tag === "EngineUnavailable" })
    )

    return yield* Effect.forever(round)
  })
