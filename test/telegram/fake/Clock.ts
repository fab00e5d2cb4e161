/**
 * The time that the fake lives in: that of its `Time`, shifted by what the control API asks for, so that a message is old without
 * anybody waiting. Timers are not shifted. Everything that reads a clock or waits does it here.
 */

/** Where time comes from. `wallMs` and `steadyMs` are in milliseconds; `steadyMs` never goes back. */
export interface Time {
  readonly wallMs: () => number
  readonly steadyMs: () => number
  /** Runs something once, after so many milliseconds and never at once; what it answers takes that back. */
  readonly later: (delayMs: number, run: () => void) => () => void
}

export const machineTime: Time = {
  wallMs: () => Date.now(),
  steadyMs: () => performance.now(),
  later: (delayMs, run) => {
    const timer = setTimeout(run, delayMs)
    return () => clearTimeout(timer)
  }
}

export interface Clock {
  /** The wall clock, in milliseconds. */
  readonly nowMs: () => number
  /** Never goes back, also when the wall clock is set back. In milliseconds. */
  readonly steadyMs: () => number
  /** What timers go by: as `steadyMs`, without what it was shifted. */
  readonly timerMs: () => number
  readonly later: Time["later"]
  /** Over after so long, or as soon as nobody waits any more. */
  readonly sleep: (ms: number, gone: AbortSignal) => Promise<void>
  readonly offsetMs: () => number
  readonly shiftTo: (offsetMs: number) => void
}

export const makeClock = ({ later, steadyMs, wallMs }: Time): Clock => {
  let offset = 0
  let ahead = 0
  return {
    nowMs: () => wallMs() + offset,
    steadyMs: () => steadyMs() + ahead,
    timerMs: steadyMs,
    later,
    sleep: (ms, gone) =>
      new Promise((resolve) => {
        if (gone.aborted) return resolve()
        const end = (): void => {
          cancel()
          gone.removeEventListener("abort", end)
          resolve()
        }
        const cancel = later(ms, end)
        gone.addEventListener("abort", end)
      }),
    offsetMs: () => offset,
    shiftTo: (offsetMs) => {
      ahead += Math.max(0, offsetMs - offset)
      offset = offsetMs
    }
  }
}

export const inSeconds = (ms: number): number => Math.floor(ms / 1000)
