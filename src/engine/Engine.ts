/**
 * The engine: where tasks, events, messages and keys are kept.
 *
 * An engine is atomic and durable and knows no rules: it loads rows, lets a pure rule decide, and stores the whole
 * decision in one transaction, or nothing of it. Every implementation passes `test/engine/conformance.ts`.
 */
import { Context, Effect, type Either, type Queue, Schema, type Scope } from "effect"
import type { CommandFilter, CommandRecord } from "../domain/Artifact.ts"
import type { Bulk, BulkCounts, BulkItem, FoundBulk, Matching } from "../domain/Bulk.ts"
import type { DeadUpdate } from "../domain/Chat.ts"
import type { Counter, Mark, Tally } from "../domain/Census.ts"
import type { ClaimPolicy } from "../domain/Claiming.ts"
import type { Decision, StoredAnswer } from "../domain/Decision.ts"
import type { ApprovedRun } from "../domain/LastApproved.ts"
import type { Epoch } from "../domain/Lease.ts"
import type { Now } from "../domain/Now.ts"
import { printable, redact } from "../domain/Redaction.ts"
import type { QueueState } from "../domain/Queue.ts"
import type { Refusal } from "../domain/Refusal.ts"
import type { FinalState, PrunedCounts } from "../domain/Retention.ts"
import type { Schedule, TickRange, TickRow } from "../domain/Schedule.ts"
import type { Step } from "../domain/Step.ts"
import type { Attempt, Task, TaskId } from "../domain/Task.ts"
import type { Traced, WantedTrace } from "../domain/Traced.ts"
import type { TaskState } from "../domain/TaskState.ts"
import type { EventDraft, TaskEvent } from "../domain/TaskEvent.ts"

/**
 * The store could not be read or written. A change that fails with this was rolled back and is not there; the one
 * exception, an error of the final sync, never reaches a caller: it ends the process (see `Fatal`).
 */
export class EngineUnavailable extends Schema.TaggedError<EngineUnavailable>()("EngineUnavailable", {
  operation: Schema.String,
  why: Schema.Literal("busy", "full", "read_only", "damaged", "io", "closed", "late", "other"),
  cause: Schema.Defect
}) {
  override get message() {
    return `the store cannot ${this.operation}: ${this.why === "other" ? `${wordsOf(this.cause)}; look at it with: opsgate doctor` : sentences[this.why]}`
  }
}

const sentences = {
  busy: "another program holds its lock",
  full: "the disk is full",
  read_only: "the file or its folder is read-only",
  damaged: "the file is damaged",
  io: "the disk reports an error",
  closed: "it is closed",
  late: "it was too late, and nothing of it is stored"
} as const satisfies Record<Exclude<EngineUnavailable["why"], "other">, string>

/** The most characters of a cause that are shown. */
const wordsMax = 300

// The innermost cause is what the database or the file system said.
const wordsOf = (cause: unknown): string => {
  if (cause instanceof Error && cause.cause instanceof Error) return wordsOf(cause.cause)
  const words = printable(redact(cause instanceof Error ? cause.message : String(cause)).replace(/\s+/g, " ").trim())
  return words === "" ? "an unexpected error" : words.slice(0, wordsMax)
}

/** Ends the process at once, without finalizers: what was acknowledged must not depend on a file in doubt. */
export class Fatal extends Context.Tag("opsgate/engine/Fatal")<Fatal, { readonly die: (sentence: string) => void }>() {}

/** What keeps the store from taking changes. */
export interface StorageTrouble {
  readonly why: "busy" | "full" | "read_only" | "damaged" | "io"
  /** Wall clock, Unix ms, of the first change that could not be stored. */
  readonly sinceMs: number
  /** Changes that could not be stored since. */
  readonly failures: number
}

/** Trouble that is over, and since when. */
export interface Over<Trouble> {
  readonly trouble: Trouble
  readonly endedMs: number
}

/** Whether changes can be stored: the last word of the writer. Over as soon as one is stored, but for a damaged file, which ends with its process. */
export class Storage extends Context.Reference<Storage>()("opsgate/engine/Storage", {
  defaultValue: (): {
    readonly file: string
    readonly trouble: () => StorageTrouble | null
    /** The last trouble, when there is none any more. */
    readonly over: () => Over<StorageTrouble> | null
  } => ({ file: "", trouble: () => null, over: () => null })
}) {}

