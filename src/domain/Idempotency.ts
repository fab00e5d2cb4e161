/**
 * The same key and the same ask give the same answer, success or refusal, and do nothing a second time.
 * Key, fingerprint and effect are stored in one transaction, so there is no instant at which one exists without the others.
 */
import { Either, Schema } from "effect"
import { BulkAnswer } from "./Bulk.ts"
import type { Json } from "./Canonical.ts"
import { type AnyAsk, type Command, commandFacts, fingerprint } from "./Command.ts"
import { Answer, type Decision, granted, QueueAnswer, refuseCommand, refused, type StoredAnswer } from "./Decision.ts"
import { KeyConflict, Refusal } from "./Refusal.ts"
import { ScheduleAnswer } from "./ScheduleAsk.ts"

/** Decides once per key, for commands with answers of this shape. `decide` is asked only when the key is new. */
const onceFor = <A, I>(answers: Schema.Schema<A, I>) => {
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
      remember: { key, op: command.ask.op, fingerprint: fingerprint(command.ask), channel: command.channel, answer }
    }
  }

  const again = (command: Command<Keyed>, stored: StoredAnswer): Decision<A> => {
    const outcome = decode(stored.answer)
    const events = [{
      type: "idempotency.replayed" as const,
      task: "granted" in outcome ? taskIn(outcome.granted) : null,
      trace: command.trace,
      actor: command.actor,
      payload: { key: stored.key, op: stored.op, command: commandFacts(command) }
    }]
    return "granted" in outcome ? granted(outcome.granted, { events }) : refused(outcome.refused, { events })
  }

  return (command: Command<Keyed>, stored: StoredAnswer | undefined, decide: () => Decision<A>): Decision<A> => {
    if (command.key === null) return decide()
    if (stored === undefined) return remembering(command, command.key, decide())
    if (stored.fingerprint === fingerprint(command.ask)) return again(command, stored)
    const refusal = new KeyConflict({ key: stored.key, code: "idempotency_payload_mismatch" })
    const { events } = refuseCommand(command, null, refusal)
    return refused(refusal, { events: events.map((event) => ({ ...event, type: "idempotency.conflict", payload: { ...event.payload, key: stored.key, op: command.ask.op, code: refusal.code } })) })
  }
}

const taskIn = (answer: unknown): string | null =>
  typeof answer === "object" && answer !== null && "task" in answer && typeof answer.task === "string" ? answer.task : null

/** An ask whose digest can be taken. */
type Keyed = AnyAsk & { readonly [key: string]: Json }

/** A command about one task. */
export const oncePerKey = onceFor(Answer)

/** A command about a bulk command. */
export const bulkOncePerKey = onceFor(BulkAnswer)

/** A command about a queue. */
export const oncePerKeyOnQueue = onceFor(QueueAnswer)

/** A command about a schedule. */
export const scheduleOncePerKey = onceFor(ScheduleAnswer)
