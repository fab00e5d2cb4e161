/**
 * The engine: where tasks, events, messages and keys are kept.
 *
 * An engine is atomic and durable and knows no rules: it loads rows, lets a pure rule decide, and stores the whole
 * decision in one transaction, or nothing of it. Every implementation passes `test/engine/conformance.ts`.
 */
import { Context, type Effect, type Either, type Queue, Schema, type Scope } from "effect"
import type { Counter, Tally } from "../domain/Census.ts"
import type { Decision, StoredAnswer } from "../domain/Decision.ts"
import type { Epoch } from "../domain/Lease.ts"
import type { Now } from "../domain/Now.ts"
import type { Refusal } from "../domain/Refusal.ts"
import type { Step } from "../domain/Step.ts"
import type { Attempt, Task, TaskId } from "../domain/Task.ts"
import type { TaskState } from "../domain/TaskState.ts"
import type { EventDraft, TaskEvent } from "../domain/TaskEvent.ts"

/**
 * The store could not be read or written. A change that fails with this was rolled back and is not there; the one
 * exception, an error of the final sync, never reaches a caller: it ends the process (see `Fatal`).
 */
export class EngineUnavailable extends Schema.TaggedError<EngineUnavailable>()("EngineUnavailable", {
  operation: Schema.String,
  why: Schema.Literal("busy", "full", "read_only", "damaged", "io", "closed", "other"),
  cause: Schema.Defect
}) {
  override get message() {
    return `the store cannot ${this.operation}: ${sentences[this.why]}`
  }
}

const sentences = {
  busy: "another program holds its lock",
  full: "the disk is full",
  read_only: "the file or its folder is read-only",
  damaged: "the file is damaged",
  io: "the disk reports an error",
  closed: "it is closed",
  other: "an unexpected error"
} as const satisfies Record<EngineUnavailable["why"], string>

/** Ends the process at once, without finalizers: what was acknowledged must not depend on a file in doubt. */
export class Fatal extends Context.Tag("opsgate/engine/Fatal")<Fatal, { readonly die: (sentence: string) => void }>() {}

/** The two clocks, read at the instant of a decision. */
export class Instants extends Context.Tag("opsgate/engine/Instants")<Instants, {
  /** Unix time, whole milliseconds. */
  readonly wallMs: () => number
  /** Monotonic clock of the machine, whole milliseconds; comparable between processes. */
  readonly monoMs: () => number
}>() {}

// A pool, since one call costs as much as a thousand numbers.
const pooled = (): (() => number) => {
  const pool = new Uint32Array(1024)
  let next = pool.length
  return () => {
    if (next === pool.length) {
      crypto.getRandomValues(pool)
      next = 0
    }
    return (pool[next++] ?? 0) / 2 ** 32
  }
}

/** Chance: for ids, traces and the jitter of pauses. In production that of the operating system; a simulator has its own. */
export class Chance extends Context.Reference<Chance>()("opsgate/engine/Chance", {
  defaultValue: (): { readonly next: () => number } => ({ next: pooled() })
}) {}

/** When pending changes are written. In production a turn of the event loop; a simulator has its own. */
export class Flush extends Context.Tag("opsgate/engine/Flush")<Flush, {
  readonly soon: (run: () => void) => void
  readonly later: (delayMs: number, run: () => void) => void
}>() {}

/** What a rule is given: the named tasks in the order they were asked for, and what the key stands for. */
export interface Found {
  readonly tasks: ReadonlyArray<Task | undefined>
  readonly related: ReadonlyArray<Task | undefined>
  /** Those of the one task whose steps were asked for, by number. */
  readonly steps: ReadonlyArray<Step>
  readonly stored: StoredAnswer | undefined
}

export interface Change<A> {
  readonly tasks: ReadonlyArray<TaskId>
  /** More tasks, which the first ones name. */
  readonly related?: (tasks: ReadonlyArray<Task | undefined>) => ReadonlyArray<TaskId>
  readonly stepsOf?: TaskId
  /** Idempotency key to look up. */
  readonly key: string | null
  /** Pure: it may be run again when its transaction could not be committed. */
  readonly rule: (found: Found, now: Now) => Decision<A>
}

export interface ClaimRequest<A> {
  readonly limit: number
  /** Applied to each queued task that is due, oldest first. */
  readonly rule: (task: Task, now: Now) => Decision<A>
}

