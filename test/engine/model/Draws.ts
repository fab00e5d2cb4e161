/** Small values that operations are drawn from: few, so that they meet again, and awkward where text and JSON are stored. */
import fc from "fast-check"
import type { Json } from "../../../src/domain/Canonical.ts"

/** True eleven times of twelve; shrinks to true. */
export const mostly = fc.nat(11).map((one) => one < 11)

/** False four times of five; shrinks to false. */
export const flags = fc.constantFrom(false, false, false, false, true)

/** Text that is stored as it is. Half of a surrogate pair is not among it: UTF-8, and so a column, cannot hold one. */
export const text = fc.constantFrom("because", "", "exit 1", "ü😀", "\u0000 \n\"'\\")

export const object = fc.constantFrom<{ readonly [key: string]: Json }>({}, { n: 1 }, { list: [1, null, "ü😀"], "\u0000": { deep: -0.5 } })

export const json: fc.Arbitrary<Json> = fc.oneof(
  { weight: 6, arbitrary: object },
  { weight: 1, arbitrary: fc.constantFrom<Json>(null, true, 1e300, "\u0000'\"", "\ud83d", [[], {}]) }
)

/** The jitter of a retry. */
export const chance = fc.constantFrom(0, 0.5, 0.999)

export const waitMs = fc.constantFrom(0, 10, 5_000, 60_000)
