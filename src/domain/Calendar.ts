/**
 * When a schedule is due: nominal ticks, as instants.
 *
 * A cron tick is a local wall-clock time. Most have one instant. One that the clock jumps over has none: it is shifted to the first
 * instant after the gap, or skipped. One that the clock goes through twice has two: it is taken at the first, or at both. Several local
 * times of one gap shift to the same instant, which is one tick. A plain interval is anchored at an instant and knows no zone.
 *
 * Ranges are `(afterMs, untilMs]`, so that the last tick that was decided is where the next look begins.
 */
import { Either } from "effect"
import { type CronTimes, cronTimes } from "./Cron.ts"
import { dayMs, type Span, spansIn } from "./Zone.ts"

export type OnGap = "skip" | "shift"
export type OnRepeat = "once" | "twice"

export type Calendar =
  | { readonly _tag: "Cron"; readonly cron: string; readonly zone: string; readonly onGap: OnGap; readonly onRepeat: OnRepeat }
  /** Ticks at the anchor plus 1, 2, 3 … periods. */
  | { readonly _tag: "Every"; readonly periodMs: number; readonly anchorMs: number }

/** `shifted`: its local time did not exist; `first`, `second`: its local time exists twice. */
export type Mark = "shifted" | "first" | "second"

export interface Tick {
  readonly atMs: number
  /** The local time, as if it were UTC; of a shifted one the first that did not exist. */
  readonly localMs: number
  readonly mark: Mark | null
}

/** Local times that did not exist, at the instant of the change. */
export interface Gap {
  readonly atMs: number
  readonly count: number
}

/** A span among its neighbours: the one before tells what is repeated and what is missing. */
interface Stretch {
  readonly span: Span
  /** Local times in `[missingFrom, missingUntil)` do not exist, at its beginning. */
  readonly missingFrom: number
  readonly missingUntil: number
  /** Local times of this span below this one were there before. */
  readonly repeatedUntil: number
  /** Local times of this span from this one on come again. */
  readonly repeatsFrom: number
}

// A change moves the clock by a day at most (Apia, Kwajalein), so neighbours within two days see all of it.
const around = 2 * dayMs

const stretches = (zone: string, afterMs: number, untilMs: number): ReadonlyArray<Stretch> => {
  const spans = spansIn(zone, afterMs - around, untilMs + around)
  return spans.flatMap((span, index) => {
    if (span.untilMs <= afterMs + 1 || span.fromMs > untilMs) return []
    const localFrom = span.fromMs + span.offsetMs
    const before = spans[index - 1]
    const wasLocal = before === undefined ? localFrom : span.fromMs + before.offsetMs
    const earlier = spans.slice(0, index).reduce((latest, { offsetMs, untilMs: end }) => Math.max(latest, end + offsetMs), localFrom)
    const later = spans.slice(index + 1).reduce((first, { fromMs, offsetMs }) => Math.min(first, fromMs + offsetMs), span.untilMs + span.offsetMs)
    return [{ span, missingFrom: wasLocal, missingUntil: Math.max(wasLocal, localFrom), repeatedUntil: earlier, repeatsFrom: later }]
  })
}

// Local times of the pattern in `[from, until)`.
function* locals(times: CronTimes, from: number, until: number): Generator<number> {
  for (let day = times.dayFrom(Math.floor(from / dayMs)); day !== null && day * dayMs < until; day = times.dayFrom(day + 1)) {
    const last = times.below(until - day * dayMs)
    for (let index = Math.max(0, times.below(from - day * dayMs)); index < last; index++) yield day * dayMs + times.nth(index)
  }
}

const countLocals = (times: CronTimes, from: number, until: number): number => {
  if (from >= until) return 0
  const [first, last] = [Math.floor(from / dayMs), Math.floor((until - 1) / dayMs)]
  if (times.isEveryDay) return (last - first) * times.perDay + times.below(until - last * dayMs) - times.below(from - first * dayMs)
  let count = 0
  for (let day = times.dayFrom(first); day !== null && day <= last; day = times.dayFrom(day + 1)) {
    count += (day === last ? times.below(until - day * dayMs) : times.perDay) - (day === first ? times.below(from - day * dayMs) : 0)
  }
  return count
}

const first = <A>(all: Iterable<A>): A | null => {
  for (const one of all) return one
  return null
}

type CronCalendar = Extract<Calendar, { _tag: "Cron" }>

const timesOf = ({ cron }: CronCalendar): CronTimes =>
  Either.getOrThrowWith(cronTimes(cron), (issue) => new Error(`the stored pattern ${JSON.stringify(cron)} cannot be read: ${issue}`))

// The tick that stands for what is missing at the beginning of a stretch, unless the first instant after it is a tick of its own.
const shifted = (calendar: CronCalendar, times: CronTimes, { missingFrom, missingUntil, span }: Stretch): Tick | null => {
  if (calendar.onGap === "skip" || missingFrom === missingUntil) return null
  const localMs = first(locals(times, missingFrom, missingUntil))
  const natural = countLocals(times, missingUntil, missingUntil + 1) > 0
  return localMs === null || natural ? null : { atMs: span.fromMs, localMs, mark: "shifted" }
}

