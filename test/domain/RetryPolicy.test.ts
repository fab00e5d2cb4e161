import { FastCheck as fc } from "effect"
import { describe, expect, it } from "vitest"
import { delayAfterMs, type RetryPolicy } from "../../src/domain/RetryPolicy.ts"

const policies: fc.Arbitrary<RetryPolicy> = fc.record({
  attemptsMax: fc.integer({ min: 1, max: 100 }),
  baseMs: fc.integer({ min: 0, max: 100_000 }),
  capMs: fc.integer({ min: 0, max: 86_400_000 })
})
const attempts = fc.integer({ min: 1, max: 1000 })
const chances = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
const almostOne = 1 - Number.EPSILON / 2

describe("the pause after a failed attempt", () => {
  it("is a whole number of milliseconds from 0 to the ceiling of its attempt", () => {
    fc.assert(fc.property(attempts, policies, chances, (attempt, policy, chance) => {
      const delay = delayAfterMs(attempt, policy, chance)
      expect(Number.isSafeInteger(delay)).toBe(true)
      expect(delay).toBeGreaterThanOrEqual(0)
      expect(delay).toBeLessThanOrEqual(Math.min(policy.capMs, policy.baseMs * 2 ** (attempt - 1)))
    }))
  })

  it("reaches both ends of its range, and grows with chance", () => {
    fc.assert(fc.property(attempts, policies, chances, chances, (attempt, policy, one, other) => {
      const at = (chance: number) => delayAfterMs(attempt, policy, chance)
      expect(at(0)).toBe(0)
      expect(at(almostOne)).toBe(Math.min(policy.capMs, policy.baseMs * 2 ** Math.min(attempt - 1, 30)))
      expect(at(Math.min(one, other))).toBeLessThanOrEqual(at(Math.max(one, other)))
    }))
  })

  it("has a ceiling that doubles until the cap", () => {
    const policy = { attemptsMax: 9, baseMs: 100, capMs: 1000 }
    expect([1, 2, 3, 4, 5, 6].map((attempt) => delayAfterMs(attempt, policy, almostOne))).toEqual([100, 200, 400, 800, 1000, 1000])
    expect(delayAfterMs(1, policy, 0.5)).toBe(50)
  })
})
