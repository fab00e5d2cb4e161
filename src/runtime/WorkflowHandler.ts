/** Work that is code: runs the function of a task until it ends, is parked, or is stopped, and says which. */
import { join } from "node:path"
import { Cause, Effect, Exit, Fiber, Option } from "effect"
import type { Json } from "../domain/Canonical.ts"
import { childrenIn, suspend } from "../domain/Checkpoint.ts"
import type { Outcome } from "../domain/Execution.ts"
import { onTask } from "../domain/OnTask.ts"
import { storedError } from "../domain/Redaction.ts"
import type { Step } from "../domain/Step.ts"
import type { Task } from "../domain/Task.ts"
import { closeDeadlineMs, timeoutCode } from "../domain/Timeout.ts"
import { Chance, Engine, Flush, Instants } from "../engine/Engine.ts"
import { Alarms } from "./Alarms.ts"
import { Exec } from "./Exec.ts"
import type { Handler } from "./Handler.ts"
import type { Asked } from "./Runs.ts"
import { patientlyUntilStopped } from "./Patience.ts"
import type { AnyTask } from "./TaskDefinition.ts"
import * as Journal from "./workflow/Journal.ts"
import type { Surroundings } from "./workflow/Operations.ts"
import { LazyAbort } from "./workflow/LazyAbort.ts"
import * as Run from "./workflow/Run.ts"
import { codeOf, isFinal, isStepFailed, wordsOf } from "./workflow/StepFailed.ts"
import { undoAll } from "./workflow/Undo.ts"
import type { KindOf } from "./workflow/Waiting.ts"

export interface Services {
  readonly engine: Engine["Type"]
  readonly flush: Flush["Type"]
  readonly alarms: Alarms["Type"]
  readonly bodies: Map<string, number>
  readonly exec: Exec["Type"]
  /** Uniform in [0, 1). */
  readonly chance: () => number
  readonly wallMs: () => number
  readonly kindOf: KindOf
  /** Where the files of tasks are kept. */
  readonly filesDir: string
}

/** What the handlers of one process share. */
export const services = (filesDir: string, kindOf: KindOf) =>
  Effect.gen(function*() {
    const { wallMs } = yield* Instants
    const { next: chance } = yield* Chance
    const shared: Services = { engine: yield* Engine, flush: yield* Flush, alarms: yield* Alarms, exec: yield* Exec, bodies: new Map(), chance, wallMs, kindOf, filesDir }
    return shared
  })

/** What the operations of one run work with. What only some of them need is made when it is asked for. */
class Around implements Surroundings {
  readonly run: Run.Run
  readonly steps: ReadonlyArray<Step>
  private readonly services: Services
  private readonly abortion: LazyAbort
  private kept: Journal.Journal | null = null

  constructor(services: Services, run: Run.Run, steps: ReadonlyArray<Step>, abortion = new LazyAbort()) {
    this.services = services
    this.run = run
    this.steps = steps
    this.abortion = abortion
  }

  get journal(): Journal.Journal {
    this.kept ??= Journal.make(this.steps)
    return this.kept
  }

  get engine() {
    return this.services.engine
  }

  get bodies() {
    return this.services.bodies
  }

  get chance() {
    return this.services.chance
  }

  get wallMs() {
    return this.services.wallMs
  }

  get kindOf() {
    return this.services.kindOf
  }

  get exec() {
    return this.services.exec
  }

  get dir(): string {
    return join(this.services.filesDir, this.run.task.id)
  }

  get signal(): AbortSignal {
    return this.abortion.signal
  }

  abort(): void {
    this.abortion.abort("the run has ended")
  }

  /** The same for another run over the same steps. */
  on(run: Run.Run): Around {
    const other = new Around(this.services, run, this.steps, this.abortion)
    other.kept = this.journal
    return other
  }
}

const failed = (thrown: unknown, fallback: string): Outcome => {
  const code = isStepFailed(thrown) ? thrown.code ?? "step_failed" : codeOf(thrown, fallback)
  const error = storedError(wordsOf(thrown))
  return isFinal(thrown) ? { _tag: "Failed", code, error, final: true } : { _tag: "Failed", code, error }
}

/** A step that the code did not wait for, or has interrupted. Whether a dangerous one happened is not known, however the code went on. */
const floating = (run: Run.Run): Outcome | null => {
  const open = run.inFlight()
  const one = open.find(({ effect }) => effect === "dangerous") ?? open[0]
  if (one === undefined) return null
  const error = `the function ended while step ${one.number} ${JSON.stringify(one.name)} was in its middle; await every step, and interrupt none`
  return one.effect === "dangerous" ? { _tag: "Unknown", code: "step_not_awaited", error } : { _tag: "Failed", code: "step_not_awaited", error, final: true }
}

