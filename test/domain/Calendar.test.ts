/**
 * The calendar against an oracle that shares no code with it: a walk through every minute of a year, whose local time `Intl` says, with a
 * matcher of patterns that tries each field.
 */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type Calendar, countIn, gapsIn, newestIn, nextAfter, ticksIn } from "../../src/domain/Calendar.ts"
import { cronTimes } from "../../src/domain/Cron.ts"

const minuteMs = 60_000
const yearsOf: Readonly<Record<string, number>> = {
  "America/New_York": 2026,
  "Europe/Berlin": 2026,
  // Half an hour.
  "Australia/Lord_Howe": 2026,
  // A quarter of an hour off, and no change.
  "Asia/Kathmandu": 2026,
  // Clocks go back for Ramadan.
  "Africa/Casablanca": 2026,
  // The day 2011-12-30 does not exist.
  "Pacific/Apia": 2011,
  // The gap is at midnight.
  "America/Sao_Paulo": 2018
}

interface Walk {
  readonly fromMs: number
  /** Local minutes since 1970, one for each minute of the year. */
  readonly locals: Int32Array
  /** For each minute, whether its local time was there before. */
  readonly repeated: Uint8Array
}

const walks = new Map<string, Walk>()

// Beginning before the year and ending behind it, so that both ends are seen from within.
const walkOf = (zone: string): Walk => {
  const known = walks.get(zone)
  if (known !== undefined) return known
  const year = yearsOf[zone] ?? 2026
  const fromMs = Date.UTC(year, 0, 1)
  const minutes = (Date.UTC(year + 1, 0, 3) - fromMs) / minuteMs
  const locals = new Int32Array(minutes)
  const repeated = new Uint8Array(minutes)
  const format = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "short" })
  const seen = new Set<number>()
  for (let index = 0; index < minutes; index++) {
    const local = Date.parse(`${format.format(fromMs + index * minuteMs).replace(" ", "T")}Z`) / minuteMs
    locals[index] = local
    if (seen.has(local)) repeated[index] = 1
    seen.add(local)
  }
  const walk = { fromMs, locals, repeated }
  walks.set(zone, walk)
  return walk
}

/** A field as a list of values, or all. */
type Field = ReadonlyArray<number> | "*"
interface Fields {
  readonly minute: Field
  readonly hour: Field
  readonly day: Field
  readonly month: Field
  readonly weekday: Field
}

const text = (field: Field): string => (field === "*" ? "*" : field.join(","))
const patternOf = ({ day, hour, minute, month, weekday }: Fields): string => [minute, hour, day, month, weekday].map(text).join(" ")

const has = (field: Field, value: number): boolean => field === "*" || field.includes(value)

const fits = (fields: Fields, local: number): boolean => {
  if (!has(fields.minute, ((local % 60) + 60) % 60) || !has(fields.hour, Math.floor(local / 60) % 24)) return false
  const date = new Date(local * minuteMs)
  if (!has(fields.month, date.getUTCMonth() + 1)) return false
  const [byDay, byWeek] = [has(fields.day, date.getUTCDate()), has(fields.weekday, date.getUTCDay())]
  return fields.day !== "*" && fields.weekday !== "*" ? byDay || byWeek : byDay && byWeek
}

const oracle = ({ fromMs, locals, repeated }: Walk, fields: Fields, onGap: "skip" | "shift", onRepeat: "once" | "twice") => {
  const ticks: Array<number> = []
  let skipped = 0
  for (let index = 1; index < locals.length; index++) {
    const [before = 0, local = 0] = [locals[index - 1], locals[index]]
    let inGap = 0
    for (let missing = before + 1; missing < local; missing++) if (fits(fields, missing)) inGap += 1
    const natural = fits(fields, local) && (repeated[index] === 0 || onRepeat === "twice")
    if (natural || (inGap > 0 && onGap === "shift")) ticks.push(fromMs + index * minuteMs)
    if (onGap === "skip") skipped += inGap
  }
  return { ticks, skipped }
}

const some = (from: number, to: number, most: number): fc.Arbitrary<Field> =>
  fc.oneof(fc.constant("*" as const), fc.uniqueArray(fc.integer({ min: from, max: to }), { minLength: 1, maxLength: most }).map((values) => [...values].sort((a, b) => a - b)))

const fieldsArbitrary: fc.Arbitrary<Fields> = fc.record({
  minute: some(0, 59, 4),
  // Where clocks are changed.
  hour: fc.oneof(some(0, 23, 4), fc.subarray([0, 1, 2, 3, 23], { minLength: 1 })),
  day: some(1, 31, 5),
  month: fc.oneof(fc.constant("*" as const), some(1, 12, 6)),
  weekday: some(0, 6, 3)
})

