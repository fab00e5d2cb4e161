/**
 * No tick is forgotten: every nominal instant of a schedule, from its declaration to the last one that was decided, asked for a task, or
 * was recorded as skipped or missed; and while the server was at work none was left undecided for long.
 *
 * Recounted are schedules with a fixed interval, whose instants follow from the declaration. A calendar is left out, and shown.
 *
 * Unit: a nominal instant.
 */
import type { LogEvent } from "../History.ts"
import type { Measure } from "../Verdict.ts"
import { text, whole } from "./Fold.ts"
import { overFolds, type Units } from "./Units.ts"

/** A tick that is due is decided within this time by a server that is up; what may be later by its own declaration comes on top. */
const patienceMs = 60_000

interface Declared {
  readonly schedule: string
  readonly nextMs: number
  readonly everyMs: number
  readonly graceMs: number
  readonly started: Set<number>
  readonly ranges: Array<{ readonly from: number; readonly to: number }>
  /** Since when nothing is decided, since it was paused or is declared no more. */
  stoppedMs: number | null
}

export const ticksWhole: Measure = (history) =>
  overFolds(history, ({ events, id }, _log, units) => {
    const current = new Map<string, Declared>()
    let aliveMs = 0
    for (const event of events) {
      const schedule = text(event.payload, "schedule")
      if (event.actor === "system:runtime") aliveMs = Math.max(aliveMs, event.at)
      if (schedule === null) continue
      const known = current.get(schedule)
      if (event.type === "schedule.declared") {
        if (known !== undefined) count(id, known, event.at, units)
        const declared = declaredBy(event, schedule)
        if (declared === null) units.excluded("a calendar")
        current.delete(schedule)
        if (declared !== null) current.set(schedule, declared)
      } else if (known !== undefined) note(known, event)
    }
    for (const declared of current.values()) count(id, declared, aliveMs - patienceMs - declared.graceMs, units)
  })

const declaredBy = ({ payload }: LogEvent, schedule: string): Declared | null => {
  const [nextMs, everyMs] = [whole(payload, "next_ms"), whole(payload, "every_ms")]
  if (nextMs === null || everyMs === null || everyMs <= 0) return null
  const graceMs = (whole(payload, "late_after_ms") ?? 0) + (whole(payload, "jitter_ms") ?? 0)
  return { schedule, nextMs, everyMs, graceMs, started: new Set(), ranges: [], stoppedMs: null }
}

const note = (declared: Declared, { at, payload, type }: LogEvent): void => {
  if (type === "task.requested" && text(payload, "tick_by") !== "manual") declared.started.add(whole(payload, "tick_ms") ?? 0)
  if (type === "schedule.skipped" || type === "schedule.missed") declared.ranges.push({ from: whole(payload, "from_ms") ?? 0, to: whole(payload, "to_ms") ?? 0 })
  if (type === "schedule.waits") declared.started.add(whole(payload, "tick_ms") ?? 0)
  if (type === "schedule.paused" || type === "schedule.gone") declared.stoppedMs = at
  if (type === "schedule.resumed") declared.stoppedMs = null
}

// Up to the last tick that was decided, or to `untilMs`, if that is later and nothing held the schedule up.
const count = (id: string, { everyMs, nextMs, ranges, schedule, started, stoppedMs }: Declared, untilMs: number, units: Units): void => {
  const decided = Math.max(nextMs - everyMs, ...started, ...ranges.map(({ to }) => to))
  const until = Math.max(decided, Math.min(untilMs, stoppedMs ?? untilMs))
  for (let tick = nextMs; tick <= until; tick += everyMs) {
    if (started.has(tick) || ranges.some(({ from, to }) => from <= tick && tick <= to)) units.good()
    else units.bad(`${id}, schedule ${schedule}: its tick of ${tick} was neither started nor recorded as skipped or missed`)
  }
}
