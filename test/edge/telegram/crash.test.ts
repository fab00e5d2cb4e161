/** Many people, words and buttons, every fault of the fake and kills at instants that a seed draws, with the shipped server; the bench has the same at full size. */
import { describe, expect, it } from "vitest"
import { crashRun } from "../../bench/telegram-crash.mjs"
import { flood } from "../../bench/telegram-pace.mjs"

describe("commands of many people", () => {
  it("have each exactly one effect and an answer, in the order of their chat, whatever fails and however often the server is killed", async () => {
    const { given, kills, presses: _presses, struck, ...found } = await crashRun({ commands: 100, kills: 10, people: 15, seed: 4 })
    expect({ given, kills }).toEqual({ given: 100, kills: 10 })
    expect(Object.keys(struck).length).toBeGreaterThanOrEqual(7)
    expect(found).toMatchObject({ lost: [], doubled: [], wrong: [], disordered: [], unanswered: [], violations: [], dead: 0, givenUp: 0 })
  }, 300_000)

  it("are all answered when 500 of them come at once, and the limits of Telegram are never exceeded", async () => {
    const { given, unanswered, violations } = await flood({ commands: 500, groups: [-501], inGroups: 15, people: 60, seed: 5, withinMs: 10_000 })
    expect({ given, unanswered, violations }).toEqual({ given: 500, unanswered: 0, violations: [] })
  }, 300_000)
})
