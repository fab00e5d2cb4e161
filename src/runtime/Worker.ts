/**
 * Claims due tasks, as many as there are free slots, and runs each under its lease.
 *
 * A run that has lost its lease is not interrupted: it learns it from the fence, at its next write. Nobody waits for it.
 */
import { Cause, Duration, Effect, Exit, Option, Ref } from "effect"
import type { ClaimPolicy } from "../domain/Claiming.ts"
import { granted } from "../domain/Decision.ts"
import { claim, type Claimed } from "../domain/Dispatch.ts"
import { begin, type Outcome, settle } from "../domain/Execution.ts"
import type { Held } from "../domain/Lease.ts"
import { atRest } from "../domain/Ruling.ts"
import { matrix } from "../domain/Matrix.ts"
import { storedError } from "../domain/Redaction.ts"
import { onTask } from "../domain/OnTask.ts"
import { heavySlots, type QueueLimits } from "../domain/Queue.ts"
import type { LeaseLost } from "../domain/Refusal.ts"
import type { Step, StepChange } from "../domain/Step.ts"
import type { Task } from "../domain/Task.ts"
import { Chance, Engine, type EngineUnavailable, Instants, RunsStorage, Storage } from "../engine/Engine.ts"
import { type Handler, Handlers, type Run } from "./Handler.ts"
import { patience, patientlyUntilStopped } from "./Patience.ts"
import { Runs } from "./Runs.ts"
import * as Slots from "./Slots.ts"
import { type Round, Suspects } from "./Suspects.ts"

/** The longest a worker sleeps without looking: what waits in the queue is due by the wall clock, which may be set meanwhile. */
const napMax = Duration.minutes(1)
/** Tasks that are claimed in one transaction: when thousands are due at once, the first run while the last are claimed, and others get a turn. */
const claimMax = 512
/** The shortest pause after a look that found due tasks and could claim none of them. */
const napMin = Duration.millis(matrix.dispatch.roundMs)
/** The pause between looks whether a store in trouble takes changes again. */
const troublePause = Duration.millis(matrix.storage_look.roundMs)
/** The same while a task waits only because another one has to run alone. */
const alonePause = Duration.millis(matrix.storage_look.roundMs)

export interface WorkerOptions {
  readonly slots: number
  readonly name: string
  /** By name; a queue that is not among them has no limits. */
  readonly queues: ReadonlyMap<string, QueueLimits>
  /** The epoch under which to claim. */
  readonly epoch: Ref.Ref<number>
}

interface Hands {
  readonly chance: Chance["Type"]
  readonly engine: Engine["Type"]
  readonly handlers: Handlers["Type"]
  readonly suspects: Suspects
}

/** Stores how a run ended. A write that comes too late is refused, counted by its event, and dropped here. */
export const settleRun = (
  { chance, engine }: Pick<Hands, "chance" | "engine">,
  { held, task }: Claimed,
  outcome: Outcome,
  more: ReadonlyArray<StepChange> = []
): Effect.Effect<unknown> => {
  const jitter = chance.next()
  return Effect.catchAll(
    patientlyUntilStopped(engine.commit(onTask(task.id, (current, now) => settle(current, held, outcome, now, jitter, more)))),
    (error) => Effect.logWarning("a result was not stored", { task: task.id, reason: error.message })
  )
}

const beginUnder = (engine: Engine["Type"], task: Task, held: Held): Run["begin"] => (draft) =>
  // Waits for the store: nothing has begun, and when the lease runs out meanwhile nothing will.
  Effect.catchAll(patientlyUntilStopped(engine.commit(onTask(task.id, (current, now) => begin(current, held, draft, now)))), (error) =>
    error._tag === "LeaseLost" || error._tag === "EngineUnavailable" ? Effect.fail(error) : Effect.die(error))

// A handler that breaks is a failed attempt. Whether a dangerous effect had begun is then not known.
const outcomeOf = (exit: Exit.Exit<Outcome | null, LeaseLost | EngineUnavailable>, dangerous: boolean): Outcome | null => {
  if (Exit.isSuccess(exit)) return exit.value
  // The process stops: what the run began is looked after at the next start.
  if (Exit.isInterrupted(exit)) return null
  const failure = Cause.failureOption(exit.cause)
  if (Option.isSome(failure) && failure.value._tag === "LeaseLost") return null
  const error = storedError(Cause.pretty(exit.cause))
  return dangerous ? { _tag: "Unknown", code: "handler_broke", error } : { _tag: "Failed", code: "handler_broke", error }
}

const noSteps: ReadonlyArray<Step> = []

