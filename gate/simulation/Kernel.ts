/**
 * Time and turns of a simulated machine: one list of what can run now, from which the seed picks, and one heap of what waits for an
 * instant. Processes share both. A process that is killed is dropped: nothing of it runs again, no finalizer either; one that is
 * stopped keeps what it has to do until it goes on.
 *
 * After Will Wilson's and others' descriptions of deterministic simulation (FoundationDB, TigerBeetle); the virtual clock runs as fast
 * as the work allows.
 */
import { type Draw } from "./Chance.ts"

/** A process. */
export interface Process {
  readonly pid: number
  state: "running" | "stopped" | "dead"
  /** What came up while it was stopped. */
  readonly held: Array<() => void>
}

interface Timer {
  readonly atMs: number
  readonly order: number
  readonly process: Process | null
  readonly ring: () => void
  canceled: boolean
}

const isEarlier = (a: Timer, b: Timer): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)

/** The parts of Effect's scheduler that a process is given. */
export interface TurnTaker {
  readonly shouldYield: (fiber: { readonly currentOpCount: number }) => number | false
  readonly scheduleTask: (task: () => void, priority: number) => void
}

/** Operations that a fiber may do in one turn; Effect's own scheduler has the same. */
const opsPerTurn = 2048

/** Turns at one instant. More are work that goes round in circles, and virtual time would stand still for ever. */
const turnsPerInstant = 1_000_000

// The machine's own, whatever the simulation makes of the global one.
const macrotask = globalThis.setImmediate

/** Lets everything happen that waits for nothing but its turn. */
const settled = (): Promise<void> => new Promise((resolve) => void macrotask(resolve))

export class Kernel {
  /** Monotonic time, milliseconds. */
  monoMs = 0
  /** The wall clock, Unix milliseconds, at monotonic zero. A jump of the clock moves it. */
  wallOffsetMs: number
  turns = 0
  /** Whose turn it is. */
  current: Process | null = null
  private readonly draw: Draw
  private readonly ready: Array<{ readonly process: Process | null; readonly run: () => void }> = []
  private readonly timers: Array<Timer> = []
  private order = 0
  private turnsBefore = 0
  private pids = 1000
  /** How often, of a million operations, a fiber is made to give up its turn. */
  preemptionPpm = 0

  constructor(draw: Draw, startMs: number) {
    this.draw = draw
    this.wallOffsetMs = startMs
  }

  readonly wallMs = (): number => this.wallOffsetMs + this.monoMs

  readonly spawn = (): Process => ({ pid: ++this.pids, state: "running", held: [] })

  /** Runs something in a turn of its own, of a process or of the world outside. */
  readonly soon = (process: Process | null, run: () => void): void => {
    if (process?.state === "dead") return
    if (process?.state === "stopped") process.held.push(run)
    else this.ready.push({ process, run })
  }

  /** Calls `ring` once after a delay, in a turn, unless the answered function is called before. */
  readonly later = (process: Process | null, delayMs: number, ring: () => void): (() => void) => {
    const timer: Timer = { atMs: this.monoMs + Math.max(0, Math.ceil(delayMs)), order: this.order++, process, ring, canceled: false }
    this.push(timer)
    return () => {
      timer.canceled = true
    }
  }

  readonly kill = (process: Process): void => {
    process.state = "dead"
    process.held.length = 0
  }

  readonly stop = (process: Process): void => {
    if (process.state === "running") process.state = "stopped"
  }

  readonly goOn = (process: Process): void => {
    if (process.state !== "stopped") return
    process.state = "running"
    for (const run of process.held.splice(0)) this.soon(process, run)
  }

  readonly turnTaker = (process: Process): TurnTaker => ({
    shouldYield: ({ currentOpCount }) => currentOpCount > opsPerTurn || (this.preemptionPpm > 0 && this.draw() * 1_000_000 < this.preemptionPpm) ? 0 : false,
    scheduleTask: (task) => this.soon(process, task)
  })

  /** Goes on until `isOver`, or until nothing is left to do. Answers whether it is over. Throws what a turn throws, and when turns take no end. */
  async run(isOver: () => boolean, untilMs = Infinity): Promise<boolean> {
    for (;;) {
      this.takeTurns()
      await settled()
      if (this.ready.length > 0) continue
      if (isOver()) return true
      if (!this.advance(untilMs)) return false
    }
  }

  private takeTurns(): void {
    const { ready } = this
    while (ready.length > 0) {
      const index = ready.length === 1 ? 0 : Math.floor(this.draw() * ready.length)
      const turn = ready[index]
      const last = ready.pop()
      if (last !== undefined && index < ready.length) ready[index] = last
      if (turn === undefined || isDead(turn.process)) continue
      if (turn.process?.state === "stopped") {
        turn.process.held.push(turn.run)
        continue
      }
      this.turns++
      if (this.turns - this.turnsBefore > turnsPerInstant) throw new Error(`more than ${turnsPerInstant} turns at one instant, ${this.monoMs} ms after the beginning`)
      this.current = turn.process
      try {
        turn.run()
      } catch (cause) {
        // What a killed process threw on its way down is nobody's business.
        if (!isDead(turn.process)) throw cause
      } finally {
        this.current = null
      }
    }
  }

  // To the next instant at which anything is due; all that is due then gets its turn.
  private advance(untilMs: number): boolean {
    let next = this.pop()
    while (next !== undefined && (next.canceled || next.process?.state === "dead")) next = this.pop()
    if (next === undefined) return false
    if (next.atMs > untilMs) {
      this.push(next)
      this.monoMs = untilMs
      return false
    }
    this.monoMs = next.atMs
    this.turnsBefore = this.turns
    this.soon(next.process, ringOf(next))
    for (let also = this.timers[0]; also !== undefined && also.atMs <= this.monoMs; also = this.timers[0]) {
      this.pop()
      if (!also.canceled) this.soon(also.process, ringOf(also))
    }
    return true
  }

  private push(timer: Timer): void {
    const { timers } = this
    let at = timers.push(timer) - 1
    while (at > 0) {
      const above = (at - 1) >> 1
      const parent = timers[above]
      if (parent === undefined || !isEarlier(timer, parent)) break
      timers[at] = parent
      at = above
    }
    timers[at] = timer
  }

  private pop(): Timer | undefined {
    const { timers } = this
    const top = timers[0]
    const last = timers.pop()
    if (timers.length === 0 || last === undefined) return top
    let at = 0
    for (;;) {
      const left = 2 * at + 1
      const [one, other] = [timers[left], timers[left + 1]]
      if (one === undefined) break
      const below = other !== undefined && isEarlier(other, one) ? left + 1 : left
      const child = below === left ? one : other
      if (child === undefined || !isEarlier(child, last)) break
      timers[at] = child
      at = below
    }
    timers[at] = last
    return top
  }
}

const isDead = (process: Process | null): boolean => process?.state === "dead"

// A timer may be canceled in the turn before its own.
const ringOf = (timer: Timer) => (): void => {
  if (!timer.canceled) timer.ring()
}
