/**
 * A command as a step: it runs under its supervisor, which outlives this program, and its exit record says how it ended. A later run
 * reads the record, or watches on.
 */
import { join } from "node:path"
import { Duration, Effect } from "effect"
import { type Begun, begin, type Outcome } from "../../domain/Execution.ts"
import { traceparentOf } from "../../domain/Ids.ts"
import { onTask } from "../../domain/OnTask.ts"
import { storedError } from "../../domain/Redaction.ts"
import type { Exec, ExecUnavailable, JobRef } from "../Exec.ts"
import { outcomeOf, tailFor, tailRead } from "../ExecOutcome.ts"
import type { CommandEnded, CommandOptions } from "./Context.ts"
import { isMismatch, type Place, type Scope } from "./Journal.ts"
import { forever, type Run } from "./Run.ts"
import { StepFailed } from "./StepFailed.ts"
import { draftAt, ending, failedWith, mismatch, parsed, standing, store, type Tools, unknown } from "./Steps.ts"
import { type Codec } from "./Values.ts"

export interface CommandTools extends Tools {
  readonly exec: Exec["Type"]
  /** Folder of the task's files. */
  readonly dir: string
}

const pathByDefault = "/usr/local/bin:/usr/bin:/bin"
const killGraceMs = 5000
const outputCapBytes = 10 * 1024 * 1024

const jobOf = (tools: CommandTools, place: Place, { argv, cwd, env, heartbeat, killGrace, outputCap, stdin, timeout }: CommandOptions) => {
  const { run: { held, task } } = tools
  const heartbeatMs = heartbeat === undefined ? task.limits.heartbeatMs : Math.max(1, Math.ceil(Duration.toMillis(heartbeat)))
  return {
    v: 1 as const,
    dir: join(tools.dir, `step-${place.number}-${held.generation}`),
    argv,
    cwd,
    env: {
      PATH: pathByDefault,
      ...env,
      OPSGATE_TASK: task.id,
      OPSGATE_DISPATCH_KEY: draftAt(tools.run, place, "exec", "read", true).dispatchKey,
      OPSGATE_ATTEMPT: String(task.attempt),
      OPSGATE_GENERATION: String(held.generation),
      OPSGATE_TRACE: task.trace,
      TRACEPARENT: traceparentOf(task, place.number)
    },
    stdin: stdin ?? "",
    timeout_ms: Math.max(1, Math.ceil(Duration.toMillis(timeout))),
    kill_grace_ms: killGrace === undefined ? killGraceMs : Math.ceil(Duration.toMillis(killGrace)),
    ...(heartbeatMs === undefined ? {} : { heartbeat_ms: heartbeatMs }),
    output_cap_bytes: outputCap ?? outputCapBytes,
    marker: `${task.id}/${place.number}-${held.generation}`
  }
}

/** Comes to a command: answers what is known of it, watches what runs, or starts it. */
export const command = (tools: CommandTools, scope: Scope, name: string, options: CommandOptions, codec: Codec<CommandEnded>): Effect.Effect<CommandEnded, StepFailed> =>
  Effect.suspend(() => {
    const { journal, run } = tools
    if (run.stopped() !== null) return forever
    const place = journal.enter(scope, name, "exec")
    if (isMismatch(place)) return mismatch(run, place)
    const { known } = place
    if (known?.state === "succeeded") return Effect.orDie(codec.decode(parsed(known.result)))
    const failure = standing(run, place)
    if (failure !== null) return failure
    const ref = known?.state === "open" ? known.supervisor : null
    return ref === null ? started(tools, place, options, codec) : found(tools, place, options, codec, ref)
  })

/** Marks the command as in hand; answers the effect that succeeds when it is told to end. */
const inHand = (run: Run, place: Place, effect: CommandOptions["effect"]): Effect.Effect<void> => {
  let told = false
  let tell: () => void = () => undefined
  run.began({
    number: place.number,
    name: place.name,
    effect,
    interruptible: true,
    abort: () => undefined,
    end: () => {
      told = true
      tell()
    }
  })
  return Effect.async<void>((resume) => {
    tell = () => resume(Effect.void)
    if (told) tell()
  })
}

