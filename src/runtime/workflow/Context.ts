/**
 * What the code of a task sees of its run, in two flavours: `Context` for Effect, `AsyncContext` for promises. The code is run anew
 * after every wait and every crash; what it did through its context is not done again, so everything else in it has to come out the
 * same each time: no clock, no chance, no input or output outside of steps.
 */
import type { Duration, Effect, Either, Schema } from "effect"
import type { Json } from "../../domain/Canonical.ts"
import type { EffectClass } from "../../domain/EffectClass.ts"
import type { StepFailed } from "./StepFailed.ts"

/** What a probe found out about a dangerous step whose outcome is not known. */
export type Probe<A> =
  | { readonly happened: true; readonly result: A }
  | { readonly happened: false }
  /** The outside system cannot tell either: a person has to look. */
  | { readonly happened: "unknown" }

/** What the body of a step is given. */
export interface StepContext {
  /** Counts from 1. */
  readonly step: number
  /** The same for every try of this step: what an outside system is given to tell a repeat. */
  readonly dispatchKey: string
  /** The fencing token: outside systems that can should refuse a lower one than the highest they saw. */
  readonly generation: number
  readonly attempt: number
  /** `traceparent` of W3C Trace Context for what the step calls: the trace of the task, and a span that is the same for every try. */
  readonly traceparent: string
  /** Aborted when the step is to stop: at its timeout, at a kill, when it is interruptible and the task is canceled. */
  readonly signal: AbortSignal
}

export interface StepRetry {
  /** Tries in all, the first included. */
  readonly attempts: number
  /** Pause before the second try; doubles from there, with full jitter. Default 100 ms. */
  readonly base?: Duration.DurationInput
  /** The longest pause, at most 30 s: longer ones belong to the task's own retry, which holds no worker. Default 5 s. */
  readonly cap?: Duration.DurationInput
}

interface Common<A, I> {
  /** How the result is kept. Without it the result has to be plain JSON. */
  readonly output?: Schema.Schema<A, I>
  readonly retry?: StepRetry
  /** Whether a cancel ends the step in its middle. Without it a cancel waits for the end of the step. */
  readonly interruptible?: boolean
}

interface Harmless {
  readonly effect: "read" | "idempotent"
  readonly timeout?: Duration.DurationInput
  readonly atMostOnce?: never
  readonly probe?: never
}

// A dangerous step says how long it may take, and what to do when nobody knows whether it happened.
interface Dangerous {
  readonly effect: "dangerous"
  readonly timeout: Duration.DurationInput
}
interface AtMostOnce extends Dangerous {
  /** Never run again by itself: when its outcome is not known, a person settles it with `reconcile`. */
  readonly atMostOnce: true
  readonly probe?: never
}
interface Probed<P> extends Dangerous {
  readonly atMostOnce?: never
  /** Asks the outside system, by the dispatch key, whether it happened. */
  readonly probe: P
}

export type StepOptions<A, R = never, I = unknown> =
  & Common<A, I>
  & (Harmless | AtMostOnce | Probed<(step: StepContext) => Effect.Effect<Probe<A>, unknown, R>>)
  & {
    /** Undoes the step, when a task is canceled with compensation. Has to be idempotent. */
    readonly compensate?: (result: A, step: StepContext) => Effect.Effect<unknown, unknown, R>
  }

export type AsyncStepOptions<A, I = unknown> =
  & Common<A, I>
  & (Harmless | AtMostOnce | Probed<(step: StepContext) => Promise<Probe<A>>>)
  & { readonly compensate?: (result: A, step: StepContext) => Promise<unknown> }

export interface WaitOptions<A, I = unknown> {
  readonly schema?: Schema.Schema<A, I>
  /** Without it the run waits for ever. A signal that does not come in time fails the step with `signal_timeout`. */
  readonly timeout?: Duration.DurationInput
  /** Name of the step, where one signal is waited for more than once. */
  readonly as?: string
}

export interface AllOptions {
  /** Branches at once. Default 8. */
  readonly concurrency?: number
}

/** A command: program and arguments, never a shell. */
export interface CommandOptions {
  readonly argv: ReadonlyArray<string>
  readonly effect: EffectClass
  /** Then it gets SIGTERM, and SIGKILL after the grace. */
  readonly timeout: Duration.DurationInput
  /** Absolute path. */
  readonly cwd: string
  /** Its whole environment, besides a plain PATH and the `OPSGATE_*` variables of its run. */
  readonly env?: Readonly<Record<string, string>>
  readonly stdin?: string
  /** It is ended when it writes nothing and does not touch `OPSGATE_HEARTBEAT_FILE` for so long. Default: that of the task, if it has one. */
  readonly heartbeat?: Duration.DurationInput
  /** Default 5 s. */
  readonly killGrace?: Duration.DurationInput
  /** How much of each output is kept, in bytes. Default 10 MiB. */
  readonly outputCap?: number
}

