/**
 * A bulk command: one word of an operator about many tasks. It is a row of its own, and each task that it is about is one too.
 * `BulkRules.ts` decides about both.
 */
import { Schema } from "effect"
import { reasonMax, taskNameMax } from "./AskLimits.ts"
import type { Channel } from "./Command.ts"
import { isDead, type Task, type TaskId, TaskState } from "./Task.ts"
import type { TaskState as State } from "./TaskState.ts"

export const bulkVerbs = ["cancel", "resume", "recover", "reject"] as const
export const BulkVerb = Schema.Literal(...bulkVerbs)
export type BulkVerb = typeof BulkVerb.Type

/** The states that a verb is about when the filter names none. */
export const statesOf = {
  cancel: ["REQUESTED", "APPROVED", "QUEUED", "RUNNING"],
  resume: ["APPROVED"],
  recover: ["FAILED", "CANCELED", "EXPIRED"],
  reject: ["REQUESTED", "APPROVED"]
} as const satisfies Record<BulkVerb, ReadonlyArray<State>>

/** The most tasks of one bulk command: they are stored in one transaction. */
export const bulkMax = 100_000
/** The most tasks that a filter names one by one. */
export const namedMax = 1000
/** The fastest pace, and the one where none is given, in items a second. */
export const rateMax = 10_000
export const rateByDefault = 1000

const Word = Schema.NullOr(Schema.NonEmptyString.pipe(Schema.maxLength(200)))

/** Which tasks are meant, as it is asked for. */
export const Wanted = Schema.Struct({
  state: Schema.NullOr(TaskState),
  kind: Word,
  /** The code of the last failure. */
  code: Word,
  /** Nothing about the task has changed for so long. */
  older_ms: Schema.NullOr(Schema.Int.pipe(Schema.nonNegative())),
  /** Ids, or ends of ids. Empty: any. */
  tasks: Schema.Array(Schema.NonEmptyString.pipe(Schema.maxLength(taskNameMax))).pipe(Schema.maxItems(namedMax)),
  /** Only what is in the dead letter. */
  dead: Schema.Boolean
})
export type Wanted = typeof Wanted.Type

const Reason = Schema.NullOr(Schema.String.pipe(Schema.maxLength(reasonMax)))

export const BulkAsk = Schema.Union(
  Schema.Struct({
    op: Schema.Literal("bulk"),
    verb: BulkVerb,
    filter: Wanted,
    rate_per_s: Schema.Int.pipe(Schema.between(1, rateMax)),
    reason: Reason
  }),
  Schema.Struct({ op: Schema.Literal("bulk.stop"), bulk: Schema.NonEmptyString.pipe(Schema.maxLength(taskNameMax)), reason: Reason })
)
export type BulkAsk = typeof BulkAsk.Type
export type BulkAskTo<O extends BulkAsk["op"]> = Extract<BulkAsk, { readonly op: O }>

/** A filter as it is applied. Null: whatever it is. */
export interface Matching {
  readonly states: ReadonlyArray<State>
  readonly kind: string | null
  readonly code: string | null
  /** The task has not changed since this instant. */
  readonly beforeMs: number | null
  readonly tasks: ReadonlyArray<TaskId> | null
  readonly dead: boolean
}

export const matchingOf = (verb: BulkVerb, { code, dead, kind, older_ms, state }: Wanted, tasks: ReadonlyArray<TaskId>, nowMs: number): Matching => ({
  states: state !== null ? [state] : dead ? ["FAILED"] : statesOf[verb],
  kind,
  code,
  beforeMs: older_ms === null ? null : nowMs - older_ms,
  tasks: tasks.length === 0 ? null : tasks,
  dead
})

/** Whether a filter leaves anything out: one that does not would mean every task that there is. */
export const narrows = ({ code, dead, kind, older_ms, state, tasks }: Wanted): boolean =>
  dead || tasks.length > 0 || [code, kind, older_ms, state].some((word) => word !== null)

/** Engines say the same in their own words. */
export const fits = (task: Task, { beforeMs, code, dead, kind, states, tasks }: Matching): boolean =>
  states.includes(task.state) &&
  (kind === null || task.kind === kind) &&
  (code === null || task.failure?.code === code) &&
  (beforeMs === null || task.updatedAtMs <= beforeMs) &&
  (tasks === null || tasks.includes(task.id)) &&
  (!dead || isDead(task))

/** `running` until every item has its result, or somebody stops it. */
export const bulkStates = ["running", "ended", "stopped"] as const
export type BulkState = (typeof bulkStates)[number]

export interface Bulk {
  /** Drawn like the id of a task. */
  readonly id: string
  readonly verb: BulkVerb
  readonly matching: Matching
  readonly ratePerS: number
  readonly reason: string
  readonly actor: string
  readonly channel: Channel
  readonly trace: string
  readonly state: BulkState
  readonly matched: number
  readonly requestedAtMs: number
  readonly endedAtMs: number | null
}

/**
 * - `done`: the command moved the task.
 * - `skipped`: there was nothing to do, or the task did not fit the filter any more.
 * - `refused`: the rule said no; `code` is its refusal.
 */
export const itemOutcomes = ["done", "skipped", "refused"] as const
export type ItemOutcome = (typeof itemOutcomes)[number]

export interface BulkItem {
  readonly bulk: string
  /** Place in the bulk command, from 1. */
  readonly number: number
  readonly task: TaskId
  /** Null while it waits. */
  readonly outcome: ItemOutcome | null
  readonly code: string | null
  readonly atMs: number | null
}

/** Counted from the items. */
export interface BulkCounts extends Readonly<Record<ItemOutcome, number>> {
  readonly pending: number
  /** When the last of those that have a result got it. */
  readonly lastAtMs: number | null
}

export type BulkChange =
  /** `items` are those of a bulk command that is new. */
  | { readonly _tag: "Put"; readonly bulk: Bulk; readonly items: ReadonlyArray<TaskId> }
  | { readonly _tag: "Item"; readonly bulk: string; readonly number: number; readonly outcome: ItemOutcome; readonly code: string | null; readonly atMs: number }

/** What a rule is given of a bulk command. */
export interface FoundBulk {
  readonly bulk: Bulk
  /** The item that was asked for. */
  readonly item: BulkItem | undefined
  /** Counted when no item was asked for. */
  readonly counts: BulkCounts | undefined
}

/** The answer to a command about a bulk command. */
export const BulkAnswer = Schema.Struct({
  bulk: Schema.String,
  verb: BulkVerb,
  state: Schema.Literal(...bulkStates),
  matched: Schema.Int,
  done: Schema.Int,
  skipped: Schema.Int,
  refused: Schema.Int,
  pending: Schema.Int
})
export type BulkAnswer = typeof BulkAnswer.Type

export const bulkAnswerFor = ({ id, matched, state, verb }: Bulk, { done, pending, refused, skipped }: BulkCounts): BulkAnswer => ({
  bulk: id,
  verb,
  state,
  matched,
  done,
  skipped,
  refused,
  pending
})
