/** Work that is a command: starts it under a supervisor, waits for its record, and says what the record means. */
import { join } from "node:path"
import { Effect } from "effect"
import type { Json } from "../domain/Canonical.ts"
import type { Finding, Outcome } from "../domain/Execution.ts"
import type { Kind } from "../domain/Kind.ts"
import { traceparentOf } from "../domain/Ids.ts"
import type { Held } from "../domain/Lease.ts"
import { storedError } from "../domain/Redaction.ts"
import type { StepDraft } from "../domain/Step.ts"
import { closeDeadlineMs } from "../domain/Timeout.ts"
import type { Task } from "../domain/Task.ts"
import type { RunsStorage } from "../engine/Engine.ts"
import { type Exec, type ExecUnavailable, type JobRef } from "./Exec.ts"
import { outcomeOf, tailFor, tailRead } from "./ExecOutcome.ts"
import type { Handler } from "./Handler.ts"
import { whyOf } from "./RunsDisk.ts"

/** How the command of a kind is started. */
export interface Command {
  /** Program and arguments for a payload. */
  readonly argvFor: (payload: Json) => ReadonlyArray<string>
  readonly cwd: string
  /** All that the command inherits. */
  readonly env: Readonly<Record<string, string>>
  readonly killGraceMs: number
  readonly outputCapBytes: number
}

/** The one step of such a task. */
const step = 1

// A folder per generation: a second start under the same attempt never meets the files of the first.
const dirFor = (runsDir: string, task: Task): string => join(runsDir, task.id, `${task.attempt}-${task.generation}`)

const environment = ({ env }: Command, task: Task, held: Held): Readonly<Record<string, string>> => ({
  ...env,
  OPSGATE_TASK: task.id,
  OPSGATE_DISPATCH_KEY: task.dispatchKey,
  OPSGATE_ATTEMPT: String(task.attempt),
  OPSGATE_GENERATION: String(held.generation),
  OPSGATE_TRACE: task.trace,
  // W3C Trace Context: what the command calls can go on under the trace of its task.
  TRACEPARENT: traceparentOf(task, step)
})

const unavailable = ({ message }: ExecUnavailable): Outcome => ({ _tag: "NotStarted", code: "exec_unavailable", error: storedError(message) })

// Where the storage of the runs fails, no run is to blame.
const unprepared = (disk: RunsStorage["Type"], failure: ExecUnavailable): Outcome => {
  const why = whyOf(failure.cause)
  if (why === null) return unavailable(failure)
  disk.failed(why)
  return { _tag: "NotStarted", code: `storage_${why}`, error: storedError(failure.message), spared: true }
}

const draftFor = (task: Task, effect: Kind["effect"], supervisor: JobRef): StepDraft => ({
  number: step,
  scope: "",
  index: 0,
  name: "exec",
  sort: "exec",
  effect,
  dispatchKey: task.dispatchKey,
  inputSha256: task.payloadSha256,
  drawn: "[]",
  answers: false,
  supervisor
})

const limitsOf = ({ killGraceMs, outputCapBytes }: Command, { limits: { heartbeatMs } }: Task) => ({
  kill_grace_ms: killGraceMs,
  output_cap_bytes: outputCapBytes,
  ...(heartbeatMs === undefined ? {} : { heartbeat_ms: heartbeatMs })
})

