/**
 * One run of a task in code: what it is in the middle of, what it waits for, and why it is to stop. The code runs in the fiber that
 * `start` is given; a stop interrupts it, as soon as nothing is in the middle of something that should end first.
 */
import { Effect, type Fiber, FiberId } from "effect"
import type { Wait } from "../../domain/Checkpoint.ts"
import type { EffectClass } from "../../domain/EffectClass.ts"
import type { Held } from "../../domain/Lease.ts"
import type { StepChange } from "../../domain/Step.ts"
import type { PendingCancel, Task } from "../../domain/Task.ts"
import type { StepContext } from "./Context.ts"

/** Why a run stops before its code has ended. An earlier one in this list is never replaced by a later one. */
const precedence = ["LeaseLost", "Unknown", "TimedOut", "Mismatch", "Asked", "Suspended"] as const

export type Stop =
  | { readonly _tag: "LeaseLost" }
  | { readonly _tag: "Unknown"; readonly code: string; readonly error: string }
  | { readonly _tag: "TimedOut"; readonly error: string }
  | { readonly _tag: "Mismatch"; readonly code: string; readonly error: string }
  | { readonly _tag: "Asked"; readonly compensate: boolean }
  | { readonly _tag: "Suspended" }

/** A step that has begun and not ended. */
export interface InFlight {
  readonly number: number
  readonly name: string
  readonly effect: EffectClass
  readonly interruptible: boolean
  readonly abort: (reason: unknown) => void
  /** Set when it can be told to end and then says how it ended: it is waited for instead of being left in its middle. */
  readonly end?: () => void
}

/** How to undo a step that ended well. */
export interface Undo {
  readonly number: number
  readonly name: string
  readonly effect: (step: StepContext) => Effect.Effect<unknown, unknown>
}

export interface Run {
  readonly task: Task
  readonly held: Held
  readonly stopped: () => Stop | null
  /** Stops the run when what is in the middle of something has ended; at once where that cannot matter any more. */
  readonly halt: (stop: Stop) => void
  /** Stops the run now. A dangerous step in its middle makes the outcome unknown. */
  readonly abort: (code: string, otherwise: Stop) => void
  readonly began: (step: InFlight) => void
  readonly ended: (number: number) => void
  /** The code itself has interrupted the step. It is waited for no longer; how it ended is not known. */
  readonly abandoned: (number: number) => void
  /** Tells the bodies that their lease is over. The run goes on until it is refused: its late write is to be on record. */
  readonly warn: () => void
  /** What is in its middle, or was when the code left it. */
  readonly inFlight: () => ReadonlyArray<InFlight>
  /** Waits for something outside: the run is parked when all of it waits. Never succeeds. */
  readonly wait: (wait: Wait) => Effect.Effect<never>
  readonly waits: () => Wait
  /** Changes of steps to be stored with the next commit. */
  readonly later: (change: StepChange) => void
  readonly takePending: () => ReadonlyArray<StepChange>
  readonly undos: Array<Undo>
  /** The request to end, as far as it is known here. */
  readonly asked: () => PendingCancel | null
  readonly ask: (cancel: PendingCancel) => void
  readonly start: (fiber: Fiber.RuntimeFiber<unknown, unknown>) => void
  /** Fibers besides the first that belong to the code, until they end. */
  readonly adopt: (fiber: Fiber.RuntimeFiber<unknown, unknown>) => void
  /** The run is over: code that still goes on finds everything closed, and no fiber is touched any more. */
  readonly close: () => void
}

/** Neither succeeds nor holds anything: the code that waits here is interrupted or forgotten. */
export const forever: Effect.Effect<never> = Effect.async<never>(() => undefined)

const isDangerous = ({ effect }: InFlight): boolean => effect === "dangerous"

const noWait: Wait = { untilMs: null, waits: [] }

const joined = (one: Wait, other: Wait): Wait => ({
  untilMs: one.untilMs === null ? other.untilMs : other.untilMs === null ? one.untilMs : Math.min(one.untilMs, other.untilMs),
  waits: [...one.waits, ...other.waits]
})

