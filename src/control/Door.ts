/** Whatever may be asked at a door of this program, and who decides about it. */
import { type Effect, Schema } from "effect"
import { reasonMax } from "../domain/AskLimits.ts"
import { BulkAnswer, BulkAsk } from "../domain/Bulk.ts"
import { Ask, type Channel, StoreAsk } from "../domain/Command.ts"
import { Answer, QueueAnswer } from "../domain/Decision.ts"
import { Released } from "../domain/Restore.ts"
import { isScheduleAsk, ScheduleAnswer, ScheduleAsk } from "../domain/ScheduleAsk.ts"
import type { Engine, EngineReader, Instants } from "../engine/Engine.ts"
import { handleBulk, requestPruning } from "./Bulks.ts"
import { type CommandFailed, handleEither, release } from "./Commands.ts"
import type { Kinds } from "./Kinds.ts"
import { handleSchedule } from "./ScheduleCommands.ts"

export const PruneAsk = Schema.Struct({ op: Schema.Literal("prune"), reason: Schema.NullOr(Schema.String.pipe(Schema.maxLength(reasonMax))) })
export type PruneAsk = typeof PruneAsk.Type

/** The end of the pass is an event `retention.ended` under this trace. */
export const PruneAnswer = Schema.Struct({ pruning: Schema.String })
export type PruneAnswer = typeof PruneAnswer.Type

export const DoorAsk = Schema.Union(Ask, BulkAsk, PruneAsk, StoreAsk, ScheduleAsk)
export type DoorAsk = typeof DoorAsk.Type

export const DoorAnswer = Schema.Union(Answer, QueueAnswer, BulkAnswer, PruneAnswer, Released, ScheduleAnswer)
export type DoorAnswer = typeof DoorAnswer.Type

interface AtTheDoor {
  readonly ask: DoorAsk
  readonly actor: string
  readonly channel: Channel
  readonly key: string | null
}

/** Decides and stores a command about a task, a queue or a schedule. */
export const handleCommand = (
  { ask, ...asked }: Omit<AtTheDoor, "ask"> & { readonly ask: Ask | ScheduleAsk }
): Effect.Effect<Answer | QueueAnswer | ScheduleAnswer, CommandFailed, Engine | EngineReader | Instants | Kinds> =>
  isScheduleAsk(ask) ? handleSchedule({ ...asked, ask }) : handleEither({ ...asked, ask })

/** Decides and stores what is asked. */
export const handleAny = ({ actor, ask, channel, key }: AtTheDoor): Effect.Effect<DoorAnswer, CommandFailed, Engine | EngineReader | Instants | Kinds> => {
  switch (ask.op) {
    case "bulk":
    case "bulk.stop":
      return handleBulk({ ask, actor, channel, key })
    case "prune":
      return requestPruning(ask, actor, channel)
    case "release":
      return release({ ask, actor, channel, key })
    default:
      return handleCommand({ ask, actor, channel, key })
  }
}
