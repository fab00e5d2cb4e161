/** Pauses between tries to store something while the store is unavailable. */
import { Effect, Schedule } from "effect"
import type { Refusal } from "../domain/Refusal.ts"
import type { EngineUnavailable } from "../engine/Engine.ts"

export const patience = Schedule.exponential("20 millis").pipe(Schedule.union(Schedule.spaced("2 seconds")), Schedule.jittered)

const passes = (error: Refusal | EngineUnavailable): boolean => error._tag === "EngineUnavailable" && error.why !== "closed"

/**
 * Tries until it is stored or refused; gives up when the store was closed. The first try is on its own, since it nearly always does:
 * what a schedule needs is made for the others only.
 */
export const patiently = <A, E extends Refusal | EngineUnavailable>(change: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.catchAll(change, (error) => (passes(error) ? Effect.retry(change, { schedule: patience, while: passes }) : Effect.fail(error)))
