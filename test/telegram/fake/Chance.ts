/** Chance from a seed: the same seed and the same order of calls give the same draws (mulberry32 by Tommy Ettinger, public domain). */

export interface Chance {
  /** At least 0, less than 1. */
  readonly draw: () => number
  readonly seed: (value: number) => void
}

export const makeChance = (value: number): Chance => {
  let state = value >>> 0
  return {
    seed: (next) => {
      state = next >>> 0
    },
    draw: () => {
      state = (state + 0x6d2b79f5) >>> 0
      let mixed = Math.imul(state ^ (state >>> 15), state | 1)
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
    }
  }
}

export const shuffled = <A>(items: ReadonlyArray<A>, { draw }: Chance): ReadonlyArray<A> => {
  const result = [...items]
  for (let last = result.length - 1; last > 0; last--) {
    const other = Math.floor(draw() * (last + 1))
    const [a, b] = [result[last], result[other]]
    if (a === undefined || b === undefined) continue
    result[last] = b
    result[other] = a
  }
  return result
}

/** A whole number from 1 to 2^47. */
export const numberFrom = ({ draw }: Chance): number => 1 + Math.floor(draw() * 2 ** 24) * 2 ** 23 + Math.floor(draw() * 2 ** 23)

/** So many bytes, in the letters that file ids have. */
export const nameFrom = ({ draw }: Chance, bytes: number): string => Buffer.from(Array.from({ length: bytes }, () => Math.floor(draw() * 256))).toString("base64url")