/** What keeps folders and files of runs from being made. */
export interface RunsTrouble {
  readonly why: "full" | "read_only" | "io" | "no_handles"
  /** Wall clock, Unix ms, of the first run that could not be prepared. */
  readonly sinceMs: number
  /** Runs that could not be prepared since. */
  readonly failures: number
}

/** Whether commands can be prepared: what kept the folder of the last run from being made, as far as it was the storage. */
export class RunsStorage extends Context.Reference<RunsStorage>()("opsgate/engine/RunsStorage", {
  defaultValue: (): {
    readonly dir: string
    readonly trouble: () => RunsTrouble | null
    /** The last trouble, when there is none any more. */
    readonly over: () => Over<RunsTrouble> | null
    /** A run could not be prepared. */
    readonly failed: (why: RunsTrouble["why"]) => void
    /** A run was prepared: all is well. */
    readonly prepared: () => void
    /** Waits a while, longer each time until a run was prepared, then tries whether a folder and a file can be made. */
    readonly look: Effect.Effect<void>
  } => ({ dir: "", trouble: () => null, over: () => null, failed: () => undefined, prepared: () => undefined, look: Effect.void })
}) {}

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
  /** The task that has the unique name that was asked for. */
  readonly holder?: Task | undefined
  /** What an operator said last about the queue that was asked for. */
  readonly queue?: QueueState | undefined
  /** The bulk command that was asked for, if there is one. */
  readonly bulk?: FoundBulk | undefined
  /** Of the one schedule that was asked for. */
  readonly schedule?: FoundSchedule
  /** The update that was asked for, if it was given up. */
  readonly deadUpdate?: DeadUpdate | undefined
}

/** The most runs of a schedule that a rule is given. */
export const openMax = 100

export interface FoundSchedule {
  readonly schedule: Schedule | undefined
  /** Its runs that have not ended, oldest first, at most `openMax`. */
  readonly open: ReadonlyArray<Task>
  /** Its ticks in the range that was asked for; without one, those behind its cursor. */
  readonly ticks: ReadonlyArray<TickRow>
}

export interface WantedSchedule {
  readonly name: string
  /** Nominal instants, both included. */
  readonly range?: { readonly fromMs: number; readonly toMs: number }
}

export interface Change<A> {
  readonly tasks: ReadonlyArray<TaskId>
  /** More tasks, which the first ones name. */
  readonly related?: (tasks: ReadonlyArray<Task | undefined>) => ReadonlyArray<TaskId>
  readonly stepsOf?: TaskId
  /** A unique name (`Placement.ts`) whose task is loaded. At most one task has it: a decision that stores a second one is not stored. */
  readonly unique?: (tasks: ReadonlyArray<Task | undefined>) => string | null
  /** The queue whose state is loaded. */
  readonly queue?: string
  readonly schedule?: WantedSchedule
  /**
   * Called when the change waits for its turn, with what withdraws it. True: nothing of it is stored, nor will be, and its commit never
   * answers. False: it is decided, and its commit answers. Not called by an engine that decides at once.
   */
  readonly waits?: (withdraw: () => boolean) => void
  /** The number of an update of a chat that is loaded if it was given up. */
  readonly deadUpdate?: number
  /** Idempotency key to look up. */
  readonly key: string | null
  /** A bulk command to load: with the item of this number, or, without a number, with its counts. */
  readonly bulk?: { readonly id: string; readonly number?: number }
  /** Pure: it may be run again when its transaction could not be committed. */
  readonly rule: (found: Found, now: Now) => Decision<A>
}

export interface SchedulesDue {
  readonly due: ReadonlyArray<string>
  readonly waiting: ReadonlyArray<string>
  readonly nextMs: number | null
}

export interface ClaimRequest<A> {
  readonly limit: number
  /** Applied to each queued task that is due and may run, in the order of `Claiming.ts`. */
  readonly rule: (task: Task, now: Now) => Decision<A>
  /** Default: no limits, all kinds. */
  readonly policy?: ClaimPolicy
}

/** A queue as it stands. What was limited by configuration is not known here. */
export interface QueueView {
  readonly queue: string
  /** Queued tasks; those that wait for a later instant included. */
  readonly depth: number
  /** Queued tasks that are due. */
  readonly due: number
  /** Live leases. */
  readonly running: number
  /** Since when the first of those that are due is. */
  readonly oldestDueMs: number | null
  readonly state: QueueState | null
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
  /** Only tasks of the dead letter; those that have been in it longest come last. */
  readonly dead?: { readonly kind: string | null; readonly code: string | null }
  /** Only tasks whose ids come before this one's: the next page of a list. */
  readonly before?: TaskId
  /** Only tasks under this trace. Reads every task between `since`, an id or the beginning of one, and `before`. */
  readonly trace?: string
  readonly since?: string
  readonly limit: number
}