/** What a run is in the middle of, and why it is to stop. */
interface State {
  readonly inFlight: Map<number, InFlight>
  /** Steps that the code has interrupted itself. */
  readonly left: Array<InFlight>
  readonly fibers: Set<Fiber.RuntimeFiber<unknown, unknown>>
  stop: Stop | null
  waiting: Wait
  pending: Array<StepChange>
  cancel: PendingCancel | null
  /** Grows with everything the code does: what is planned for a quiet run looks whether it was. */
  activity: number
}

const stopping = (state: State) => {
  const interrupt = () => {
    for (const { abort } of state.inFlight.values()) abort(state.stop)
    for (const fiber of state.fibers) fiber.unsafeInterruptAsFork(FiberId.none)
  }
  const set = (next: Stop) => {
    if (state.stop === null || precedence.indexOf(next._tag) < precedence.indexOf(state.stop._tag)) state.stop = next
  }
  const halt: Run["halt"] = (next) => {
    set(next)
    if (state.inFlight.size === 0 || next._tag === "LeaseLost") interrupt()
  }
  const abort: Run["abort"] = (code, otherwise) => {
    const open = [...state.inFlight.values()]
    for (const { end } of open) end?.()
    if (open.length > 0 && open.every(({ end }) => end !== undefined)) return halt(otherwise)
    const dangerous = [...open, ...state.left].find(isDangerous)
    set(dangerous === undefined ? otherwise : { _tag: "Unknown", code, error: `step ${dangerous.number} ${JSON.stringify(dangerous.name)} was ended in its middle` })
    interrupt()
  }
  return { abort, halt, interrupt }
}

const fibersOf = (state: State): Pick<Run, "start" | "adopt" | "close"> => ({
  start: (fiber) => void state.fibers.add(fiber),
  adopt: (fiber) => {
    state.fibers.add(fiber)
    fiber.addObserver(() => state.fibers.delete(fiber))
  },
  close: () => {
    state.stop ??= { _tag: "LeaseLost" }
    state.fibers.clear()
  }
})

/** `soon` runs a function in a later turn of the event loop. */
export const make = (task: Task, held: Held, soon: (run: () => void) => void): Run => {
  const state: State = { inFlight: new Map(), left: [], fibers: new Set(), stop: null, waiting: noWait, pending: [], cancel: task.cancel, activity: 0 }
  const { inFlight, left } = state
  const { abort, halt, interrupt } = stopping(state)

  // Code between two steps may still be on its way to the next: it has two turns to get there.
  const parkWhenQuiet = () => {
    const before = state.activity
    const isQuiet = () => state.activity === before && inFlight.size === 0 && state.stop === null
    soon(() => soon(() => isQuiet() && (left.some(isDangerous) ? abort("interrupted", { _tag: "Suspended" }) : halt({ _tag: "Suspended" }))))
  }

  const noLonger = (number: number) => {
    inFlight.delete(number)
    state.activity += 1
    if (inFlight.size > 0) return
    if (state.stop !== null) interrupt()
    else if (state.waiting !== noWait) parkWhenQuiet()
  }

  return {
    task,
    held,
    stopped: () => state.stop,
    halt,
    abort,
    began: (step) => {
      state.activity += 1
      inFlight.set(step.number, step)
    },
    ended: noLonger,
    abandoned: (number) => {
      const step = inFlight.get(number)
      if (step === undefined || state.stop !== null) return
      left.push(step)
      noLonger(number)
    },
    warn: () => inFlight.forEach(({ abort: tell }) => tell({ _tag: "LeaseLost" })),
    inFlight: () => [...inFlight.values(), ...left],
    wait: (wait) =>
      Effect.suspend(() => {
        state.activity += 1
        state.waiting = joined(state.waiting, wait)
        if (state.cancel !== null) halt({ _tag: "Asked", compensate: state.cancel.compensate })
        else if (inFlight.size === 0) parkWhenQuiet()
        return forever
      }),
    waits: () => state.waiting,
    later: (change) => {
      state.activity += 1
      state.pending.push(change)
    },
    takePending: () => {
      const { pending } = state
      state.pending = []
      return pending
    },
    undos: [],
    asked: () => state.cancel,
    ask: (wanted) => {
      state.cancel = wanted
      const open = [...inFlight.values()]
      const ends = wanted.kill || (open.length > 0 && open.every(({ interruptible }) => interruptible))
      if (ends) abort(wanted.kill ? "killed" : "canceled", { _tag: "Asked", compensate: wanted.compensate })
    },
    ...fibersOf(state)
  }
}
