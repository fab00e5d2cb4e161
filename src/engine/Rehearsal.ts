/**
 * Rehearsing a change: what it names is loaded and its rule decides, exactly as in a commit, and nothing is stored. What the rule was
 * given and what it decided is handed to whoever describes it.
 */
import { Context, type Effect } from "effect"
import type { Decision } from "../domain/Decision.ts"
import type { Now } from "../domain/Now.ts"
import type { Change, EngineUnavailable, Found } from "./Engine.ts"

export interface Rehearsal<A> {
  readonly found: Found
  readonly now: Now
  readonly decision: Decision<A>
}

/** The part of an engine that rehearses. It only reads, from one read transaction, so it works while another process writes. */
export class Rehearser extends Context.Tag("opsgate/engine/Rehearser")<Rehearser, {
  /** The decision about a change as things stand. The refusal of a rule is part of the decision, not a failure. */
  readonly rehearse: <A>(change: Change<A>) => Effect.Effect<Rehearsal<A>, EngineUnavailable>
}>() {}
