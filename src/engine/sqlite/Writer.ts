/**
 * The one writer: changes that arrive in the same turn of the event loop share one transaction and one sync.
 *
 * A change is a job that runs synchronously inside the transaction and is answered after the commit. When a batch
 * cannot be written it is rolled back and its jobs are tried one by one, so that a failing change takes no neighbour
 * with it; rules are pure, so running them again is safe. A lock held by another program is waited for without
 * blocking the event loop.
 */
import type Database from "better-sqlite3"
import { ceilingMs } from "../../domain/Backoff.ts"
import { matrix } from "../../domain/Matrix.ts"
import type { EngineUnavailable, Flush } from "../Engine.ts"
import type { Health } from "./Health.ts"
import { isBusy, isInDoubt, StoreClosed, unavailable } from "./SqliteError.ts"

export interface Job {
  /** Runs inside the transaction; returns what to do once it is committed. Throws when it could not be stored. */
  readonly apply: () => () => void
  /** Nothing of the job is stored. */
  readonly fail: (error: EngineUnavailable) => void
}

export interface Transaction {
  /** Forgets what the jobs since `begin` left in memory. */
  readonly reset: () => void
  /** Writes what is written once per transaction, before the commit. */
  readonly seal: () => void
  /** Makes what was committed the new state in memory. Answers whether there was anything. */
  readonly accept: () => boolean
}

export interface Writer {
  readonly submit: (job: Job) => void
  /** Takes back a job that waits for its turn: nothing of it is stored, and neither it nor its caller is told. False: it has had its turn. */
  readonly withdraw: (job: Job) => boolean
  /** Writes what is pending and refuses everything later. */
  readonly close: () => void
}

/** How long a foreign lock is waited for before the pending changes fail, and the pauses between looks. */
export const busyWaitMs = matrix.store_lock.timeoutMs
const busyPausesMs: ReadonlyArray<number> = [1, 2, 3, 4, 5, 6].map((failures) => ceilingMs(matrix.store_lock.retry, failures))

/** Bounds a transaction, so that a flood of changes cannot keep its first caller waiting. */
export const batchMax = 512

/** Applies jobs in one transaction. Throws with nothing stored, and no transaction open. */
const committer = (db: Database.Database, transaction: Transaction, health: Health, onDoubt: (cause: unknown) => void) => {
  const begin = db.prepare("BEGIN IMMEDIATE")
  const commit = db.prepare("COMMIT")
  const rollback = db.prepare("ROLLBACK")
  return (jobs: ReadonlyArray<Job>): ReadonlyArray<() => void> => {
    begin.run()
    try {
      const answers = jobs.map((job) => job.apply())
      transaction.seal()
      commit.run()
      // A transaction that wrote nothing tells that the lock is free, and nothing of the disk.
      if (transaction.accept() || health.trouble()?.why === "busy") health.stored()
      return answers
    } catch (cause) {
      if (isInDoubt(cause)) onDoubt(cause)
      if (db.inTransaction) rollback.run()
      transaction.reset()
      throw cause
    }
  }
}

/** The pause before the next look at a foreign lock, or null when it has been waited for long enough. */
const pauseAfter = (waitedMs: number): number | null =>
  waitedMs >= busyWaitMs ? null : busyPausesMs.find((pause) => pause > waitedMs) ?? matrix.store_lock.retry.capMs

const refuser = (health: Health) => (job: Job, cause: unknown): void => {
  const error = unavailable("write", cause)
  health.failed(error)
  job.fail(error)
}

const remove = (pending: Array<Job>, job: Job): boolean => pending.includes(job) && pending.splice(pending.indexOf(job), 1).length > 0

export const make = (db: Database.Database, transaction: Transaction, flush: Flush["Type"], health: Health, onDoubt: (cause: unknown) => void): Writer => {
  const write = committer(db, transaction, health, onDoubt)
  let pending: Array<Job> = []
  let scheduled = false
  let closed = false
  let waitedMs = 0

  const schedule = (delayMs: number) => {
    if (scheduled) return
    scheduled = true
    if (delayMs === 0) flush.soon(run)
    else flush.later(delayMs, run)
  }

  const refuse = refuser(health)

  const failAll = (cause: unknown) => {
    const failed = pending
    pending = []
    failed.forEach((job) => refuse(job, cause))
  }

  const waitForLock = (cause: unknown) => {
    // It was waited for already: until it is free each change has one try.
    const pause = closed || health.trouble()?.why === "busy" ? null : pauseAfter(waitedMs)
    waitedMs = pause === null ? 0 : waitedMs + pause
    if (pause === null) failAll(closed ? new StoreClosed() : cause)
    else schedule(pause)
  }

  const writeAlone = (job: Job) => {
    try {
      write([job]).forEach((answer) => answer())
    } catch (cause) {
      refuse(job, cause)
    }
  }

  // Jobs leave the queue before anybody is answered: an answer may submit the next job.
  const take = (count: number) => {
    pending = pending.slice(count)
    waitedMs = 0
    if (pending.length > 0) schedule(0)
  }

  const run = () => {
    scheduled = false
    // All were withdrawn: whoever comes next waits for a lock as long as anybody.
    if (pending.length === 0) return void (waitedMs = 0)
    const jobs = pending.slice(0, batchMax)
    try {
      const answers = write(jobs)
      take(jobs.length)
      answers.forEach((answer) => answer())
    } catch (cause) {
      if (isBusy(cause)) return waitForLock(cause)
      take(jobs.length)
      jobs.forEach(writeAlone)
    }
  }

  return {
    submit: (job) => {
      if (closed) return job.fail(unavailable("write", new StoreClosed()))
      // Nothing more is written into a file that is known to be damaged.
      const refusal = health.refusal()
      if (refusal !== null) return job.fail(refusal)
      pending.push(job)
      schedule(0)
    },
    // Transactions begin and end within one turn: what still waits here is in none.
    withdraw: (job) => remove(pending, job),
    close: () => {
      closed = true
      while (pending.length > 0) run()
    }
  }
}
