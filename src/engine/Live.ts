/** The engine's ports in production: the machine's clocks, the event loop, and the end of the process. */
import { setImmediate, setTimeout } from "node:timers"
import { Effect, Layer } from "effect"
import { Fatal, Flush, Instants } from "./Engine.ts"

/** CLOCK_MONOTONIC, which is the same for all processes of the machine. */
const monoMs = (): number => Number(process.hrtime.bigint() / 1_000_000n)

export const instants = Layer.effect(
  Instants,
  Effect.map(Effect.clock, (clock) => Instants.of({ wallMs: () => clock.unsafeCurrentTimeMillis(), monoMs }))
)

export const flush = Layer.succeed(
  Flush,
  Flush.of({
    soon: (run) => {
      setImmediate(run)
    },
    later: (delayMs, run) => {
      // @effect-diagnostics-next-line globalTimers:off
      setTimeout(run, delayMs)
    }
  })
)

/** Exit code 1 without finalizers; whoever supervises the process starts it again. */
export const fatal = Layer.succeed(
  Fatal,
  Fatal.of({
    die: (sentence) => {
      process.stderr.write(`opsgate: ${sentence}\n`)
      process.exit(1)
    }
  })
)

export const layer = Layer.mergeAll(instants, flush, fatal)
