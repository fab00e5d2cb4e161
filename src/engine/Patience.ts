/**
 * Trying again, as `domain/Matrix.ts` says: per-try timeout, pauses, budget, and the closed list of what is worth another try. Time is
 * the monotonic side of Effect's clock, chance is `Chance`; a wall clock that is set changes nothing.
 */
import { Duration, Effect, Schedule, ScheduleDecision, ScheduleInterval, Schema } from "effect"
import { afterFailure, afterSuccess, jitteredMs, noTries, type Next, type Pauses, type Tries } from "../domain/Backoff.ts"
import { matrix, type Row, type Subsystem } from "../domain/Matrix.ts"
import { Chance } from "./Engine.ts"
import { within } from "./Waiting.ts"

/** One try took longer than its row allows. Whether it happened on the other side is not known. Its code is `timeout`. */
export class TryTimedOut extends Schema.TaggedError<TryTimedOut>()("TryTimedOut", { subsystem: Schema.String, ms: Schema.Number }) {
  get code(): string {
    return "timeout"
  }
  override get message() {
    return `${this.subsystem} did not end within ${this.ms} ms`
  }
}

/** The budget of a row is spent: so many tries, and the last of them failed with `cause`. Its code is `spent`. */
export class PatienceSpent extends Schema.TaggedError<PatienceSpent>()("PatienceSpent", {
  subsystem: Schema.String,
  why: Schema.Literal("attempts", "time"),
  tries: Schema.Int,
  lastCode: Schema.String,
  cause: Schema.Defect
}) {
  get code(): string {
    return "spent"
  }
  override get message() {
    return `${this.subsystem} was given up after ${this.tries} tries (${this.why}); the last one failed with ${this.lastCode}`
  }
}

/** A try that failed, as it is told to whoever puts it on record. */
export interface Failed {
  readonly subsystem: Subsystem
  readonly code: string
  /** Tries so far. */
  readonly tries: number
  /** How long it is waited before the next; null: there is none. */
  readonly pauseMs: number | null
}

export interface Options<E> {
  /** What the closed list knows a failure by. Default: its `code`, or its tag. */
  readonly codeOf?: (error: E) => string
  /** How long the other side asks to be left alone, in milliseconds. */
  readonly askedMs?: (error: E) => number | undefined
  /** Called with each failure, before the pause. Default: a line in the log. */
  readonly onFailure?: (failed: Failed) => Effect.Effect<void>
}

const textIn = (error: unknown, member: "code" | "_tag"): string | undefined => {
  const found: unknown = typeof error === "object" && error !== null ? Reflect.get(error, member) : undefined
  return typeof found === "string" ? found : undefined
}

/** The code of a failure: its `code`, otherwise its tag. */
export const codeOf = (error: unknown): string => textIn(error, "code") ?? textIn(error, "_tag") ?? "unknown"

/** Whether a row tries again after this code. */
export const isTransient = (row: Row, code: string): boolean => row.transient.includes(code) || row.transient.includes("*")

const always = (): boolean => true

const monoMs = Effect.clockWith((clock) => Effect.sync(() => Number(clock.unsafeCurrentTimeNanos() / 1_000_000n)))
const chance = Effect.map(Chance, ({ next }) => next())

const logged = ({ code, pauseMs, subsystem, tries }: Failed): Effect.Effect<void> =>
  pauseMs === null
    ? Effect.logWarning("patience is spent", { subsystem, code, tries })
    : Effect.logWarning("a try failed; it is tried again", { subsystem, code, tries, pause_ms: pauseMs })

const next = (pauses: Pauses, tries: Tries, asked?: number): Effect.Effect<Next> =>
  Effect.zipWith(monoMs, chance, (nowMs, drawn) => afterFailure(pauses, tries, nowMs, drawn, asked))

/** The pauses of a row as a schedule, for what fails with whatever is worth another try. `askedMs` reads a pause that is asked for. */
export const scheduleOf = <In = unknown>(pauses: Pauses, askedMs: (input: In) => number | undefined = () => undefined): Schedule.Schedule<number, In> =>
  Schedule.makeWithState<Tries | null, In, number>(null, (wallMs, input, state) =>
    Effect.gen(function*() {
      const step = yield* next(pauses, state ?? noTries(yield* monoMs), askedMs(input))
      return step._tag === "Spent"
        ? [step.tries, step.tries.tried, ScheduleDecision.done] as const
        : [step.tries, step.tries.tried, ScheduleDecision.continueWith(ScheduleInterval.after(wallMs + step.ms))] as const
    }))

