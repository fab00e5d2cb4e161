/** Pauses between tries to store something while the store is unavailable. */
import { Effect, Schedule } from "effect"
import { matrix } from "../domain/Matrix.ts"
import type { Refusal } from "../domain/Refusal.ts"
import type { EngineUnavailable } from "../engine/Engine.ts"
import { isTransient, scheduleOf } from "../engine/Patience.ts"

export const patience = scheduleOf(matrix.store_write.retry)

const passes = (error: Refusal | EngineUnavailable): boolean => error._tag === "EngineUnavailable" && isTransient(matrix.store_write, error.why)

/**
 * Tries until it is stored or refused; gives up when the store was closed. The first try is on its own, since it nearly always does:
 * what a schedule needs is made for the others only.
 */
export const patiently = <A, E extends Refusal | EngineUnavailable>(change: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.catchAll(change, (error) => (passes(error) ? Effect.retry(change, { schedule: patience, while: passes }) : Effect.fail(error)))

/**
 * The same, for a fiber that runs uninterruptibly: between two tries it can be interrupted, so that a process that stops does not
 * wait for a disk. The next start finds out anew what was to be stored.
 */
export const patientlyUntilStopped = <A, E extends Refusal | EngineUnavailable>(change: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.catchAll(change, (error) => {
    if (!passes(error)) return Effect.fail(error)
    return Effect.flatMap(Schedule.driver(patience), (driver) => {
      const again: Effect.Effect<A, E> = Effect.zipRight(
        Effect.interruptible(Effect.orDie(driver.next(undefined))),
        Effect.catchAll(change, (later) => (passes(later) ? again : Effect.fail(later)))
      )
      return again
    })
  })
