/**
 * Days on which the operators had little to do.
 *
 * Unit: a local day that lies in the span from midnight to midnight, with 23 or 25 hours where the clocks change. Each command of a person takes
 * from `before_ms` before its event to `after_ms` after it; pauses up to `joined_ms` are his time too; the times of several people add
 * up, and the busiest day is shown for a shorter and a longer pause too. A day that is not whole can only be bad. It is a lower bound: who reads and types nothing is not seen.
 */
import { DateTime, Option } from "effect"
import type { Measure } from "../Verdict.ts"
import { isIn, overSpans, personsOp, type Span, type Tally } from "./Window.ts"

export const operatorTime: Measure = (history, parameters = {}) => {
  const busiestMs = new Map<number, number>()
  const people = new Set<string>()
  let [interactions, tests] = [0, 0]
  const count = (span: Span, limits: Limits, tally: Tally) => {
    const zone = Option.getOrNull(DateTime.zoneMakeNamed(span.zone))
    if (zone === null) return tally.missing(`${span.id}: there is no time zone ${span.zone}`)
    const found = interactionsIn(span)
    tests += found.tests
    for (const [actor, instants] of found.byPerson) {
      const seen = instants.filter((at) => isIn(span, at)).length
      if (seen > 0) people.add(actor)
      interactions += seen
    }
    const joinedBy = (joinedMs: number) => [...found.byPerson.values()].flatMap((instants) => stretches(instants, limits, joinedMs))
    const { day_ms, joined_ms, shown_longer_ms, shown_shorter_ms } = limits
    const active = joinedBy(joined_ms)
    const shown = [shown_shorter_ms, shown_longer_ms].map((ms) => ({ ms, active: joinedBy(ms) }))
    for (const day of daysIn(span, zone)) {
      const tookMs = within(active, day)
      for (const other of shown) busiestMs.set(other.ms, Math.max(busiestMs.get(other.ms) ?? 0, within(other.active, day)))
      busiestMs.set(joined_ms, Math.max(busiestMs.get(joined_ms) ?? 0, tookMs))
      if (tookMs >= day_ms) tally.bad(`${span.id}: ${day.name} (${span.zone}) took ${tookMs} ms of people`)
      else if (day.isWhole) tally.good()
      else tally.excluded("the day is not whole")
    }
  }
  const figures = () => ({
    "people": people.size,
    "interactions": interactions,
    "interactions with tests, left out": tests,
    ...Object.fromEntries([...busiestMs].sort(([one], [other]) => one - other).map(([ms, took]) => [`busiest day with pauses up to ${ms} ms, ms`, took]))
  })
  return overSpans(history, parameters, { needs: ["before_ms", "after_ms", "joined_ms", "shown_shorter_ms", "shown_longer_ms", "day_ms"], count, figures })
}

interface Limits {
  readonly before_ms: number
  readonly after_ms: number
  readonly joined_ms: number
  readonly shown_shorter_ms: number
  readonly shown_longer_ms: number
  readonly day_ms: number
}

interface Stretch {
  readonly fromMs: number
  readonly toMs: number
}

const interactionsIn = (span: Span) => {
  const { events, rules, tasks } = span
  const byPerson = new Map<string, Array<number>>()
  let tests = 0
  for (const event of events) {
    if (personsOp(event, rules) === null) continue
    const known = byPerson.get(event.actor)
    if (rules.tests.actors.includes(event.actor) || (event.task !== null && tasks.get(event.task)?.isTest === true)) tests += isIn(span, event.at) ? 1 : 0
    else if (known === undefined) byPerson.set(event.actor, [event.at])
    else known.push(event.at)
  }
  return { byPerson, tests }
}

/** The time of one person, in stretches that do not touch. */
const stretches = (instants: ReadonlyArray<number>, { after_ms, before_ms }: Limits, joinedMs: number): ReadonlyArray<Stretch> => {
  const joined: Array<Stretch> = []
  for (const at of [...instants].sort((a, b) => a - b)) {
    const [last, next] = [joined.at(-1), { fromMs: at - before_ms, toMs: at + after_ms }]
    if (last !== undefined && next.fromMs - last.toMs <= joinedMs) joined[joined.length - 1] = { fromMs: last.fromMs, toMs: Math.max(last.toMs, next.toMs) }
    else joined.push(next)
  }
  return joined
}

const within = (active: ReadonlyArray<Stretch>, { fromMs, toMs }: Stretch): number =>
  active.reduce((sum, one) => sum + Math.max(0, Math.min(one.toMs, toMs) - Math.max(one.fromMs, fromMs)), 0)

interface Day extends Stretch {
  readonly name: string
  readonly isWhole: boolean
}

/** The local days of a span; of the first and the last that part which lies in it. */
const daysIn = (span: Span, zone: DateTime.TimeZone): ReadonlyArray<Day> => {
  const days: Array<Day> = []
  let midnight = DateTime.startOf(DateTime.unsafeMakeZoned(span.fromMs, { timeZone: zone }), "day")
  while (DateTime.toEpochMillis(midnight) < span.toMs) {
    const next = DateTime.startOf(DateTime.add(midnight, { days: 1 }), "day")
    const [fromMs, toMs] = [DateTime.toEpochMillis(midnight), DateTime.toEpochMillis(next)]
    days.push({ name: DateTime.formatIsoDate(midnight), fromMs: Math.max(fromMs, span.fromMs), toMs: Math.min(toMs, span.toMs), isWhole: fromMs >= span.fromMs && toMs <= span.toMs })
    midnight = next
  }
  return days
}
