/** Chance from a seed, for a simulation whose every draw must come again. */

/** Numbers from 0 to below 1, by mulberry32 (Tommy Ettinger, public domain). */
export type Draw = () => number

export const drawsFrom = (seed: number): Draw => {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

/** A seed of its own for each name, so that what draws under one name does not move what draws under another. By FNV-1a, then mixed. */
export const seedFor = (seed: number, name: string): number => {
  let hash = 0x811c9dc5 ^ seed
  for (let index = 0; index < name.length; index++) hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193)
  return Math.floor(drawsFrom(hash)() * 4294967296)
}

/** A whole number from `low` to `high`, both included. */
export const between = (draw: Draw, low: number, high: number): number => low + Math.floor(draw() * (high - low + 1))

export const pick = <A>(draw: Draw, all: readonly [A, ...ReadonlyArray<A>]): A => all[Math.floor(draw() * all.length)] ?? all[0]