const started = (tools: CommandTools, place: Place, options: CommandOptions, codec: Codec<CommandEnded>): Effect.Effect<CommandEnded, StepFailed> => {
  const { exec, run } = tools
  const told = inHand(run, place, options.effect)
  const refused = (error: ExecUnavailable) => {
    run.ended(place.number)
    return failedWith(place, "exec_unavailable", storedError(error.message))
  }
  return Effect.matchEffect(exec.prepare(jobOf(tools, place, options)), {
    onFailure: (error) => Effect.suspend(() => refused(error)),
    onSuccess: ({ discard, dir, go, marker, pid, startTicks }) => {
      const supervisor = { pid, startTicks, dir, marker }
      const draft = { ...draftAt(run, place, "exec", options.effect, true), supervisor }
      const earlier = run.takePending()
      return store(tools, onTask(run.task.id, (task, now) => begin(task, run.held, draft, now, earlier))).pipe(
        Effect.onInterrupt(() => discard),
        Effect.flatMap(({ compensate, startBeforeMonoMs, step }: Begun): Effect.Effect<CommandEnded, StepFailed> => {
          if (step === null) {
            run.halt({ _tag: "Asked", compensate })
            return Effect.zipRight(discard, Effect.suspend(() => {
              run.ended(place.number)
              return forever
            }))
          }
          return Effect.matchEffect(go(startBeforeMonoMs), {
            // A word that did not arrive started nothing. One that did: from here on the record decides.
            onFailure: (error) => settled(tools, place, codec, { _tag: "NotStarted", code: "exec_unavailable", error: storedError(error.message) }),
            onSuccess: () => watched(tools, place, options, codec, supervisor, told)
          })
        })
      )
    }
  })
}

const watched = (tools: CommandTools, place: Place, options: CommandOptions, codec: Codec<CommandEnded>, ref: JobRef, told: Effect.Effect<void>) =>
  Effect.raceFirst(tools.exec.awaitEnd(ref), Effect.zipRight(told, Effect.zipRight(tools.exec.abort(ref), forever))).pipe(
    Effect.flatMap((end): Effect.Effect<Outcome> =>
      end._tag === "Finished"
        ? Effect.map(tools.exec.tail(ref, "stderr.log", tailRead), (tail) => outcomeOf(end.record, options.effect, tailFor(tools.run.task, tail)))
        : gone(tools, options, ref)
    ),
    Effect.flatMap((outcome) => settled(tools, place, codec, outcome))
  )

// What may be run again is ended first; what may not is left alone for a person to look at.
const gone = ({ exec }: CommandTools, { effect }: CommandOptions, ref: JobRef): Effect.Effect<Outcome> =>
  effect === "dangerous"
    ? Effect.succeed({ _tag: "Unknown", code: "supervisor_gone", error: "its supervisor ended without leaving a record; the command may still run" })
    : Effect.as(exec.endSurvivors(ref), { _tag: "Failed", code: "supervisor_gone", error: "its supervisor ended without leaving a record" })

// An earlier run has begun it: the record knows, or somebody still writes it.
const found = (tools: CommandTools, place: Place, options: CommandOptions, codec: Codec<CommandEnded>, ref: JobRef): Effect.Effect<CommandEnded, StepFailed> =>
  Effect.suspend(() => {
    const told = inHand(tools.run, place, options.effect)
    return Effect.flatMap(tools.exec.inspect(ref), (state) => {
      if (state._tag !== "Gone") return watched(tools, place, options, codec, ref, told)
      return Effect.flatMap(gone(tools, options, ref), (outcome) =>
        outcome._tag === "Unknown" ? settled(tools, place, codec, outcome) : started(tools, place, options, codec))
    })
  })

const settled = (tools: CommandTools, place: Place, codec: Codec<CommandEnded>, outcome: Outcome): Effect.Effect<CommandEnded, StepFailed> => {
  switch (outcome._tag) {
    case "Succeeded":
      return Effect.zipRight(ending(tools, place, { _tag: "Succeeded", result: outcome.result }), Effect.orDie(codec.decode(outcome.result)))
    case "Failed":
      return Effect.zipRight(ending(tools, place, { _tag: "Failed", code: outcome.code, error: outcome.error }), failedWith(place, outcome.code, outcome.error))
    case "NotStarted":
      return Effect.zipRight(ending(tools, place, { _tag: "Cleared", code: outcome.code }), failedWith(place, outcome.code, outcome.error))
    case "Unknown":
      return unknown(tools, place, outcome.code, outcome.error)
    case "Stopped":
      return Effect.dieMessage("a command does not stop by itself")
  }
}