/** Runs a claimed task to its end and stores it. Uninterruptible but for what its handler makes interruptible. */
const runClaimed = (hands: Hands) => {
  const { engine, handlers, suspects } = hands

  const work = (claimed: Claimed, handler: Handler, steps: ReadonlyArray<Step>, asked: Run["asked"]): Effect.Effect<unknown> => {
    const { held, task } = claimed
    let begun = false
    const late: Array<StepChange> = []
    const begin: Run["begin"] = (draft) => Effect.tap(beginUnder(engine, task, held)(draft), () => Effect.sync(() => {
      begun = draft.effect === "dangerous"
      if (draft.supervisor !== null) suspects.begun(claimed)
    }))
    return Effect.flatMap(Effect.exit(handler.run({ task, held, steps, begin, asked, late: (change) => void late.push(change) })), (exit) => {
      const outcome = outcomeOf(exit, begun)
      return outcome === null ? Effect.void : settleRun(hands, claimed, outcome, late)
    })
  }

  const worked = (claimed: Claimed, asked: Run["asked"]): Effect.Effect<unknown> => {
    const { task } = claimed
    const handler = handlers.get(task.kind)
    if (handler === undefined) return settleRun(hands, claimed, { _tag: "Failed", code: "kind_unknown", error: `no kind ${task.kind} is declared` })
    return task.steps === 0
      ? work(claimed, handler, noSteps, asked)
      : Effect.flatMap(Effect.orDie(Effect.retry(engine.stepsOf(task.id), { schedule: patience })), (steps) => work(claimed, handler, steps, asked))
  }

  return ({ asked, claimed, leave }: Begun): Effect.Effect<unknown> =>
    Effect.uninterruptible(Effect.flatMap(Effect.exit(Effect.suspend(() => worked(claimed, asked))), (exit) => {
      suspects.leave(claimed)
      leave()
      return exit
    }))
}

/** A claim that holds its slot, from the claim on: its fiber may get its first turn after the next round of claims. */
interface Begun extends ReturnType<Runs["Type"]["enter"]> {
  readonly claimed: Claimed
}

/** Claims and runs until it is interrupted. Runs go on in the scope of the caller. */
export const loop = ({ epoch, name, queues, slots }: WorkerOptions) =>
  Effect.gen(function*() {
    const engine = yield* Engine
    const runs = yield* Runs
    const handlers = yield* Handlers
    const instants = yield* Instants
    const storage = yield* Storage
    const disk = yield* RunsStorage
    const suspects = new Suspects(instants.monoMs)
    const run = yield* Slots.make(runClaimed({ chance: yield* Chance, engine, handlers, suspects }))

    // What this program cannot run is left to one that can; what its policy lets nothing begin of waits.
    const mayBegin = [...handlers].filter(([, { kind }]) => atRest(kind) === null).map(([kind]) => kind)
    const policy: ClaimPolicy = { kinds: new Set(mayBegin), queues, heavyMax: heavySlots(slots) }

    // Uninterruptible, so that no task is leased without somebody to run it.
    const claimDue = ({ limit, mayRun }: Round) =>
      engine.claim({ limit, policy, rule: (task, now) => mayRun(task) ? claim(task, name, handlers.get(task.kind)?.kind, now) : granted(null, {}) }).pipe(
        Effect.tap((claimed) =>
          Effect.sync(() => {
            for (const one of claimed) {
              if (one === null) continue
              suspects.enter(one)
              run({ claimed: one, ...runs.enter(one.task, one.held) })
            }
          })
        ),
        Effect.uninterruptible
      )

    const nap = Effect.gen(function*() {
      const free = slots - runs.countOf(yield* Ref.get(epoch))
      const claimMs = free <= 0 ? null : yield* engine.nextClaim(policy)
      const minimum = suspects.isBusy(yield* Ref.get(epoch)) ? alonePause : napMin
      const wait = claimMs === null ? napMax : Duration.clamp(Duration.millis(claimMs - instants.wallMs()), { minimum, maximum: napMax })
      yield* runs.wake.wait(Duration.toMillis(wait))
    })

    const round = Effect.gen(function*() {
      // What cannot be stored is not begun.
      if (storage.trouble() !== null) return yield* Effect.sleep(troublePause)
      if (disk.trouble() !== null) return yield* disk.look
      const free = slots - runs.countOf(yield* Ref.get(epoch))
      const claimed = free > 0 ? yield* claimDue(suspects.round(yield* Ref.get(epoch), Math.min(free, claimMax))) : []
      if (claimed.every((one) => one === null)) yield* nap
      else yield* Effect.yieldNow()
    }).pipe(
      Effect.retry({ schedule: patience, while: (error) => error._tag === "EngineUnavailable" })
    )

    return yield* Effect.forever(round)
  })
