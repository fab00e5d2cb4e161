/**
 * Cron patterns as sets of local times. A library reads the pattern and knows which days it names; hours, minutes and seconds are
 * taken apart here, so that the times of a year are counted without walking through them. No zone, no clock: local times are written
 * as if they were UTC.
 *
 * Five fields, or six with seconds in front; names, ranges, steps, lists, `L`, `W`, `#`. A day fits when its day of month or its day of
 * week does, if both are restricted (POSIX crontab); both must when the day of week begins with `+`.
 */
import { Cron } from "croner"
import { Either } from "effect"
import { dayMs } from "./Zone.ts"

export interface CronTimes {
  /** Times of a matching day, in milliseconds since its midnight: how many are below `tod`, and the one with this index. */
  readonly below: (todMs: number) => number
  readonly nth: (index: number) => number
  /** How many times a matching day has. */
  readonly perDay: number
  /** The first matching day at or after this one, in days since 1970; null when there is none any more. */
  readonly dayFrom: (day: number) => number | null
  readonly isEveryDay: boolean
}

const nicknames: Readonly<Record<string, string>> = {
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
  "@monthly": "0 0 1 * *",
  "@weekly": "0 0 * * 0",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@hourly": "0 * * * *"
}

/** The longest pattern that is read. */
export const patternMax = 256

const asUtc = (pattern: string): Cron => new Cron(pattern, { mode: "6-part", utcOffset: 0, paused: true })

// The library takes and gives dates.
// @effect-diagnostics-next-line globalDate:off
const nextOf = (cron: Cron, afterMs: number): number | undefined => cron.nextRun(new Date(afterMs))?.getTime()

// The values of one field, by asking for a pattern in which all smaller fields are zero.
const valuesOf = (pattern: string, unitMs: number, count: number): ReadonlyArray<number> => {
  const cron = asUtc(pattern)
  const values: Array<number> = []
  for (let atMs = -1000;;) {
    const next = nextOf(cron, atMs)
    if (next === undefined || next >= unitMs * count) return values
    values.push(next / unitMs)
    atMs = next
  }
}

const belowIn = (values: ReadonlyArray<number>, limit: number): number => {
  let [low, high] = [0, values.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((values[middle] ?? 0) < limit) low = middle + 1
    else high = middle
  }
  return low
}

/** Days whose answer is remembered; then all are forgotten. */
const daysMax = 8192

const daysOf = (date: string): CronTimes["dayFrom"] => {
  const cron = asUtc(`0 0 0 ${date}`)
  const known = new Map<number, number | null>()
  return (day) => {
    const found = known.get(day)
    if (found !== undefined) return found
    const next = nextOf(cron, day * dayMs - 1000)
    const answer = next === undefined ? null : next / dayMs
    if (known.size >= daysMax) known.clear()
    known.set(day, answer)
    return answer
  }
}

/** What is made once for each key, and forgotten as a whole when there is too much of it. */
const remembered = <A>(most: number, make: (key: string) => A): ((key: string) => A) => {
  const known = new Map<string, A>()
  return (key) => {
    const found = known.get(key)
    if (found !== undefined) return found
    const made = make(key)
    if (known.size >= most) known.clear()
    known.set(key, made)
    return made
  }
}

// Many patterns share their fields, and a pattern of the library takes 80 kB: it has a place for each of ten thousand years.
const seconds60 = remembered(512, (pattern) => valuesOf(pattern, 1000, 60))
const minutes60 = remembered(512, (pattern) => valuesOf(pattern, 60_000, 60))
const hours24 = remembered(512, (pattern) => valuesOf(pattern, 3_600_000, 24))
const daysIn = remembered(128, daysOf)

const compile = (pattern: string): CronTimes => {
  const fields = (nicknames[pattern.toLowerCase()] ?? pattern).trim().split(/\s+/)
  if (fields.length < 5 || fields.length > 6) throw new TypeError(`a pattern has 5 fields, or 6 with seconds in front; this one has ${fields.length}`)
  if (fields.some((field) => field.includes("?"))) throw new TypeError("? is not understood; write *")
  const [second = "", minute = "", hour = "", ...date] = fields.length === 5 ? ["0", ...fields] : fields
  const seconds = seconds60(`${second} 0 0 * * *`)
  const minutes = minutes60(`0 ${minute} 0 * * *`)
  const hours = hours24(`0 0 ${hour} * * *`)
  const dayFrom = daysIn(date.join(" "))
  const isEveryDay = date.every((field) => field === "*")
  const perHour = minutes.length * seconds.length
  const perDay = hours.length * perHour
  return {
    perDay,
    isEveryDay,
    dayFrom: isEveryDay ? (day) => day : dayFrom,
    below: (todMs) => {
      if (todMs >= dayMs) return perDay
      const wanted = Math.ceil(todMs / 1000)
      const [h, m, s] = [Math.floor(wanted / 3600), Math.floor(wanted / 60) % 60, wanted % 60]
      const inHour = hours.includes(h) ? belowIn(minutes, m) * seconds.length + (minutes.includes(m) ? belowIn(seconds, s) : 0) : 0
      return belowIn(hours, h) * perHour + inHour
    },
    nth: (index) => {
      const inHour = index % perHour
      return (hours[Math.floor(index / perHour)] ?? 0) * 3_600_000 + (minutes[Math.floor(inHour / seconds.length)] ?? 0) * 60_000 + (seconds[inHour % seconds.length] ?? 0) * 1000
    }
  }
}

const compiled = remembered(2048, compile)

/** The times of a pattern, or why it is none. */
export const cronTimes = (pattern: string): Either.Either<CronTimes, string> =>
  pattern.length > patternMax
    ? Either.left(`a pattern has at most ${patternMax} characters`)
    : Either.try({
      try: () => compiled(pattern),
      catch: (cause) => (cause instanceof Error ? cause.message.replace(/^CronPattern: /, "") : "it cannot be read")
    })
