/** Trace ids of requests that bring none. */
import { Effect } from "effect"
import { traceAt } from "../domain/Ids.ts"
import { Chance, Instants } from "../engine/Engine.ts"

export const drawTrace = ({ next }: Chance["Type"], wallMs: number): string => traceAt(wallMs, [next(), next(), next()])

/** A trace id that is drawn now. */
export const newTrace = Effect.gen(function*() {
  const { wallMs } = yield* Instants
  return drawTrace(yield* Chance, wallMs())
})