const seed = Number(process.env["OPSGATE_CALENDAR_SEED"] ?? 20_260_308)
const runs = Number(process.env["OPSGATE_CALENDAR_RUNS"] ?? 8)

const iso = (ticks: Iterable<{ readonly atMs: number }>) => [...ticks].map(({ atMs }) => new Date(atMs).toISOString())

const newYork = { _tag: "Cron", cron: "30 2 * * *", zone: "America/New_York", onGap: "shift", onRepeat: "once" } as const satisfies Calendar
const between = (calendar: Calendar, from: string, to: string) => iso(ticksIn(calendar, Date.parse(from), Date.parse(to)))

describe("the ticks of a pattern", () => {
  it.each(Object.keys(yearsOf))("are those of a walk through every minute of a year in %s", (zone) => {
    const walk = walkOf(zone)
    const endMs = walk.fromMs + (walk.locals.length - 1) * minuteMs
    fc.assert(
      fc.property(fieldsArbitrary, fc.constantFrom("skip" as const, "shift" as const), fc.constantFrom("once" as const, "twice" as const), (fields, onGap, onRepeat) => {
        const calendar: Calendar = { _tag: "Cron", cron: patternOf(fields), zone, onGap, onRepeat }
        const wanted = oracle(walk, fields, onGap, onRepeat)
        const found = [...ticksIn(calendar, walk.fromMs, endMs)].map(({ atMs }) => atMs)
        // One by one and without a matcher: there may be half a million.
        expect(found.findIndex((atMs, index) => atMs !== wanted.ticks[index])).toBe(-1)
        expect(found.length).toBe(wanted.ticks.length)
        expect(countIn(calendar, walk.fromMs, endMs)).toBe(wanted.ticks.length)
        expect(gapsIn(calendar, walk.fromMs, endMs).reduce((sum, { count }) => sum + count, 0)).toBe(wanted.skipped)
        expect(newestIn(calendar, walk.fromMs, endMs, 7).map(({ atMs }) => atMs)).toEqual(wanted.ticks.slice(-7))
      }),
      { seed, numRuns: runs }
    )
  }, 120_000)

  it("are the same however the range is cut", () => {
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(yearsOf)), fieldsArbitrary, fc.constantFrom("skip" as const, "shift" as const), fc.constantFrom("once" as const, "twice" as const), fc.array(fc.integer({ min: 0, max: 365 * 1440 * 60 }), { maxLength: 6 }), (zone, fields, onGap, onRepeat, cuts) => {
        const calendar: Calendar = { _tag: "Cron", cron: patternOf(fields), zone, onGap, onRepeat }
        const fromMs = Date.UTC(yearsOf[zone] ?? 2026, 0, 1)
        const instants = [fromMs, ...cuts.map((second) => fromMs + second * 1000 + 7).sort((a, b) => a - b), fromMs + 366 * 86_400_000]
        const pieces = instants.slice(1).flatMap((until, index) => iso(ticksIn(calendar, instants[index] ?? 0, until)))
        const whole = iso(ticksIn(calendar, fromMs, instants.at(-1) ?? 0))
        expect(pieces.length).toBe(whole.length)
        expect(pieces.findIndex((at, index) => at !== whole[index])).toBe(-1)
        expect(instants.slice(1).reduce((sum, until, index) => sum + countIn(calendar, instants[index] ?? 0, until), 0)).toBe(whole.length)
        expect(whole[0]).toBe(iso([nextAfter(calendar, fromMs)].flatMap((tick) => (tick === null || tick.atMs > (instants.at(-1) ?? 0) ? [] : [tick])))[0])
      }),
      { seed, numRuns: runs }
    )
  }, 120_000)

  it("in seconds are counted without walking through them", () => {
    const everySecond: Calendar = { ...newYork, cron: "* * * * * *", onRepeat: "twice" }
    expect(countIn(everySecond, Date.UTC(2016, 0, 1), Date.UTC(2026, 0, 1))).toBe((Date.UTC(2026, 0, 1) - Date.UTC(2016, 0, 1)) / 1000)
    // An hour comes twice each autumn, once it is one tick.
    expect(countIn({ ...everySecond, onRepeat: "once" }, Date.UTC(2016, 0, 1), Date.UTC(2026, 0, 1))).toBe((Date.UTC(2026, 0, 1) - Date.UTC(2016, 0, 1)) / 1000 - 10 * 3600)
    expect(newestIn(everySecond, 0, Date.UTC(2026, 0, 1), 2).map(({ atMs }) => atMs)).toEqual([Date.UTC(2026, 0, 1) - 1000, Date.UTC(2026, 0, 1)])
  })
})

