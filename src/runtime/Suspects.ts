/**
 * Runs of tasks that have lost runs with their worker before. One of them may be what ends the process, so they run one at a
 * time: the next loss is then the loss of the one that was to blame, and of no other that is near its cap.
 */
import type { Claimed } from "../domain/Dispatch.ts"
import { isSuspect } from "../domain/Execution.ts"
import type { Task } from "../domain/Task.ts"

/** How long the others wait for a run whose command has begun: it outlives this process, and is adopted if it ends. Milliseconds. */
const supervisedMs = 60_000

const keyOf = ({ held, task }: Claimed): string => `${task.id}/${held.generation}`

/** What a round of claims goes by. */
export interface Round {
  /** How many tasks it may look at. */
  readonly limit: number
  readonly mayRun: (task: Task) => boolean
}

export class Suspects {
  readonly #monoMs: () => number
  readonly #inHand = new Map<string, { readonly epoch: number; readonly untilMs: number }>()

  /** Those that were due and had to wait, in the last round. */
  #waiting: ReadonlySet<string> = new Set()

  constructor(monoMs: () => number) {
    this.#monoMs = monoMs
  }

  /** Whether one of this epoch keeps the others waiting. */
  isBusy(epoch: number): boolean {
    const nowMs = this.#monoMs()
    return [...this.#inHand.values()].some((run) => run.epoch === epoch && run.untilMs > nowMs)
  }

  /** A round of claims for so many free slots: of suspects it claims one at most. It looks behind those that waited the last time. */
  round(epoch: number, free: number): Round {
    const isBusy = this.isBusy(epoch)
    const limit = free + 4 * this.#waiting.size
    const waiting = this.#waiting = new Set<string>()
    // By id, since the store may ask about one twice.
    const chosen = new Set<string>()
    let alone: string | null = null
    const mayRun = (task: Task): boolean => {
      if (isSuspect(task) && (isBusy || (alone ?? task.id) !== task.id)) {
        waiting.add(task.id)
        return false
      }
      if (chosen.size >= free && !chosen.has(task.id)) return false
      chosen.add(task.id)
      if (isSuspect(task)) alone = task.id
      return true
    }
    return { limit, mayRun }
  }

  enter(claimed: Claimed): void {
    if (isSuspect(claimed.task)) this.#inHand.set(keyOf(claimed), { epoch: claimed.held.epoch, untilMs: Infinity })
  }

  /** Its command has begun, under a supervisor. */
  begun(claimed: Claimed): void {
    const run = this.#inHand.get(keyOf(claimed))
    if (run !== undefined) this.#inHand.set(keyOf(claimed), { ...run, untilMs: this.#monoMs() + supervisedMs })
  }

  leave(claimed: Claimed): void {
    this.#inHand.delete(keyOf(claimed))
  }
}
