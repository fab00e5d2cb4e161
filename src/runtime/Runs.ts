/** The runs that this process has in its hands, and the word that one of them is asked to end. */
import { Context, Effect, Layer } from "effect"
import type { Held } from "../domain/Lease.ts"
import type { PendingCancel, Task } from "../domain/Task.ts"
import { Bell } from "../engine/Waiting.ts"

/** How a run learns that its task is asked to end. */
export interface Asked {
  /** Succeeds when it is. */
  readonly requested: Effect.Effect<void>
  /** Calls the listener each time it is: a request can become more urgent. */
  readonly listen: (listener: (cancel: PendingCancel) => void) => void
  /** Calls the listener when the lease is over while the run goes on: somebody else has the task by then. */
  readonly onLost: (listener: () => void) => void
  /** Whether this process is about to stop. */
  readonly stopping: () => boolean
}

export interface Entry {
  readonly task: Task
  readonly held: Held
}

export class Runs extends Context.Tag("opsgate/runtime/Runs")<Runs, {
  /** Registers a run until its `leave` is called. */
  readonly enter: (task: Task, held: Held) => { readonly asked: Asked; readonly leave: () => void }
  /** Registers a run for as long as `use` takes. */
  readonly during: <A, E, R>(task: Task, held: Held, use: (asked: Asked) => Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  readonly entries: () => ReadonlyArray<Entry>
  /**
   * How many runs of this epoch, and of later ones, are in hand: those of earlier ones hold no slot. A later one is claimed under as soon as
   * it is stored, which whoever asks may not know yet.
   */
  readonly countOf: (epoch: number) => number
  /** Tells the run of a task, if it is in hand, that it is asked to end. */
  readonly ask: (task: Task, cancel: PendingCancel) => void
  /** Tells all runs of epochs before this one that their lease is over. */
  readonly loseBefore: (epoch: number) => void
  /** From here on a run that is interrupted is left to the next start. */
  readonly stop: () => void
  /** Rings whenever a slot may have become free or a task may have become due. */
  readonly wake: Bell
}>() {}

// A class, since one is made for every claim.
class Listening implements Entry {
  readonly task: Task
  readonly held: Held
  readonly stopping: () => boolean
  private readonly listeners: Array<(cancel: PendingCancel) => void> = []
  private readonly losers: Array<() => void> = []
  private latest: PendingCancel | null = null

  constructor(task: Task, held: Held, stopping: () => boolean) {
    this.task = task
    this.held = held
    this.stopping = stopping
  }

  get requested(): Effect.Effect<void> {
    return Effect.async<void>((resume) => this.listen(() => resume(Effect.void)))
  }

  listen(listener: (cancel: PendingCancel) => void): void {
    this.listeners.push(listener)
    if (this.latest !== null) listener(this.latest)
  }

  onLost(listener: () => void): void {
    this.losers.push(listener)
  }

  ask(cancel: PendingCancel): void {
    this.latest = cancel
    this.listeners.forEach((listener) => listener(cancel))
  }

  lose(): void {
    this.losers.forEach((loser) => loser())
  }
}

const make = Effect.sync(() => {
  const entries = new Map<string, Listening>()
  let stopping = false
  const isStopping = () => stopping
  const perEpoch = new Map<number, number>()
  const count = (epoch: number, change: number) => {
    const left = (perEpoch.get(epoch) ?? 0) + change
    if (left === 0) perEpoch.delete(epoch)
    else perEpoch.set(epoch, left)
  }
  const wake = new Bell()
  const enter = (task: Task, held: Held) => {
    const asked = new Listening(task, held, isStopping)
    const key = `${task.id}/${held.generation}`
    entries.set(key, asked)
    count(held.epoch, 1)
    const leave = () => {
      entries.delete(key)
      count(held.epoch, -1)
      wake.ring()
    }
    return { asked, leave }
  }
  return Runs.of({
    enter,
    during: (task, held, use) =>
      Effect.suspend(() => {
        const { asked, leave } = enter(task, held)
        return Effect.ensuring(use(asked), Effect.sync(leave))
      }),
    entries: () => [...entries.values()],
    countOf: (epoch) => {
      let running = 0
      for (const [of, count] of perEpoch) if (of >= epoch) running += count
      return running
    },
    loseBefore: (epoch) => {
      for (const entry of entries.values()) if (entry.held.epoch < epoch) entry.lose()
    },
    stop: () => {
      stopping = true
    },
    ask: (task, cancel) => entries.get(`${task.id}/${task.generation}`)?.ask(cancel),
    wake
  })
})

export const layer = Layer.effect(Runs, make)
