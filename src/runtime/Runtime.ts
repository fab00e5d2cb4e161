/**
 * The runtime: opens an epoch, takes back what earlier ones left, then claims, runs, renews and expires until it is told to stop.
 * At the stop it claims no more, lets running work finish for a while, gives back what has not begun, and leaves commands
 * that still run to their supervisors: the next start adopts them.
 */
import { Cause, Deferred, Duration, Effect, Fiber, Queue, Ref, Schedule, Stream } from "effect"
import { granted } from "../domain/Decision.ts"
import { handBack } from "../domain/Dispatch.ts"
import { epochFacts } from "../domain/Lease.ts"
import { matrix } from "../domain/Matrix.ts"
import { onTask } from "../domain/OnTask.ts"
import { heavySlots, limitFacts, type QueueLimits } from "../domain/Queue.ts"
import { expire } from "../domain/Request.ts"
import type { EventDraft } from "../domain/TaskEvent.ts"
import { type Retention, retentionByDefault } from "../domain/Retention.ts"
import { Engine, EngineReader, Instants } from "../engine/Engine.ts"
import * as Bulks from "./Bulks.ts"
import { Handlers } from "./Handler.ts"
import { patience } from "./Patience.ts"
import * as Pruning from "./Pruning.ts"
import * as Rescuer from "./Rescuer.ts"
import * as Scheduler from "./Scheduler.ts"
import { Runs } from "./Runs.ts"
import * as Worker from "./Worker.ts"

export interface RuntimeOptions {
  readonly slots: number
  readonly leaseMs: number
  readonly stopGraceMs: number
  /** The limits of the queues, by name. */
  readonly queues?: ReadonlyMap<string, QueueLimits>
  /** Names this process in leases. */
  readonly name: string
  readonly pid: number
  /** How long finished tasks are kept whole; the default if absent. */
  readonly retention?: Retention
}

/** Heartbeats in the time of one lease. */
const beats = 4
const beatMs = ({ leaseMs }: RuntimeOptions): number => Math.floor(leaseMs / beats)
/** The longest an idle loop sleeps: the wall clock may be set meanwhile. */
const idle = Duration.minutes(1)
/** Tasks that expire in one go. */
const expiryBatch = 256

type Why = "boot" | "lease_expired"

const epochEvent = (type: "epoch.started" | "epoch.ended", payload: EventDraft["payload"]): EventDraft => ({
  type,
  task: null,
  trace: null,
  actor: "system:runtime",
  payload
})

/** Ends tasks that waited too long, at the instant at which they have. Wakes only when that instant comes or an earlier one appears. */
const expiring = Effect.gen(function*() {
  const engine = yield* Engine
  const instants = yield* Instants
  const changes = yield* engine.watch
  const round = Effect.gen(function*() {
    const ids = yield* engine.due(instants.wallMs(), expiryBatch)
    yield* Effect.forEach(ids, (id) =>
      engine.commit(onTask(id, expire)), { concurrency: "unbounded", discard: true })
    const { expiryMs } = yield* engine.nextDue
    const plannedMs = Math.min(expiryMs ?? Infinity, instants.wallMs() + Duration.toMillis(idle))
    const earlier = Queue.take(changes).pipe(
      Effect.repeat({ until: (tasks) => tasks.length === 0 || tasks.some(({ expiresAtMs }) => expiresAtMs !== null && expiresAtMs < plannedMs) })
    )
    yield* Effect.race(earlier, Effect.sleep(Duration.millis(Math.max(matrix.expiry.roundMs, plannedMs - instants.wallMs()))))
  })
  return yield* round.pipe(Effect.retry({ schedule: patience }), Effect.forever)
}).pipe(Effect.scoped)

/** Passes on what commits mean for this process: something to claim, or a run that is asked to end. */
const listening = Effect.gen(function*() {
  const engine = yield* Engine
  const runs = yield* Runs
  const changes = yield* engine.watch
  yield* Stream.fromQueue(changes).pipe(
    Stream.runForEach((tasks) =>
      Effect.gen(function*() {
        for (const task of tasks) if (task.cancel !== null && task.state === "RUNNING") runs.ask(task, task.cancel)
        // A key is free again when its run has ended, also one whose outcome was unknown; an empty word is about a queue.
        if (tasks.length === 0 || tasks.some((task) => task.state === "QUEUED" || (task.concurrencyKey !== null && task.state !== "RUNNING"))) runs.wake.ring()
      })
    )
  )
}).pipe(Effect.scoped)

// The limits under which this epoch claims: they are read once, when the process starts.
const limitsOf = ({ queues = new Map(), slots }: RuntimeOptions) => ({
  slots,
  heavy_slots: Math.min(slots, heavySlots(slots)),
  queues: Object.fromEntries([...queues].map(([name, limits]) => [name, limitFacts(limits)]))
})

const openEpoch = (options: RuntimeOptions, current: Ref.Ref<number>, why: Why) =>
  Effect.gen(function*() {
    const engine = yield* Engine
    const { epoch } = yield* engine.openEpoch(options.leaseMs, (now, last) =>
      epochEvent("epoch.started", { epoch: now.epoch, why, pid: options.pid, mono_ms: now.monoMs, lease_ms: options.leaseMs, beat_ms: beatMs(options), last: epochFacts(last), ...limitsOf(options) })).pipe(
        Effect.retry({ schedule: patience })
      )
    yield* Ref.set(current, epoch)
    yield* Effect.logInfo("an epoch has started", { epoch, why })
    return epoch
  })

