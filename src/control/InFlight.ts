/**
 * Keys whose first request is being decided in this process right now. A repeat that comes meanwhile is told so, on the record: the answer
 * is not known yet, and to wait for it would let one slow request hold many callers.
 *
 * The key is free again as soon as the first was answered, and also when it failed: then nothing stands under it, or what was stored
 * after all is found in the store. Changes of one turn that an engine gets under one key are decided one after the other, as ever.
 */
import { Effect } from "effect"
import type { Caller } from "../domain/Authorization.ts"
import type { Json } from "../domain/Canonical.ts"
import { type AnyAsk, type Channel, type Command, fingerprint } from "../domain/Command.ts"
import { conflict, ownedKey } from "../domain/Idempotency.ts"
import type { Refusal } from "../domain/Refusal.ts"
import { cleaned } from "../domain/TaskSecrets.ts"
import { Chance, Engine, type EngineUnavailable, Instants } from "../engine/Engine.ts"
import { drawTrace } from "./NewTrace.ts"

type Ask = AnyAsk & { readonly [key: string]: Json }

/** What is being decided, by the key with its owner: keys belong to a store, so each engine has its own. */
const flights = new WeakMap<Engine["Type"], Map<string, Ask>>()

const flightsOf = (engine: Engine["Type"]): Map<string, Ask> => {
  const known = flights.get(engine)
  if (known !== undefined) return known
  const made = new Map<string, Ask>()
  flights.set(engine, made)
  return made
}

// A task may be named by its id or the end of it, at least four characters, in either case.
const printOf = (ask: Ask): string => {
  const { task } = ask
  return fingerprint(typeof task === "string" ? { ...ask, task: task.toUpperCase().slice(-4) } : ask)
}

interface Asking extends Caller {
  readonly ask: Ask
  readonly channel: Channel
  readonly key: string | null
}

interface Ports {
  readonly engine: Engine["Type"]
  readonly instants: Instants["Type"]
  readonly chance: Chance["Type"]
}

/** Decides, unless a request under the same key is being decided. Costs nothing without a key. */
export const inFlight = <A, E, R>(asking: Asking, decide: Effect.Effect<A, E, R>): Effect.Effect<A, E | Refusal | EngineUnavailable, R | Engine | Instants> =>
  asking.key === null
    ? decide
    : Effect.flatMap(Effect.all({ engine: Engine, instants: Instants, chance: Chance }), (ports) => inFlightOn(ports)(asking, decide))

/** The same for callers who have the ports at hand. */
export const inFlightOn = (ports: Ports) => <A, E, R>(asking: Asking, decide: Effect.Effect<A, E, R>): Effect.Effect<A, E | Refusal | EngineUnavailable, R> => {
  const { ask, key } = asking
  const name = ownedKey(asking)
  if (key === null || name === null) return decide
  // The key is taken where nothing can interrupt, and so is always given back.
  return Effect.uninterruptibleMask((restore): Effect.Effect<A, E | Refusal | EngineUnavailable, R> => {
    const mine = flightsOf(ports.engine)
    const before = mine.get(name)
    if (before !== undefined) return restore(refuse(ports, asking, key, printOf(before) === printOf(ask) ? "in_progress" : "idempotency_payload_mismatch"))
    mine.set(name, ask)
    const free = <B>(end: B): B => {
      mine.delete(name)
      return end
    }
    return Effect.matchCauseEffect(restore(decide), {
      onFailure: (cause) => free(Effect.failCause(cause)),
      onSuccess: (answer) => free(Effect.succeed(answer))
    })
  })
}

const refuse = ({ chance, engine, instants }: Ports, { actor, ask, channel, roles }: Asking, key: string, code: "in_progress" | "idempotency_payload_mismatch") =>
  Effect.suspend(() => {
    const command: Command<AnyAsk> = { ask: cleaned(ask), actor, roles, channel, key, trace: drawTrace(chance, instants.wallMs()) }
    return engine.commit({ tasks: [], key: null, rule: () => conflict(command, key, code) })
  })
