/**
 * Steps: an intent before the effect, its outcome after it, and between the two the one question that matters after a crash:
 * what may be done again. `read` and `idempotent` steps may, with the same key; a dangerous one never, unless somebody knows.
 */
import { Cause, Data, Duration, Effect, Exit, Fiber, Option } from "effect"
import { canonical, type Json, sha256 } from "../../domain/Canonical.ts"
import { endStep, type StepEnd } from "../../domain/Checkpoint.ts"
import { begin } from "../../domain/Execution.ts"
import { traceparentOf } from "../../domain/Ids.ts"
import { matrix } from "../../domain/Matrix.ts"
import { onTask } from "../../domain/OnTask.ts"
import { storedError } from "../../domain/Redaction.ts"
import type { Refusal } from "../../domain/Refusal.ts"
import { delayAfterMs } from "../../domain/RetryPolicy.ts"
import { type StepDraft, stepKey, type StepSort } from "../../domain/Step.ts"
import type { Change, Engine, EngineUnavailable } from "../../engine/Engine.ts"
import { endWithin } from "../../engine/Waiting.ts"
import { patiently } from "../Patience.ts"
import type { Probe, StepContext, StepRetry } from "./Context.ts"
import { isMismatch, type Journal, type Mismatch, type Place, type Scope } from "./Journal.ts"
import { LazyAbort } from "./LazyAbort.ts"
import { forever, type Run } from "./Run.ts"
import { codeOf, isStepFailed, StepFailed, wordsOf } from "./StepFailed.ts"
import type { Codec } from "./Values.ts"

/** What the operations of a context work with. */
export interface Tools {
  readonly run: Run
  readonly journal: Journal
  readonly engine: Engine["Type"]
  /** Uniform in [0, 1). */
  readonly chance: () => number
  readonly wallMs: () => number
  /** Dispatch keys of the bodies that are at work in this process, also those of runs that have lost their task. */
  readonly bodies: Map<string, number>
}

/** A step as the two flavours ask for it. */
export interface Wanted<A, R> {
  readonly name: string
  readonly effect: "read" | "idempotent" | "dangerous"
  readonly codec: Codec<A>
  readonly timeoutMs: number | null
  readonly retry: StepRetry | undefined
  readonly interruptible: boolean
  readonly body: (step: StepContext) => Effect.Effect<A, unknown, R>
  readonly probe: ((step: StepContext) => Effect.Effect<Probe<A>, unknown, R>) | undefined
  readonly compensate: ((result: A, step: StepContext) => Effect.Effect<unknown, unknown, R>) | undefined
  /** Whether any failure of the body says for sure that nothing happened. A promise cannot: it also rejects when an answer is lost. */
  readonly failsHonestly: boolean
}

/** Stores something under the lease, as often as it takes; when the lease is lost the run stops. */
export const store = <A>({ engine, run }: Tools, change: Change<A>): Effect.Effect<A> =>
  resting(run, Effect.catchAll(patiently(engine.commit(change)), (error) => stopFor(run, error)))

