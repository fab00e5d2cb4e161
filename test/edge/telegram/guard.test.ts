/** How often a chat, and a person in it, is listened to. */
import { describe, expect, it } from "vitest"
import { pacer } from "../../../src/edge/telegram/Guard.ts"

const of = (pace: ReturnType<typeof pacer>, chat: string, isPrivate: boolean) => (update: number, atMs: number, who = "ada") =>
  pace({ chat, identity: who, private: isPrivate, update, atMs })

describe("the pace of a chat", () => {
  it("lets so many pass in any minute, says once that it is too fast, and begins anew when it was slow enough", () => {
    const pace = pacer(2)
    const [a, b] = [of(pace, "a", true), of(pace, "b", true)]
    expect([a(1, 0), a(2, 1000), a(3, 2000), a(4, 3000), b(5, 3000)]).toEqual(["fine", "fine", "too_fast", "silent", "fine"])
    expect([a(6, 60_000), a(7, 60_500), a(8, 60_600), a(9, 60_700)]).toEqual(["fine", "too_fast", "silent", "silent"])
  })

  it("counts an update once, however often it is worked off, and tells it the same again", () => {
    const a = of(pacer(2), "a", true)
    expect([a(1, 0), a(1, 0), a(2, 0), a(3, 0), a(3, 0), a(1, 0)]).toEqual(["fine", "fine", "fine", "too_fast", "too_fast", "fine"])
  })
})

describe("the pace of a person in a group", () => {
  it("is half of the group's, so that others are heard while one is too fast", () => {
    const g = of(pacer(4), "-5", false)
    expect([g(1, 0), g(2, 0), g(3, 0), g(4, 0), g(5, 0, "bob"), g(6, 0, "bob")]).toEqual(["fine", "fine", "too_fast", "silent", "fine", "fine"])
    expect([g(7, 0, "cyd"), g(8, 0, "cyd")]).toEqual(["too_fast", "silent"])
    expect([g(9, 60_000), g(10, 60_000, "cyd")]).toEqual(["fine", "fine"])
  })
})
