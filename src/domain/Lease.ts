/**
 * A lease: the right of one worker of one epoch to run one task.
 *
 * Leases of a process live and die together: its epoch is renewed by one heartbeat, and when that comes too late
 * the epoch is over, with every lease in it. The generation is the fencing token; a write under any other
 * generation than the task's is refused, also when the same worker has claimed the task again.
 */
import type { Now } from "./Now.ts"

export interface Lease {
  readonly epoch: number
  readonly worker: string
}

/** What a worker holds in its hands while it runs a task. */
export interface Held {
  readonly generation: number
  readonly epoch: number
}

/** An epoch: the span in which one process may run work. */
export interface Epoch {
  readonly epoch: number
  /** Instant of the machine's monotonic clock until which its leases are in force. */
  readonly leaseUntilMonoMs: number
  /** The same instant by the wall clock, for readers in other processes. */
  readonly leaseUntilMs: number
}

/** What the event of the next epoch says of the last one, or null: until when it was renewed, so that a gap can be told from the log. */
export const epochFacts = (last: Epoch | null): { readonly epoch: number; readonly lease_until_ms: number } | null =>
  last === null ? null : { epoch: last.epoch, lease_until_ms: last.leaseUntilMs }

/** Whether a heartbeat may still renew this epoch. A lease that has run out is never revived: somebody may hold the task by now. */
export const isRenewable = (epoch: number, now: Now): boolean => epoch === now.epoch && now.monoMs < now.leaseUntilMonoMs

/** Whether the task is still held as `held` says: the same generation, under a lease. This is the fence. */
export const isHeldBy = (task: { readonly generation: number; readonly lease: Lease | null }, held: Held): boolean =>
  task.lease !== null && task.generation === held.generation && task.lease.epoch === held.epoch

/** Whether the lease is in force at this instant. Asked immediately before an effect starts. */
export const isInForce = (lease: Lease, now: Now): boolean => lease.epoch === now.epoch && now.monoMs < now.leaseUntilMonoMs