export interface TaskFilter {
  readonly state?: TaskState
  /** Only tasks under a lease of an earlier epoch. */
  readonly leasedBefore?: number
  /** Only tasks whose id ends so (upper case). */
  readonly suffix?: string
  /** Only tasks that a step of this one waits for. */
  readonly parent?: TaskId
  /** Only forks of this one. */
  readonly forkedFrom?: TaskId
  readonly limit: number
}

export interface Summary {
  readonly counts: Readonly<Record<Counter, number>>
  readonly tallies: Readonly<Record<Tally, number>>
  /** Leases of epochs before the last one: nobody has taken those runs back yet. */
  readonly leasedEarlier: number
  /** The last event that the counts include; 0 in an empty store. */
  readonly asOfSeq: number
  readonly sinceMs: number
  /** The last epoch, if there was one. */
  readonly epoch: Epoch | null
}

/** The part of an engine that only reads: it works while another process writes. */
export class EngineReader extends Context.Tag("opsgate/engine/EngineReader")<EngineReader, {
  readonly get: (id: TaskId) => Effect.Effect<Task | undefined, EngineUnavailable>
  /** Newest first. */
  readonly list: (filter: TaskFilter) => Effect.Effect<ReadonlyArray<Task>, EngineUnavailable>
  /** By number. */
  readonly steps: (id: TaskId) => Effect.Effect<ReadonlyArray<Step>, EngineUnavailable>
  readonly attempts: (id: TaskId) => Effect.Effect<ReadonlyArray<Attempt>, EngineUnavailable>
  /** Events with `seq` above `after`, oldest first. */
  readonly events: (after: number, limit: number) => Effect.Effect<ReadonlyArray<TaskEvent>, EngineUnavailable>
  /** Counts now, and tallies since the whole minute at or before `sinceMs`, from one read transaction. */
  readonly summary: (sinceMs: number) => Effect.Effect<Summary, EngineUnavailable>
}>() {}

export class Engine extends Context.Tag("opsgate/engine/Engine")<Engine, {
  /**
   * Applies a rule to the named tasks and stores what it decides. Answers after the commit. Fails with the rule's
   * refusal (whose events are stored), or with `EngineUnavailable` (nothing is stored).
   */
  readonly commit: <A>(change: Change<A>) => Effect.Effect<A, Refusal | EngineUnavailable>

  /**
   * Applies many changes, each for itself: one that is refused or cannot be stored takes no other with it. Answers in the order of
   * the changes, after all of them were committed.
   */
  readonly commitAll: <A>(changes: ReadonlyArray<Change<A>>) => Effect.Effect<ReadonlyArray<Either.Either<A, Refusal | EngineUnavailable>>>

  /** Applies a rule to up to `limit` queued tasks that are due, oldest first, in one transaction. */
  readonly claim: <A>(request: ClaimRequest<A>) => Effect.Effect<ReadonlyArray<A>, EngineUnavailable>

  /** Starts the next epoch, with its event. From here on every lease of an earlier one is void. */
  readonly openEpoch: (leaseMs: number, event: (now: Now) => EventDraft) => Effect.Effect<Epoch, EngineUnavailable>

  /** One heartbeat for all leases of an epoch; no event. False, and nothing changed, when the epoch is over. */
  readonly renew: (epoch: number, leaseMs: number) => Effect.Effect<boolean, EngineUnavailable>

  /** The steps of a task, by number: what the reader says, at a tenth of its price. */
  readonly stepsOf: (id: TaskId) => Effect.Effect<ReadonlyArray<Step>, EngineUnavailable>

  /** Ids of tasks that time alone changes at or before `nowMs`. */
  readonly due: (nowMs: number, limit: number) => Effect.Effect<ReadonlyArray<TaskId>, EngineUnavailable>

  /** The next instants at which a queued task may be claimed, and at which time alone changes a task. */
  readonly nextDue: Effect.Effect<{ readonly claimMs: number | null; readonly expiryMs: number | null }, EngineUnavailable>

  /** Tasks as they are after each commit. A reader that falls behind loses the oldest batches, never blocks a commit. */
  readonly watch: Effect.Effect<Queue.Dequeue<ReadonlyArray<Task>>, never, Scope.Scope>
}>() {}
