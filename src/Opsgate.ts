/**
 * Opsgate inside another program: the engine on its file, the runtime with tasks in code, and a client to ask for them. `layer` is for
 * programs in Effect, `open` for all others.
 */
import { dirname, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { Array as Arr, Cause, Context, Deferred, Duration, Effect, Either, Exit, Fiber, Layer, Logger, LogLevel, ManagedRuntime, Schema, Scope } from "effect"
import { notSubmitted, refusals } from "./ClientRefusals.ts"
import { type CommandFailed, handle, handleQueue, isAboutQueue, submission } from "./control/Commands.ts"
import { inFlight, inFlightOn } from "./control/InFlight.ts"
import { Kinds } from "./control/Kinds.ts"
import { opsSummary, type OpsSummary } from "./control/OpsSummary.ts"
import { onlyAs, planFor } from "./control/Plans.ts"
import { handleSchedule } from "./control/ScheduleCommands.ts"
import { issueOf } from "./domain/AskLimits.ts"
import { Ask, type QueueAsk, type TaskAsk } from "./domain/Command.ts"
import type { Caller } from "./domain/Authorization.ts"
import type { Json } from "./domain/Canonical.ts"
import type { Answer, QueueAnswer } from "./domain/Decision.ts"
import { type Kind, KindUnknown } from "./domain/Kind.ts"
import { type Plan, planPattern } from "./domain/Plan.ts"
import type * as Placement from "./domain/Placement.ts"
import type { PolicyEntry } from "./domain/PolicyEntry.ts"
import { type Retention, retentionByDefault } from "./domain/Retention.ts"
import { type Refusal, TaskNotFound } from "./domain/Refusal.ts"
import type { Schedule, TickRange, TickRow } from "./domain/Schedule.ts"
import { type ScheduleAnswer, ScheduleAsk } from "./domain/ScheduleAsk.ts"
import type { Step } from "./domain/Step.ts"
import type { Attempt, Task } from "./domain/Task.ts"
import { Chance, type Change, Engine, EngineReader, type EngineUnavailable, Instants, type QueueView, type TaskFilter } from "./engine/Engine.ts"
import type { Rehearser } from "./engine/Rehearsal.ts"
import { idOf, looksOf } from "./ClientLooks.ts"
import { type Asking, governed } from "./GovernedTasks.ts"
import * as Layers from "./Layers.ts"
import * as Log from "./Log.ts"
import { optionsIssue } from "./OptionsIssue.ts"
import { type PlaceOptions, queueLimits, type QueueOptions, wishOf } from "./QueueOptions.ts"
import * as Exec from "./runtime/Exec.ts"
import * as Endings from "./runtime/Endings.ts"
import * as Alarms from "./runtime/Alarms.ts"
import { type Handler, Handlers } from "./runtime/Handler.ts"
import * as Runs from "./runtime/Runs.ts"
import { Schedules } from "./runtime/Scheduler.ts"
import * as Runtime from "./runtime/Runtime.ts"
import type { AnyTask, TaskDefinition } from "./runtime/TaskDefinition.ts"
import { issueOf as valueIssue } from "./runtime/workflow/Values.ts"
import { wordsOf } from "./runtime/workflow/StepFailed.ts"
import * as WorkflowHandler from "./runtime/WorkflowHandler.ts"
import { fromOptions, type ScheduleOptions } from "./Schedules.ts"

export interface Options<R = never> {
  /** The database file; its folder is made. */
  readonly file: string
  readonly tasks: ReadonlyArray<AnyTask<R>>
  /** What may run at all, and what needs people first: a policy, or its file. Default: heavy tasks and declared risks need one approval. */
  readonly policy?: string | PolicyEntry
  /** What runs by itself, and when; one that is left out here and stands in the file does not fire. */
  readonly schedules?: ReadonlyArray<ScheduleOptions>
  /** Runs at once. Default 8. */
  readonly workers?: number
  /** Limits of queues, by name. Heavy tasks leave one worker to light ones in any case, if there are several. */
  readonly queues?: Readonly<Record<string, QueueOptions>>
  /** How long a stopped process keeps its runs. Default 15 s. */
  readonly lease?: Duration.DurationInput
  /** How long running work may take to end when the program stops. Default 30 s. */
  readonly stopGrace?: Duration.DurationInput
  /** How long finished tasks are kept whole; the same defaults as in a configuration file if absent. */
  readonly retention?: Retention
  /** The bundled supervisor program of `ctx.exec`, if it is not beside this one. */
  readonly supervisor?: string
  /** In whose name this program asks. Default `code:opsgate`. */
  readonly actor?: string
}

/** A task that ended otherwise than well. */
export class TaskEnded extends Schema.TaggedError<TaskEnded>()("TaskEnded", {
  task: Schema.String,
  kind: Schema.String,
  state: Schema.String,
  code: Schema.NullOr(Schema.String),
  error: Schema.NullOr(Schema.String)
}) {
  override get message() {
    return `${this.kind} ${this.task} ended ${this.state}${this.error === null ? "" : `: ${this.error}`}`
  }
}

export interface CommandOptions {
  /** Idempotency key: the same key and payload give the same task, another payload is refused. */
  readonly key?: string | null
  /** In whose name: the program has made sure of it, and says what that person may do. Default: the program itself, which may do everything. */
  readonly as?: Caller
}

export interface TiedOptions extends CommandOptions {
  /** The digest of a plan, or the first 16 digits of it or more: refused as `PlanStale` when the command would do something else by now. */
  readonly ifPlan?: string
}

export interface SubmitOptions extends CommandOptions, PlaceOptions {}

export type Rejected = CommandFailed

interface Client {
  /** Asks for a task. The answer comes when it is stored. */
  readonly submit: <P, A, R>(task: TaskDefinition<P, A, R>, payload: P, options?: SubmitOptions) => Effect.Effect<Answer, Rejected | Refused>
  /** Asks for many at once, each for itself: answers in their order. */
  readonly submitAll: <P, A, R>(
    task: TaskDefinition<P, A, R>,
    all: ReadonlyArray<{ readonly payload: P } & SubmitOptions>
  ) => Effect.Effect<ReadonlyArray<Either.Either<Answer, Refusal | EngineUnavailable>>, Rejected | Refused>
  /** Waits until the task has ended. */
  readonly ended: (id: string) => Effect.Effect<Task, TaskNotFound | EngineUnavailable>
  /** Waits for the result of a task; fails with `TaskEnded` when it ended otherwise. */
  readonly result: <P, A, R>(task: TaskDefinition<P, A, R>, id: string) => Effect.Effect<A, TaskEnded | TaskNotFound | EngineUnavailable | Refused>
  /** Any command of an operator: cancel, kill, resume, approve, reject, recover, reconcile, fork, signal. */
  readonly command: (ask: Wish, options?: TiedOptions) => Effect.Effect<Answer, Rejected | Refused>
  /** What a command would do as things stand, one about a queue or a schedule too. Stores nothing. A key that is known says so. */
  readonly plan: (ask: Wish | QueueWish | ScheduleWish, options?: CommandOptions) => Effect.Effect<Plan, Rejected | Refused>
  /** Lets a queue hand out nothing more, whatever runs, and survives restarts; the reason stays on record. */
  readonly pauseQueue: (queue: string, reason: string, options?: TiedOptions) => Effect.Effect<QueueAnswer, Rejected | Refused>
  readonly resumeQueue: (queue: string, reason: string, options?: TiedOptions) => Effect.Effect<QueueAnswer, Rejected | Refused>
  /** Every queue that ever had a task or was paused, by name. */
  readonly queues: Effect.Effect<ReadonlyArray<QueueView>, EngineUnavailable>
  /** A command about a schedule: pause, resume, run, backfill. */
  readonly scheduleCommand: (ask: ScheduleWish, options?: TiedOptions) => Effect.Effect<ScheduleAnswer, Refusal | EngineUnavailable | Refused>
  /** The schedules in the file, by name. */
  readonly schedules: Effect.Effect<ReadonlyArray<Schedule>, EngineUnavailable>
  /** The latest ticks of a schedule that have a row of their own, newest first, and those that were decided together. */
  readonly ticks: (schedule: string, limit: number) => Effect.Effect<ReadonlyArray<TickRow>, EngineUnavailable>
  readonly tickRanges: (schedule: string, limit: number) => Effect.Effect<ReadonlyArray<TickRange>, EngineUnavailable>
  readonly get: (id: string) => Effect.Effect<Task, TaskNotFound | EngineUnavailable>
  readonly steps: (id: string) => Effect.Effect<ReadonlyArray<Step>, EngineUnavailable>
  readonly attempts: (id: string) => Effect.Effect<ReadonlyArray<Attempt>, EngineUnavailable>
  /** What `opsgate ops-summary --json` prints, over the last `hours` (default 24, at most a year). It costs the same at any size. */
  readonly summary: (hours?: number) => Effect.Effect<OpsSummary, EngineUnavailable | Refused>
  readonly list: (filter: TaskFilter) => Effect.Effect<ReadonlyArray<Task>, EngineUnavailable>
}

/** What was asked is not well-formed, or a payload or result does not fit the schema of its kind. Nothing was stored. */
export class Refused extends Schema.TaggedError<Refused>()("Refused", { kind: Schema.String, reason: Schema.String }) {
  override get message() {
    return `${this.kind}: ${this.reason}`
  }
}

export class Opsgate extends Context.Tag("opsgate/Opsgate")<Opsgate, Client>() {}

const kindsOf = (tasks: ReadonlyArray<AnyTask<unknown>>): Layer.Layer<Kinds> => {
  const known = new Map(tasks.map((task) => [task.kind.name, task]))
  if (known.size < tasks.length) throw new Error("two tasks have the same name")
  return Layers.kindsOf(known)
}

/** The supervisor is bundled beside the program that starts it. */
const supervisorBeside = fileURLToPath(new URL("./supervisor.js", import.meta.url))

/**
 * To provide a context costs as much as a trivial task, so it is not done where there is none. What every layer is built with does not
 * count: nobody asks for a memo map, and a scope is there in any case, that of the runtime.
 */
const needsNothing = <R>(_task: AnyTask<R>, context: Context.Context<R>): _task is AnyTask =>
  [...context.unsafeMap.keys()].every((key) => key === Layer.CurrentMemoMap.key || key === Scope.Scope.key)

const handlersOf = <R>(options: Options<R>, context: Context.Context<R>) =>
  Layer.effect(
    Handlers,
    Effect.gen(function*() {
      const services = yield* WorkflowHandler.services(join(dirname(resolve(options.file)), "runs"), (yield* Kinds).check)
      const provided = (task: AnyTask<R>): AnyTask => needsNothing(task, context) ? task : ({ ...task, run: (payload, around) => Effect.provide(task.run(payload, around), context) })
      return new Map<string, Handler>(options.tasks.map((task) => [task.kind.name, WorkflowHandler.make(services, provided(task))]))
    })
  ).pipe(Layer.provide(Layer.merge(Alarms.layer, Exec.layer({ supervisorPath: options.supervisor ?? supervisorBeside }))))

/** A command as a program writes it: the reason may be left out where none is needed. */
export type Wish = TaskAsk extends infer One ? One extends { readonly reason: unknown } ? Omit<One, "reason"> & { readonly reason?: string | null } : never : never

/** The same for a command about a queue. */
export type QueueWish = QueueAsk

/** The same for a command about a schedule. */
export type ScheduleWish = ScheduleAsk extends infer One ? One extends { readonly reason: unknown } ? Omit<One, "reason"> & { readonly reason?: string | null } : never : never

const asScheduleAsk = Schema.decodeUnknownEither(ScheduleAsk, { onExcessProperty: "error" })
const asAsk = Schema.decodeUnknownEither(Ask, { onExcessProperty: "error" })

const actorByDefault = "code:opsgate"
const submittedAtOnce = 1024

/** The longest window of a summary. */
const hoursMax = 24 * 365

/** A request that can be granted: it fits its kind. */
interface Prepared {
  readonly kind: Kind
  readonly payload: Json
  readonly wish: Placement.Wish
  readonly key: string | null
  readonly as: Caller
}

type Around = Engine | EngineReader | Kinds | Instants | Rehearser
type Given = <A, E>(effect: Effect.Effect<A, E, Around>) => Effect.Effect<A, E>

const asAnyAsk = Schema.decodeUnknownEither(Schema.Union(Ask, ScheduleAsk), { onExcessProperty: "error" })

const tieIssue = (ifPlan: string | undefined): string | null => (ifPlan === undefined || planPattern.test(ifPlan) ? null : "a plan is named by its digest, or at least the first 16 digits of it")

/** What a command would do. */
const plansOf = ({ who }: Asking, given: Given): Pick<Client, "plan"> => ({
  plan: (ask, { as, key = null } = {}) => {
    const decoded = asAnyAsk({ reason: null, ...ask })
    if (decoded._tag === "Left") return new Refused({ kind: String(ask.op), reason: valueIssue(decoded.left) })
    const issue = issueOf(decoded.right, key)
    return issue === null ? given(planFor({ ...who(as), channel: "code", ask: decoded.right, key })) : new Refused({ kind: ask.op, reason: issue })
  }
})

/** The commands of operators, in the name of this program. */
const commandsOf = ({ who }: Asking, given: Given): Pick<Client, "command" | "scheduleCommand" | "pauseQueue" | "resumeQueue"> => {
  const channel = "code" as const
  const { refuse, unread } = refusals(given, (kind, reason) => new Refused({ kind, reason }))
  const steer = (op: QueueAsk["op"]) => (queue: string, reason: string, { as, ifPlan, key = null }: TiedOptions = {}) => {
    const decoded = asAsk({ op, queue, reason })
    if (decoded._tag === "Left") return unread(who(as), op, { reason }, key, valueIssue(decoded.left))
    const issue = issueOf(decoded.right, key) ?? tieIssue(ifPlan)
    const command = { ...who(as), channel, ask: { op, queue, reason }, key }
    return issue === null ? given(inFlight(command, onlyAs(command, ifPlan, handleQueue(command)))) : refuse(who(as), op, issue)
  }
  return {
    command: (ask, { as, ifPlan, key = null } = {}) => {
      const decoded = asAsk({ reason: null, ...ask })
      if (decoded._tag === "Left") return unread(who(as), String(ask.op), ask, key, valueIssue(decoded.left))
      if (isAboutQueue(decoded.right)) return refuse(who(as), String(ask.op), "a queue is paused and resumed by pauseQueue and resumeQueue")
      const issue = issueOf(decoded.right, key) ?? tieIssue(ifPlan)
      const command = { ...who(as), channel, ask: decoded.right, key }
      return issue === null ? given(inFlight(command, onlyAs(command, ifPlan, handle(command)))) : refuse(who(as), ask.op, issue)
    },
    scheduleCommand: (ask, { as, ifPlan, key = null } = {}) => {
      const decoded = asScheduleAsk({ reason: null, ...ask })
      if (decoded._tag === "Left") return unread(who(as), String(ask.op), ask, key, valueIssue(decoded.left))
      const issue = issueOf({ reason: decoded.right.reason }, key) ?? tieIssue(ifPlan)
      const command = { ...who(as), channel, ask: decoded.right, key }
      return issue === null ? given(inFlight(command, onlyAs(command, ifPlan, handleSchedule(command)))) : refuse(who(as), ask.op, issue)
    },
    pauseQueue: steer("pause_queue"),
    resumeQueue: steer("resume_queue")
  }
}

const client = (asking: Asking) =>
  Effect.gen(function*() {
    const engine = yield* Engine
    const reader = yield* EngineReader
    const instants = yield* Instants
    const { wallMs } = instants
    const chance = yield* Chance
    const decided = inFlightOn({ engine, instants, chance })
    const ended = yield* Endings.make
    const context = yield* Effect.context<Around>()
    const given = <A, E>(effect: Effect.Effect<A, E, Around>): Effect.Effect<A, E> => Effect.provide(effect, context)
    const preparedFor = <P, A, R>(task: TaskDefinition<P, A, R>, payload: P, { as, key = null, ...place }: SubmitOptions): Either.Either<Prepared, Refused | KindUnknown> => {
      const issue = issueOf({ reason: null, kind: task.name }, key)
      if (issue !== null) return Either.left(new Refused({ kind: task.name, reason: issue }))
      const kind = asking.kindOf(task)
      if (kind === undefined) return Either.left(new KindUnknown({ kind: task.name, known: [] }))
      const wish = wishOf(place)
      if (Either.isLeft(wish)) return Either.left(new Refused({ kind: task.name, reason: wish.left }))
      return Either.mapBoth(task.encode(payload), {
        onLeft: (error) => new Refused({ kind: task.name, reason: wordsOf(error) }),
        onRight: (json) => ({ kind, payload: json, wish: wish.right, key, as: asking.who(as) })
      })
    }
    const changeFor = ({ as, ...prepared }: Prepared): Change<Answer> => submission({ ...prepared, ...as, channel: "code" }, chance, wallMs())

    return Opsgate.of({
      submit: (task, payload, options = {}) =>
        Effect.suspend((): Effect.Effect<Answer, Rejected | Refused> => {
          const prepared = preparedFor(task, payload, options)
          if (Either.isLeft(prepared)) return given(notSubmitted(asking.who(options.as), prepared.left))
          const commit = engine.commit(changeFor(prepared.right))
          const { as, key, payload: json, wish } = prepared.right
          return key === null ? commit : decided({ ...as, ask: { op: "submit", kind: task.name, payload: json, reason: null, ...wish }, channel: "code", key }, commit)
        }),
      submitAll: (task, all) =>
        Effect.flatMap(Effect.suspend((): Effect.Effect<ReadonlyArray<Prepared>, Rejected | Refused> => {
          const prepared = Either.all(all.map(({ payload, ...options }) => preparedFor(task, payload, options)))
          return Either.isLeft(prepared) ? given(notSubmitted(asking.who(undefined), prepared.left)) : Effect.succeed(prepared.right)
        }), (prepared) =>
          // What is asked of the engine is made piece by piece: a hundred thousand changes that wait would keep the collector busy.
          Effect.map(Effect.forEach(Arr.chunksOf(prepared, submittedAtOnce), (piece) => engine.commitAll(piece.map((one) => changeFor(one)))), Arr.flatten)),
      ended: (id) => Effect.flatMap(idOf(id), ended),
      result: (task, id) =>
        Effect.flatMap(Effect.flatMap(idOf(id), ended), ({ failure, prunedAtMs, result, state }): Effect.Effect<Effect.Effect.Success<ReturnType<typeof task.decodeResult>>, Refused | TaskEnded> =>
          state === "SUCCEEDED" && prunedAtMs !== null
            ? new Refused({ kind: task.name, reason: "the result was pruned when its retention ended" })
            : state === "SUCCEEDED"
            ? Effect.mapError(task.decodeResult(result === null ? null : JSON.parse(result)), (error) => new Refused({ kind: task.name, reason: wordsOf(error) }))
            : new TaskEnded({ task: id, kind: task.name, state, code: failure?.code ?? null, error: failure?.error ?? null })),
      ...commandsOf(asking, given),
      ...plansOf(asking, given),
      ...looksOf(reader, wallMs),
      summary: (hours = 24) => Number.isInteger(hours) && hours >= 1 && hours <= hoursMax ? given(opsSummary(hours)) : new Refused({ kind: "summary", reason: `hours is a whole number from 1 to ${hoursMax}` })
    })
  })

/** Runs the tasks while the scope is open; at its end running work may finish, then the rest is given back. */
const running = <R>({ lease = "15 seconds", queues = {}, retention = retentionByDefault, stopGrace = "30 seconds", workers = 8 }: Options<R>) =>
  Effect.gen(function*() {
    const stop = yield* Deferred.make<void>()
    const ready = yield* Deferred.make<void>()
    const options = { slots: workers, leaseMs: Duration.toMillis(lease), stopGraceMs: Duration.toMillis(stopGrace), name: `${process.pid}`, pid: process.pid, queues: queueLimits(queues), retention }
    const fiber = yield* Effect.forkScoped(Runtime.run(options, stop, ready))
    yield* Effect.addFinalizer(() => Effect.zipRight(Deferred.succeed(stop, undefined), Fiber.await(fiber)))
    // A runtime that cannot begin says why, and nobody waits for it for ever.
    yield* Effect.raceFirst(Deferred.await(ready), Fiber.join(fiber))
  })

/**
 * The engine, the runtime and the client. Throws when the options make no sense. Fails with `InstanceLocked` when another process writes
 * the file, with `DatabaseRefused` when it is not ours, with `EventsLost` when it is behind its watermark, with `EngineUnavailable` otherwise.
 */
export const layer = <R = never>(wanted: Options<R>) => {
  const refuse = (why: string) => new Error(`Opsgate cannot be opened: ${why}`)
  const issue = optionsIssue(wanted)
  if (issue !== null) throw refuse(issue)
  const { asking, options } = Either.getOrThrowWith(governed<R, Options<R>>(wanted, wanted.actor ?? actorByDefault), refuse)
  const kinds = new Map(options.tasks.map((task) => [task.kind.name, task]))
  const declared = Either.getOrThrowWith(fromOptions(options.schedules ?? [], kinds), refuse)
  const schedules = Layer.succeed(Schedules, { declared, kindOf: (name) => kinds.get(name)?.kind })
  const base = Layer.mergeAll(kindsOf(options.tasks), schedules, Runs.layer).pipe(Layer.provideMerge(Layers.engineOn(resolve(options.file))))
  return Layer.unwrapEffect(Effect.map(Effect.context<R>(), (context) => {
    const working = Layer.scopedDiscard(running(options)).pipe(Layer.provide(Layer.merge(handlersOf(options, context), Log.beside)))
    return Layer.scoped(Opsgate, client(asking)).pipe(Layer.provideMerge(working), Layer.provide(base))
  }))
}

/** The client for programs that do not use Effect: the same members, as promises. */
export interface AsyncClient {
  readonly submit: <P, A>(task: TaskDefinition<P, A>, payload: P, options?: SubmitOptions) => Promise<Answer>
  readonly submitAll: <P, A>(task: TaskDefinition<P, A>, all: ReadonlyArray<{ readonly payload: P } & SubmitOptions>) => Promise<ReadonlyArray<Either.Either<Answer, Refusal | EngineUnavailable>>>
  readonly result: <P, A>(task: TaskDefinition<P, A>, id: string) => Promise<A>
  readonly ended: (id: string) => Promise<Task>
  readonly command: (ask: Wish, options?: TiedOptions) => Promise<Answer>
  readonly plan: (ask: Wish | QueueWish | ScheduleWish, options?: CommandOptions) => Promise<Plan>
  readonly pauseQueue: (queue: string, reason: string, options?: TiedOptions) => Promise<QueueAnswer>
  readonly resumeQueue: (queue: string, reason: string, options?: TiedOptions) => Promise<QueueAnswer>
  readonly queues: () => Promise<ReadonlyArray<QueueView>>
  readonly scheduleCommand: (ask: ScheduleWish, options?: TiedOptions) => Promise<ScheduleAnswer>
  readonly schedules: () => Promise<ReadonlyArray<Schedule>>
  readonly ticks: (schedule: string, limit: number) => Promise<ReadonlyArray<TickRow>>
  readonly tickRanges: (schedule: string, limit: number) => Promise<ReadonlyArray<TickRange>>
  readonly get: (id: string) => Promise<Task>
  readonly steps: (id: string) => Promise<ReadonlyArray<Step>>
  readonly attempts: (id: string) => Promise<ReadonlyArray<Attempt>>
  readonly summary: (hours?: number) => Promise<OpsSummary>
  readonly list: (filter: TaskFilter) => Promise<ReadonlyArray<Task>>
  /** Lets running work end, gives back the rest, closes the file. */
  readonly close: () => Promise<void>
}

// Standard output belongs to the program.
const warnings = Layer.merge(
  Logger.replace(Logger.defaultLogger, Logger.logfmtLogger.pipe(Logger.map((line) => void process.stderr.write(`${line}\n`)))),
  Logger.minimumLogLevel(LogLevel.Warning)
)

/** Opens Opsgate in a program that does not use Effect. Rejects as `layer` fails. */
export const open = async (options: Options): Promise<AsyncClient> => {
  const runtime = ManagedRuntime.make(Layer.provide(layer(options), warnings))
  // Rejects with the failure itself, so that its `_tag` tells what it is.
  const promise = async <A, E>(effect: Effect.Effect<A, E, Opsgate>): Promise<A> => {
    const exit = await runtime.runPromiseExit(effect)
    if (Exit.isSuccess(exit)) return exit.value
    throw Cause.squash(exit.cause)
  }
  const opsgate = await promise(Opsgate)
  return {
    submit: (task, payload, submitOptions) => promise(opsgate.submit(task, payload, submitOptions)),
    submitAll: (task, all) => promise(opsgate.submitAll(task, all)),
    result: (task, id) => promise(opsgate.result(task, id)),
    ended: (id) => promise(opsgate.ended(id)),
    command: (ask, commandOptions) => promise(opsgate.command(ask, commandOptions)),
    plan: (ask, commandOptions) => promise(opsgate.plan(ask, commandOptions)),
    pauseQueue: (queue, reason, commandOptions) => promise(opsgate.pauseQueue(queue, reason, commandOptions)),
    resumeQueue: (queue, reason, commandOptions) => promise(opsgate.resumeQueue(queue, reason, commandOptions)),
    queues: () => promise(opsgate.queues),
    scheduleCommand: (ask, commandOptions) => promise(opsgate.scheduleCommand(ask, commandOptions)),
    schedules: () => promise(opsgate.schedules),
    ticks: (schedule, limit) => promise(opsgate.ticks(schedule, limit)),
    tickRanges: (schedule, limit) => promise(opsgate.tickRanges(schedule, limit)),
    get: (id) => promise(opsgate.get(id)),
    steps: (id) => promise(opsgate.steps(id)),
    attempts: (id) => promise(opsgate.attempts(id)),
    summary: (hours) => promise(opsgate.summary(hours)),
    list: (filter) => promise(opsgate.list(filter)),
    close: () => runtime.dispose()
  }
}
