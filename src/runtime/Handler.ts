/** What does the work of a kind. Handlers know the outside world; they know no rules and no rows. */
import { Context, type Effect } from "effect"
import type { Begun, Finding, Outcome } from "../domain/Execution.ts"
import type { Kind } from "../domain/Kind.ts"
import type { Held } from "../domain/Lease.ts"
import type { LeaseLost } from "../domain/Refusal.ts"
import type { Step, StepChange, StepDraft } from "../domain/Step.ts"
import type { Task } from "../domain/Task.ts"
import type { EngineUnavailable } from "../engine/Engine.ts"
import type { Asked } from "./Runs.ts"

/** What a handler is given for one run. */
export interface Run {
  readonly task: Task
  readonly held: Held
  /** What earlier runs kept of the task's steps, by number. */
  readonly steps: ReadonlyArray<Step>
  /** Stores the intent to start an effect, under this run's lease. Start nothing unless it answers with the step. */
  readonly begin: (draft: StepDraft) => Effect.Effect<Begun, LeaseLost | EngineUnavailable>
  /** Takes a change of a step that is to be stored with the outcome. */
  readonly late: (change: StepChange) => void
  /** How it learns that somebody has asked the task to end. */
  readonly asked: Asked
}

export interface Handler {
  /** As it is declared now. */
  readonly kind: Kind
  /**
   * Does the work. `null`: the task is settled or parked already, or is somebody else's by now. It runs uninterruptibly, so that
   * its outcome is stored, and makes interruptible what may take long.
   */
  readonly run: (run: Run) => Effect.Effect<Outcome | null, LeaseLost | EngineUnavailable>
  /** What became of an effect whose worker was lost. Ends what must not go on. */
  readonly find: (task: Task) => Effect.Effect<Finding>
  /** Waits for an adopted effect to end. */
  readonly watch: (task: Task, cancelRequested: Effect.Effect<void>) => Effect.Effect<Outcome>
}

/** The handlers by kind. */
export class Handlers extends Context.Tag("opsgate/runtime/Handlers")<Handlers, ReadonlyMap<string, Handler>>() {}
