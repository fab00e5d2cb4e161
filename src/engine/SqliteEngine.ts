/** The durable engine: one SQLite file, one writing process, one sync for all changes of a turn. */
import { existsSync, realpathSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import { Context, Effect, Either, Exit, Layer, PubSub } from "effect"
import type { Decision } from "../domain/Decision.ts"
import { type Epoch, isRenewable } from "../domain/Lease.ts"
import type { Refusal } from "../domain/Refusal.ts"
import type { Step } from "../domain/Step.ts"
import { type Task, TaskId } from "../domain/Task.ts"
import { type Change, type ClaimRequest, Engine, EngineReader, type EngineUnavailable, Fatal, Flush, Instants } from "./Engine.ts"
import * as Checkpoints from "./sqlite/Checkpoints.ts"
import * as Database from "./sqlite/Database.ts"
import * as InstanceLock from "./sqlite/InstanceLock.ts"
import * as Store from "./sqlite/Store.ts"
import { orUnavailable } from "./sqlite/SqliteError.ts"
import * as Writer from "./sqlite/Writer.ts"
import * as SqliteReader from "./SqliteReader.ts"

export interface Options {
  readonly file: string
  /** Names the event stream of a file that is made now; drawn by chance. */
  readonly streamId: string
}

/** Runs a job in the writer's next transaction. An interrupted caller does not stop the job. */
const jobRunner = (writer: Writer.Writer) => <A, E>(apply: () => Either.Either<A, E>, onCommitted: () => void): Effect.Effect<A, E | EngineUnavailable> =>
  Effect.async<A, E | EngineUnavailable>((resume) => {
    writer.submit({
      apply: () => {
        const outcome = attempt(apply)
        return () => {
          onCommitted()
          resume(outcome)
        }
      },
      fail: (error) => resume(Effect.fail(error))
    })
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

const nobody: ReadonlyArray<Task> = []
const noSteps: ReadonlyArray<Step> = []

class RuleDefect extends Error {}

const pure = <A>(rule: () => A): A => {
  try {
    return rule()
  } catch (cause) {
    throw new RuleDefect("a rule threw", { cause })
  }
}

/** Applies a change within the open transaction. */
const applier = (store: Store.Store) => <A>({ key, related, rule, stepsOf, tasks }: Change<A>): Decision<A> => {
  const now = store.now()
  const loaded = tasks.map(store.load)
  const others = related === undefined ? nobody : pure(() => related(loaded)).map(store.load)
  const stored = key === null ? undefined : store.answer(key)
  const steps = stepsOf === undefined ? noSteps : store.steps(stepsOf)
  const decision = pure(() => rule({ tasks: loaded, related: others, steps, stored }, now))
  store.apply(decision, others.length === 0 ? loaded : [...loaded, ...others], now.wallMs)
  return decision
}

// Jobs of their own, which the writer batches and bounds as it does those of many callers.
const manyCommitter = (writer: Writer.Writer, applied: ReturnType<typeof applier>, announce: (tasks: ReadonlyArray<Task>) => void): Engine["Type"]["commitAll"] => <A>(all: ReadonlyArray<Change<A>>) =>
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
              announce(decision.right.tasks)
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

const makeEngine = (store: Store.Store, writer: Writer.Writer, changes: PubSub.PubSub<ReadonlyArray<Task>>): Engine["Type"] => {
  const job = jobRunner(writer)

  const applied = applier(store)

  const commit = <A>(change: Change<A>) => {
    let changed: ReadonlyArray<Task> = []
    return job(() => {
      const decision = applied(change)
      changed = decision.tasks
      return decision.answer
    }, () => announce(changed))
  }

  const claim = <A>({ limit, rule }: ClaimRequest<A>) => {
    let changed: ReadonlyArray<Task> = []
    return job(() => {
      const now = store.now()
      const answers: Array<A> = []
      const all: Array<Task> = []
      for (const task of store.claimable(now.wallMs, limit)) {
        const decision = pure(() => rule(task, now))
        store.apply(decision, [task], now.wallMs)
        all.push(...decision.tasks)
        if (Either.isRight(decision.answer)) answers.push(decision.answer.right)
      }
      changed = all
      return Either.right(answers)
    }, () => announce(changed))
  }

  // The changes of one transaction are told together, after everybody in it was answered.
  let told: Array<Task> = []
  const announce = (tasks: ReadonlyArray<Task>) => {
    if (tasks.length === 0) return
    if (told.length === 0) {
      queueMicrotask(() => {
        changes.unsafeOffer(told)
        told = []
      })
    }
    told.push(...tasks)
  }

  return {
    commit,
    commitAll: manyCommitter(writer, applied, announce),
    claim,
    openEpoch: (leaseMs, event) =>
      job(() => {
        const { epoch, monoMs, wallMs } = store.now()
        const next: Epoch = { epoch: epoch + 1, leaseUntilMonoMs: monoMs + leaseMs, leaseUntilMs: wallMs + leaseMs }
        store.insertEpoch(next, wallMs)
        store.append(event(store.now()), wallMs)
        return Either.right(next)
      }, () => undefined),
    renew: (epoch, leaseMs) =>
      job(() => {
        const now = store.now()
        if (!isRenewable(epoch, now)) return Either.right(false)
        store.updateEpoch({ epoch, leaseUntilMonoMs: now.monoMs + leaseMs, leaseUntilMs: now.wallMs + leaseMs })
        return Either.right(true)
      }, () => undefined),
    due: (nowMs, limit) => orUnavailable("read", () => store.dueIds(nowMs, limit).map((id) => TaskId.make(id))),
    stepsOf: (id) => orUnavailable("read", () => store.steps(id)),
    nextDue: orUnavailable("read", store.nextDue),
    watch: PubSub.subscribe(changes)
  }
}

// The lock belongs to the file, whatever name it is opened by.
const canonicalPath = (file: string): string => (existsSync(file) ? realpathSync(file) : join(realpathSync(dirname(file)), basename(file)))

/**
 * Opens the file for writing and takes the instance lock. Fails with `InstanceLocked` when another process writes it, with
 * `DatabaseRefused` when the file is not ours to open (it is left untouched), with `EngineUnavailable` otherwise.
 */
export const layer = ({ file: named, streamId }: Options) =>
  Layer.scopedContext(
    Effect.gen(function*() {
      const file = yield* orUnavailable("find the database", () => canonicalPath(named))
      const instants = yield* Instants
      const flush = yield* Flush
      const fatal = yield* Fatal
      yield* Database.readVersion(file)
      yield* InstanceLock.acquire(file)
      const db = yield* Database.open(file, { id: streamId, atMs: instants.wallMs() })
      const store = yield* orUnavailable("read the database", () => Store.make(db, instants))
      const inDoubt = () => fatal.die("the disk failed to sync a commit; nobody knows whether it is stored. Start again: the file decides.")
      const writer = yield* Effect.acquireRelease(
        orUnavailable("prepare the database", () => {
          const committed = Checkpoints.make(db, flush)
          const accept = () => {
            store.accept()
            committed()
          }
          return Writer.make(db, { reset: store.reset, seal: store.seal, accept }, flush, inDoubt)
        }),
        (writer) => Effect.sync(() => writer.close())
      )
      const changes = yield* PubSub.sliding<ReadonlyArray<Task>>(1024)
      const reader = yield* SqliteReader.make(file)
      return Context.make(Engine, makeEngine(store, writer, changes)).pipe(Context.add(EngineReader, reader))
    })
  )
