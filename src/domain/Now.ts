import type { Restored } from "./Restored.ts"

/** The instant at which a rule is applied: rules are told the time, they never ask for it. */
export interface Now {
  /** Wall clock, Unix time in milliseconds: deadlines, and what people read. */
  readonly wallMs: number
  /** Monotonic clock of the machine, milliseconds: leases. */
  readonly monoMs: number
  /** The current epoch; 0 before the first. */
  readonly epoch: number
  /** When the leases of the current epoch end, by the monotonic clock. */
  readonly leaseUntilMonoMs: number
  /** The last restore of the file, if there was one. */
  readonly restored?: Restored | null
}