/** The function returned. What it did not ask for makes its result worthless. */
const returned = (around: Around, result: Json): Outcome => {
  const [missing] = around.steps.length === 0 ? [] : around.journal.unvisited()
  if (missing === undefined) return { _tag: "Succeeded", result }
  const error = `step ${missing.number} ${JSON.stringify(missing.name)} was recorded when this run began, and the code did not ask for it this time. Restore the code and recover the task, or fork it at ${missing.number}`
  return { _tag: "Failed", code: "replay_mismatch", error, final: true }
}

const parsed = (task: Task): Json => JSON.parse(task.payload)

const park = (around: Around): Effect.Effect<null> => {
  const { run } = around
  const wait = run.waits()
  const children = childrenIn(wait)
  const steps = run.takePending()
  const change = onTask(run.task.id, (task, now, { related }) => suspend(task, run.held, wait, children.length === 0 ? [] : related, steps, now))
  // Somebody else has the task by now, or the process stops: what was to be stored is found out again by the next run.
  return Effect.catchAll(patientlyUntilStopped(around.engine.commit(children.length === 0 ? change : { ...change, related: () => children })), (error) =>
    Effect.as(Effect.logInfo("a run was not parked", { task: run.task.id, reason: error.message }), null))
}

const stopped = (around: Around, asked: Asked, stop: Run.Stop): Effect.Effect<Outcome | null> => {
  switch (stop._tag) {
    case "LeaseLost":
      return Effect.succeed(null)
    case "Unknown":
      return Effect.succeed({ _tag: "Unknown", code: stop.code, error: storedError(stop.error) })
    case "TimedOut":
      return Effect.succeed({ _tag: "Failed", code: stop.code, error: storedError(stop.error) })
    case "Mismatch":
      return Effect.succeed({ _tag: "Failed", code: stop.code, error: storedError(stop.error), final: true })
    case "Suspended":
      return park(around)
    case "Asked":
      return stop.compensate ? compensated(around, asked) : Effect.succeed({ _tag: "Stopped", compensated: false })
  }
}

// The operations refuse to go on in a run that has stopped, so undoing is a run of its own, over the same lease.
const compensated = (around: Around, asked: Asked): Effect.Effect<Outcome | null> => {
  const { run } = around
  const undoing = new Run.Run({ ...run.task, cancel: null }, run.held, () => undefined)
  undoing.undos.push(...run.undos)
  const askedAtMs = run.asked()?.atMs ?? around.wallMs()
  return Effect.fork(Effect.interruptible(undoAll(around.on(undoing), askedAtMs))).pipe(
    Effect.tap((fiber) =>
      Effect.sync(() => {
        undoing.start(fiber)
        asked.listen((cancel) => cancel.kill && undoing.abort("killed", { _tag: "Asked", compensate: false }))
      })
    ),
    Effect.flatMap(Fiber.await),
    Effect.map((exit): Outcome | null => {
      undoing.takePending().forEach((change) => run.later(change))
      const stop = undoing.stopped()
      if (stop?._tag === "LeaseLost") return null
      if (Exit.isSuccess(exit)) return { _tag: "Stopped", compensated: true }
      if (stop?._tag === "Mismatch") return { _tag: "Failed", code: stop.code, error: storedError(stop.error), final: true }
      // The process stops: what is left to undo is undone after the next start.
      if (Cause.isInterruptedOnly(exit.cause) && asked.stopping()) return null
      return Cause.isInterruptedOnly(exit.cause)
        ? { _tag: "Failed", code: "undo_failed", error: "it was killed while it was undone; what is left to undo stands in its steps", final: true }
        : failed(Cause.squash(exit.cause), "undo_failed")
    })
  )
}

const whereOf = (run: Run.Run): string => {
  const open = run.inFlight().map(({ name, number }) => `step ${number} ${JSON.stringify(name)}`)
  return open.length === 0 ? "it was in no step: does it await something that never ends?" : `it was in ${open.join(", ")}`
}

const timedOut = (run: Run.Run, code: string, error: string): void => run.abort(code, { _tag: "TimedOut", code, error: `${error}; ${whereOf(run)}` })

