/**
 * The same key and the same ask give the same answer, success or refusal, and do nothing a second time.
 * Key, fingerprint and effect are stored in one transaction, so there is no instant at which one exists without the others.
 *
 * A key belongs to whoever asked: the same key of somebody else is another key, so that nobody is answered with what another one was told,
 * and nobody can take another one's key.
 */
import { Either, Schema } from "effect"
import { BulkAnswer } from "./Bulk.ts"
import type { Json } from "./Canonical.ts"
import { type AnyAsk, type Command, commandFacts, fingerprint, namedBy } from "./Command.ts"
import { Answer, type Decision, granted, QueueAnswer, refuseCommand, refused, type StoredAnswer } from "./Decision.ts"
import { PruneAnswer } from "./PruneAsk.ts"
import { KeyConflict, Refusal } from "./Refusal.ts"
import { ScheduleAnswer } from "./ScheduleAsk.ts"
import { TaskId } from "./Task.ts"
import type { EventDraft } from "./TaskEvent.ts"

/** What stands between an owner and a key in the store. No key holds one, see `AskLimits.ts`. */
const keySeparator = "\n"

/** A key as it is stored and looked up: with whoever asked under it. Null without a key. */
export const ownedKey = ({ actor, key }: Pick<Command, "actor" | "key">): string | null => (key === null ? null : `${actor}${keySeparator}${key}`)

/** Who used a stored key, and how he wrote it. */
export const ownerOf = (stored: string): { readonly actor: string; readonly key: string } => {
  const end = stored.lastIndexOf(keySeparator)
  return { actor: stored.slice(0, Math.max(0, end)), key: stored.slice(end + 1) }
}

/** Decides once per key, for commands with answers of this shape. `decide` is asked only when the key is new. */
export const oncePerKeyFor = <A, I>(answers: Schema.Schema<A, I>) => {
  const Outcome = Schema.parseJson(Schema.Union(Schema.Struct({ granted: answers }), Schema.Struct({ refused: Refusal })))
  // An answer is plain data already; only a refusal has to be encoded.
  const encodeRefused = Schema.encodeSync(Schema.parseJson(Schema.Struct({ refused: Refusal })))
  const decode = Schema.decodeUnknownSync(Outcome)

  const remembering = (command: Command<Keyed>, key: string, decision: Decision<A>): Decision<A> => {
    const answer = Either.match(decision.answer, {
      onLeft: (refusal) => encodeRefused({ refused: refusal }),
      onRight: (answer) => JSON.stringify({ granted: answer })
    })
    return {
      ...decision,
      remember: { key: ownedKey({ actor: command.actor, key }) ?? key, op: command.ask.op, fingerprint: fingerprint(command.ask), channel: command.channel, answer }
    }
  }

  const again = (command: Command<Keyed>, stored: StoredAnswer): Decision<A> => {
    const outcome = decode(stored.answer)
    const task = "granted" in outcome ? taskIn(outcome.granted) : taskIn(outcome.refused)
    const events = [{
      type: "idempotency.replayed" as const,
      task,
      trace: command.trace,
      actor: command.actor,
      payload: {
        key: command.key,
        op: stored.op,
        ...("refused" in outcome ? { refused: outcome.refused._tag } : {}),
        ...(task === null ? namedBy(command.ask) : {}),
        // The answer to a fork is about the task that it made.
        ...(command.ask.op === "fork" && "granted" in outcome ? { forked_from: namedBy(command.ask)["named"] ?? null } : {}),
        command: commandFacts(command)
      }
    }]
    return "granted" in outcome ? granted(outcome.granted, { events }) : refused(outcome.refused, { events })
  }

  return (command: Command<Keyed>, stored: StoredAnswer | undefined, decide: () => Decision<A>): Decision<A> => {
    if (command.key === null) return decide()
    if (stored === undefined) return remembering(command, command.key, decide())
    if (stored.fingerprint === fingerprint(command.ask)) return again(command, stored)
    return conflict(command, command.key, "idempotency_payload_mismatch")
  }
}

const conflictEvent = { idempotency_payload_mismatch: "idempotency.conflict", in_progress: "idempotency.in_progress" } as const satisfies Record<KeyConflict["code"], EventDraft["type"]>

/** Refuses a command whose key stands for another request, or for one that is still being decided. */
export const conflict = (command: Command<AnyAsk>, key: string, code: KeyConflict["code"]): Decision<never> => {
  const refusal = new KeyConflict({ key, code })
  const { events } = refuseCommand(command, null, refusal)
  return refused(refusal, { events: events.map((event) => ({ ...event, type: conflictEvent[code], payload: { ...event.payload, key, op: command.ask.op, code } })) })
}

const isId = Schema.is(TaskId)

// An answer about a task, or a refusal that names one.
const taskIn = (answer: unknown): string | null =>
  typeof answer === "object" && answer !== null && "task" in answer && isId(answer.task) ? answer.task : null

/** An ask whose digest can be taken. */
type Keyed = AnyAsk & { readonly [key: string]: Json }

/** A command about one task. */
export const oncePerKey = oncePerKeyFor(Answer)

/** A command about a bulk command. */
export const bulkOncePerKey = oncePerKeyFor(BulkAnswer)

/** A command about a queue. */
export const oncePerKeyOnQueue = oncePerKeyFor(QueueAnswer)

/** A request for a pass of pruning. */
export const pruneOncePerKey = oncePerKeyFor(PruneAnswer)

/** A command about a schedule. */
export const scheduleOncePerKey = oncePerKeyFor(ScheduleAnswer)
