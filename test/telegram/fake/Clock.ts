/**
 * The time that the fake lives in: the machine's, shifted by what the control API asks for, so that a message is old without
 * anybody waiting. Timers run in real time.
 */

export interface Clock {
  /** The wall clock, in milliseconds. */
  readonly nowMs: () => number
  /** Never goes back, also when the wall clock is set back. In milliseconds. */
  readonly steadyMs: () => number
  readonly offsetMs: () => number
  readonly shiftTo: (offsetMs: number) => void
}

export const makeClock = (): Clock => {
  let offset = 0
  let ahead = 0
  return {
    nowMs: () => Date.now() + offset,
    steadyMs: () => performance.now() + ahead,
    offsetMs: () => offset,
    shiftTo: (offsetMs) => {
      ahead += Math.max(0, offsetMs - offset)
      offset = offsetMs
    }
  }
}

export const inSeconds = (ms: number): number => Math.floor(ms / 1000)
