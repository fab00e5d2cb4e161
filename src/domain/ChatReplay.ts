/** Working off an update of a chat once more that was given up: the wire form of the request, and its rule. */
import { Schema } from "effect"
import { reasonMax } from "./AskLimits.ts"
import type { DeadUpdate } from "./Chat.ts"
import { type Command, commandFacts } from "./Command.ts"
import { type Decision, granted, refuseCommand } from "./Decision.ts"
import { ReasonMissing, UpdateNotDead } from "./Refusal.ts"

export const ChatReplayAsk = Schema.Struct({
  op: Schema.Literal("chat_replay"),
  /** The number that the service gave the update. */
  update: Schema.Int.pipe(Schema.between(0, Number.MAX_SAFE_INTEGER)),
  reason: Schema.NullOr(Schema.String.pipe(Schema.maxLength(reasonMax)))
})
export type ChatReplayAsk = typeof ChatReplayAsk.Type

/** It waits to be worked off again. */
export const ChatReplayAnswer = Schema.Struct({ replayed: Schema.Int, chat: Schema.String })
export type ChatReplayAnswer = typeof ChatReplayAnswer.Type

/** Lets it wait again, with its tries counted anew. Its command has the key that it had, so what it did already is not done again. */
export const replayUpdate = (command: Command<ChatReplayAsk>, dead: DeadUpdate | undefined): Decision<ChatReplayAnswer> => {
  const { actor, ask: { reason, update }, trace } = command
  if (reason === null || reason.trim() === "") return refuseCommand(command, null, new ReasonMissing({ op: "chat_replay" }))
  if (dead === undefined) return refuseCommand(command, null, new UpdateNotDead({ update }))
  return granted({ replayed: update, chat: dead.chat }, {
    replays: [dead],
    events: [{ type: "chat.replayed", task: null, trace, actor, payload: { bot: dead.bot, update, chat: dead.chat, tries: dead.tries, command: commandFacts(command) } }]
  })
}
