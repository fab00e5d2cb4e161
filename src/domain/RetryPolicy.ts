/** How often a failed task is tried again, and how long it waits before. */

export interface RetryPolicy {
  readonly attemptsMax: number
  readonly baseMs: number
  readonly capMs: number
}

/**
 * Capped exponential backoff with full jitter: uniform in [0, min(cap, base · 2^(attempt − 1))], whole milliseconds.
 * `attempt` counts from 1 and is the attempt that just failed; `chance` is uniform in [0, 1).
 * Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 */
export const delayAfterMs = (attempt: number, policy: RetryPolicy, chance: number): number => {
  const doublings = Math.min(attempt - 1, 30) // 2^30 is beyond any cap and still an exact number
  const ceiling = Math.min(policy.capMs, policy.baseMs * 2 ** doublings)
  return Math.floor(chance * (ceiling + 1))
}