describe("a local time that the clock jumps over", () => {
  it("is shifted to the first instant after the gap, and marked", () => {
    const [before, shifted, after] = [...ticksIn(newYork, Date.parse("2026-03-07T00:00:00Z"), Date.parse("2026-03-10T00:00:00Z"))]
    expect(iso([before, shifted, after].flatMap((tick) => (tick === undefined ? [] : [tick])))).toEqual(["2026-03-07T07:30:00.000Z", "2026-03-08T07:00:00.000Z", "2026-03-09T06:30:00.000Z"])
    expect([before?.mark, shifted?.mark, after?.mark]).toEqual([null, "shifted", null])
  })

  it("is skipped where that is wanted, and counted", () => {
    const calendar: Calendar = { ...newYork, onGap: "skip", cron: "*/15 2 * * *" }
    expect(between(calendar, "2026-03-08T00:00:00Z", "2026-03-09T00:00:00Z")).toEqual([])
    expect(gapsIn(calendar, Date.parse("2026-03-08T00:00:00Z"), Date.parse("2026-03-09T00:00:00Z"))).toEqual([{ atMs: Date.parse("2026-03-08T07:00:00Z"), count: 4 }])
  })

  it("is one tick with the others of its gap, and with the one that is due at its end anyway", () => {
    expect(between({ ...newYork, cron: "*/30 2,3 * * *" }, "2026-03-08T06:00:00Z", "2026-03-08T08:00:00Z")).toEqual(["2026-03-08T07:00:00.000Z", "2026-03-08T07:30:00.000Z"])
  })

  it("may be a whole day", () => {
    expect(between({ ...newYork, cron: "0 9 30 12 *", zone: "Pacific/Apia" }, "2011-12-01T00:00:00Z", "2012-12-01T00:00:00Z")).toEqual(["2011-12-30T10:00:00.000Z"])
  })
})

describe("a local time that comes twice", () => {
  const calendar: Calendar = { ...newYork, cron: "30 1 * * *" }
  it("is taken the first time, or both", () => {
    expect(between(calendar, "2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z")).toEqual(["2026-11-01T05:30:00.000Z"])
    expect([...ticksIn({ ...calendar, onRepeat: "twice" }, Date.parse("2026-11-01T00:00:00Z"), Date.parse("2026-11-02T00:00:00Z"))].map(({ mark }) => mark)).toEqual(["first", "second"])
  })
})

describe("a pattern", () => {
  it("names days from the end of a month and weekdays by their number in it", () => {
    expect(between({ ...newYork, cron: "0 0 L * *", zone: "UTC" }, "2028-02-01T00:00:00Z", "2028-04-01T00:00:00Z")).toEqual(["2028-02-29T00:00:00.000Z", "2028-03-31T00:00:00.000Z"])
    expect(between({ ...newYork, cron: "0 12 * * FRI#2", zone: "UTC" }, "2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z")).toEqual(["2026-01-09T12:00:00.000Z", "2026-02-13T12:00:00.000Z"])
    expect(between({ ...newYork, cron: "@monthly", zone: "UTC" }, "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z")).toEqual(["2026-02-01T00:00:00.000Z"])
  })

  it("may be due once in eight years, and is found", () => {
    expect(iso([nextAfter({ ...newYork, cron: "0 0 29 2 *", zone: "UTC" }, Date.UTC(2096, 2, 1))].flatMap((tick) => tick ?? []))).toEqual(["2104-02-29T00:00:00.000Z"])
  })

  it.each([["* * *"], ["61 * * * *"], ["a b c d e"], ["* * * * * * *"], ["? * * * *"], ["0 0 * * MOO"], [""], ["5/5 * * * *"], ["*".repeat(300)]])("is refused with a sentence when it is none: %s", (pattern) => {
    const read = cronTimes(pattern)
    expect(read._tag).toBe("Left")
  })
})

describe("a plain interval", () => {
  it("keeps its anchor, whenever it is asked", () => {
    const calendar: Calendar = { _tag: "Every", periodMs: 30_000, anchorMs: 1_800_000_000_123 }
    const found = [...ticksIn(calendar, 0, calendar.anchorMs + 90_000)].map(({ atMs }) => atMs - calendar.anchorMs)
    expect(found).toEqual([30_000, 60_000, 90_000])
    expect(nextAfter(calendar, calendar.anchorMs + 3_600_000 + 1)?.atMs).toBe(calendar.anchorMs + 3_630_000)
    expect(countIn(calendar, calendar.anchorMs + 1, calendar.anchorMs + 365 * 86_400_000)).toBe(365 * 2880)
  })
})
