import { describe, expect, it } from "vitest"
import { shrunk } from "../../../gate/simulation/Shrink.ts"

const all = Array.from({ length: 40 }, (_, n) => `fault#${n + 1}`)

const counting = (fails: (some: ReadonlyArray<string>) => boolean) => {
  const seen: Array<ReadonlyArray<string>> = []
  return {
    seen,
    fails: async (some: ReadonlyArray<string>) => {
      seen.push(some)
      return fails(some)
    }
  }
}

describe("a list of faults", () => {
  it.each([
    [["fault#7"]],
    [["fault#1", "fault#40"]],
    [["fault#3", "fault#4", "fault#21", "fault#33"]]
  ])("is shrunk to those that it takes, in their order: %j", async (needed) => {
    expect(await shrunk(all, counting((some) => needed.every((name) => some.includes(name))).fails, 500)).toEqual(needed)
  })

  it("is empty when nothing of it is needed, and one try says so", async () => {
    const { fails, seen } = counting(() => true)
    expect([await shrunk(all, fails, 500), seen]).toEqual([[], [[]]])
  })

  it("is minimal, though not the smallest: without any one of it nothing fails", async () => {
    // Either three that go together, or any six of the others.
    const isFailing = (some: ReadonlyArray<string>): boolean => ["fault#2", "fault#20", "fault#38"].every((name) => some.includes(name)) || some.length >= 36
    const left = await shrunk(all, counting(isFailing).fails, 500)
    expect(isFailing(left)).toBe(true)
    for (const name of left) expect(isFailing(left.filter((other) => other !== name))).toBe(false)
  })

  it("stays one that fails when its tries are used up", async () => {
    const needed = ["fault#3", "fault#17", "fault#30"]
    const isFailing = (some: ReadonlyArray<string>): boolean => needed.every((name) => some.includes(name))
    for (const triesMax of [0, 1, 3, 8]) {
      const { fails, seen } = counting(isFailing)
      expect(isFailing(await shrunk(all, fails, triesMax))).toBe(true)
      expect(seen.length).toBeLessThanOrEqual(triesMax)
    }
  })

  it("of one, or none, is left as it is", async () => {
    expect(await shrunk(["fault#1"], counting((some) => some.length > 0).fails, 500)).toEqual(["fault#1"])
    expect(await shrunk([], counting(() => false).fails, 500)).toEqual([])
  })
})
