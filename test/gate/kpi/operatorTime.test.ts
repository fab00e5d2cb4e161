import { describe, expect, it } from "vitest"
import { operatorTime } from "../../../gate/kpi/operatorTime.ts"
import { requested, score, offenders } from "../invariant/Story.ts"
import { at, day, hour, minute, pressed, start, use } from "./Use.ts"

const limits = { before_ms: 30_000, after_ms: minute, joined_ms: 5 * minute, shown_shorter_ms: 2 * minute, shown_longer_ms: 10 * minute, day_ms: hour }
const judged = (told: Parameters<typeof use>[0]) => operatorTime(use({ toMs: start + 3 * day, ...told }), limits)
const figure = (told: Parameters<typeof use>[0], name: string) => {
  const measured = judged(told)
  return measured._tag === "Counted" ? measured.figures?.[name] : measured.why
}
const busiest = (told: Parameters<typeof use>[0], pause: number) => figure(told, `busiest day with pauses up to ${pause} ms, ms`)
/** A command every so many milliseconds, the last one at `untilMs`. */
const row = (fromMs: number, untilMs: number, stepMs: number, actor?: string) =>
  Array.from({ length: (untilMs - fromMs) / stepMs + 1 }, (_, index) => pressed(fromMs + index * stepMs, actor))

describe("operatorTime", () => {
  it("counts whole days, also those on which nobody did anything", () => {
    expect(score(judged({}))).toBe("3/3")
  })

  it("takes half a minute before and a minute after a command, and joins pauses of five minutes", () => {
    expect(busiest({ events: [pressed(hour)] }, 300_000)).toBe(90_000)
    // The pause is what lies between the two stretches: 6.5 minutes less 1.5.
    expect(busiest({ events: [pressed(hour), pressed(hour + 390_000)] }, 300_000)).toBe(480_000)
    expect(busiest({ events: [pressed(hour), pressed(hour + 390_001)] }, 300_000)).toBe(180_000)
  })

  it("shows the busiest day for shorter and longer pauses", () => {
    const events = row(hour, 2 * hour, 7 * minute + 30_000)
    expect([120_000, 300_000, 600_000].map((pause) => busiest({ events }, pause))).toEqual([9 * 90_000, 9 * 90_000, hour + 90_000])
  })

  it("is bad from 60 minutes on", () => {
    const until = (ms: number) => row(hour, hour + 55 * minute, 5 * minute).concat(pressed(hour + ms))
    expect(score(judged({ events: until(58 * minute + 29_999) }))).toBe("3/3")
    const busy = judged({ events: until(58 * minute + 30_000) })
    expect([score(busy), offenders(busy)]).toEqual(["2/3", ["window: 2026-11-20 (UTC) took 3600000 ms of people"]])
  })

  it("adds up what several people do at the same time", () => {
    expect(busiest({ events: [pressed(hour), pressed(hour, "cli:bob")] }, 300_000)).toBe(180_000)
    expect(figure({ events: [pressed(hour), pressed(hour, "cli:bob")] }, "people")).toBe(2)
  })

  it("shows the people and the interactions of the window alone", () => {
    const events = [pressed(-10 * hour, "cli:bob"), pressed(-1), pressed(0), pressed(hour)]
    expect(["people", "interactions"].map((name) => figure({ events }, name))).toEqual([1, 2])
  })

  it("divides at local midnight what reaches over it", () => {
    const events = [pressed(day - 30_000), pressed(day + 2 * minute)]
    // 00:00:00 - 30 s before, and until 00:03:00: one minute of the first day.
    expect(busiest({ events }, 300_000)).toBe(180_000)
    expect(busiest({ events: [pressed(day - 30_000)] }, 300_000)).toBe(60_000)
  })

  it("knows days of 23 and 25 hours where the clocks change", () => {
    // In Warsaw 2026-10-25 has 25 hours and begins at 22:00 UTC of the day before; 2026-03-29 has 23 and begins at 23:00 UTC.
    const autumn = Date.UTC(2026, 9, 24, 22)
    const spring = Date.UTC(2026, 2, 28, 23)
    const whole = (fromMs: number, hours: number, zone: string) => operatorTime(use({ fromMs, toMs: fromMs + hours * hour, zone }), limits)
    expect(score(whole(autumn, 25, "Europe/Warsaw"))).toBe("1/1")
    expect(score(whole(autumn, 24, "Europe/Warsaw"))).toBe("0/0")
    expect(score(whole(spring, 23, "Europe/Warsaw"))).toBe("1/1")
    expect(score(whole(spring, 22, "Europe/Warsaw"))).toBe("0/0")
    expect(score(whole(autumn, 25 + 24, "Europe/Warsaw"))).toBe("2/2")
    // In Cairo the clocks go forward at midnight: 2026-04-24 begins at 01:00.
    expect(score(whole(Date.UTC(2026, 3, 22, 22), 24 + 23, "Africa/Cairo"))).toBe("2/2")
  })

  it("lives in the zone of the scorecard, and else in that of the evidence", () => {
    const told = { fromMs: start, toMs: start + 3 * day, zone: "Asia/Tokyo" }
    expect(score(operatorTime(use(told), limits))).toBe("2/2")
    expect(score(operatorTime(use({ ...told, rules: { zone: "UTC" } }), limits))).toBe("3/3")
    expect(score(operatorTime(use({ ...told, rules: { zone: "Mars/Olympus" } }), limits))).toBe("missing: window: there is no time zone Mars/Olympus")
  })

  it("leaves out a day that is not whole, unless it is bad already", () => {
    const told = { fromMs: start, toMs: start + day + 12 * hour }
    expect(judged(told)).toMatchObject({ good: 1, total: 1, excluded: { "the day is not whole": 1 } })
    expect(judged({ ...told, events: row(day, day + hour, 5 * minute) })).toMatchObject({ good: 1, total: 2, excluded: {} })
  })

  it("takes no time for programs, the system and tests", () => {
    const programs = [pressed(hour, "cli:ci"), pressed(hour, "code:nightly"), pressed(hour, "system:schedule")]
    expect(busiest({ events: programs, rules: { machines: ["cli:ci"] } }, 300_000)).toBe(0)
    expect(busiest({ events: programs }, 300_000)).toBe(90_000)
    const events = [at(1, requested("t", { kind: "smoke.web" })), pressed(hour, "cli:ada", "t"), pressed(hour, "cli:tester")]
    const rules = { tests: { kinds: ["smoke.*"], actors: ["cli:tester"] } }
    expect([busiest({ events, rules }, 300_000), figure({ events, rules }, "interactions with tests, left out")]).toEqual([0, 2])
    expect(busiest({ events }, 300_000)).toBe(180_000)
  })
})