/** The events that ask the process for work, told to `watchRequests` after their commit. */
export const isRequest = ({ type }: EventDraft): boolean => type === "bulk.requested" || type === "retention.requested" || type === "chat.replayed"

/** A page of the tasks that fit a filter, by id. */
export interface MatchedPage {
  readonly ids: ReadonlyArray<TaskId>
  /** Where the next page begins; null behind the last one. */
  readonly next: string | null
}

/** Where a look in order of instants goes on. */
export interface Cursor {
  readonly atMs: number
  readonly id: string
}

export interface PruneRequest {
  /** Finished tasks in this state that have awaited it since `throughMs` or longer. */
  readonly state: FinalState
  readonly throughMs: number
  readonly after: Cursor | null
  readonly limit: number
  /** Pure: what is left of the task, or null to leave it as it is. */
  readonly rule: (task: Task, parent: Task | undefined, nowMs: number) => Task | null
  /** The event of what was given up; not asked for when that is nothing. */
  readonly event: (counts: PrunedCounts) => EventDraft
}

export interface PruneKeysRequest {
  /** Keys whose first use was at this instant or before. */
  readonly throughMs: number
  readonly after: Cursor | null
  readonly limit: number
  /** Pure: whether the key of this task, if it names one, may go. */
  readonly rule: (task: Task | undefined) => boolean
  readonly event: (counts: PrunedCounts) => EventDraft
}

export interface PruneResult {
  readonly counts: PrunedCounts
  /** Null when nothing is left to look at. */
  readonly next: Cursor | null
  /** How long the work took, by the machine's monotonic clock, without waiting for its turn or for the commit. */
  readonly tookMs: number
}

/** The files of a store. */
export interface FileSizes {
  readonly fileBytes: number
  /** Free pages within the file. */
  readonly freeBytes: number
  readonly walBytes: number
  readonly pageBytes: number
  /** Whether free pages can be returned in small steps; a file made by an older version needs `opsgate prune --rebuild` once. */
  readonly shrinks: boolean
}

/** How things stand beside their counts. Each instant is Unix time in ms, and null where there is no such thing. */
export interface Standing {
  /** When the figures of the store begin. */
  readonly madeAtMs: number
  /** The blocked task that has been so for longest, and the run that has had its lease for longest. */
  readonly blockedSinceMs: number | null
  readonly leasedSinceMs: number | null
  /** The earliest instant at which a queued task is due: in any queue, and in those that are not paused, or were paused within `lingerMs`. */
  readonly dueSinceMs: number | null
  readonly openDueSinceMs: number | null
  /** When the lease of the earliest epoch ended whose runs nobody has taken back. */
  readonly earlierUntilMs: number | null
  /** The first entry into the dead letter. */
  readonly deadSinceMs: number | null
  readonly queuesPaused: number
  readonly queuesPausedSinceMs: number | null
  readonly schedulesPaused: number
  /** Schedules whose tick is due since `overdueMaxMs` or longer, and the earliest due instant. */
  readonly schedulesOverdue: number
  readonly schedulesDueMs: number | null
  /** When conditions ended last. */
  readonly marks: Readonly<Partial<Record<Mark, number>>>
  /** The first and the last minute of the window in which an event was tallied. */
  readonly firstMs: Readonly<Partial<Record<Tally, number>>>
  readonly lastMs: Readonly<Partial<Record<Tally, number>>>
}

export interface Summary {
  readonly counts: Readonly<Record<Counter, number>>
  readonly tallies: Readonly<Record<Tally, number>>
  /** Null: a program of an earlier version made the file, and nobody has written to it since; or it could not be read. */
  readonly standing: Standing | null
  /** Part of the file could not be read since it is damaged; the rest was. */
  readonly damaged?: true
  /** Null for an engine without files. */
  readonly sizes: FileSizes | null
  /** Leases of epochs before the last one: nobody has taken those runs back yet. */
  readonly leasedEarlier: number
  /** The last event that the counts include; 0 in an empty store. */
  readonly asOfSeq: number
  readonly sinceMs: number
  /** The last epoch, if there was one. */
  readonly epoch: Epoch | null
  /** Since when a restored file waits for its release; null: it does not. */
  readonly heldSinceMs: number | null
  /** What chats brought and was given up, and what they are to be sent; absent where the file knows of no chats. */
  readonly chats?: { readonly dead: number; readonly deadSinceMs: number | null; readonly unsent: number; readonly unsentSinceMs: number | null }
}