// The limit of the attempt, or that of the whole task where it comes first.
const deadline = ({ alarms, wallMs }: Services, run: Run.Run): () => void => {
  const { limits, queuedAtMs } = run.task
  const closeMs = closeDeadlineMs(limits, queuedAtMs)
  // A little later, so that the clock by which it is judged has passed it too.
  const leftMs = closeMs === null ? Infinity : Math.max(0, closeMs - wallMs()) + 5
  return leftMs < limits.startToCloseMs
    ? alarms.after(leftMs, () => timedOut(run, timeoutCode.scheduleToClose, `it did not end within ${limits.scheduleToCloseMs} ms of its first enqueue`))
    : alarms.after(limits.startToCloseMs, () => timedOut(run, timeoutCode.startToClose, `it did not end within ${limits.startToCloseMs} ms`))
}

/** Looks in a row without a sign of life that are silence. Looks are counted, not time: a process that was stopped judges nobody for it. */
const quietLooks = 4

// Ends a run that is silent for its limit: never earlier, and a quarter of it later at most.
const listening = ({ alarms }: Services, run: Run.Run): () => void => {
  const { heartbeatMs } = run.task.limits
  if (heartbeatMs === undefined) return () => undefined
  const everyMs = Math.max(1, Math.ceil(heartbeatMs / quietLooks))
  let [quiet, seen] = [0, run.signs()]
  let disarm: () => void = () => undefined
  const look = (): void => {
    quiet = seen === run.signs() && !run.isResting() ? quiet + 1 : 0
    seen = run.signs()
    if (quiet < quietLooks) disarm = alarms.after(everyMs, look)
    else timedOut(run, timeoutCode.heartbeat, `it gave no sign of life for ${heartbeatMs} ms${run.lastWord() === null ? "" : `; its last word was ${JSON.stringify(run.lastWord())}`}`)
  }
  disarm = alarms.after(everyMs, look)
  return () => disarm()
}

/** The handler of a task in code, as it is declared, for which `services` and the context of its own requirements are there. */
export const make = (services: Services, task: AnyTask, kind = task.kind): Handler => {
  const ending = (around: Around, asked: Asked, exit: Exit.Exit<Json, unknown>): Effect.Effect<Outcome | null> => {
    const { run } = around
    const stop = run.stopped()
    if (stop !== null) return stopped(around, asked, stop)
    const interrupted = Exit.isFailure(exit) && Cause.isInterruptedOnly(exit.cause)
    // The process stops: what the run began is looked after at the next start.
    if (interrupted && asked.stopping()) return Effect.succeed(null)
    const open = floating(run)
    if (open !== null && (Exit.isSuccess(exit) || open._tag === "Unknown")) return Effect.succeed(open)
    if (Exit.isSuccess(exit)) return Effect.succeed(returned(around, exit.value))
    if (interrupted) return Effect.succeed({ _tag: "Failed", code: "interrupted", error: "its function interrupted itself" })
    return Effect.succeed(failed(Option.getOrElse(Cause.failureOption(exit.cause), () => Cause.squash(exit.cause)), "task_failed"))
  }

  return {
    kind,

    run: (claimed) =>
      Effect.withFiberRuntime((fiber) => {
        const run = new Run.Run(claimed.task, claimed.held, services.flush.soon)
        const around = new Around(services, run, claimed.steps)
        run.start(fiber)
        claimed.asked.listen((cancel) => run.ask(cancel))
        claimed.asked.onLost(() => {
          run.warn()
          around.abort()
        })
        const disarm = deadline(services, run)
        const unlisten = listening(services, run)
        const close = (outcome: Outcome | null): Outcome | null => {
          if (outcome !== null) run.takePending().forEach(claimed.late)
          run.close()
          around.abort()
          return outcome
        }
        return Effect.flatMap(Effect.exit(Effect.interruptible(task.run(parsed(claimed.task), around))), (exit) => {
          disarm()
          unlisten()
          return Effect.map(ending(around, claimed.asked, exit), close)
        })
      }),

    // What is open and may not be repeated can be told by nobody here; what answers is asked when the code comes to it.
    find: ({ intents }) =>
      Effect.succeed(intents.length === 0 ? { _tag: "NotBegun" } : { _tag: "Gone", error: `the worker was lost in the middle of ${intents.map(({ name, step }) => `step ${step} ${JSON.stringify(name)}`).join(", ")}` }),

    watch: ({ id }) => Effect.dieMessage(`task ${id} has nothing to watch`)
  }
}

