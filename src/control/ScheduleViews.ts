/** Schedules as people and programs see them: where they stand, what became of their ticks, and which come next. */
import { Effect } from "effect"
import { type Calendar, gapsIn, type Mark, nextAfter } from "../domain/Calendar.ts"
import { ScheduleNotFound } from "../domain/Refusal.ts"
import { calendarOf, dueOf, type Schedule, stateOf, type TickRange, type TickRow, type Timing } from "../domain/Schedule.ts"
import { isoOf, offsetAt } from "../domain/Zone.ts"
import { EngineReader, Instants } from "../engine/Engine.ts"

const iso = (atMs: number | null): string | null => (atMs === null ? null : isoOf(atMs))

/** A row of `schedules --json`. */
export const scheduleRowOf = (schedule: Schedule, nowMs: number) => {
  const { counts, cursorMs, dueMs, last, name, nextMs, paused, spec, version, waiting } = schedule
  return {
    name,
    state: stateOf(schedule),
    version,
    kind: spec.kind,
    cron: spec.timing._tag === "Cron" ? spec.timing.cron : null,
    every_ms: spec.timing._tag === "Every" ? spec.timing.periodMs : null,
    zone: spec.timing._tag === "Cron" ? spec.timing.zone : null,
    catch_up: spec.catchUp,
    overlap: spec.overlap,
    next: iso(nextMs),
    due: iso(dueMs),
    decided_until: iso(cursorMs),
    /** How far the clock is behind the last decided tick: it was set back, or had been ahead. */
    clock_behind_ms: Math.max(0, cursorMs - nowMs),
    last: last === null ? null : { tick: iso(last.nominalMs), outcome: last.outcome, reason: last.reason, task: last.task, at: iso(last.atMs) },
    waiting: waiting.map((nominalMs) => iso(nominalMs)),
    ...counts,
    paused: paused === null ? null : { since: iso(paused.atMs), by: paused.actor, reason: paused.reason }
  }
}

export type ScheduleView = ReturnType<typeof scheduleRowOf>

/** All schedules, by name. */
export const schedulesNow = Effect.gen(function*() {
  const { wallMs } = yield* Instants
  const now = wallMs()
  return (yield* (yield* EngineReader).schedules).map((schedule) => scheduleRowOf(schedule, now))
})

/** A row of `schedule ticks --json`: a tick, or a range of them. */
export type TickView = {
  readonly from: string | null
  readonly to: string | null
  readonly count: number
  readonly outcome: string
  readonly reason: string | null
  readonly task: string | null
  readonly late_ms: number | null
  readonly decided_at: string | null
  readonly version: number
}

const viewOfTick = ({ atMs, lateMs, nominalMs, outcome, reason, task, version }: TickRow): TickView => ({ from: iso(nominalMs), to: iso(nominalMs), count: 1, outcome, reason, task, late_ms: lateMs, decided_at: iso(atMs), version })
const viewOfRange = ({ atMs, count, fromMs, outcome, reason, toMs, version }: TickRange): TickView => ({ from: iso(fromMs), to: iso(toMs), count, outcome, reason, task: null, late_ms: null, decided_at: iso(atMs), version })

const scheduleNamed = (name: string) =>
  Effect.flatMap(EngineReader, ({ schedules }) =>
    Effect.flatMap(schedules, (all) => {
      const found = all.find((schedule) => schedule.name === name)
      return found === undefined ? new ScheduleNotFound({ schedule: JSON.stringify(name.slice(0, 64)) }) : Effect.succeed(found)
    }))

/** The latest ticks of a schedule, newest first. */
export const ticksOf = (name: string, limit: number) =>
  Effect.gen(function*() {
    yield* scheduleNamed(name)
    const reader = yield* EngineReader
    const views = [...(yield* reader.ticks(name, limit)).map(viewOfTick), ...(yield* reader.tickRanges(name, limit)).map(viewOfRange)]
    return views.sort((a, b) => ((a.to ?? "") < (b.to ?? "") ? 1 : -1)).slice(0, limit)
  })

export interface PreviewRow {
  /** When it runs, jitter included; null for local times that are skipped. */
  readonly at: string | null
  readonly at_ms: number
  /** Local time of the zone, and its offset from UTC in minutes. */
  readonly local: string
  readonly offset_minutes: number
  /** What a change of clock does to it. `skipped`: as many local times as `count` says have no tick. */
  readonly mark: Mark | "skipped" | null
  readonly count: number
}

const localText = (localMs: number): string => isoOf(localMs).slice(0, 19).replace("T", " ")

const zoneOf = (calendar: Calendar): string => (calendar._tag === "Cron" ? calendar.zone : "UTC")

/** The next `count` ticks after an instant, with the local times in between that a change of clock takes away. */
export const previewOf = (calendar: Calendar, afterMs: number, count: number, dueAt: (nominalMs: number) => number = (nominalMs) => nominalMs): ReadonlyArray<PreviewRow> => {
  const zone = zoneOf(calendar)
  const rows: Array<PreviewRow> = []
  let fromMs = afterMs
  for (let index = 0; index < count; index++) {
    const tick = nextAfter(calendar, fromMs)
    for (const gap of gapsIn(calendar, fromMs, tick?.atMs ?? fromMs)) {
      const offset = offsetAt(zone, gap.atMs)
      rows.push({ at: null, at_ms: gap.atMs, local: localText(gap.atMs + offset), offset_minutes: Math.round(offset / 60_000), mark: "skipped", count: gap.count })
    }
    if (tick === null) return rows
    rows.push({ at: iso(dueAt(tick.atMs)), at_ms: tick.atMs, local: localText(tick.localMs), offset_minutes: Math.round(offsetAt(zone, tick.atMs) / 60_000), mark: tick.mark, count: 1 })
    fromMs = tick.atMs
  }
  return rows
}

/** What `schedule preview` shows. */
export interface Preview {
  readonly schedule: string | null
  readonly zone: string
  readonly rows: ReadonlyArray<PreviewRow>
}

/** The next ticks of a schedule in the store, as it is declared there, also while it is paused. */
export const previewOfSchedule = (name: string, count: number, afterMs: number | null) =>
  Effect.gen(function*() {
    const { wallMs } = yield* Instants
    const { anchorMs, cursorMs, spec } = yield* scheduleNamed(name)
    const calendar = calendarOf(spec, anchorMs)
    const rows = previewOf(calendar, afterMs ?? Math.max(cursorMs, wallMs()), count, (nominalMs) => dueOf(spec, nominalMs))
    return { schedule: name, zone: zoneOf(calendar), rows } satisfies Preview
  })

/** The next ticks of a timing that is only tried. A plain interval begins at the instant. */
export const previewOfTiming = (timing: Timing, count: number, afterMs: number): Preview => {
  const calendar = calendarOf({ timing }, afterMs)
  return { schedule: null, zone: zoneOf(calendar), rows: previewOf(calendar, afterMs, count) }
}
