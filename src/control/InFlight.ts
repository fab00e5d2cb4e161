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
import { Engine, type EngineUnavailable, type Instants } from "../engine/Engine.ts"
import { newTrace } from "./NewTrace.ts"

/** What is being decided, by the key with its owner: keys belong to a store, so each engine has its own. */
const flights = new WeakMap<Engine["Type"], Map<string, string>>()

const flightsOf = (engine: Engine["Type"]): Map<string, string> => {
  const known = flights.get(engine)
  if (known !== undefined) return known
  const made = new Map<string, string>()
  flights.set(engine, made)
  return made
}

// A task may be named by its id or the end of it, at least four characters, in either case.
const printOf = (ask: AnyAsk & { readonly [key: string]: Json }): string => {
  const { task } = ask
  return fingerprint(typeof task === "string" ? { ...ask, task: task.toUpperCase().slice(-4) } : ask)
}

interface Asking extends Caller {
  readonly ask: AnyAsk & { readonly [key: string]: Json }
  readonly channel: Channel
  readonly key: string | null
}

/** Decides, unless a request under the same key is being decided. Costs nothing without a key. */
export const inFlight = <A, E, R>(asking: Asking, decide: Effect.Effect<A, E, R>): Effect.Effect<A, E | Refusal | EngineUnavailable, R | Engine | Instants> => {
  const { key } = asking
  const name = ownedKey(asking)
  if (key === null || name === null) return decide
  return Effect.flatMap(Engine, (engine) => {
    const mine = flightsOf(engine)
    const print = printOf(asking.ask)
    const enter = Effect.sync(() => {
      const before = mine.get(name)
      if (before === undefined) mine.set(name, print)
      return before
    })
    return Effect.acquireUseRelease(
      enter,
      (before): Effect.Effect<A, E | Refusal | EngineUnavailable, R | Instants> => (before === undefined ? decide : refuse(engine, asking, key, before === print ? "in_progress" : "idempotency_payload_mismatch")),
      (before) => Effect.sync(() => before === undefined && mine.delete(name))
    )
  })
}

const refuse = (engine: Engine["Type"], { actor, ask, channel, roles }: Asking, key: string, code: "in_progress" | "idempotency_payload_mismatch") =>
  Effect.flatMap(newTrace, (trace) => {
    const command: Command<AnyAsk> = { ask: cleaned(ask), actor, roles, channel, key, trace }
    return engine.commit({ tasks: [], key: null, rule: () => conflict(command, key, code) })
  })
