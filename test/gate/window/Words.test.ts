import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { longestLength, windowOf } from "../../../gate/window/Words.ts"

const nowMs = Date.UTC(2026, 10, 21, 18, 0, 0, 7)
const issue = (length: string, until?: string) => Either.match(windowOf(length, until, nowMs), { onLeft: ({ message }) => message, onRight: () => "accepted" })

describe("a window", () => {
  it.each([["30s", 30_000], ["90m", 5_400_000], ["36h", 129_600_000], ["7d", 604_800_000], ["366d", 31_622_400_000]])("of %s ends now, on the millisecond", (length, ms) => {
    expect(Either.getOrThrow(windowOf(length, undefined, nowMs))).toEqual({ length, start_ms: nowMs - ms, end_ms: nowMs })
  })

  it.each([["2026-11-20T18:00:00Z", Date.UTC(2026, 10, 20, 18)], ["2026-11-20T18:00:00.250+01:00", Date.UTC(2026, 10, 20, 17, 0, 0, 250)], ["2026-11-20T18:00Z", Date.UTC(2026, 10, 20, 18)]])("ends at %s if that is asked", (until, ms) => {
    expect(Either.getOrThrow(windowOf("1h", until, nowMs))).toEqual({ length: "1h", start_ms: ms - 3_600_000, end_ms: ms })
  })

  it.each(["", "7", "d", "0d", "-1d", "1.5h", "7 d", "7D", "1d12h", "07d", "1y", "7d\n", "１d", "Infinityd", "99999999d"])("is not %j long", (length) => {
    expect(issue(length)).toMatch(/^--window wants a whole number of seconds, minutes, hours or days, as in 90m, 36h or 7d, and not /)
  })

  it("is not longer than a year", () => {
    expect(issue("367d")).toBe("--window 367d is longer than a year")
  })

  it.each(["yesterday", "2026-11-20", "2026-11-20T18:00:00", "2026-13-20T18:00:00Z", "1795132800000", ""])("does not end at %j", (until) => {
    expect(issue("1h", until)).toBe(`--until wants an instant with its zone, as in 2026-11-20T18:00:00Z, and not ${until}`)
  })

  it("does not end in the future", () => {
    expect(issue("1h", "2026-11-21T18:00:01Z")).toContain("lies in the future")
    expect(issue("1h", "2026-11-21T18:00:00Z")).toBe("accepted")
  })
})

describe("the longest length of a log", () => {
  it.each([[999, null], [1000, "1s"], [119_999, "119s"], [120_000, "2m"], [7_199_999, "119m"], [7_200_000, "2h"], [172_799_999, "47h"], [172_800_000, "2d"]])("of %i ms is %s", (ms, length) => {
    expect(longestLength(nowMs - ms, nowMs)).toBe(length)
  })
})
