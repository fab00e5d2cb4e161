/** How often a chat is listened to. */
import { describe, expect, it } from "vitest"
import { pacer } from "../../../src/edge/telegram/Guard.ts"

describe("the pace of a chat", () => {
  it("lets so many pass in any minute, says once that it is too fast, and begins anew when it was slow enough", () => {
    const pace = pacer(2)
    expect([pace("a", 1, 0), pace("a", 2, 1000), pace("a", 3, 2000), pace("a", 4, 3000), pace("b", 5, 3000)]).toEqual(["fine", "fine", "too_fast", "silent", "fine"])
    expect([pace("a", 6, 60_000), pace("a", 7, 60_500), pace("a", 8, 60_600), pace("a", 9, 60_700)]).toEqual(["fine", "too_fast", "silent", "silent"])
  })

  it("counts an update once, however often it is worked off, and tells it the same again", () => {
    const pace = pacer(2)
    expect([pace("a", 1, 0), pace("a", 1, 0), pace("a", 2, 0), pace("a", 3, 0), pace("a", 3, 0), pace("a", 1, 0)]).toEqual(["fine", "fine", "fine", "too_fast", "too_fast", "fine"])
  })
})