/** An idempotency key that is known. */
export interface KeyRecord {
  /** Whose key it is. */
  readonly actor: string
  readonly key: string
  readonly op: string
  readonly fingerprint: string
  readonly channel: string
  /** Of the first use. */
  readonly firstMs: number
  /** How often its answer was given again, and how often it came with another request or too early. */
  readonly replays: number
  readonly conflicts: number
}

export interface KeyFilter {
  readonly actor?: string
  readonly key?: string
  readonly limit: number
}

/** What stands beside a task in its queue. */
export interface Contention {
  /** Live leases: of the queue, of heavy tasks in all queues, of everything. */
  readonly running: number
  readonly runningHeavy: number
  readonly runningAll: number
  /** Runs under the key, also those whose outcome is unknown. */
  readonly underKey: number
  /** The first of those that run under the key, or, without one, in the queue; the longest first. */
  readonly holders: ReadonlyArray<TaskId>
  /** Instants of the last starts, where the queue has a rate. */
  readonly starts: ReadonlyArray<number>
  readonly state: QueueState | null
}

/** The part of an engine that only reads: it works while another process writes. */
export class EngineReader extends Context.Tag("opsgate/engine/EngineReader")<EngineReader, {
  readonly get: (id: TaskId) => Effect.Effect<Task | undefined, EngineUnavailable>
  /** The last run of this kind that people let go, if there was one since the file knows of it. */
  readonly lastApproved: (kind: string) => Effect.Effect<ApprovedRun | undefined, EngineUnavailable>
  /** Newest first. */
  readonly list: (filter: TaskFilter) => Effect.Effect<ReadonlyArray<Task>, EngineUnavailable>
  /** By number. */
  readonly steps: (id: TaskId) => Effect.Effect<ReadonlyArray<Step>, EngineUnavailable>
  readonly attempts: (id: TaskId) => Effect.Effect<ReadonlyArray<Attempt>, EngineUnavailable>
  /** Events with `seq` above `after`, oldest first. */
  readonly events: (after: number, limit: number) => Effect.Effect<ReadonlyArray<TaskEvent>, EngineUnavailable>
  /** Events and messages about some tasks. Reads the log between the two instants: there is no index. */
  readonly traced: (wanted: WantedTrace) => Effect.Effect<Traced, EngineUnavailable>
  /** By name. */
  readonly schedules: Effect.Effect<ReadonlyArray<Schedule>, EngineUnavailable>
  /** The latest by nominal instant, newest first. */
  readonly ticks: (schedule: string, limit: number) => Effect.Effect<ReadonlyArray<TickRow>, EngineUnavailable>
  readonly tickRanges: (schedule: string, limit: number) => Effect.Effect<ReadonlyArray<TickRange>, EngineUnavailable>
  /**
   * Counts, and tallies since the whole minute at or before `sinceMs`, from one read transaction. What else depends on the instant of the
   * look (overdue schedules, queues that were paused just now) is as at `nowMs`, by default the end of time.
   */
  readonly summary: (sinceMs: number, nowMs?: number) => Effect.Effect<Summary, EngineUnavailable>
  /** Every queue that ever had a task or was paused, by name. Reads the index of all queued tasks. */
  readonly queues: (nowMs: number) => Effect.Effect<ReadonlyArray<QueueView>, EngineUnavailable>
  /** What runs in a queue and under a concurrency key, with up to `limit` of those that hold them. */
  readonly contention: (queue: string, key: string | null, limit: number) => Effect.Effect<Contention, EngineUnavailable>
  /** Tasks with ids behind `after` that fit; looks at up to `limit` tasks, so a page may be empty and not the last. */
  readonly matching: (matching: Matching, after: string, limit: number) => Effect.Effect<MatchedPage, EngineUnavailable>
  /** Newest first; with `running` only those that are. */
  readonly bulks: (filter: { readonly running: boolean; readonly limit: number }) => Effect.Effect<ReadonlyArray<Bulk>, EngineUnavailable>
  readonly bulk: (id: string) => Effect.Effect<{ readonly bulk: Bulk; readonly counts: BulkCounts } | undefined, EngineUnavailable>
  /** Items behind the number `after`, in order; with `pending` only those that wait. */
  readonly bulkItems: (id: string, filter: { readonly after: number; readonly pending: boolean; readonly limit: number }) => Effect.Effect<ReadonlyArray<BulkItem>, EngineUnavailable>
  /** How many tasks, and idempotency keys, are as old as that, whatever still needs them. */
  readonly prunable: (state: FinalState, throughMs: number) => Effect.Effect<number, EngineUnavailable>
  /** The record of commands, newest first: what the view `artifacts` holds. Reads the log from its end on. */
  readonly commands: (filter: CommandFilter) => Effect.Effect<ReadonlyArray<CommandRecord>, EngineUnavailable>
  /** Newest first. */
  readonly keys: (filter: KeyFilter) => Effect.Effect<ReadonlyArray<KeyRecord>, EngineUnavailable>
  /** Null for an engine without files. */
  readonly storage: Effect.Effect<FileSizes | null, EngineUnavailable>
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

