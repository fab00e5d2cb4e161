/**
 * Tasks in code: a kind with its payload schema, its limits, and the function that does the work. What stands here is what the
 * rules see; what the function may do is in `workflow/Context.ts`.
 */
import { Duration, Effect, Either, Schema } from "effect"
import type { Json } from "../domain/Canonical.ts"
import { effectOf, type Kind, kindVersion } from "../domain/Kind.ts"
import { keyMax, priorityMax } from "../domain/AskLimits.ts"
import { sensitiveInSchema, type SensitivePaths, valuesAt } from "../domain/Sensitive.ts"
import { redact, withoutValues } from "../domain/Redaction.ts"
import { attemptsByDefault, matrix } from "../domain/Matrix.ts"
import { Priority, QueueKey, QueueName } from "../domain/Queue.ts"
import type { TaskClass } from "../domain/Task.ts"
import type { AsyncContext, ChildKind, Context } from "./workflow/Context.ts"
import { rootScope } from "./workflow/Journal.ts"
import { durationIssue } from "./workflow/StepOptions.ts"
import { contextOf, type Surroundings } from "./workflow/Operations.ts"
import { asyncContextOf, awaited } from "./workflow/Promises.ts"
import { type Codec, encodedJson, issueOf, schemaCodec } from "./workflow/Values.ts"

export interface TaskOptions<P, A, PI = P, AI = A> {
  readonly payload: Schema.Schema<P, PI>
  /** How the result is kept. Without it the result has to be plain JSON. */
  readonly result?: Schema.Schema<A, AI>
  /** An approval holds for one version. Change it when what the task does changes. Default "1". */
  readonly version?: string
  /** Default `light`. Heavy tasks need approval unless told otherwise, and have one attempt unless told otherwise. */
  readonly class?: TaskClass
  readonly risk?: string
  /** Where its tasks stand unless a request says otherwise. Default: the queue `light` or `heavy`, as the class. */
  readonly queue?: string
  /** From -100 to 100, the highest first. Default 0. */
  readonly priority?: number
  /** Tasks of one queue that share it run one after the other, or as many at once as the queue's `perKey` says. */
  readonly concurrencyKey?: string
  readonly approval?: "required" | "none"
  /** Whether the requester may approve his own task. Default false. */
  readonly selfApproval?: boolean
  readonly timeouts?: {
    /** One attempt, without the time in which it is parked. Default 1 hour. */
    readonly startToClose?: Duration.DurationInput
    /** Without a sign of life (`ctx.heartbeat`, progress, a step that begins or ends) for so long the attempt is ended. What is parked need give none. */
    readonly heartbeat?: Duration.DurationInput
    readonly scheduleToStart?: Duration.DurationInput
    readonly scheduleToClose?: Duration.DurationInput
    /** How long people may take to approve. Default 24 hours. */
    readonly approval?: Duration.DurationInput
  }
  readonly retry?: {
    /** Attempts in all. Default 3 for light, 1 for heavy tasks. */
    readonly attempts?: number
    readonly base?: Duration.DurationInput
    readonly cap?: Duration.DurationInput
  }
}

/** A task as the runtime runs it, whatever its types. */
export interface AnyTask<R = never> {
  readonly kind: Kind
  /** Why a payload does not fit, or null. */
  readonly issueOf: (payload: Json) => string | null
  /** Runs the function; answers its result as it is kept. Fails with a text when payload or result do not fit. */
  readonly run: (payload: Json, around: Surroundings) => Effect.Effect<Json, unknown, R>
}

/** A kind of task that can be asked for and run. */
export interface TaskDefinition<P, A, R = never> extends AnyTask<R>, ChildKind<P, A> {}

/** What was kept or sent does not fit the schema of the kind. Another attempt cannot do better. */
export class Misfit extends Schema.TaggedError<Misfit>()("Misfit", { what: Schema.Literal("payload", "result"), issue: Schema.String }) {
  override get message() {
    return `its ${this.what} does not fit: ${this.issue}`
  }
}

const millisOf = (kind: string) => (what: string, duration: Duration.DurationInput | undefined): number | null => {
  const issue = durationIssue(what, duration)
  if (issue !== null) throw new Error(`${kind}: ${issue}`)
  return duration === undefined ? null : Math.ceil(Duration.toMillis(duration))
}
const hourMs = 3_600_000
const kindName = /^[a-z0-9][a-z0-9._-]{0,63}$/

const queueOf = (name: string, { concurrencyKey, priority, queue }: { readonly concurrencyKey?: string; readonly priority?: number; readonly queue?: string }) => {
  if (queue !== undefined && !Schema.is(QueueName)(queue)) throw new Error(`${name}: a queue is named by 1 to 64 small letters, digits and . _ -, beginning with a letter or digit`)
  if (priority !== undefined && !Schema.is(Priority)(priority)) throw new Error(`${name}: a priority is a whole number from ${-priorityMax} to ${priorityMax}`)
  if (concurrencyKey !== undefined && !Schema.is(QueueKey)(concurrencyKey)) throw new Error(`${name}: a concurrency key has 1 to ${keyMax} characters`)
  return { ...(queue === undefined ? {} : { queue }), ...(priority === undefined ? {} : { priority }), ...(concurrencyKey === undefined ? {} : { concurrencyKey }) }
}

