/** Commands about many tasks: which tasks are meant is looked up page by page, then the whole command is stored in one transaction. */
import { Effect } from "effect"
import { type Bulk, type BulkAsk, bulkMax, type BulkAskTo, type Matching, matchingOf } from "../domain/Bulk.ts"
import { requestBulk, stopBulk } from "../domain/BulkRules.ts"
import type { AnyAsk, Channel, Command } from "../domain/Command.ts"
import { byCommand, granted } from "../domain/Decision.ts"
import { bulkOncePerKey } from "../domain/Idempotency.ts"
import { taskIdFrom, traceFrom } from "../domain/Ids.ts"
import { BulkNotFound } from "../domain/Refusal.ts"
import type { TaskId } from "../domain/Task.ts"
import { Chance, Engine, EngineReader, Instants } from "../engine/Engine.ts"
import { resolve } from "./Commands.ts"

/** Tasks that are looked at in one go. Others have their turn in between. */
const page = 2000

/** Up to `max` tasks that fit, by id. */
export const matchingIds = (matching: Matching, max: number) =>
  Effect.gen(function*() {
    const reader = yield* EngineReader
    const found: Array<TaskId> = []
    for (let after: string | null = ""; after !== null && found.length < max; yield* Effect.yieldNow()) {
      const { ids, next }: { readonly ids: ReadonlyArray<TaskId>; readonly next: string | null } = yield* reader.matching(matching, after, page)
      found.push(...ids)
      after = next
    }
    return found.slice(0, max)
  })

/** The filter of a bulk command as it would be applied now. Fails with `TaskNotFound` or `TaskAmbiguous` for a task that it names. */
export const matchingFor = ({ filter, verb }: Pick<BulkAskTo<"bulk">, "filter" | "verb">) =>
  Effect.gen(function*() {
    const tasks = yield* Effect.forEach(filter.tasks, resolve)
    const { wallMs } = yield* Instants
    return matchingOf(verb, filter, [...new Set(tasks)], wallMs())
  })

export interface BulkAsked {
  readonly ask: BulkAsk
  readonly actor: string
  readonly channel: Channel
  readonly key: string | null
}

/** Decides and stores one command about a bulk command. The runtime carries out what is stored. */
export const handleBulk = ({ actor, ask, channel, key }: BulkAsked) =>
  Effect.gen(function*() {
    const engine = yield* Engine
    const { next } = yield* Chance
    const trace = traceFrom([next(), next(), next(), next()])
    if (ask.op === "bulk.stop") {
      const command: Command<BulkAskTo<"bulk.stop">> = { ask, actor, channel, key, trace }
      const id = (yield* findBulk(ask.bulk)).id
      return yield* engine.commit({ tasks: [], key, bulk: { id }, rule: ({ bulk, stored }, now) => bulkOncePerKey(command, stored, () => stopBulk(bulk, command, now)) })
    }
    const command: Command<BulkAskTo<"bulk">> = { ask, actor, channel, key, trace }
    const matching = yield* matchingFor(ask)
    // One more than may be: then it is known that there are too many.
    const ids = yield* matchingIds(matching, bulkMax + 1)
    const { wallMs } = yield* Instants
    const id = taskIdFrom(wallMs(), [next(), next()])
    return yield* engine.commit({ tasks: [], key, rule: ({ stored }, now) => bulkOncePerKey(command, stored, () => requestBulk(command, matching, ids, id, now)) })
  })

/** Bulk commands among which the end of an id is looked up. */
const lookedThrough = 1000

/** The bulk command that an id, or the end of one, names. */
export const findBulk = (text: string) =>
  Effect.gen(function*() {
    const reader = yield* EngineReader
    const upper = text.toUpperCase()
    const whole = yield* reader.bulk(upper)
    if (whole !== undefined) return whole.bulk
    const all: ReadonlyArray<Bulk> = yield* reader.bulks({ running: false, limit: lookedThrough })
    const found = upper.length < 4 ? [] : all.filter(({ id }) => id.endsWith(upper))
    const [one] = found
    return one !== undefined && found.length === 1 ? one : yield* new BulkNotFound({ bulk: JSON.stringify(text.slice(0, 40)) })
  })

/** Asks the runtime to prune now. Answers the trace under which its end is said. */
export const requestPruning = (ask: AnyAsk, actor: string, channel: Channel) =>
  Effect.gen(function*() {
    const engine = yield* Engine
    const { next } = yield* Chance
    const trace = traceFrom([next(), next(), next(), next()])
    const command = { ask, actor, channel, key: null, trace }
    const event = byCommand({ type: "retention.requested" as const, task: null, trace, actor, payload: {} }, command)
    return yield* engine.commit({ tasks: [], key: null, rule: () => granted({ pruning: trace }, { events: [event] }) })
  })
