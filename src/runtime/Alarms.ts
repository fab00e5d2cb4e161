/** Timers that cost no fiber: what most runs need is a deadline that they never reach. */
import { clearTimeout, setTimeout } from "node:timers"
import { Context, Layer } from "effect"

export class Alarms extends Context.Tag("opsgate/runtime/Alarms")<Alarms, {
  /** Calls `ring` once after the delay in milliseconds, unless the answered function is called before. */
  readonly after: (delayMs: number, ring: () => void) => () => void
}>() {}

/** A longer delay would overflow and fire at once; it is cut to this, 24.8 days. */
const longestMs = 2 ** 31 - 1

export const layer = Layer.succeed(
  Alarms,
  Alarms.of({
    after: (delayMs, ring) => {
      // @effect-diagnostics-next-line globalTimers:off
      const timer = setTimeout(ring, Math.min(delayMs, longestMs))
      return () => clearTimeout(timer)
    }
  })
)
