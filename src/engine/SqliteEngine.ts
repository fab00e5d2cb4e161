/** The durable engine: one SQLite file, one writing process, one sync for all changes of a turn. */
import { existsSync, realpathSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import { Context, Effect, Either, Exit, Layer, PubSub } from "effect"
import type { ClaimPolicy } from "../domain/Claiming.ts"
import type { EventDraft } from "../domain/TaskEvent.ts"
import type { Decision } from "../domain/Decision.ts"
import { type Epoch, isRenewable } from "../domain/Lease.ts"
import type { Refusal } from "../domain/Refusal.ts"
import { isHeld } from "../domain/Restored.ts"
import { type Task, TaskId } from "../domain/Task.ts"
import { type Change, type ClaimRequest, Engine, EngineReader, type EngineUnavailable, Fatal, Flush, Instants, isRequest, Storage } from "./Engine.ts"
import { ChatStore } from "./ChatStore.ts"
import * as ChatRows from "./sqlite/ChatRows.ts"
import * as Chats from "./sqlite/Chats.ts"
import { Witness } from "./Witness.ts"
import * as Checkpoints from "./sqlite/Checkpoints.ts"
import * as Database from "./sqlite/Database.ts"
import * as Health from "./sqlite/Health.ts"
import * as InstanceLock from "./sqlite/InstanceLock.ts"
import { load, pure, RuleDefect } from "./sqlite/Loading.ts"
import * as Retention from "./sqlite/Retention.ts"
import * as Store from "./sqlite/Store.ts"
import { orUnavailable } from "./sqlite/SqliteError.ts"
import * as OpenFile from "./sqlite/OpenFile.ts"
import * as Watermark from "./sqlite/Watermark.ts"
import * as Writer from "./sqlite/Writer.ts"
import { Rehearser } from "./Rehearsal.ts"
import * as SqliteReader from "./SqliteReader.ts"
import * as SqliteRehearser from "./SqliteRehearser.ts"

export interface Options {
  readonly file: string
  /** Names the event stream of a file that is made now; drawn by chance. */
  readonly streamId: string
  /** Opens a file that is behind its watermark too, for whoever accepts the loss; the watermark stays as it is. */
  readonly behind?: boolean
}

/** Runs a job in the writer's next transaction. An interrupted caller does not stop the job. */
const jobRunner = (writer: Writer.Writer) => <A, E>(apply: () => Either.Either<A, E>, onCommitted: () => void, waits?: Change<A>["waits"]): Effect.Effect<A, E | EngineUnavailable> =>
  Effect.async<A, E | EngineUnavailable>((resume) => {
    const job: Writer.Job = {
      apply: () => {
        const outcome = attempt(apply)
        return () => {
          onCommitted()
          resume(outcome)
        }
      },
      fail: (error) => resume(Effect.fail(error))
    }
    writer.submit(job)
    waits?.(() => writer.withdraw(job))
  })

// A rule that throws is a bug: it stored nothing, and its neighbours are none the worse. What the store throws goes on to the
// writer, which rolls back.
const attempt = <A, E>(apply: () => Either.Either<A, E>): Effect.Effect<A, E> => {
  const settled = settledBy(apply)
  if (Either.isLeft(settled)) return Effect.die(settled.left)
  return Either.isLeft(settled.right) ? Exit.fail(settled.right.left) : Exit.succeed(settled.right.right)
}

/** What was applied, or the bug of its rule. */
const settledBy = <A>(apply: () => A): Either.Either<A, unknown> => {
  try {
    return Either.right(apply())
  } catch (cause) {
    if (cause instanceof RuleDefect) return Either.left(cause.cause)
    throw cause
  }
}

const anything: ClaimPolicy = {}

/** Applies a change within the open transaction. */
const applier = (store: Store.Store) => <A>(change: Change<A>): Decision<A> => {
  const { before, found, now } = load(store, change)
  const decision = pure(() => change.rule(found, now))
  store.apply(decision, before, now.wallMs)
  return decision
}

// Jobs of their own, which the writer batches and bounds as it does those of many callers.
const manyCommitter = (writer: Writer.Writer, applied: ReturnType<typeof applier>, announce: Announce): Engine["Type"]["commitAll"] => <A>(all: ReadonlyArray<Change<A>>) =>
  Effect.async<ReadonlyArray<Either.Either<A, Refusal | EngineUnavailable>>>((resume) => {
    const answers: Array<Either.Either<A, Refusal | EngineUnavailable>> = []
    let defect: Effect.Effect<never> | null = null
    let left = all.length
    const answered = () => {
      left -= 1
      if (left <= 0) resume(defect ?? Effect.succeed(answers))
    }
    if (left === 0) answered()
    all.forEach((change, index) =>
      writer.submit({
        apply: () => {
          const decision = settledBy(() => applied(change))
          return () => {
            if (Either.isLeft(decision)) defect = Effect.die(decision.left)
            else {
              answers[index] = decision.right.answer
              announce(decision.right)
            }
            answered()
          }
        },
        fail: (error) => {
          answers[index] = Either.left(error)
          answered()
        }
      })
    )
  })

interface Channels {
  readonly changes: PubSub.PubSub<ReadonlyArray<Task>>
  readonly requests: PubSub.PubSub<EventDraft>
  readonly scheduled: PubSub.PubSub<void>
  readonly witness: Witness["Type"]
}

type Announced = Pick<Decision<unknown>, "tasks" | "events" | "queues" | "restored" | "schedules">
type Announce = (stored: Announced) => void

const nothing: Announced = { tasks: [], events: [], queues: [], restored: null, schedules: [] }

/** Says what was committed. The changes of one transaction are told together, after everybody in it was answered. */
const announcer = ({ changes, requests, scheduled, witness }: Channels): Announce => {
  let told: Array<Task> | null = null
  return ({ events, queues, restored, schedules, tasks }) => {
    if (events.length > 0) witness.saw(events, tasks)
    for (const event of events) if (isRequest(event)) requests.unsafeOffer(event)
    if (schedules.length > 0 || restored !== null) scheduled.unsafeOffer(undefined)
    if (tasks.length === 0 && queues.length === 0 && restored === null) return
    if (told === null) {
      const now: Array<Task> = []
      told = now
      queueMicrotask(() => {
        told = null
        changes.unsafeOffer(now)
      })
    }
    told.push(...tasks)
  }
}

/** Giving up what is old, and the space that it took. */
const upkeepOf = (retention: Retention.Retention, job: ReturnType<typeof jobRunner>) => {
  const done = () => undefined
  return {
    prune: (request) => job(() => Either.right(retention.prune(request)), done),
    pruneKeys: (request) => job(() => Either.right(retention.pruneKeys(request)), done),
    shrink: (pages) => job(() => Either.right(retention.shrink(pages)), done),
    // The writer's transactions begin and end within one turn, so none is open here.
    checkpoint: orUnavailable("empty the write-ahead log", retention.checkpoint)
  } satisfies Pick<Engine["Type"], "prune" | "pruneKeys" | "shrink" | "checkpoint">
}

const makeEngine = (store: Store.Store, writer: Writer.Writer, retention: Retention.Retention, channels: Channels, onBeat: () => void): Engine["Type"] => {
  const job = jobRunner(writer)

  const applied = applier(store)
  const announce = announcer(channels)

  const commit = <A>(change: Change<A>) => {
    let stored: Announced = nothing
    return job(() => {
      const decision = applied(change)
      stored = decision
      return decision.answer
    }, () => announce(stored), change.waits)
  }

  const claim = <A>({ limit, policy = anything, rule }: ClaimRequest<A>) => {
    let changed: ReadonlyArray<Task> = []
    let told: ReadonlyArray<EventDraft> = []
    return job(() => {
      const now = store.now()
      const answers: Array<A> = []
      const all: Array<Task> = []
      const events: Array<EventDraft> = []
      store.claim(limit, policy, now, (task) => {
        const decision = pure(() => rule(task, now))
        all.push(...decision.tasks)
        events.push(...decision.events)
        if (Either.isRight(decision.answer)) answers.push(decision.answer.right)
        return decision
      })
      changed = all
      told = events
      return Either.right(answers)
    }, () => announce({ tasks: changed, events: told, queues: [], restored: null, schedules: [] }))
  }

  return {
    commit,
    commitAll: manyCommitter(writer, applied, announce),
    claim,
    openEpoch: (leaseMs, event) =>
      job(() => {
        const last = store.epoch()
        const { epoch, monoMs, wallMs } = store.now()
        const next: Epoch = { epoch: epoch + 1, leaseUntilMonoMs: monoMs + leaseMs, leaseUntilMs: wallMs + leaseMs }
        store.insertEpoch(next, wallMs)
        store.append(event(store.now(), last), wallMs)
        return Either.right(next)
      }, () => undefined),
    renew: (epoch, leaseMs) =>
      Effect.zipRight(Effect.sync(onBeat), job(() => {
        const now = store.now()
        if (!isRenewable(epoch, now)) return Either.right(false)
        store.updateEpoch({ epoch, leaseUntilMonoMs: now.monoMs + leaseMs, leaseUntilMs: now.wallMs + leaseMs })
        return Either.right(true)
      }, () => undefined)),
    due: (nowMs, limit) => orUnavailable("read", () => store.dueIds(nowMs, limit).map((id) => TaskId.make(id))),
    stepsOf: (id) => orUnavailable("read", () => store.steps(id)),
    nextClaim: (policy) => orUnavailable("read", () => store.nextClaim(policy)),
    nextDue: orUnavailable("read", store.nextDue),
    schedulesDue: (nowMs, limit) => orUnavailable("read", () => store.schedulesDue(nowMs, limit)),
    ...upkeepOf(retention, job),
    watchRequests: PubSub.subscribe(channels.requests),
    watch: PubSub.subscribe(channels.changes),
    watchSchedules: PubSub.subscribe(channels.scheduled)
  }
}

const agree = (file: string) =>
  Effect.flatMap(Watermark.examine(file), (found) => {
    if (found._tag === "Behind") return found.lost
    return found._tag === "Foreign"
      ? Effect.logWarning("the watermark beside the database is another file's, and was not compared", { file, stream: found.stream })
      : Effect.void
  })

// The lock belongs to the file, whatever name it is opened by.
const canonicalPath = (file: string): string => (existsSync(file) ? realpathSync(file) : join(realpathSync(dirname(file)), basename(file)))

/**
 * Opens the file for writing and takes the instance lock. Fails with `InstanceLocked` when another process writes it, with
 * `DatabaseRefused` when the file is not ours to open and with `EventsLost` when it is behind its watermark (either way it is left
 * untouched), with `EngineUnavailable` otherwise.
 */
export const layer = ({ behind = false, file: named, streamId }: Options) =>
  Layer.scopedContext(
    Effect.gen(function*() {
      const file = yield* orUnavailable("find the database", () => canonicalPath(named))
      const instants = yield* Instants
      const flush = yield* Flush
      const fatal = yield* Fatal
      yield* Database.readVersion(file)
      yield* InstanceLock.acquire(file)
      if (!behind) yield* agree(file)
      const db = yield* Database.open(file, { id: streamId, atMs: instants.wallMs() })
      const marker = yield* Effect.acquireRelease(Effect.sync(() => (behind ? Watermark.silent : Watermark.open(file))), (marker) => Effect.sync(() => marker.close()))
      const store = yield* orUnavailable("read the database", () => Store.make(db, instants, marker))
      const health = Health.make(instants.wallMs)
      const inDoubt = () => fatal.die("the disk failed to sync a commit; nobody knows whether it is stored. Start again: the file decides.")
      const writer = yield* Effect.acquireRelease(
        orUnavailable("prepare the database", () => {
          const committed = Checkpoints.make(db, flush)
          const accept = () => {
            committed()
            return store.accept()
          }
          return Writer.make(db, { reset: store.reset, seal: store.seal, accept }, flush, health, inDoubt)
        }),
        (writer) => Effect.sync(() => writer.close())
      )
      const retention = yield* orUnavailable("prepare the database", () => Retention.make(db, store))
      const channels = { changes: yield* PubSub.sliding<ReadonlyArray<Task>>(1024), requests: yield* PubSub.sliding<EventDraft>(64), scheduled: yield* PubSub.sliding<void>(1), witness: yield* Witness }
      const reader = yield* SqliteReader.make(file)
      const opened = yield* orUnavailable("find the database", () => OpenFile.make(db, file))
      const onBeat = () => {
        const lost = opened.lost(instants.wallMs())
        if (lost !== null) fatal.die(lost)
        marker.sync()
      }
      const chats = yield* orUnavailable("prepare the database", () => Chats.make(db))
      return Context.make(Engine, makeEngine(store, writer, retention, channels, onBeat)).pipe(
        Context.add(EngineReader, reader),
        Context.add(ChatStore, ChatRows.make(chats, jobRunner(writer), { wallMs: instants.wallMs, record: store.append, isHeld: () => isHeld(store.now().restored) })),
        Context.add(Rehearser, SqliteRehearser.make(file, instants)),
        Context.add(Storage, { file, trouble: health.trouble, over: health.over })
      )
    })
  )

/**
 * Writes a file anew, without its free pages, so that it can shrink in small steps from then on. Needs as much free disk again as the
 * file has, and takes as long as copying it. Fails as `layer` does; the file is then as it was.
 */
export const rebuild = (named: string, atMs: number) =>
  Effect.gen(function*() {
    const file = yield* orUnavailable("find the database", () => canonicalPath(named))
    yield* InstanceLock.acquire(file)
    const db = yield* Database.open(file, { id: "", atMs })
    yield* orUnavailable("write the database anew", () => {
      db.pragma("auto_vacuum = INCREMENTAL")
      db.exec("VACUUM")
      db.pragma("wal_checkpoint(TRUNCATE)")
    })
  }).pipe(Effect.scoped)