  /** Applies a rule to up to `limit` queued tasks that are due and that the policy lets run, in one transaction. */
  readonly claim: <A>(request: ClaimRequest<A>) => Effect.Effect<ReadonlyArray<A>, EngineUnavailable>

  /**
   * Starts the next epoch, with its event. From here on every lease of an earlier one is void. The event is told of the last of
   * these as it stood: renewals leave no event of their own.
   */
  readonly openEpoch: (leaseMs: number, event: (now: Now, last: Epoch | null) => EventDraft) => Effect.Effect<Epoch, EngineUnavailable>

  /** One heartbeat for all leases of an epoch; no event. False, and nothing changed, when the epoch is over. */
  readonly renew: (epoch: number, leaseMs: number) => Effect.Effect<boolean, EngineUnavailable>

  /** The steps of a task, by number: what the reader says, at a tenth of its price. */
  readonly stepsOf: (id: TaskId) => Effect.Effect<ReadonlyArray<Step>, EngineUnavailable>

  /** Ids of tasks that time alone changes at or before `nowMs`. */
  readonly due: (nowMs: number, limit: number) => Effect.Effect<ReadonlyArray<TaskId>, EngineUnavailable>

  /**
   * The next instant at which a claim under this policy may find something as things stand: paused, full and rate limited queues and
   * full keys are taken into account. Null: not before a run ends, a task is queued, or a queue is resumed.
   */
  readonly nextClaim: (policy: ClaimPolicy) => Effect.Effect<number | null, EngineUnavailable>

  /** The next instants at which a queued task is due, and at which time alone changes a task. */
  readonly nextDue: Effect.Effect<{ readonly claimMs: number | null; readonly expiryMs: number | null }, EngineUnavailable>

  /** Gives up what is old of finished tasks, oldest first, with its event, in one transaction. */
  readonly prune: (request: PruneRequest) => Effect.Effect<PruneResult, EngineUnavailable>

  /** Forgets idempotency keys, oldest first, with its event, in one transaction. */
  readonly pruneKeys: (request: PruneKeysRequest) => Effect.Effect<PruneResult, EngineUnavailable>

  /** Returns up to so many free pages to the disk; answers how many are left that could be, and how long it took. */
  readonly shrink: (pages: number) => Effect.Effect<{ readonly left: number; readonly tookMs: number }, EngineUnavailable>

  /** Takes the write-ahead log into the file and empties it; false when a reader is in the way. */
  readonly checkpoint: Effect.Effect<boolean, EngineUnavailable>

  /** Events after their commit that ask this process for work: `bulk.requested`, `retention.requested`, `chat.replayed`. */
  readonly watchRequests: Effect.Effect<Queue.Dequeue<EventDraft>, never, Scope.Scope>

  /** The schedules with a tick that is due, those with a tick that waits for the end of a run, and the next instant at which one is due. */
  readonly schedulesDue: (nowMs: number, limit: number) => Effect.Effect<SchedulesDue, EngineUnavailable>

  /** One token whenever schedules have changed; tokens that nobody takes become one. */
  readonly watchSchedules: Effect.Effect<Queue.Dequeue<void>, never, Scope.Scope>

  /**
   * Tasks as they are after each commit; an empty batch after a queue was paused or resumed, or a restored file was released: look
   * again. A reader that falls behind loses the oldest batches, never blocks a commit.
   */
  readonly watch: Effect.Effect<Queue.Dequeue<ReadonlyArray<Task>>, never, Scope.Scope>
}>() {}