/** Renews the epoch; when it came too late, opens the next one and takes back what was in hand. */
const beating = (options: RuntimeOptions, current: Ref.Ref<number>, takeBackAll: Effect.Effect.Success<ReturnType<typeof Rescuer.make>>) =>
  Effect.gen(function*() {
    const engine = yield* Engine
    const runs = yield* Runs
    const inForce = yield* engine.renew(yield* Ref.get(current), options.leaseMs)
    if (inForce) return
    const epoch = yield* openEpoch(options, current, "lease_expired")
    runs.loseBefore(epoch)
    yield* takeBackAll(epoch)
    runs.wake.ring()
  }).pipe(
    Effect.catchTag("EngineUnavailable", (error) => Effect.logError("the heartbeat could not be stored", { reason: error.message })),
    Effect.repeat(Schedule.spaced(Duration.millis(beatMs(options))))
  )

/** Waits for what runs, then gives back what has not begun and says that the epoch is over. */
const winding = (options: RuntimeOptions, current: Ref.Ref<number>) =>
  Effect.gen(function*() {
    const engine = yield* Engine
    const runs = yield* Runs
    yield* Effect.suspend(() => (runs.entries().length === 0 ? Effect.void : runs.wake.wait(options.stopGraceMs))).pipe(
      Effect.repeat({ until: () => runs.entries().length === 0 }),
      Effect.timeoutOption(Duration.millis(options.stopGraceMs))
    )
    yield* Effect.forEach(runs.entries(), ({ held, task }) =>
      engine.commit({
        tasks: [task.id],
        key: null,
        rule: ({ tasks: [found] }, now) => (found === undefined || found.intents.length > 0 ? granted(null, {}) : handBack(found, held, now))
      }), { discard: true })
    const epoch = yield* Ref.get(current)
    yield* engine.commit({ tasks: [], key: null, rule: () => granted(null, { events: [epochEvent("epoch.ended", { epoch })] }) })
  }).pipe(Effect.catchAll((error) => Effect.logWarning("the epoch was not closed", { reason: error.message })))

// Whoever waits for work after a restore learns from the log why none begins.
const saysWhenHeld = Effect.gen(function*() {
  const { wallMs } = yield* Instants
  const { heldSinceMs } = yield* Effect.flatMap(EngineReader, (reader) => reader.summary(wallMs()))
  if (heldSinceMs !== null) yield* Effect.logWarning("the file was restored from a backup: nothing begins until opsgate release --reason", { since_ms: heldSinceMs })
}).pipe(Effect.catchAll((error) => Effect.logDebug("whether the file is held is not known", { reason: error.message })))

/** Runs until `stop` is completed, then winds down. Completes `ready` when it claims work. */
export const run = (options: RuntimeOptions, stop: Deferred.Deferred<void>, ready?: Deferred.Deferred<void>) =>
  Effect.gen(function*() {
    const runs = yield* Runs
    const current = yield* Ref.make(0)
    const takeBackAll = yield* Rescuer.make(options.name)
    // A disk that takes no change holds up the start, and not the stop.
    const untilStop = Effect.as(Deferred.await(stop), null)
    const epoch = yield* Effect.raceFirst(openEpoch(options, current, "boot"), untilStop)
    if (epoch === null) return
    const heartbeat = yield* Effect.fork(supervised("heartbeat", beating(options, current, takeBackAll)))
    const listener = yield* Effect.fork(supervised("listener", listening))
    yield* Effect.raceFirst(takeBackAll(epoch), untilStop)
    const expirer = yield* Effect.fork(supervised("expirer", expiring))
    const worker = yield* Effect.fork(supervised("worker", Worker.loop({ slots: options.slots, name: options.name, queues: options.queues ?? new Map(), epoch: current })))
    const handlers = yield* Handlers
    const bulks = yield* Effect.fork(supervised("bulk commands", Bulks.loop((kind) => handlers.get(kind)?.kind)))
    const pruner = yield* Effect.fork(supervised("pruner", Pruning.loop(options.retention ?? retentionByDefault)))
    const scheduler = yield* Effect.fork(supervised("scheduler", Scheduler.loop))
    yield* Effect.logInfo("the runtime is ready", { epoch, slots: options.slots })
    yield* saysWhenHeld
    if (ready !== undefined) yield* Deferred.succeed(ready, undefined)
    yield* Effect.raceFirst(Deferred.await(stop), Effect.raceAll([heartbeat, listener, expirer, scheduler, worker, bulks, pruner].map(Fiber.join)))
    yield* Fiber.interruptAll([bulks, pruner])
    // The worker goes first: it claims no more, and leaves the word that a run has ended to whoever waits for the last one.
    yield* Fiber.interruptAll([scheduler, worker])
    runs.stop()
    yield* winding(options, current)
    yield* Fiber.interruptAll([heartbeat, listener, expirer])
  }).pipe(Effect.scoped)

// A loop that ends is a bug, and a runtime without one of its loops must not go on as if nothing were.
const supervised = <A, E, R>(name: string, loop: Effect.Effect<A, E, R>): Effect.Effect<never, never, R> =>
  Effect.flatMap(Effect.exit(loop), (exit) =>
    Effect.dieMessage(`the ${name} ended: ${exit._tag === "Failure" ? Cause.pretty(exit.cause) : "it returned"}`))
