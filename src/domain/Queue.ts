/**
 * Queues: how they are named and limited. Which task of them runs next is `Claiming.ts`, what an operator says of one `Steering.ts`.
 */
import { Schema } from "effect"
import { keyMax, priorityMax, queuePattern, tenantPattern } from "./AskLimits.ts"

/** Of a task for which nobody named one. */
export const priorityByDefault = 0

export const QueueName = Schema.String.pipe(Schema.pattern(queuePattern))
export const TenantName = Schema.String.pipe(Schema.pattern(tenantPattern))
export const Priority = Schema.Int.pipe(Schema.between(-priorityMax, priorityMax))
/** A key of concurrency, uniqueness or debounce. Half of a surrogate pair would be stored as something else. */
export const QueueKey = Schema.NonEmptyString.pipe(Schema.maxLength(keyMax), Schema.filter((text) => !/\p{Cs}/u.test(text)))

/** The tenant of a task for which nobody named one. */
export const tenantByDefault = "default"

/** At most `count` starts in any span of `perMs`. */
export interface Rate {
  readonly count: number
  readonly perMs: number
}

/** The most starts that a rate counts: their instants are kept. */
export const rateCountMax = 1000

export interface QueueLimits {
  /** Runs at once; null: as many as there are slots. */
  readonly concurrency: number | null
  /** Runs at once under one concurrency key. */
  readonly perKey: number
  readonly rate: Rate | null
  /** Whether it is paused as long as nobody has paused or resumed it. */
  readonly paused: boolean
}

/** Of a queue that nobody configured. A key without a limit would say nothing, so it lets one run at a time. */
export const noLimits: QueueLimits = { concurrency: null, perKey: 1, rate: null, paused: false }

/** How many runs of heavy work there may be at once: one slot is left to light work, if there is more than one. */
export const heavySlots = (slots: number): number => Math.max(1, slots - 1)

/** What an operator said last about a queue. */
export interface QueueState {
  readonly queue: string
  readonly paused: boolean
  readonly sinceMs: number
  readonly actor: string
  readonly reason: string
}

/** The limits of a queue as they stand in the log and in what people read. */
export const limitFacts = ({ concurrency, paused, perKey, rate }: QueueLimits) => ({
  concurrency,
  per_key: perKey,
  rate: rate === null ? null : { count: rate.count, per_ms: rate.perMs },
  paused
})
