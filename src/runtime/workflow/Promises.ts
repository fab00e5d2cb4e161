/** The context for async functions: each member runs the operation of the Effect context in a fiber that belongs to the run. */
import { Cause, Effect, Exit, Runtime } from "effect"
import type { AsyncContext, Context, StepContext } from "./Context.ts"
import type { Scope } from "./Journal.ts"
import { contextOf, sideBySide, type Surroundings, wantedOf } from "./Operations.ts"
import { unfit } from "./StepOptions.ts"
import { beginsWork, mismatch, step } from "./Steps.ts"

/** Runs an operation for code that awaits it. When the run stops, the promise stays open: that code is forgotten. */
type Promised = <A>(operation: Effect.Effect<A, unknown>) => Promise<A>

const promised = ({ run }: Surroundings, runtime: Runtime.Runtime<never>): Promised => (operation) => {
  const promise = new Promise<Effect.Effect.Success<typeof operation>>((resolve, reject) => {
    const fiber = Runtime.runFork(runtime)(operation)
    run.adopt(fiber)
    fiber.addObserver((exit) => {
      if (Exit.isSuccess(exit)) resolve(exit.value)
      else if (!Cause.isInterruptedOnly(exit.cause)) reject(Cause.squash(exit.cause))
    })
  })
  // Code that does not await a step that fails must not take the process down; that it did not is told at its end.
  promise.catch(() => undefined)
  return promise
}

/**
 * A foreign function that answers a promise, or throws. What it throws is handed on as it is: how it is told, and what it means, is
 * decided where the effect class is known.
 */
export const awaited = <A>(call: () => Promise<A> | A): Effect.Effect<A, unknown> =>
  // @effect-diagnostics-next-line unknownInEffectCatch:off
  Effect.tryPromise({ try: async () => call(), catch: (cause) => cause })

// A promise goes on when nobody waits for it any more.
const working = <A>({ bodies }: Surroundings, key: string, call: () => Promise<A> | A): Promise<A> => {
  const done = beginsWork(bodies, key)
  const promise = (async () => call())()
  void promise.then(done, done)
  return promise
}

const contextIn = <P>(around: Surroundings, scope: Scope, payload: P, promise: Promised): AsyncContext<P> => {
  const context: Context<P> = contextOf(around, scope, payload)
  const { artifact, attempt, child, dispatchKey, exec, generation, heartbeat, now, progress, random, sleep, task, trace, uuid, waitFor } = context
  return {
    payload,
    task,
    attempt,
    generation,
    dispatchKey,
    trace,
    get signal() {
      return around.signal
    },
    step: (name, options, body) => {
      const issue = unfit(name, options, body)
      if (issue !== null) return promise(mismatch(around.run, issue))
      const { compensate, probe } = options
      return promise(step(around, scope, {
        ...wantedOf(name, options),
        body: (stepContext: StepContext) => awaited(() => working(around, stepContext.dispatchKey, () => body(stepContext))),
        probe: probe === undefined ? undefined : (stepContext) => awaited(() => probe(stepContext)),
        compensate: compensate === undefined ? undefined : (result, stepContext) => awaited(() => compensate(result, stepContext)),
        failsHonestly: false
      }))
    },
    exec: (name, options) => promise(exec(name, options)),
    sleep: (name, duration) => promise(sleep(name, duration)),
    waitFor: (name, options) => promise(waitFor(name, options)),
    child: (name, kind, childPayload) => promise(child(name, kind, childPayload)),
    all: (branches, options) =>
      promise(sideBySide(around, scope, branches, (branch, inner) => awaited(() => branch(contextIn(around, inner, payload, promise))), options?.concurrency)),
    now: () => promise(now),
    random: () => promise(random),
    uuid: () => promise(uuid),
    progress: (note, percent) => promise(progress(note, percent)),
    heartbeat: (note) => Effect.runSync(heartbeat(note)),
    artifact: (name, content) => promise(artifact(name, content))
  }
}

/** The async context of a run. */
export const asyncContextOf = <P>(around: Surroundings, scope: Scope, payload: P): Effect.Effect<AsyncContext<P>> =>
  Effect.map(Effect.runtime<never>(), (runtime) => contextIn(around, scope, payload, promised(around, runtime)))
