/**
 * The same key and the same ask give the same answer, success or refusal, and do nothing a second time.
 * Key, fingerprint and effect are stored in one transaction, so there is no instant at which one exists without the others.
 */
import { Either, Schema } from "effect"
import { type Command, commandFacts, fingerprint } from "./Command.ts"
import { Answer, type Decision, granted, refuseCommand, refused, type StoredAnswer } from "./Decision.ts"
import { KeyConflict, Refusal } from "./Refusal.ts"

const Outcome = Schema.parseJson(Schema.Union(Schema.Struct({ granted: Answer }), Schema.Struct({ refused: Refusal })))

// An answer is plain data already; only a refusal has to be encoded.
const encode = Schema.encodeSync(Outcome)
const decode = Schema.decodeUnknownSync(Outcome)

/** Decides once per key. `decide` is asked only when the key is new. */
export const oncePerKey = (
  command: Command,
  stored: StoredAnswer | undefined,
  decide: () => Decision<Answer>
): Decision<Answer> => {
  if (command.key === null) return decide()
  if (stored === undefined) return remembering(command, command.key, decide())
  if (stored.fingerprint === fingerprint(command.ask)) return again(command, stored)
  const refusal = new KeyConflict({ key: stored.key, code: "idempotency_payload_mismatch" })
  const { events } = refuseCommand(command, null, refusal)
  return refused(refusal, { events: events.map((event) => ({ ...event, type: "idempotency.conflict", payload: { ...event.payload, key: stored.key, op: command.ask.op, code: refusal.code } })) })
}

const remembering = (command: Command, key: string, decision: Decision<Answer>): Decision<Answer> => {
  const answer = Either.match(decision.answer, {
    onLeft: (refusal) => encode({ refused: refusal }),
    onRight: (answer) => JSON.stringify({ granted: answer })
  })
  return {
    ...decision,
    remember: { key, op: command.ask.op, fingerprint: fingerprint(command.ask), channel: command.channel, answer }
  }
}

const again = (command: Command, stored: StoredAnswer): Decision<Answer> => {
  const outcome = decode(stored.answer)
  const task = "granted" in outcome ? outcome.granted.task : null
  const events = [{
    type: "idempotency.replayed" as const,
    task,
    trace: command.trace,
    actor: command.actor,
    payload: { key: stored.key, op: stored.op, command: commandFacts(command) }
  }]
  return "granted" in outcome ? granted(outcome.granted, { events }) : refused(outcome.refused, { events })
}
