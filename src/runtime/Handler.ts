/** What does the work of a kind. Handlers know the outside world; they know no rules and no rows. */
import { Context, type Effect } from "effect"
import type { Begun, Finding, Outcome } from "../domain/Execution.ts"
import type { Intent } from "../domain/Intent.ts"
import type { Held } from "../domain/Lease.ts"
import type { LeaseLost } from "../domain/Refusal.ts"
import type { Task } from "../domain/Task.ts"
import type { EngineUnavailable } from "../engine/Engine.ts"

/** What a handler is given for one run. */
export interface Run {
  readonly task: Task
  readonly held: Held
  /** Stores the intent to start the effect, under this run's lease. Start nothing unless it answers `begun`. */
  readonly begin: (intent: Omit<Intent, "attempt" | "generation" | "atMs">) => Effect.Effect<Begun, LeaseLost | EngineUnavailable>
  /** Succeeds when somebody has asked the task to end. */
  readonly cancelRequested: Effect.Effect<void>
}

export interface Handler {
  readonly version: string
  /** Does the work. `null`: the task is settled already, or is somebody else's by now. */
  readonly run: (run: Run) => Effect.Effect<Outcome | null, LeaseLost | EngineUnavailable>
  /** What became of an effect whose worker was lost. Ends what must not go on. */
  readonly find: (task: Task) => Effect.Effect<Finding>
  /** Waits for an adopted effect to end. */
  readonly watch: (task: Task, cancelRequested: Effect.Effect<void>) => Effect.Effect<Outcome>
}

/** The handlers by kind. */
export class Handlers extends Context.Tag("opsgate/runtime/Handlers")<Handlers, ReadonlyMap<string, Handler>>() {}