const kindOf = <P, A, PI, AI>(name: string, options: TaskOptions<P, A, PI, AI>): Kind => {
  if (!kindName.test(name)) throw new Error(`a kind is named by 1 to 64 small letters, digits and . _ -; this name does not fit: ${JSON.stringify(name).slice(0, 120)}`)
  const { approval, class: taskClass = "light", retry, risk = "none", selfApproval = false, timeouts, version = "1" } = options
  if (taskClass !== "light" && taskClass !== "heavy") throw new Error(`${name}: its class is "light" or "heavy"`)
  if (approval !== undefined && approval !== "required" && approval !== "none") throw new Error(`${name}: approval is "required" or "none"`)
  const millis = millisOf(name)
  const heartbeatMs = millis("timeouts.heartbeat", timeouts?.heartbeat)
  if (heartbeatMs === 0) throw new Error(`${name}: timeouts.heartbeat is at least 1 ms`)
  const limits = {
    ...(heartbeatMs === null ? {} : { heartbeatMs }),
    startToCloseMs: millis("timeouts.startToClose", timeouts?.startToClose) ?? matrix.attempt_in_code.timeoutMs,
    scheduleToStartMs: millis("timeouts.scheduleToStart", timeouts?.scheduleToStart),
    scheduleToCloseMs: millis("timeouts.scheduleToClose", timeouts?.scheduleToClose),
    approvalTtlMs: millis("timeouts.approval", timeouts?.approval) ?? 24 * hourMs
  }
  const attemptsMax = retry?.attempts ?? attemptsByDefault[taskClass]
  if (!Number.isSafeInteger(attemptsMax) || attemptsMax < 1) throw new Error(`${name}: attempts count from 1, not ${attemptsMax}`)
  return {
    name,
    version: kindVersion({ name, version, class: taskClass, risk }),
    class: taskClass,
    risk,
    effect: effectOf[taskClass],
    needsApproval: (approval ?? (taskClass === "heavy" ? "required" : "none")) === "required",
    asksForApproval: approval === "required",
    selfApproval,
    limits,
    retry: { attemptsMax, baseMs: millis("retry.base", retry?.base) ?? matrix.attempt_in_code.retry.baseMs, capMs: millis("retry.cap", retry?.cap) ?? matrix.attempt_in_code.retry.capMs },
    ...queueOf(name, options),
    ...sensitiveOf(options)
  }
}

const sensitiveOf = <P, A, PI, AI>({ payload, result }: TaskOptions<P, A, PI, AI>): { readonly sensitive?: SensitivePaths } => {
  const sensitive = { payload: sensitiveInSchema(payload), result: result === undefined ? [] : sensitiveInSchema(result) }
  return sensitive.payload.length + sensitive.result.length === 0 ? {} : { sensitive }
}

const codecs = <P, A, PI, AI>(options: TaskOptions<P, A, PI, AI>) => {
  const payload: Codec<P> = schemaCodec(options.payload)
  const result: Codec<A> | null = options.result === undefined ? null : schemaCodec(options.result)
  return { payload, result }
}

const definition = <P, A, R, PI, AI>(
  name: string,
  options: TaskOptions<P, A, PI, AI>,
  body: (payload: P, around: Surroundings) => Effect.Effect<A, unknown, R>
): TaskDefinition<P, A, R> => {
  if (!Schema.isSchema(options?.payload)) throw new Error(`${name}: it has no payload schema: { payload: Schema.Struct({ … }) }`)
  const { payload, result } = codecs(options)
  const isPayload = Schema.decodeUnknownEither(options.payload, { onExcessProperty: "error" })
  const kind = kindOf(name, options)
  return {
    name,
    kind,
    issueOf: (json) => {
      const decoded = isPayload(json)
      // What does not fit is named with its value.
      return decoded._tag === "Right" ? null : withoutValues(redact(issueOf(decoded.left)), valuesAt(json, kind.sensitive?.payload ?? []))
    },
    run: (json, around) => {
      const decoded = payload.decode(json)
      if (Either.isLeft(decoded)) return new Misfit({ what: "payload", issue: decoded.left })
      return Effect.flatMap(body(decoded.right, around), (value) =>
        Either.mapLeft(result === null ? encodedJson(value) : result.encode(value), (issue) => new Misfit({ what: "result", issue })))
    },
    encode: (value) => Either.mapLeft(payload.encode(value), (issue) => new Misfit({ what: "payload", issue })),
    decodeResult: (json) => result === null ? plainResult<A>(json) : Either.mapLeft(result.decode(json), (issue) => new Misfit({ what: "result", issue }))
  }
}

// Plain JSON is what the function returned.
const plainResult = <A>(json: Json): Either.Either<A> => {
  const box: { readonly value: A } = JSON.parse(JSON.stringify({ value: json }))
  return Either.right(box.value)
}

/**
 * Defines a task by an Effect. A failure of it is a failed attempt, `TaskFailed` a final one. Throws when the name or the options
 * make no sense.
 */
export const define = <P, PI, A, E = never, R = never, AI = unknown>(
  name: string,
  options: TaskOptions<P, A, PI, AI>,
  body: (ctx: Context<P>) => Effect.Effect<A, E, R>
): TaskDefinition<P, A, R> => definition(name, options, (payload, around) => body(contextOf(around, rootScope(), payload)))

/** Defines a task by an async function. A rejection is a failed attempt, one with `TaskFailed` a final one. */
export const defineAsync = <P, PI, A, AI = unknown>(
  name: string,
  options: TaskOptions<P, A, PI, AI>,
  body: (ctx: AsyncContext<P>) => Promise<A>
): TaskDefinition<P, A> =>
  definition(name, options, (payload, around) => Effect.flatMap(asyncContextOf(around, rootScope(), payload), (ctx) => awaited(() => body(ctx))))
