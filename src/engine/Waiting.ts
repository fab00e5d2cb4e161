/**
 * Waiting for one of two things, in few fibers. What the runtime and the relays do most is to wait for news or an instant; `Effect.race`
 * takes six fibers for that and their interruption, this takes one, which sleeps.
 */
import { Duration, Effect, type Exit, Fiber, Option } from "effect"

/** Calls `told` when it happens, once; answers what stops that. */
type Listen<A> = (told: (value: A) => void) => () => void

/** What it is told first, or none when nothing was told within so many milliseconds. */
const toldWithin = <A>(listen: Listen<A>, ms: number): Effect.Effect<Option.Option<A>> =>
  Effect.flatMap(Effect.fork(Effect.interruptible(Effect.sleep(Duration.millis(ms)))), (sleeper) =>
    Effect.async<Option.Option<A>>((resume) => {
      const stop = listen((value) => {
        sleeper.unsafeInterruptAsFork(sleeper.id())
        resume(Effect.succeedSome(value))
      })
      sleeper.addObserver(() => {
        stop()
        resume(Effect.succeedNone)
      })
      return Effect.sync(() => {
        stop()
        sleeper.unsafeInterruptAsFork(sleeper.id())
      })
    }))

/** How a fiber ended, or none when it has not within so many milliseconds. It is left as it is; so it is when whoever waits is interrupted. */
export const endWithin = <A, E>(fiber: Fiber.RuntimeFiber<A, E>, ms: number): Effect.Effect<Option.Option<Exit.Exit<A, E>>> =>
  Effect.suspend(() => {
    const ended = fiber.unsafePoll()
    if (ended !== null) return Effect.succeedSome(ended)
    return toldWithin((told) => {
      fiber.addObserver(told)
      return () => fiber.removeObserver(told)
    }, ms)
  })

/**
 * Runs an effect for so many milliseconds at most, in a fiber of its own: one that does not let itself be interrupted is left behind then,
 * and holds up nobody. Fails with what `late` makes when the time is over.
 */
export const within = <E2>(ms: number, late: () => E2) => <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | E2, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.forkDaemon(Effect.interruptible(effect)), (fiber) => {
      const leave = Effect.sync(() => fiber.unsafeInterruptAsFork(fiber.id()))
      return restore(endWithin(fiber, ms)).pipe(
        Effect.onInterrupt(() => leave),
        Effect.flatMap((ended): Effect.Effect<A, E | E2> => (Option.isSome(ended) ? Fiber.join(fiber) : Effect.zipRight(leave, Effect.failSync(late))))
      )
    }))

/** Wakes whoever waits. Rings that nobody waits for become one. One waits at a time. */
export class Bell {
  private isRung = false
  private told: ((ring: void) => void) | null = null

  /** Never waits. */
  readonly ring = (): void => {
    const { told } = this
    if (told === null) this.isRung = true
    else {
      this.told = null
      told()
    }
  }

  /** Until it rings, at most so many milliseconds. */
  readonly wait = (ms: number): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (this.isRung) {
        this.isRung = false
        return Effect.void
      }
      return Effect.asVoid(toldWithin<void>((told) => {
        // It may have rung since: a fiber can be made to give up its turn anywhere.
        if (this.isRung) {
          this.isRung = false
          told()
          return () => undefined
        }
        this.told = told
        return () => {
          if (this.told === told) this.told = null
        }
      }, ms))
    })
}
