/** Commands about many tasks: which tasks are meant is looked up page by page, then the whole command is stored in one transaction. */
import { Effect, Either } from "effect"
import { type Bulk, type BulkAnswer, type BulkAsk, bulkMax, type BulkAskTo, type Matching, matchingOf } from "../domain/Bulk.ts"
import { requestBulk, stopBulk } from "../domain/BulkRules.ts"
import { authorized, type Caller } from "../domain/Authorization.ts"
import type { Channel, Command } from "../domain/Command.ts"
import { byCommand, granted } from "../domain/Decision.ts"
import { bulkOncePerKey, ownedKey, pruneOncePerKey } from "../domain/Idempotency.ts"
import { taskIdFrom } from "../domain/Ids.ts"
import type { PruneAsk } from "../domain/PruneAsk.ts"
import { BulkNotFound } from "../domain/Refusal.ts"
import type { TaskId } from "../domain/Task.ts"
import { cleaned } from "../domain/TaskSecrets.ts"
import { Chance, Engine, EngineReader, Instants } from "../engine/Engine.ts"
import { resolve } from "./Commands.ts"
import { refuseEarlyBy } from "./EarlyRefusal.ts"
import { newTrace } from "./NewTrace.ts"

const refuseEarly = refuseEarlyBy<BulkAnswer>(bulkOncePerKey)

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

export interface BulkAsked extends Caller {
  readonly ask: BulkAsk
  readonly channel: Channel
  readonly key: string | null
}

/** Decides and stores one command about a bulk command. The runtime carries out what is stored. */
export const handleBulk = ({ actor, ask: asked, channel, key, roles }: BulkAsked) =>
  Effect.gen(function*() {
    const ask = cleaned(asked)
    const engine = yield* Engine
    const { next } = yield* Chance
    const trace = yield* newTrace
    if (ask.op === "bulk.stop") {
      const command: Command<BulkAskTo<"bulk.stop">> = { ask, actor, roles, channel, key, trace }
      const found = yield* Effect.either(findBulk(ask.bulk))
      if (Either.isLeft(found)) return yield* found.left._tag === "EngineUnavailable" ? found.left : refuseEarly(command, found.left)
      const { id } = found.right
      return yield* engine.commit({ tasks: [], key: ownedKey(command), bulk: { id }, rule: ({ bulk, stored }, now) => authorized(command, null, () => bulkOncePerKey(command, stored, () => stopBulk(bulk, command, now))) })
    }
    const command: Command<BulkAskTo<"bulk">> = { ask, actor, roles, channel, key, trace }
    const filter = yield* Effect.either(matchingFor(ask))
    if (Either.isLeft(filter)) return yield* filter.left._tag === "EngineUnavailable" ? filter.left : refuseEarly(command, filter.left)
    const matching = filter.right
    // One more than may be: then it is known that there are too many.
    const ids = yield* matchingIds(matching, bulkMax + 1)
    const { wallMs } = yield* Instants
    const id = taskIdFrom(wallMs(), [next(), next()])
    return yield* engine.commit({ tasks: [], key: ownedKey(command), rule: ({ stored }, now) => authorized(command, null, () => bulkOncePerKey(command, stored, () => requestBulk(command, matching, ids, id, now))) })
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
export const requestPruning = ({ actor, ask, channel, key, roles }: Caller & { readonly ask: PruneAsk; readonly channel: Channel; readonly key: string | null }) =>
  Effect.gen(function*() {
    const engine = yield* Engine
    const trace = yield* newTrace
    const command = { ask: cleaned(ask), actor, roles, channel, key, trace }
    const event = byCommand({ type: "retention.requested" as const, task: null, trace, actor, payload: {} }, command)
    return yield* engine.commit({ tasks: [], key: ownedKey(command), rule: ({ stored }) => authorized(command, null, () => pruneOncePerKey(command, stored, () => granted({ pruning: trace }, { events: [event] }))) })
  })
