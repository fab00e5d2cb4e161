/** Undoing what a run has done: the steps that said how, the last first. Each is a step of its own, so a crash in between repeats none. */
import { Effect, Either } from "effect"
import { ended } from "../../domain/Checkpoint.ts"
import { undoScope } from "../../domain/Execution.ts"
import { matrix } from "../../domain/Matrix.ts"
import { rootScope } from "./Journal.ts"
import type { StepFailed } from "./StepFailed.ts"
import { step, type Tools, type Wanted } from "./Steps.ts"
import type { Codec } from "./Values.ts"

const nothing: Codec<null> = { encode: () => Either.right(null), decode: () => Either.right(null) }

/**
 * Undoes all of it under the request that was made at `askedAtMs`, which tells this round from an earlier one. Fails when one
 * cannot be undone; what came after it is undone by then.
 */
export const undoAll = (tools: Tools, askedAtMs: number): Effect.Effect<void, StepFailed> => {
  const { run, wallMs } = tools
  return Effect.forEach([...run.undos].reverse(), ({ effect, name, number }) => {
    const wanted: Wanted<null, never> = {
      name: `undo ${name}`,
          effect: "idempotent",
      codec: nothing,
      timeoutMs: matrix.undo.timeoutMs,
      retry: { attempts: matrix.undo.retry.attemptsMax },
      interruptible: false,
      body: (context) => Effect.as(effect(context), null),
      probe: undefined,
      compensate: undefined,
      failsHonestly: true
    }
    // A place of its own, by the step that it undoes: a later run comes to fewer of them, since it finds the rest undone.
    const scope = rootScope(`${undoScope}@${askedAtMs}/${number}/`)
    // Stored with whatever is stored next, the end of the task at the latest.
    return Effect.tap(step(tools, scope, wanted), () =>
      Effect.sync(() =>
        run.later(ended(run.task.id, number, { _tag: "Cleared", code: "undone" }, { wallMs: wallMs(), monoMs: 0, epoch: 0, leaseUntilMonoMs: 0 }))))
  }, { discard: true })
}