// Who waits for the store, or for the next try, gives no signs of life. Most runs need give none.
const resting = <A, E, R>(run: Run, waiting: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  run.task.limits.heartbeatMs === undefined ? waiting : Effect.acquireUseRelease(Effect.sync(() => run.rest()), () => waiting, (wakes) => Effect.sync(wakes))

const stopFor = (run: Run, error: Refusal | EngineUnavailable): Effect.Effect<never> =>
  Effect.suspend(() => {
    if (error._tag !== "LeaseLost" && error._tag !== "EngineUnavailable") return Effect.die(error)
    run.halt({ _tag: "LeaseLost" })
    return forever
  })

export const mismatch = (run: Run, { code, error }: Mismatch): Effect.Effect<never> =>
  Effect.suspend(() => {
    run.halt({ _tag: "Mismatch", code, error })
    return forever
  })

/** The draft of a step at a place. */
export const draftAt = (run: Run, place: Place, sort: StepSort, effect: StepDraft["effect"], answers: boolean): StepDraft => ({
  number: place.number,
  scope: place.scope,
  index: place.index,
  name: place.name,
  sort,
  effect,
  dispatchKey: stepKey(run.task.dispatchKey, place.number),
  inputSha256: run.task.payloadSha256,
  drawn: place.drawn,
  answers,
  supervisor: null,
  ...(place.known?.state === "waiting" ? { sinceMs: place.known.startedAtMs } : {})
})

export const failedWith = (place: Pick<Place, "name" | "number">, code: string, reason: string) =>
  new StepFailed({ step: place.number, name: place.name, code, reason })

/** Comes to a step: answers what is known of it, or does it. */
export const step = <A, R>(tools: Tools, scope: Scope, wanted: Wanted<A, R>): Effect.Effect<A, StepFailed, R> =>
  Effect.suspend(() => {
    const { journal, run } = tools
    if (run.stopped() !== null) return forever
    const place = journal.enter(scope, wanted.name, "code")
    if (isMismatch(place)) return mismatch(run, place)
    const { known } = place
    if (known?.state === "succeeded") return recorded(tools, place, wanted, parsed(known.result))
    const failure = standing(run, place)
    if (failure !== null) return failure
    if (known?.state === "open" && known.effect === "dangerous") return asking(tools, place, wanted, "outcome_unknown", "its outcome was not stored")
    return tried(tools, place, wanted, 1)
  })

/**
 * The failure that was recorded, if it stands: in a run that was only parked since, once something was built on it, and in a fork that
 * took it over. Otherwise the step is what the next attempt begins with.
 */
export const standing = (run: Run, place: Place): StepFailed | null => {
  const { builtOn, known } = place
  const stands = known?.state === "failed" && (builtOn || known.attempt === run.task.attempt || known.copiedFrom !== null)
  return stands ? failedWith(place, known.code ?? "step_failed", known.error ?? "") : null
}

/** A result as it was kept. */
export const parsed = (text: string | null): Json => (text === null ? null : JSON.parse(text))

// A result that the code can no longer read stops the run: to go on with something else would be to go on with a guess.
const recorded = <A, R>(tools: Tools, place: Place, wanted: Wanted<A, R>, json: Json): Effect.Effect<A, never, R> =>
  Effect.flatMap(Effect.either(wanted.codec.decode(json)), (decoded) => {
    if (decoded._tag === "Left") {
      return mismatch(tools.run, { code: "replay_mismatch", error: `the recorded result of step ${place.number} ${JSON.stringify(place.name)} does not fit any more: ${decoded.left}` })
    }
    const { right: value } = decoded
    return Effect.as(remembering(tools, place, wanted, value), value)
  })

const remembering = <A, R>({ run }: Tools, place: Place, { compensate }: Wanted<A, R>, value: A): Effect.Effect<void, never, R> =>
  compensate === undefined
    ? Effect.void
    : Effect.map(Effect.context<R>(), (context) => {
      run.undos.push({ number: place.number, name: place.name, effect: (step) => Effect.provide(compensate(value, step), context) })
    })

const stepContext = (run: Run, place: Place, abort: LazyAbort): StepContext => ({
  step: place.number,
  dispatchKey: stepKey(run.task.dispatchKey, place.number),
  generation: run.held.generation,
  attempt: run.task.attempt,
  // Made when it is asked for: most steps do not.
  get traceparent() {
    return traceparentOf(run.task, place.number)
  },
  get signal() {
    return abort.signal
  }
})

// A body that was left, since its time was up or its lease was over, may still be at work.
const atWork = <A, R>({ bodies }: Tools, key: string, body: Effect.Effect<A, unknown, R>): Effect.Effect<A, unknown, R> =>
  Effect.acquireUseRelease(
    Effect.sync(() => beginsWork(bodies, key)),
    () => Effect.interruptible(body),
    (done) => Effect.sync(done)
  )

/** Takes note of a body that begins; answers the function that says it has ended. */
export const beginsWork = (bodies: Tools["bodies"], key: string): () => void => {
  bodies.set(key, (bodies.get(key) ?? 0) + 1)
  return () => {
    const left = (bodies.get(key) ?? 1) - 1
    if (left > 0) bodies.set(key, left)
    else bodies.delete(key)
  }
}

// One try: intent, effect, outcome.
const tried = <A, R>(tools: Tools, place: Place, wanted: Wanted<A, R>, attempt: number): Effect.Effect<A, StepFailed, R> =>
  Effect.suspend(() => {
    const { run } = tools
    const abort = new LazyAbort()
    const { effect, interruptible, name } = wanted
    run.began({ number: place.number, name, effect, interruptible, abort: (reason) => abort.abort(reason) })
    const plain = draftAt(run, place, "code", effect, wanted.probe !== undefined)
    const draft = wanted.codec.sensitive === undefined ? plain : { ...plain, sensitive: wanted.codec.sensitive }
    const earlier = run.takePending()
    return Effect.flatMap(
      store(tools, onTask(run.task.id, (task, now) => begin(task, run.held, draft, now, earlier))),
      ({ compensate, step: begun }): Effect.Effect<A, StepFailed, R> => {
        if (begun === null) {
          run.halt({ _tag: "Asked", compensate })
          run.ended(place.number)
          return forever
        }
        const work = wanted.body(stepContext(run, place, abort))
        // Only of a dangerous one is anybody ever asked whether it happened.
        const watched = effect === "dangerous" ? atWork(tools, draft.dispatchKey, work) : work
        const body = Effect.onInterrupt(limited(watched, wanted.timeoutMs, abort), () => Effect.sync(() => run.abandoned(place.number)))
        return Effect.flatMap(Effect.exit(body), (exit) =>
          Exit.isSuccess(exit) ? kept(tools, place, wanted, exit.value) : failing(tools, place, wanted, attempt, exit.cause))
      }
    )
  })

/** Marks a step that took too long. */
class TookTooLong extends Data.TaggedClass("step_timeout")<{ readonly ms: number }> {}

// In a fiber of its own, so that a body that never ends is left behind.
const limited = <A, R>(body: Effect.Effect<A, unknown, R>, timeoutMs: number | null, abort: LazyAbort): Effect.Effect<A, unknown, R> =>
  timeoutMs === null ? body : Effect.flatMap(Effect.fork(Effect.interruptible(body)), (fiber) =>
    endWithin(fiber, timeoutMs).pipe(
      Effect.onInterrupt(() => Effect.sync(() => fiber.unsafeInterruptAsFork(fiber.id()))),
      Effect.flatMap(Option.match({
        onSome: () => Fiber.join(fiber),
        onNone: () => {
          const reason = new TookTooLong({ ms: timeoutMs })
          abort.abort(reason)
          fiber.unsafeInterruptAsFork(fiber.id())
          return Effect.fail(reason)
        }
      }))
    ))

/** Stores how a step ended. */
export const ending = (tools: Tools, place: Place, end: StepEnd): Effect.Effect<void> =>
  Effect.suspend(() => {
    const { run } = tools
    const earlier = run.takePending()
    return Effect.tap(store(tools, onTask(run.task.id, (task, now) => endStep(task, run.held, place, end, now, earlier))), () =>
      Effect.sync(() => run.ended(place.number)))
  })

// What is given back is what was kept: a replay gets the same.
const kept = <A, R>(tools: Tools, place: Place, wanted: Wanted<A, R>, value: A): Effect.Effect<A, StepFailed, R> =>
  Effect.flatMap(Effect.either(wanted.codec.encode(value)), (encoded) => {
    if (encoded._tag === "Right") {
      return Effect.zipRight(ending(tools, place, { _tag: "Succeeded", result: encoded.right }), recorded(tools, place, wanted, encoded.right))
    }
    const reason = `its result cannot be kept: ${encoded.left}`
    // It happened, and it must not happen again: only a person can say what came of it.
    return wanted.effect === "dangerous" ? unknown(tools, place, "result_unfit", reason) : Effect.zipRight(ending(tools, place, { _tag: "Failed", code: "result_unfit", error: reason }), failedWith(place, "result_unfit", reason))
  })

/** Stops the run: nobody knows whether the step happened. */
export const unknown = ({ run }: Tools, place: Place, code: string, reason: string): Effect.Effect<never> =>
  Effect.suspend(() => {
    run.halt({ _tag: "Unknown", code, error: `step ${place.number} ${JSON.stringify(place.name)}: ${reason}` })
    run.ended(place.number)
    return forever
  })

const failing = <A, R>(tools: Tools, place: Place, wanted: Wanted<A, R>, attempt: number, cause: Cause.Cause<unknown>): Effect.Effect<A, StepFailed, R> => {
  const failure = Cause.failureOption(cause)
  const thrown: unknown = Option.isSome(failure) ? failure.value : Cause.squash(cause)
  const tookTooLong = thrown instanceof TookTooLong
  const code = tookTooLong ? "step_timeout" : isStepFailed(thrown) ? thrown.code ?? "step_failed" : codeOf(thrown, "step_failed")
  const reason = storedError(tookTooLong ? `it did not end within ${thrown.ms} ms` : wordsOf(thrown))
  const isSure = !tookTooLong && (isStepFailed(thrown) || (wanted.failsHonestly && Option.isSome(failure)))
  if (wanted.effect === "dangerous" && !isSure) return asking(tools, place, wanted, code, reason, tookTooLong)
  return Effect.zipRight(ending(tools, place, { _tag: "Failed", code, error: reason }), again(tools, place, wanted, attempt, code, reason))
}

/** Whatever a step says, it does not hold its slot for longer than this between two tries. */
const pauseMaxMs = 30_000

const again = <A, R>(tools: Tools, place: Place, wanted: Wanted<A, R>, attempt: number, code: string, reason: string): Effect.Effect<A, StepFailed, R> => {
  const { retry } = wanted
  if (retry === undefined || attempt >= retry.attempts) return failedWith(place, code, reason)
  const baseMs = Duration.toMillis(retry.base ?? matrix.step.retry.baseMs)
  const capMs = Math.min(Duration.toMillis(retry.cap ?? matrix.step.retry.capMs), pauseMaxMs)
  const { run } = tools
  // It counts as being in the middle of something while it waits, and may be ended there.
  run.began({ number: place.number, name: place.name, effect: "read", interruptible: true, abort: () => undefined })
  return Effect.zipRight(
    resting(run, Effect.sleep(delayAfterMs(attempt, { attemptsMax: retry.attempts, baseMs, capMs }, tools.chance()))),
    tried(tools, place, wanted, attempt + 1)
  )
}

// Nobody stored whether it happened. The outside system may know: what has happened has happened. What has not may still, while a body is
// at work; then "it did not" is no answer.
const asking = <A, R>(tools: Tools, place: Place, wanted: Wanted<A, R>, code: string, reason: string, wasLeft = false): Effect.Effect<A, StepFailed, R> => {
  const { run } = tools
  const { probe } = wanted
  if (probe === undefined) return unknown(tools, place, code, reason)
  const abort = new LazyAbort()
  run.began({ number: place.number, name: place.name, effect: "dangerous", interruptible: false, abort: (reason) => abort.abort(reason) })
  return Effect.flatMap(Effect.exit(limited(probe(stepContext(run, place, abort)), wanted.timeoutMs, abort)), (exit): Effect.Effect<A, StepFailed, R> => {
    if (Exit.isFailure(exit)) return unknown(tools, place, code, `${reason}; its probe failed: ${storedError(wordsOf(Cause.squash(exit.cause)))}`)
    const found = exit.value
    if (found?.happened === true) return kept(tools, place, wanted, found.result)
    if (found?.happened === false && (wasLeft || tools.bodies.has(stepKey(run.task.dispatchKey, place.number)))) {
      return unknown(tools, place, code, `${reason}; its probe says that it has not happened, but its body may still be at work`)
    }
    if (found?.happened !== false) return unknown(tools, place, code, `${reason}; its probe cannot tell either`)
    const failed = Effect.zipRight(ending(tools, place, { _tag: "Failed", code, error: reason }), failedWith(place, code, reason))
    return place.known?.state === "open" ? Effect.zipRight(ending(tools, place, { _tag: "Cleared", code: "probed" }), tried(tools, place, wanted, 1)) : failed
  })
}

/** The digest of what a child or command is given. */
export const inputDigest = (input: Json): string => sha256(canonical(input))
