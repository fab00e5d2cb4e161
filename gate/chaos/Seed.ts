/** Chance that can be repeated: the same seed draws the same numbers. */

/** Mulberry32 by Tommy Ettinger: 32 bits of state, uniform in [0, 1). Good enough to pick instants, not for secrets. */
export const seeded = (seed: number): () => number => {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** A whole number in [from, to]. */
export const between = (chance: () => number, from: number, to: number): number => from + Math.floor(chance() * (to - from + 1))
