/** What the gate and its simulating threads say to each other. */
import type { SeedRun } from "../History.ts"
import type { Patch } from "./Loader.ts"

/** What a thread is made with. */
export interface Task {
  readonly dir: string
  readonly image: string
  readonly fake: string
  readonly setting: string
  readonly patches: ReadonlyArray<Patch>
  readonly measures: ReadonlyArray<string>
  /** For how long people ask and faults strike, where that is not as the setting has it. */
  readonly active_ms?: number
}

/** One seed to play. `keep`: its log, ledger and journal are wanted, whether or not anything failed. */
export interface Wanted {
  readonly seed: number
  /** Names of the faults that are played; null for all that the seed draws. */
  readonly only: ReadonlyArray<string> | null
  readonly keep: boolean
}

export interface Kept {
  readonly journalText: string
  readonly eventsText: string
  readonly effectsText: string
}

/** What became of it. */
export interface Told {
  readonly run: Omit<SeedRun, "twice">
  readonly problems: ReadonlyArray<string>
  /** Names of all faults that were set. */
  readonly strikes: ReadonlyArray<string>
  readonly kept: Kept | null
}

/** `failed`: the thread cannot go on. */
export type Said = { readonly told: Told } | { readonly failed: string } | { readonly ready: string }
