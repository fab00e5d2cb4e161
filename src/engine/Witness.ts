/** Who is told of what was stored, besides those who asked for it. */
import { Context } from "effect"
import type { Task } from "../domain/Task.ts"
import type { EventDraft } from "../domain/TaskEvent.ts"

/**
 * Told of each decision after its commit, before anybody is answered who waits for it. It has to be quick, it never throws, and its
 * troubles are its own. In production it is the log for triage.
 */
export class Witness extends Context.Reference<Witness>()("opsgate/engine/Witness", {
  defaultValue: (): { readonly saw: (events: ReadonlyArray<EventDraft>, tasks: ReadonlyArray<Task>) => void } => ({ saw: () => undefined })
}) {}