// The local times of a stretch that are ticks, within the range.
const localRange = (calendar: CronCalendar, stretch: Stretch, afterMs: number, untilMs: number): readonly [number, number] => {
  const { repeatedUntil, span } = stretch
  const from = Math.max(span.fromMs, afterMs + 1) + span.offsetMs
  return [calendar.onRepeat === "once" ? Math.max(from, repeatedUntil) : from, Math.min(span.untilMs, untilMs + 1) + span.offsetMs]
}

function* cronTicks(calendar: CronCalendar, afterMs: number, untilMs: number): Generator<Tick> {
  const times = timesOf(calendar)
  for (const stretch of stretches(calendar.zone, afterMs, untilMs)) {
    const { repeatedUntil, repeatsFrom, span } = stretch
    const late = span.fromMs > afterMs && span.fromMs <= untilMs ? shifted(calendar, times, stretch) : null
    if (late !== null) yield late
    const [from, until] = localRange(calendar, stretch, afterMs, untilMs)
    for (const localMs of locals(times, from, until)) {
      const mark = localMs < repeatedUntil ? "second" : localMs >= repeatsFrom ? "first" : null
      yield { atMs: localMs - span.offsetMs, localMs, mark }
    }
  }
}

function* everyTicks(periodMs: number, anchorMs: number, afterMs: number, untilMs: number): Generator<Tick> {
  const start = Math.max(1, Math.floor((afterMs - anchorMs) / periodMs) + 1)
  for (let atMs = anchorMs + start * periodMs; atMs <= untilMs; atMs += periodMs) yield { atMs, localMs: atMs, mark: null }
}

/** The ticks in `(afterMs, untilMs]`, in order. Lazy: whoever takes few of a long range pays for few. */
export const ticksIn = (calendar: Calendar, afterMs: number, untilMs: number): Iterable<Tick> => {
  if (untilMs <= afterMs) return []
  return calendar._tag === "Cron" ? cronTicks(calendar, afterMs, untilMs) : everyTicks(calendar.periodMs, calendar.anchorMs, afterMs, untilMs)
}

/** How many there are, without walking through them: the cost grows with the days of the range, not with its ticks. */
export const countIn = (calendar: Calendar, afterMs: number, untilMs: number): number => {
  if (untilMs <= afterMs) return 0
  if (calendar._tag === "Every") {
    const { anchorMs, periodMs } = calendar
    const upTo = (atMs: number) => Math.max(0, Math.floor((atMs - anchorMs) / periodMs))
    return upTo(untilMs) - upTo(afterMs)
  }
  const times = timesOf(calendar)
  return stretches(calendar.zone, afterMs, untilMs).reduce((count, stretch) => {
    const { fromMs } = stretch.span
    const late = fromMs > afterMs && fromMs <= untilMs && shifted(calendar, times, stretch) !== null ? 1 : 0
    return count + late + countLocals(times, ...localRange(calendar, stretch, afterMs, untilMs))
  }, 0)
}

/** The latest `limit` ticks of the range, in order. */
export const newestIn = (calendar: Calendar, afterMs: number, untilMs: number, limit: number): ReadonlyArray<Tick> => {
  let [few, many] = [untilMs, afterMs]
  if (countIn(calendar, afterMs, untilMs) > limit) {
    // The longest end of the range that has no more than `limit`.
    while (few - many > 1) {
      const middle = Math.floor((few + many) / 2)
      if (countIn(calendar, middle, untilMs) > limit) many = middle
      else few = middle
    }
    return [...ticksIn(calendar, few, untilMs)]
  }
  return [...ticksIn(calendar, afterMs, untilMs)]
}

/** How far a search goes before it asks for the next day that fits at all. */
const searchMs = 32 * dayMs

/** The first tick after an instant; null when there is none any more. */
export const nextAfter = (calendar: Calendar, afterMs: number): Tick | null => {
  if (calendar._tag === "Every") return first(ticksIn(calendar, afterMs, Math.max(afterMs, calendar.anchorMs) + calendar.periodMs))
  const times = timesOf(calendar)
  for (let fromMs = afterMs;;) {
    const tick = first(cronTicks(calendar, fromMs, fromMs + searchMs))
    if (tick !== null) return tick
    const day = times.dayFrom(Math.floor((fromMs + searchMs) / dayMs) - 2)
    if (day === null) return null
    fromMs = Math.max(fromMs + searchMs, (day - 3) * dayMs)
  }
}

/** The changes of clock in the range that jump over times of the calendar, if those are skipped. */
export const gapsIn = (calendar: Calendar, afterMs: number, untilMs: number): ReadonlyArray<Gap> => {
  if (calendar._tag === "Every" || calendar.onGap === "shift" || untilMs <= afterMs) return []
  const times = timesOf(calendar)
  return stretches(calendar.zone, afterMs, untilMs).flatMap(({ missingFrom, missingUntil, span: { fromMs } }) => {
    const count = fromMs > afterMs && fromMs <= untilMs ? countLocals(times, missingFrom, missingUntil) : 0
    return count === 0 ? [] : [{ atMs: fromMs, count }]
  })
}
