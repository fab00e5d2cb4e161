import { describe, expect, it } from "vitest"
import { acceptanceTable, failuresMax, lowerBoundPpm, needed, unitsFor, upperBoundPpm } from "../../../gate/scorecard/Bounds.ts"

/** The least n that proves a rate with so many failures, from the table of the gate's reference. */
const reference = [
  [900_000, [[29, 0], [46, 1], [61, 2], [103, 5]]],
  [950_000, [[59, 0], [93, 1], [124, 2], [208, 5]]],
  [960_000, [[74, 0], [117, 1], [156, 2], [261, 5]]],
  [990_000, [[299, 0], [473, 1], [628, 2], [1049, 5]]],
  [997_000, [[998, 0], [1580, 1], [2097, 2], [3502, 5]]],
  // At most 15 % bad is at least 85 % good.
  [850_000, [[19, 0], [30, 1], [40, 2], [68, 5], [110, 10]]]
] as const

const steps = reference.flatMap(([threshold, table]) => table.map(([n, failures]) => [threshold, n, failures] as const))

/** Plain summation with logarithms of factorials added up one by one: slow, and written another way. */
const tail = (bad: number, n: number, q: number): number => {
  const logs = [0]
  for (let i = 1; i <= n; i++) logs.push((logs[i - 1] ?? 0) + Math.log(i))
  let sum = 0
  for (let k = 0; k <= bad; k++) sum += Math.exp((logs[n] ?? 0) - (logs[k] ?? 0) - (logs[n - k] ?? 0) + k * Math.log(q) + (n - k) * Math.log(1 - q))
  return sum
}

describe("the one-sided 95 % bounds", () => {
  it.each(steps)("prove %i ppm with %i units and %i failures, and not with one unit less", (threshold, n, failures) => {
    expect(failuresMax(n, threshold)).toBe(failures)
    expect(failuresMax(n - 1, threshold)).toBe(failures - 1)
    expect(unitsFor(failures, threshold)).toBe(n)
    expect(lowerBoundPpm(n - failures, n)).toBeGreaterThanOrEqual(threshold)
    expect(lowerBoundPpm(n - 1 - failures, n - 1)).toBeLessThan(threshold)
    expect(upperBoundPpm(failures, n)).toBeLessThanOrEqual(1_000_000 - threshold)
  })

  it("prove nothing without a unit", () => {
    expect([lowerBoundPpm(0, 0), upperBoundPpm(0, 0)]).toEqual([0, 1_000_000])
  })

  it("prove nothing about the good when none is good, and never everything", () => {
    expect(lowerBoundPpm(0, 50)).toBe(0)
    expect(lowerBoundPpm(10_000_000, 10_000_000)).toBe(999_999)
  })

  it("give 0 bad of 300 as at most 0.9937 %, rounded up", () => {
    expect(upperBoundPpm(0, 300)).toBe(9937)
    expect(1 - 0.05 ** (1 / 300)).toBeCloseTo(0.009936, 6)
  })

  it("give 5 of 5 as at least 54.92 %, rounded down", () => {
    expect(lowerBoundPpm(5, 5)).toBe(Math.floor(0.05 ** (1 / 5) * 1_000_000))
  })

  it("agree with a plain summation on either side of the mean", () => {
    for (const [bad, n] of [[0, 1], [1, 2], [3, 7], [9, 10], [9, 12], [40, 60], [150, 300], [290, 300], [7, 1000], [990, 1000]] as const) {
      const lower = lowerBoundPpm(n - bad, n)
      if (lower > 0) expect(tail(bad, n, 1 - lower / 1e6)).toBeLessThanOrEqual(0.05 + 1e-9)
      expect(tail(bad, n, 1 - (lower + 1) / 1e6)).toBeGreaterThan(0.05 - 1e-9)
    }
  })

  it("stay exact for a million units", () => {
    expect(lowerBoundPpm(1_000_000, 1_000_000)).toBe(Math.floor(0.05 ** 1e-6 * 1e6))
    const half = lowerBoundPpm(500_000, 1_000_000)
    expect(half).toBeGreaterThan(499_100)
    expect(half).toBeLessThan(499_200)
  })
})

describe("acceptanceTable", () => {
  it("lists the least n for each number of failures", () => {
    expect(acceptanceTable(900_000, 2)).toEqual([[29, 0], [46, 1], [61, 2]])
  })
})

describe("needed", () => {
  it("counts what is missing to a proof, and nothing when it is there", () => {
    expect(needed(20, 0, 900_000)).toBe(9)
    expect(needed(45, 1, 900_000)).toBe(1)
    expect(needed(46, 1, 900_000)).toBe(0)
  })
})