/** The handler of one kind whose outputs are kept under the folder of `disk`. `wallMs` reads the clock. */
export const make = (exec: Exec["Type"], kind: Kind, command: Command, disk: RunsStorage["Type"], wallMs: () => number): Handler => {
  const outcome = (task: Task, ref: JobRef, end: Effect.Effect.Success<ReturnType<typeof exec.awaitEnd>>): Effect.Effect<Outcome> =>
    end._tag === "Finished"
      ? Effect.map(exec.tail(ref, "stderr.log", tailRead), (tail) => outcomeOf(end.record, kind.effect, tailFor(task, tail)))
      : Effect.map(ended(ref), (error): Outcome =>
        kind.effect === "dangerous" ? { _tag: "Unknown", code: "supervisor_gone", error } : { _tag: "Failed", code: "supervisor_gone", error })

  // What may be run again is ended first; what may not is left alone for a person to look at.
  const ended = (ref: JobRef): Effect.Effect<string> =>
    kind.effect === "dangerous"
      ? Effect.succeed("its supervisor ended without leaving a record; the command may still run")
      : Effect.as(exec.endSurvivors(ref), "its supervisor ended without leaving a record")

  const untilEnd = (task: Task, ref: JobRef, cancelRequested: Effect.Effect<void>): Effect.Effect<Outcome> =>
    Effect.raceFirst(exec.awaitEnd(ref), Effect.zipRight(cancelRequested, Effect.zipRight(exec.abort(ref), Effect.never))).pipe(
      Effect.flatMap((end) => outcome(task, ref, end))
    )

  const timeoutFor = ({ limits, queuedAtMs }: Task): number => {
    const closeMs = closeDeadlineMs(limits, queuedAtMs)
    return Math.max(1, Math.min(limits.startToCloseMs, closeMs === null ? Infinity : closeMs - wallMs()))
  }

  const prepare = (task: Task, held: Held) =>
    Effect.suspend(() =>
      exec.prepare({
        v: 1,
        dir: dirFor(disk.dir, task),
        argv: command.argvFor(JSON.parse(task.payload)),
        cwd: command.cwd,
        env: environment(command, task, held),
        stdin: task.payload,
        timeout_ms: timeoutFor(task),
        ...limitsOf(command, task),
        marker: `${task.id}/${task.attempt}-${held.generation}`
      })
    )

  return {
    kind,

    run: ({ asked, begin, held, steps, task }) => {
      const known = steps.find(({ number, state }) => number === step && state === "succeeded")
      if (known !== undefined) return Effect.succeed({ _tag: "Succeeded", result: JSON.parse(known.result ?? "{}") })
      return Effect.flatMap(Effect.either(Effect.tap(prepare(task, held), () => Effect.sync(disk.prepared))), (prepared) => {
        if (prepared._tag === "Left") return Effect.sync(() => unprepared(disk, prepared.left))
        const { dir, discard, go, marker, pid, startTicks } = prepared.right
        const supervisor = { pid, startTicks, dir, marker }
        return begin(draftFor(task, kind.effect, supervisor)).pipe(
          Effect.onError(() => discard),
          Effect.flatMap(({ startBeforeMonoMs, step: begun }) =>
            begun !== null
              // A word that did not arrive started nothing. One that did: from here on the record decides.
              ? Effect.matchEffect(go(startBeforeMonoMs), {
                onFailure: (failure) => Effect.succeed(unavailable(failure)),
                onSuccess: () => Effect.interruptible(untilEnd(task, supervisor, asked.requested))
              })
              : Effect.as(discard, { _tag: "Stopped", compensated: false } as const)
          )
        )
      })
    },

    find: (task) => {
      const ref = task.intents[0]?.supervisor ?? null
      if (ref === null) return Effect.succeed({ _tag: "NotBegun" })
      return Effect.flatMap(exec.inspect(ref), (found): Effect.Effect<Finding> => {
        if (found._tag === "Alive") return Effect.succeed(found)
        if (found._tag === "Finished") return Effect.map(outcome(task, ref, found), (result) => ({ _tag: "Finished", outcome: result }) as const)
        return Effect.map(ended(ref), (error) => ({ _tag: "Gone", error }) as const)
      })
    },

    watch: (task, cancelRequested) => {
      const ref = task.intents[0]?.supervisor ?? null
      return ref === null ? Effect.dieMessage(`task ${task.id} has nothing to watch`) : untilEnd(task, ref, cancelRequested)
    }
  }
}

