/**
 * Fibers that run one task after the other. To start a fiber costs as much as all the rest of a trivial run, so one that has ended
 * its run waits for the next. A fiber whose run was interrupted ends, and another takes its place when it is needed.
 */
import { Effect, FiberSet } from "effect"

/** Answers the function that runs something in the next free fiber. Fibers live in the scope of the caller. */
export const make = <A>(run: (work: A) => Effect.Effect<unknown>) =>
  Effect.map(FiberSet.makeRuntime<never>(), (fork) => {
    const idle: Array<(work: A) => void> = []
    const next = Effect.async<A>((resume) => {
      const take = (work: A) => resume(Effect.succeed(work))
      idle.push(take)
      return Effect.sync(() => {
        const place = idle.indexOf(take)
        if (place >= 0) idle.splice(place, 1)
      })
    })
    const loop = (work: A): Effect.Effect<never> => Effect.flatMap(run(work), () => Effect.flatMap(next, loop))
    return (work: A): void => {
      const take = idle.pop()
      if (take === undefined) fork(loop(work))
      else take(work)
    }
  })
