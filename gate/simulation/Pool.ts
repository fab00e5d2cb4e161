/**
 * Plays many seeds on all cores: threads that each load the product once. One that breaks in a seed is replaced, and the seed is told as
 * one that could not be played: it counts as failed.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { availableParallelism, tmpdir } from "node:os"
import { join } from "node:path"
import { inspect } from "node:util"
import { Worker } from "node:worker_threads"
import type { Said, Task, Told, Wanted } from "./Protocol.ts"

/** Files in memory, where the machine has that: a disk would be most of the time. */
const memory = "/dev/shm"

/** Of the heap of a thread, in MiB: two of them, the one of the soak and the gate stay below a gibibyte. */
const heapMax = 192

export interface PoolOptions extends Omit<Task, "dir"> {
  /** The program of a thread, `dist/simulation.js`. */
  readonly thread: string
  readonly threads?: number
  /** MiB of heap for a thread, where a world is larger than a seed. */
  readonly heapMb?: number
}

const folder = (): string => {
  try {
    return mkdtempSync(join(memory, "opsgate-simulation-"))
  } catch {
    return mkdtempSync(join(tmpdir(), "opsgate-simulation-"))
  }
}

const unplayable = (seed: number, why: string): Told => ({
  run: { seed, digest: "0".repeat(64), events: 0, virtual_ms: 0, failed: ["scenariosComplete"], hits: {}, seen: {} },
  problems: [why],
  strikes: [],
  kept: null
})

interface Hand {
  readonly worker: Worker
  readonly dir: string
  busy: { readonly wanted: Wanted; readonly told: (told: Told) => void } | null
}

/** A thread did not even load the product. */
export class ThreadBroken extends Error {}

/** Plays what it is given; `told` is called with each, in the order in which they end. `stop` ends it early. Rejects with `ThreadBroken`. */
export const playAll = (options: PoolOptions, wanted: ReadonlyArray<Wanted>, told: (told: Told) => void, signal: AbortSignal): Promise<void> => {
  const { heapMb = heapMax, thread, threads = availableParallelism(), ...task } = options
  const queue = [...wanted]
  const hands = new Set<Hand>()
  const closing: Array<Promise<void>> = []
  const close = ({ dir, worker }: Hand): void => void closing.push(worker.terminate().then(() => rmSync(dir, { recursive: true, force: true })))
  return new Promise((resolve, reject) => {
    let over = false
    const end = (then: () => void): void => {
      if (over) return
      over = true
      // The signal outlives the pool: whoever plays seed after seed under one signal must not leave a listener for each.
      signal.removeEventListener("abort", stop)
      hands.forEach(close)
      void Promise.all(closing).then(then, reject)
    }
    if (signal.aborted) return resolve()
    if (wanted.length === 0) return resolve()
    const stop = (): void => end(resolve)
    signal.addEventListener("abort", stop)
    const next = (hand: Hand): void => {
      const wish = queue.shift()
      hand.busy = wish === undefined ? null : { wanted: wish, told }
      if (wish !== undefined) hand.worker.postMessage(wish)
      else if ([...hands].every(({ busy }) => busy === null)) end(resolve)
    }
    const begin = (): void => {
      const dir = folder()
      const data: Task = { ...task, dir }
      const hand: Hand = { dir, busy: null, worker: new Worker(thread, { workerData: data, resourceLimits: { maxOldGenerationSizeMb: heapMb, maxYoungGenerationSizeMb: 48 } }) }
      hands.add(hand)
      const broke = (why: string): void => {
        if (over || !hands.delete(hand)) return
        close(hand)
        if (hand.busy === null) return end(() => reject(new ThreadBroken(why)))
        told(unplayable(hand.busy.wanted.seed, why))
        if (queue.length > 0) begin()
        else if ([...hands].every(({ busy }) => busy === null)) end(resolve)
      }
      // What a broken product throws need not even have a text.
      hand.worker.on("error", (cause: unknown) => broke(cause instanceof Error ? cause.message : inspect(cause)))
      hand.worker.on("exit", (code) => broke(`a thread ended by itself, with ${code}`))
      hand.worker.on("message", (said: Said) => {
        if (over) return
        if ("failed" in said) broke(said.failed)
        else {
          if ("told" in said) told(said.told)
          next(hand)
        }
      })
    }
    for (let n = 0; n < Math.min(threads, wanted.length); n++) begin()
  })
}
