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
  | { readonly _tag: "TimedOut"; readonly code: string; readonly error: string }
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

/** Neither succeeds nor holds anything: the code that waits here is interrupted or forgotten. */
export const forever: Effect.Effect<never> = Effect.async<never>(() => undefined)

const isDangerous = ({ effect }: InFlight): boolean => effect === "dangerous"

const noWait: Wait = { untilMs: null, waits: [] }

const joined = (one: Wait, other: Wait): Wait => ({
  untilMs: one.untilMs === null ? other.untilMs : other.untilMs === null ? one.untilMs : Math.min(one.untilMs, other.untilMs),
  waits: [...one.waits, ...other.waits]
})

/** One run. Made for every claim, so as a class: it costs one object. */
export class Run {
  readonly task: Task
  readonly held: Held
  readonly undos: Array<Undo> = []
  private readonly soon: (run: () => void) => void
  private readonly open = new Map<number, InFlight>()
  private readonly fibers = new Set<Fiber.RuntimeFiber<unknown, unknown>>()
  /** Steps that the code has interrupted itself. */
  private left: ReadonlyArray<InFlight> = []
  private stop: Stop | null = null
  private waiting: Wait = noWait
  private pending: Array<StepChange> = []
  private cancel: PendingCancel | null
  /** Grows with everything the code does: what is planned for a quiet run looks whether it was. */
  private activity = 0
  private beats = 0
  private resting = 0
  private word: string | null = null

  /** `soon` runs a function in a later turn of the event loop. */
  constructor(task: Task, held: Held, soon: (run: () => void) => void) {
    this.task = task
    this.held = held
    this.soon = soon
    this.cancel = task.cancel
  }

  /** A sign of life, with what the code says about it. */
  beat(note: string | null): void {
    this.beats += 1
    this.word = note ?? this.word
  }

  /** Grows with each sign of life. The end of a rest is one, and so is a step that begins or ends: it is stored then. */
  signs(): number {
    return this.beats
  }

  /** The last word of a sign of life. */
  lastWord(): string | null {
    return this.word
  }

  /** From here on until the answered function is called the run waits for what it cannot hasten: no sign of life is expected. */
  rest(): () => void {
    this.resting += 1
    return () => {
      this.resting -= 1
      this.beats += 1
    }
  }

  /** A command in hand is watched by its supervisor. */
  isResting(): boolean {
    return this.resting > 0 || [...this.open.values()].some(({ end }) => end !== undefined)
  }

  stopped(): Stop | null {
    return this.stop
  }

  /** Stops the run when what is in the middle of something has ended; at once where that cannot matter any more. */
  halt(stop: Stop): void {
    this.setStop(stop)
    if (this.open.size === 0 || stop._tag === "LeaseLost") this.interrupt()
  }

  /** Stops the run now. A dangerous step in its middle makes the outcome unknown. */
  abort(code: string, otherwise: Stop): void {
    const inMiddle = [...this.open.values()]
    for (const { end } of inMiddle) end?.()
    if (inMiddle.length > 0 && inMiddle.every(({ end }) => end !== undefined)) return this.halt(otherwise)
    const dangerous = [...inMiddle, ...this.left].find(isDangerous)
    this.setStop(dangerous === undefined ? otherwise : { _tag: "Unknown", code, error: `step ${dangerous.number} ${JSON.stringify(dangerous.name)} was ended in its middle` })
    this.interrupt()
  }

  began(step: InFlight): void {
    this.activity += 1
    this.open.set(step.number, step)
  }

  ended(number: number): void {
    this.open.delete(number)
    this.activity += 1
    if (this.open.size > 0) return
    if (this.stop !== null) this.interrupt()
    else if (this.waiting !== noWait) this.parkWhenQuiet()
  }

  /** The code itself has interrupted the step. It is waited for no longer; how it ended is not known. */
  abandoned(number: number): void {
    const step = this.open.get(number)
    if (step === undefined || this.stop !== null) return
    this.left = [...this.left, step]
    this.ended(number)
  }

  /** Tells the bodies that their lease is over. The run goes on until it is refused: its late write is to be on record. */
  warn(): void {
    this.open.forEach(({ abort }) => abort({ _tag: "LeaseLost" }))
  }

  /** What is in its middle, or was when the code left it. */
  inFlight(): ReadonlyArray<InFlight> {
    return this.open.size === 0 ? this.left : [...this.open.values(), ...this.left]
  }

  /** Waits for something outside: the run is parked when all of it waits. Never succeeds. */
  wait(wait: Wait): Effect.Effect<never> {
    return Effect.suspend(() => {
      this.activity += 1
      this.waiting = joined(this.waiting, wait)
      if (this.cancel !== null) this.halt({ _tag: "Asked", compensate: this.cancel.compensate })
      else if (this.open.size === 0) this.parkWhenQuiet()
      return forever
    })
  }

  waits(): Wait {
    return this.waiting
  }

  /** Changes of steps to be stored with the next commit. */
  later(change: StepChange): void {
    this.activity += 1
    this.pending.push(change)
  }

  takePending(): ReadonlyArray<StepChange> {
    const pending = this.pending
    if (pending.length > 0) this.pending = []
    return pending
  }

  /** The request to end, as far as it is known here. */
  asked(): PendingCancel | null {
    return this.cancel
  }

  ask(wanted: PendingCancel): void {
    this.cancel = wanted
    const inMiddle = [...this.open.values()]
    const ends = wanted.kill || (inMiddle.length > 0 && inMiddle.every(({ interruptible }) => interruptible))
    if (ends) this.abort(wanted.kill ? "killed" : "canceled", { _tag: "Asked", compensate: wanted.compensate })
  }

  start(fiber: Fiber.RuntimeFiber<unknown, unknown>): void {
    this.fibers.add(fiber)
  }

  /** Fibers besides the first that belong to the code, until they end. */
  adopt(fiber: Fiber.RuntimeFiber<unknown, unknown>): void {
    this.fibers.add(fiber)
    fiber.addObserver(() => this.fibers.delete(fiber))
  }

  /** The run is over: code that still goes on finds everything closed, and no fiber is touched any more. */
  close(): void {
    this.stop ??= { _tag: "LeaseLost" }
    this.fibers.clear()
  }

  private interrupt(): void {
    for (const { abort } of this.open.values()) abort(this.stop)
    for (const fiber of this.fibers) fiber.unsafeInterruptAsFork(FiberId.none)
  }

  private setStop(next: Stop): void {
    if (this.stop === null || precedence.indexOf(next._tag) < precedence.indexOf(this.stop._tag)) this.stop = next
  }

  // Code between two steps may still be on its way to the next: it has two turns to get there.
  private parkWhenQuiet(): void {
    const before = this.activity
    const isQuiet = () => this.activity === before && this.open.size === 0 && this.stop === null
    this.soon(() =>
      this.soon(() => {
        if (!isQuiet()) return
        if (this.left.some(isDangerous)) this.abort("interrupted", { _tag: "Suspended" })
        else this.halt({ _tag: "Suspended" })
      })
    )
  }
}
