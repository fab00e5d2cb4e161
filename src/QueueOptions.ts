/** Queues and their tasks as programs write them: durations instead of milliseconds, what is not said left out. */
import { DateTime, Duration, Either, Schema } from "effect"
import { issueOf } from "./domain/AskLimits.ts"
import { placementFields, type UniqueScope, type Wish } from "./domain/Placement.ts"
import { noLimits, type QueueLimits, QueueName, rateCountMax } from "./domain/Queue.ts"
import { durationIssue } from "./runtime/workflow/StepOptions.ts"
import { issueOf as valueIssue } from "./runtime/workflow/Values.ts"

export interface QueueOptions {
  /** Runs at once. Default: as many as there are workers. */
  readonly concurrency?: number
  /** Runs at once under one concurrency key. Default 1. */
  readonly perKey?: number
  /** At most `count` starts, retries included, in any span of `per`. */
  readonly rate?: { readonly count: number; readonly per: Duration.DurationInput }
  /** Whether it hands out nothing before somebody resumes it. Default false. */
  readonly paused?: boolean
}

/** Where a task stands, and when it is due. What is left out is as its kind says. */
export interface PlaceOptions {
  readonly queue?: string
  readonly tenant?: string
  /** From -100 to 100, the highest first. */
  readonly priority?: number
  readonly concurrencyKey?: string
  /** Not before this time has passed. */
  readonly delay?: Duration.DurationInput
  /** Not before this instant. */
  readonly at?: DateTime.DateTime | Date
  /** At most one task of this kind and tenant under the key: until it first starts, or until it has ended. Another request answers that one. */
  readonly unique?: { readonly key: string; readonly scope: UniqueScope }
  /** The task waits for `delay`; a further request under the key replaces its payload and lets it wait anew, `maxWait` after the first at most. */
  readonly debounce?: { readonly key: string; readonly delay: Duration.DurationInput; readonly maxWait?: Duration.DurationInput }
}

const isCount = (value: number, max: number): boolean => Number.isSafeInteger(value) && value >= 1 && value <= max
const slotsMax = 1_000_000

const limitIssue = (name: string, { concurrency, perKey, rate }: QueueOptions): string | null => {
  if (!Schema.is(QueueName)(name)) return `a queue is named by 1 to 64 small letters, digits and . _ -, not ${JSON.stringify(name).slice(0, 120)}`
  if (concurrency !== undefined && !isCount(concurrency, slotsMax)) return `queues.${name}.concurrency counts from 1`
  if (perKey !== undefined && !isCount(perKey, slotsMax)) return `queues.${name}.perKey counts from 1`
  if (rate === undefined) return null
  if (!isCount(rate.count, rateCountMax)) return `queues.${name}.rate.count is from 1 to ${rateCountMax}: a larger one is written with a shorter span`
  return durationIssue(`queues.${name}.rate.per`, rate.per) ?? (Duration.toMillis(rate.per) < 1 ? `queues.${name}.rate.per is at least 1 ms` : null)
}

/** Why the options make no sense, or null. */
export const queuesIssue = (queues: Readonly<Record<string, QueueOptions>>): string | null =>
  Object.entries(queues).map(([name, options]) => limitIssue(name, options)).find((issue) => issue !== null) ?? null

export const queueLimits = (queues: Readonly<Record<string, QueueOptions>>): ReadonlyMap<string, QueueLimits> =>
  new Map(Object.entries(queues).map(([name, { concurrency, paused, perKey, rate }]) => [name, {
    concurrency: concurrency ?? noLimits.concurrency,
    perKey: perKey ?? noLimits.perKey,
    rate: rate === undefined ? null : { count: rate.count, perMs: Math.ceil(Duration.toMillis(rate.per)) },
    paused: paused ?? noLimits.paused
  }]))

const isWish = Schema.decodeUnknownEither(Schema.Struct(placementFields), { onExcessProperty: "error" })
const millis = (duration: Duration.DurationInput): number => Math.ceil(Duration.toMillis(duration))

const durationsIssue = ({ debounce, delay }: PlaceOptions): string | null =>
  durationIssue("delay", delay) ?? durationIssue("debounce.delay", debounce?.delay) ?? durationIssue("debounce.maxWait", debounce?.maxWait)

/** The request that the options come to, or why they make no sense. */
export const wishOf = (options: PlaceOptions): Either.Either<Wish, string> => {
  const issue = durationsIssue(options)
  if (issue !== null) return Either.left(issue)
  const { at, concurrencyKey, debounce, delay, priority, queue, tenant, unique } = options
  const wish = {
    ...(queue === undefined ? {} : { queue }),
    ...(tenant === undefined ? {} : { tenant }),
    ...(priority === undefined ? {} : { priority }),
    ...(concurrencyKey === undefined ? {} : { concurrency_key: concurrencyKey }),
    ...(delay === undefined ? {} : { delay_ms: millis(delay) }),
    ...(at === undefined ? {} : { at_ms: DateTime.isDateTime(at) ? DateTime.toEpochMillis(at) : at.getTime() }),
    ...(unique === undefined ? {} : { unique }),
    ...(debounce === undefined ? {} : {
      debounce: { key: debounce.key, delay_ms: millis(debounce.delay), ...(debounce.maxWait === undefined ? {} : { max_wait_ms: millis(debounce.maxWait) }) }
    })
  }
  if (Object.keys(wish).length === 0) return Either.right(wish)
  return Either.flatMap(Either.mapLeft(isWish(wish), valueIssue), (decoded) => {
    const words = issueOf({ reason: null, ...decoded }, null)
    return words === null ? Either.right(decoded) : Either.left(words)
  })
}