/** Sleeps as long as after so many failures in a row. */
export const pause = (pauses: Pauses, failures = 1): Effect.Effect<void> =>
  Effect.flatMap(chance, (drawn) => Effect.sleep(Duration.millis(jitteredMs(pauses, failures, drawn))))

const limited = <A, E, R>(subsystem: Subsystem, { timeoutMs }: Row, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | TryTimedOut, R> =>
  timeoutMs === null
    ? effect
    : within(timeoutMs, () => new TryTimedOut({ subsystem, ms: timeoutMs }))(effect)

interface Judged {
  readonly code: string
  readonly next: Next | null
}

const judging = <E>(subsystem: Subsystem, row: Row, options: Options<E>) => (error: E | TryTimedOut, tries: Tries): Effect.Effect<Judged> =>
  Effect.gen(function*() {
    const ours = error instanceof TryTimedOut
    const code = ours ? error.code : (options.codeOf ?? codeOf)(error)
    if (row.retry === null || !isTransient(row, code)) return { code, next: null }
    const step = yield* next(row.retry, tries, ours ? undefined : options.askedMs?.(error))
    yield* (options.onFailure ?? logged)({ subsystem, code, tries: step.tries.tried, pauseMs: step._tag === "Pause" ? step.ms : null })
    return { code, next: step }
  })

/**
 * Tries as the row of `subsystem` says. A failure that is not in its list fails at once, as it is; a try beyond its time fails with
 * `TryTimedOut`; a budget that is spent with `PatienceSpent`, which has the last failure as its cause.
 */
export const withPatience = <E>(subsystem: Subsystem, options: Options<E> = {}) => <A, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | TryTimedOut | PatienceSpent, R> => {
  const row: Row = matrix[subsystem]
  const judge = judging(subsystem, row, options)
  const attempt = (tries: Tries): Effect.Effect<A, E | TryTimedOut | PatienceSpent, R> =>
    Effect.catchAll(limited(subsystem, row, effect), (error) =>
      Effect.flatMap(judge(error, tries), ({ code, next: step }): Effect.Effect<A, E | TryTimedOut | PatienceSpent, R> => {
        if (step === null) return Effect.fail(error)
        if (step._tag === "Spent") return new PatienceSpent({ subsystem, why: step.why, tries: step.tries.tried, lastCode: code, cause: error })
        return Effect.zipRight(Effect.sleep(Duration.millis(step.ms)), attempt(step.tries))
      }))
  return Effect.flatMap(monoMs, (nowMs) => attempt(noTries(nowMs)))
}

/**
 * Does a round again and again, until it fails with something that its row does not try again after. Rounds begin no faster than the
 * row's `roundMs`, however soon they end; a success between two failures does not shorten the pauses, see `Backoff.ts`.
 */
export const rounds = <E>(subsystem: Subsystem, options: Options<E> = {}) => <A, R>(round: Effect.Effect<A, E, R>): Effect.Effect<never, E | TryTimedOut | PatienceSpent, R> => {
  const row: Row = matrix[subsystem]
  const judge = judging(subsystem, row, options)
  const leastMs = Math.max(1, row.roundMs ?? 1)
  const after = (startedMs: number): Effect.Effect<void> =>
    Effect.flatMap(monoMs, (nowMs) => {
      const leftMs = Math.min(leastMs, leastMs - (nowMs - startedMs))
      return leftMs > 0 ? Effect.sleep(Duration.millis(leftMs)) : Effect.yieldNow()
    })
  const one = (tries: Tries): Effect.Effect<Tries, E | TryTimedOut | PatienceSpent, R> =>
    Effect.flatMap(monoMs, (startedMs) =>
      Effect.matchEffect(limited(subsystem, row, round), {
        onSuccess: () => Effect.zipRight(after(startedMs), Effect.map(monoMs, (nowMs) => afterSuccess(tries, nowMs))),
        onFailure: (error) =>
          Effect.flatMap(judge(error, tries), ({ code, next: step }): Effect.Effect<Tries, E | TryTimedOut | PatienceSpent> => {
            if (step === null) return Effect.fail(error)
            if (step._tag === "Spent") return new PatienceSpent({ subsystem, why: step.why, tries: step.tries.tried, lastCode: code, cause: error })
            return Effect.as(Effect.sleep(Duration.millis(step.ms)), step.tries)
          })
      }))
  return Effect.flatMap(monoMs, (nowMs) => Effect.iterate(noTries(nowMs), { while: always, body: one })).pipe(Effect.zipRight(Effect.never))
}

