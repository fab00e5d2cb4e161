/** Looks at something sensitive: on record first, then answered. */
import { Effect, Either } from "effect"
import { authorized, type Caller } from "../domain/Authorization.ts"
import type { Channel, Command } from "../domain/Command.ts"
import { oncePerKeyFor, ownedKey } from "../domain/Idempotency.ts"
import { ReadAnswer, type ReadAsk, recordRead } from "../domain/ReadAsk.ts"
import { cleaned } from "../domain/TaskSecrets.ts"
import { Engine } from "../engine/Engine.ts"
import { resolve } from "./Commands.ts"
import { refuseEarlyBy } from "./EarlyRefusal.ts"
import { newTrace } from "./NewTrace.ts"

export const readOncePerKey = oncePerKeyFor(ReadAnswer)
const refuseEarly = refuseEarlyBy<ReadAnswer>(readOncePerKey)

export interface ReadAsked extends Caller {
  readonly ask: ReadAsk
  readonly channel: Channel
  readonly key: string | null
}

/** Puts one look on record. Its answer comes after the commit; the data is read by whoever asked. */
export const handleRead = ({ actor, ask: asked, channel, key, roles }: ReadAsked) =>
  Effect.gen(function*() {
    const ask = cleaned(asked)
    const engine = yield* Engine
    const command: Command<ReadAsk> = { ask, actor, roles, channel, key, trace: yield* newTrace }
    const found = ask.task === undefined ? Either.right(null) : yield* Effect.either(resolve(ask.task))
    if (Either.isLeft(found)) return yield* found.left._tag === "EngineUnavailable" ? found.left : refuseEarly(command, found.left)
    const id = found.right
    return yield* engine.commit({
      tasks: id === null ? [] : [id],
      key: ownedKey(command),
      rule: ({ stored, tasks: [task] }) => authorized(command, task ?? null, () => readOncePerKey(command, stored, () => recordRead(command, task ?? null)))
    })
  })