/** How a command ended that ended well: with exit code 0. Any other end fails the step, or leaves its outcome unknown. */
export interface CommandEnded {
  readonly exit_code: number
  readonly stdout_file: string
  readonly stdout_bytes: number
  readonly stdout_sha256: string
  readonly stderr_bytes: number
  readonly stderr_sha256: string
}

/** A kind of task that can be asked for: its name and how its payload and result are written. */
export interface ChildKind<P, A> {
  readonly name: string
  readonly encode: (payload: P) => Either.Either<Json, unknown>
  readonly decodeResult: (result: Json) => Either.Either<A, unknown>
}

export interface Stored {
  readonly file: string
  readonly bytes: number
  readonly sha256: string
}

interface Facts<P> {
  readonly payload: P
  readonly task: string
  readonly attempt: number
  readonly generation: number
  readonly dispatchKey: string
  /** The W3C trace id of the request, over all attempts and restarts; children have the same. */
  readonly trace: string
  /** Aborted when the run is to stop. */
  readonly signal: AbortSignal
}

export interface Context<P> extends Facts<P> {
  /** Does something once: its outcome is kept under its place and name. Fails with `StepFailed`, on a replay too. */
  readonly step: <A, E, R, R2 = never, I = unknown>(
    name: string,
    options: StepOptions<A, R2, I>,
    body: (step: StepContext) => Effect.Effect<A, E, R>
  ) => Effect.Effect<A, StepFailed, R | NoInfer<R2>>
  /** Runs a command under a supervisor that outlives this program. A cancel ends it. */
  readonly exec: (name: string, options: CommandOptions) => Effect.Effect<CommandEnded, StepFailed>
  /** Parks the run until the time has passed, over crashes and restarts. */
  readonly sleep: (name: string, duration: Duration.DurationInput) => Effect.Effect<void>
  /** Parks the run until somebody sends the signal. One that came before is taken at once. */
  readonly waitFor: <A = Json, I = unknown>(signal: string, options?: WaitOptions<A, I>) => Effect.Effect<A, StepFailed>
  /** Asks for another task and parks the run until it has ended. */
  readonly child: <CP, CA>(name: string, kind: ChildKind<CP, CA>, payload: CP) => Effect.Effect<CA, StepFailed>
  /** Runs branches side by side, each with a context of its own and to its end. Then fails as the first branch that failed, in their order. */
  readonly all: <A, E, R>(
    branches: ReadonlyArray<(ctx: Context<P>) => Effect.Effect<A, E, R>>,
    options?: AllOptions
  ) => Effect.Effect<ReadonlyArray<A>, E, R>
  /** Unix time in milliseconds. A replay sees the same. */
  readonly now: Effect.Effect<number>
  /** Uniform in [0, 1). A replay sees the same. */
  readonly random: Effect.Effect<number>
  /** A version 4 UUID. A replay sees the same. */
  readonly uuid: Effect.Effect<string>
  /** Says how far the run is. Kept in the log, at most one word a second. */
  readonly progress: (note: string, percent?: number) => Effect.Effect<void>
  /** A sign of life, for a task with `timeouts.heartbeat`. It is kept in memory only; the last note is told when the signs end. */
  readonly heartbeat: (note?: string) => Effect.Effect<void>
  /** Keeps a file with the task. */
  readonly artifact: (name: string, content: string | Uint8Array) => Effect.Effect<Stored, StepFailed>
}

/** The same for async functions. A step fails by rejecting with `StepFailed`. */
export interface AsyncContext<P> extends Facts<P> {
  readonly step: <A, I = unknown>(name: string, options: AsyncStepOptions<A, I>, body: (step: StepContext) => Promise<A> | A) => Promise<A>
  readonly exec: (name: string, options: CommandOptions) => Promise<CommandEnded>
  readonly sleep: (name: string, duration: Duration.DurationInput) => Promise<void>
  readonly waitFor: <A = Json, I = unknown>(signal: string, options?: WaitOptions<A, I>) => Promise<A>
  readonly child: <CP, CA>(name: string, kind: ChildKind<CP, CA>, payload: CP) => Promise<CA>
  readonly all: <A>(branches: ReadonlyArray<(ctx: AsyncContext<P>) => Promise<A>>, options?: AllOptions) => Promise<ReadonlyArray<A>>
  readonly now: () => Promise<number>
  readonly random: () => Promise<number>
  readonly uuid: () => Promise<string>
  readonly progress: (note: string, percent?: number) => Promise<void>
  readonly heartbeat: (note?: string) => void
  readonly artifact: (name: string, content: string | Uint8Array) => Promise<Stored>
}
