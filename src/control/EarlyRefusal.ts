/**
 * Commands that are refused before there is a task to ask a rule about: an unknown kind, a payload that does not fit, a name that fits no
 * task or several, words that are not taken. They are on record as every other refusal is.
 */
import { Effect } from "effect"
import { authorized, type Caller } from "../domain/Authorization.ts"
import type { Json } from "../domain/Canonical.ts"
import { type AnyAsk, type Channel, type Command, fingerprint } from "../domain/Command.ts"
import { type Answer, type Decision, refuseCommand, type StoredAnswer } from "../domain/Decision.ts"
import { oncePerKey, ownedKey } from "../domain/Idempotency.ts"
import { PayloadRefused } from "../domain/Kind.ts"
import { storedError } from "../domain/Redaction.ts"
import { AskMalformed, type Refusal } from "../domain/Refusal.ts"
import { type AnyOp, mayAsk } from "../domain/Role.ts"
import { Engine, type EngineUnavailable, type Instants } from "../engine/Engine.ts"
import { newTrace } from "./NewTrace.ts"

type Keyed = AnyAsk & { readonly op: AnyOp } & { readonly [key: string]: Json }
type Once<A> = (command: Command<Keyed>, stored: StoredAnswer | undefined, decide: () => Decision<A>) => Decision<A>

// What is said of a payload may hold words of it.
const bounded = (refusal: Refusal): Refusal =>
  refusal._tag === "PayloadRefused" ? new PayloadRefused({ kind: refusal.kind, issue: storedError(refusal.issue) }) : refusal

/** Names that find nothing say nothing about the request: its key stays free, and stands for it once the name is right. */
const isAboutName: ReadonlySet<Refusal["_tag"]> = new Set(["TaskNotFound", "TaskAmbiguous", "BulkNotFound"])

/**
 * Refuses on the record, unless the key of the command has its answer already: that one is given again. Where a name fits several tasks
 * now, the one that was meant the first time is told by the fingerprint.
 */
export const refuseEarlyBy = <A>(once: Once<A>) => (command: Command<Keyed>, refused: Refusal): Effect.Effect<A, Refusal | EngineUnavailable, Engine> => {
  const refusal = bounded(refused)
  const aboutName = isAboutName.has(refusal._tag)
  const asks = refusal._tag === "TaskAmbiguous" ? [command.ask, ...refusal.candidates.map((task) => ({ ...command.ask, task }))] : [command.ask]
  return Effect.flatMap(Engine, (engine) =>
    engine.commit({
      tasks: [],
      key: ownedKey(command),
      rule: ({ stored }): Decision<A> => {
        const decide = () => {
          if (stored === undefined && aboutName) return refuseCommand(command, null, refusal)
          const ask = asks.find((one) => fingerprint(one) === stored?.fingerprint) ?? command.ask
          return once({ ...command, ask }, stored, () => refuseCommand(command, null, refusal))
        }
        // Who may not ask is not told what there is. A name that fits nothing might have been that of his own task.
        return aboutName && mayAsk(command.ask.op, command.roles, true) ? decide() : authorized(command, null, decide)
      }
    }))
}

/** The same for a command about a task. */
export const refuseEarly = refuseEarlyBy<Answer>(oncePerKey)

/** Who brought words that are no command, and by which way. */
export interface Bearer extends Caller {
  readonly channel: Channel
}

const knownOp = /^[a-z][a-z._-]{0,31}$/

/** Puts on record that words were not taken, and fails with that. Nothing of the words is stored but the name of a command, if it looks like one. */
export const refuseMalformed = ({ actor, channel, roles }: Bearer, op: string | null, issue: string): Effect.Effect<never, Refusal | EngineUnavailable, Engine | Instants> =>
  Effect.gen(function*() {
    const engine = yield* Engine
    const named = op !== null && knownOp.test(op) ? op : null
    const command: Command<AnyAsk> = { ask: { op: named ?? "unknown", reason: null }, actor, roles, channel, key: null, trace: yield* newTrace }
    const refusal = new AskMalformed({ op: named, issue })
    return yield* engine.commit({ tasks: [], key: null, rule: () => refuseCommand(command, null, refusal) })
  })
