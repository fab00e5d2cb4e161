/** Lets an update that was given up be worked off once more. */
import { Effect } from "effect"
import { authorized, type Caller } from "../domain/Authorization.ts"
import { ChatReplayAnswer, type ChatReplayAsk, replayUpdate } from "../domain/ChatReplay.ts"
import type { Channel, Command } from "../domain/Command.ts"
import { oncePerKeyFor, ownedKey } from "../domain/Idempotency.ts"
import { cleaned } from "../domain/TaskSecrets.ts"
import { Engine } from "../engine/Engine.ts"
import { newTrace } from "./NewTrace.ts"

export const replayOncePerKey = oncePerKeyFor(ChatReplayAnswer)

export interface ReplayAsked extends Caller {
  readonly ask: ChatReplayAsk
  readonly channel: Channel
  readonly key: string | null
}

export const handleReplay = ({ actor, ask: asked, channel, key, roles }: ReplayAsked) =>
  Effect.gen(function*() {
    const engine = yield* Engine
    const ask = cleaned(asked)
    const command: Command<ChatReplayAsk> = { ask, actor, roles, channel, key, trace: yield* newTrace }
    return yield* engine.commit({
      tasks: [],
      key: ownedKey(command),
      deadUpdate: ask.update,
      rule: ({ deadUpdate, stored }) => authorized(command, null, () => replayOncePerKey(command, stored, () => replayUpdate(command, deadUpdate)))
    })
  })
