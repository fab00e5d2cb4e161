/** Whatever may be asked at a door of this program, and who decides about it. */
import { type Effect, Schema } from "effect"
import type { Caller } from "../domain/Authorization.ts"
import { issueOf } from "../domain/AskLimits.ts"
import { BulkAnswer, BulkAsk } from "../domain/Bulk.ts"
import { ChatReplayAnswer, ChatReplayAsk } from "../domain/ChatReplay.ts"
import { Ask, type Channel, StoreAsk } from "../domain/Command.ts"
import { Answer, QueueAnswer } from "../domain/Decision.ts"
import { PruneAnswer, PruneAsk } from "../domain/PruneAsk.ts"
import { ReadAnswer, ReadAsk } from "../domain/ReadAsk.ts"
import { Released } from "../domain/Restore.ts"
import { isScheduleAsk, ScheduleAnswer, ScheduleAsk } from "../domain/ScheduleAsk.ts"
import type { Engine, EngineReader, Instants } from "../engine/Engine.ts"
import { handleBulk, requestPruning } from "./Bulks.ts"
import { handleReplay } from "./ChatReplays.ts"
import { type CommandFailed, handleEither, release } from "./Commands.ts"
import { refuseMalformed } from "./EarlyRefusal.ts"
import type { Kinds } from "./Kinds.ts"
import { handleRead } from "./Reads.ts"
import { handleSchedule } from "./ScheduleCommands.ts"

export const DoorAsk = Schema.Union(Ask, BulkAsk, PruneAsk, StoreAsk, ScheduleAsk, ReadAsk, ChatReplayAsk)
export type DoorAsk = typeof DoorAsk.Type

export const DoorAnswer = Schema.Union(Answer, QueueAnswer, BulkAnswer, PruneAnswer, Released, ScheduleAnswer, ReadAnswer, ChatReplayAnswer)
export type DoorAnswer = typeof DoorAnswer.Type

interface AtTheDoor extends Caller {
  readonly ask: DoorAsk
  readonly channel: Channel
  readonly key: string | null
}

/** Decides, unless the words of the command are not taken, which is on record. */
export const atTheDoor = <A, E, R>(asked: AtTheDoor, decide: Effect.Effect<A, E, R>): Effect.Effect<A, E | CommandFailed, R | Engine | Instants> => {
  const issue = issueOf(asked.ask, asked.key)
  return issue === null ? decide : refuseMalformed(asked, asked.ask.op, issue)
}

type OnOne = Omit<AtTheDoor, "ask"> & { readonly ask: Ask | ScheduleAsk }

/** Decides and stores a command about a task, a queue or a schedule. */
export const handleCommand = (asked: OnOne): Effect.Effect<Answer | QueueAnswer | ScheduleAnswer, CommandFailed, Engine | EngineReader | Instants | Kinds> =>
  atTheDoor(asked, decideCommand(asked))

const decideCommand = ({ ask, ...asked }: OnOne): Effect.Effect<Answer | QueueAnswer | ScheduleAnswer, CommandFailed, Engine | EngineReader | Instants | Kinds> =>
  isScheduleAsk(ask) ? handleSchedule({ ...asked, ask }) : handleEither({ ...asked, ask })

/** Decides and stores what is asked. */
export const handleAny = (asked: AtTheDoor): Effect.Effect<DoorAnswer, CommandFailed, Engine | EngineReader | Instants | Kinds> => atTheDoor(asked, decideAny(asked))

const decideAny = ({ ask, ...asked }: AtTheDoor): Effect.Effect<DoorAnswer, CommandFailed, Engine | EngineReader | Instants | Kinds> => {
  switch (ask.op) {
    case "bulk":
    case "bulk.stop":
      return handleBulk({ ask, ...asked })
    case "prune":
      return requestPruning({ ask, ...asked })
    case "release":
      return release({ ask, ...asked })
    case "read":
      return handleRead({ ask, ...asked })
    case "chat_replay":
      return handleReplay({ ask, ...asked })
    default:
      return decideCommand({ ask, ...asked })
  }
}
