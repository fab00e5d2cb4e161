/**
 * What becomes of the ticks of a schedule: which start, which wait, which are skipped or missed, and why. Every nominal tick is decided
 * once, in order, and never again: the cursor is the last one that was decided, whatever the clock says later.
 *
 * Of the ticks that are due, those that are not late start. The late ones are caught up as the schedule says: `latest` runs the newest of
 * them unless one that is not late starts anyway, `all` runs them within a window and up to a cap, `none` runs none. What starts then
 * meets the runs that have not ended, and the overlap policy.
 */
import { type Calendar, countIn, gapsIn, newestIn, nextAfter, type Tick, ticksIn } from "./Calendar.ts"
import type { AnyAsk, Command } from "./Command.ts"
import { byCommand, type Decision, granted } from "./Decision.ts"
import { beganAt, taskIdFrom } from "./Ids.ts"
import type { Kind } from "./Kind.ts"
import type { Message } from "./Message.ts"
import type { Now } from "./Now.ts"
import { cancel } from "./Recovery.ts"
import { approvalNeeded, arrived, newTask, passThrough } from "./Request.ts"
import { isHeld } from "./Restored.ts"
import { calendarOf, drawnFor, dueOf, type LostReason, planned, type RangeReason, type Schedule, type ScheduleChange, stateOf, tickKey, type TickReason, type TickRow } from "./Schedule.ts"
import type { Task, TickRef } from "./Task.ts"
import type { EventDraft } from "./TaskEvent.ts"
import { isTerminal } from "./TaskState.ts"
import { isoOf } from "./Zone.ts"

export const scheduleActor = "system:schedule"

/** What is known around a schedule when a rule decides about it. */
export interface Around {
  /** Runs of it that have not ended, oldest first. */
  readonly open: ReadonlyArray<Task>
  /** Rows of ticks behind the cursor, or in the range that was asked for. */
  readonly ticks: ReadonlyArray<TickRow>
  /** Its kind as it is declared now. */
  readonly kind: Kind | undefined
}

/** The ticks that are due, in order: some start, the rest is recorded in ranges. */
interface Sorted {
  readonly starts: ReadonlyArray<Tick>
  readonly ranges: ReadonlyArray<{ readonly afterMs: number; readonly untilMs: number; readonly outcome: "skipped" | "missed"; readonly reason: RangeReason }>
}

// The ticks are due up to here: the first one that its jitter holds back holds back those behind it.
const horizonOf = (schedule: Schedule, calendar: Calendar, nowMs: number): number => {
  const { cursorMs, spec } = schedule
  if (spec.jitterMs === 0) return nowMs
  for (const { atMs } of ticksIn(calendar, Math.max(cursorMs, nowMs - spec.jitterMs - 1), nowMs)) if (dueOf(spec, atMs) > nowMs) return atMs - 1
  return nowMs
}

const sorted = (schedule: Schedule, calendar: Calendar, horizonMs: number, nowMs: number): Sorted => {
  const { cursorMs, spec } = schedule
  // What is older than this is late whatever its jitter.
  const edge = Math.max(cursorMs, Math.min(horizonMs, nowMs - spec.lateAfterMs - spec.jitterMs - 1))
  const fresh = [...ticksIn(calendar, edge, horizonMs)]
  const begins = fresh.findIndex(({ atMs }) => nowMs - dueOf(spec, atMs) <= spec.lateAfterMs)
  const onTime = begins < 0 ? [] : fresh.slice(begins)
  const lateUntil = (onTime[0]?.atMs ?? horizonMs + 1) - 1
  const windowEdge = Math.max(cursorMs, nowMs - spec.catchUpWindowMs - 1)
  const most = { none: 0, latest: onTime.length === 0 ? 1 : 0, all: spec.catchUpMax }[spec.catchUp]
  const caughtUp = most === 0 ? [] : newestIn(calendar, windowEdge, lateUntil, most)
  const restUntil = (caughtUp[0]?.atMs ?? lateUntil + 1) - 1
  const within = spec.catchUp === "all" ? { outcome: "missed", reason: "cap" } as const : { outcome: "skipped", reason: "catch_up" } as const
  const before = spec.catchUp === "none" ? within : { outcome: "missed", reason: "window" } as const
  return {
    starts: [...caughtUp, ...onTime],
    ranges: [
      { afterMs: cursorMs, untilMs: Math.min(restUntil, windowEdge), ...before },
      { afterMs: windowEdge, untilMs: restUntil, ...within }
    ]
  }
}

/** A decision about a schedule in the making. */
export interface Draft {
  schedule: Schedule
  readonly calendar: Calendar
  readonly kind: Kind | undefined
  readonly now: Now
  open: ReadonlyArray<Task>
  readonly known: ReadonlyMap<number, TickRow>
  /** Ticks that have a row by now. */
  readonly stored: Set<number>
  readonly tasks: Map<string, Task>
  readonly changes: Array<ScheduleChange>
  readonly events: Array<EventDraft>
  readonly messages: Array<Message>
}

export const drafted = (schedule: Schedule, { kind, open, ticks }: Around, now: Now): Draft => ({
  schedule,
  calendar: calendarOf(schedule.spec, schedule.anchorMs),
  kind,
  now,
  open,
  known: new Map(ticks.map((tick) => [tick.nominalMs, tick])),
  // Those that wait are behind the cursor.
  stored: new Set([...schedule.waiting, ...ticks.map(({ nominalMs }) => nominalMs)]),
  tasks: new Map(),
  changes: [],
  events: [],
  messages: []
})

/** The draft as a decision. `more` are events that come last. */
export const concluded = <A>(draft: Draft, answer: A, before: Schedule, more: ReadonlyArray<EventDraft> = []): Decision<A> => {
  const schedule = { ...planned(draft.schedule), updatedAtMs: draft.now.wallMs }
  const changed = schedule.cursorMs !== before.cursorMs || draft.changes.length > 0 || draft.events.length > 0 || more.length > 0
  return granted(answer, changed
    ? {
      tasks: [...draft.tasks.values()],
      schedules: [{ _tag: "Put", schedule }, ...draft.changes],
      events: [...draft.events, ...more],
      messages: draft.messages
    }
    : {})
}

/** An event about a schedule. */
export const aboutSchedule = ({ name, version }: Pick<Schedule, "name" | "version">, type: EventDraft["type"], payload: EventDraft["payload"], actor = scheduleActor, trace: string | null = null): EventDraft => ({
  type,
  task: null,
  trace,
  actor,
  payload: { schedule: name, version, ...payload }
})

const count = (draft: Draft, name: keyof Schedule["counts"], by = 1): void => {
  const { schedule } = draft
  draft.schedule = { ...schedule, counts: { ...schedule.counts, [name]: schedule.counts[name] + by } }
}

/** Records the ticks in `(afterMs, untilMs]` that have no row yet, together. */
export const recordRange = (draft: Draft, { afterMs, outcome, reason, untilMs }: Sorted["ranges"][number]): void => {
  const known = [...draft.known.keys()].filter((nominalMs) => nominalMs > afterMs && nominalMs <= untilMs).length
  const total = countIn(draft.calendar, afterMs, untilMs) - known
  if (total <= 0) return
  const fromMs = nextAfter(draft.calendar, afterMs)?.atMs ?? untilMs
  const toMs = newestIn(draft.calendar, afterMs, untilMs, 1)[0]?.atMs ?? untilMs
  addRange(draft, fromMs, toMs, total, outcome, reason)
}

const addRange = (draft: Draft, fromMs: number, toMs: number, total: number, outcome: "skipped" | "missed", reason: RangeReason): void => {
  const { now, schedule } = draft
  draft.changes.push({ _tag: "Range", range: { schedule: schedule.name, fromMs, toMs, count: total, version: schedule.version, outcome, reason, atMs: now.wallMs } })
  draft.events.push(aboutSchedule(schedule, outcome === "missed" ? "schedule.missed" : "schedule.skipped", { from_ms: fromMs, to_ms: toMs, count: total, reason }))
  count(draft, outcome, total)
}

const putTick = (draft: Draft, nominalMs: number, facts: Pick<TickRow, "outcome" | "reason" | "task">): void => {
  const { now: { wallMs: atMs }, schedule } = draft
  const lateMs = Math.max(0, atMs - dueOf(schedule.spec, nominalMs))
  draft.changes.push({ _tag: draft.stored.has(nominalMs) ? "Retick" : "Tick", tick: { schedule: schedule.name, nominalMs, version: schedule.version, lateMs, atMs, ...facts } })
  draft.stored.add(nominalMs)
  draft.schedule = { ...schedule, last: { nominalMs, atMs, ...facts } }
}

/** Skips one tick, on the record. */
export const skipTick = (draft: Draft, nominalMs: number, reason: TickReason): void => {
  putTick(draft, nominalMs, { outcome: "skipped", reason, task: null })
  draft.events.push(aboutSchedule(draft.schedule, "schedule.skipped", { from_ms: nominalMs, to_ms: nominalMs, count: 1, reason }))
  count(draft, "skipped")
}

const waitTick = (draft: Draft, nominalMs: number): void => {
  putTick(draft, nominalMs, { outcome: "waiting", reason: null, task: null })
  draft.schedule = { ...draft.schedule, waiting: [...draft.schedule.waiting, nominalMs] }
  draft.events.push(aboutSchedule(draft.schedule, "schedule.waits", { tick_ms: nominalMs, running: draft.open.length }))
}

/** Asks for a run. Its key says what for, so that nobody takes two of them for one. Whoever asked for it by a command has a hand in it. */
export const runFor = (draft: Draft, kind: Kind, ref: TickRef, key: string, command: Command<AnyAsk> | null = null): Task => {
  const { now, schedule } = draft
  const { chances, trace } = drawnFor(key)
  const wanted = newTask({ id: taskIdFrom(now.wallMs, chances), kind, payload: schedule.spec.payload, requester: scheduleActor, key, trace: beganAt(now.wallMs, trace), parent: null, forkedFrom: null, ...(command === null ? {} : { authors: [command.actor] }) }, now)
  const requested = { ...wanted, dispatchKey: key, schedule: ref }
  const event = arrived(requested, "schedule")
  const lateMs = Math.max(0, now.wallMs - dueOf(schedule.spec, ref.atMs))
  const byPerson = (asked: EventDraft): EventDraft => (command === null || ref.by !== "manual" ? asked : byCommand(asked, command))
  draft.events.push(byPerson({ ...event, payload: { ...event.payload, schedule_version: schedule.version, late_ms: ref.by === "manual" ? 0 : lateMs } }))
  if (requested.holds.length > 0) draft.messages.push(approvalNeeded(requested))
  const through = requested.holds.length > 0 ? { task: requested, events: [] } : passThrough(requested, now)
  draft.events.push(...through.events)
  draft.tasks.set(through.task.id, through.task)
  draft.open = [...draft.open, through.task]
  return through.task
}

const startTick = (draft: Draft, nominalMs: number): void => {
  const { kind, now, schedule: { name, spec } } = draft
  if (kind === undefined) return skipTick(draft, nominalMs, "kind_gone")
  const task = runFor(draft, kind, { name, atMs: nominalMs, by: "tick" }, tickKey(name, nominalMs))
  const outcome = now.wallMs - dueOf(spec, nominalMs) > spec.lateAfterMs ? "late" : "started"
  putTick(draft, nominalMs, { outcome, reason: null, task: task.id })
  count(draft, outcome)
}

// Those that wait, or have to ask about a step first, end later.
const cancelOpen = (draft: Draft, nominalMs: number): void => {
  const { now, schedule } = draft
  for (const task of draft.open) {
    if (task.cancel !== null || isTerminal[task.state]) continue
    const reason = `the schedule ${schedule.name} has its next tick, ${isoOf(nominalMs)}`
    const command: Command<{ readonly op: "cancel"; readonly task: string; readonly reason: string }> = { ask: { op: "cancel", task: task.id, reason }, actor: scheduleActor, roles: [], channel: "schedule", key: null, trace: task.trace }
    const { events, messages, tasks } = cancel(task, command, now)
    draft.events.push(...events)
    draft.messages.push(...messages)
    for (const after of tasks) draft.tasks.set(after.id, after)
  }
  draft.open = draft.open.map((task) => draft.tasks.get(task.id) ?? task).filter(({ state }) => !isTerminal[state])
}

/** Gives up the ticks that wait for the end of a run. */
export const dropWaiting = (draft: Draft, reason: TickReason): void => {
  const { waiting } = draft.schedule
  draft.schedule = { ...draft.schedule, waiting: [] }
  for (const nominalMs of waiting) skipTick(draft, nominalMs, reason)
}

const meet = (draft: Draft, nominalMs: number): void => {
  const { overlap, queueMax } = draft.schedule.spec
  if (overlap === "cancel-running") {
    cancelOpen(draft, nominalMs)
    dropWaiting(draft, "overlap")
  }
  const busy = draft.open.length > 0 || draft.schedule.waiting.length > 0
  if (overlap === "allow" || !busy) return startTick(draft, nominalMs)
  if (overlap === "skip" || draft.schedule.waiting.length >= (overlap === "queue" ? queueMax : 1)) return skipTick(draft, nominalMs, "overlap")
  waitTick(draft, nominalMs)
}

// The run that was waited for has ended.
const startWaiting = (draft: Draft): void => {
  for (const nominalMs of draft.schedule.waiting) {
    if (draft.open.length > 0 && draft.schedule.spec.overlap !== "allow") return
    draft.schedule = { ...draft.schedule, waiting: draft.schedule.waiting.slice(1) }
    startTick(draft, nominalMs)
  }
}

/** Decides the ticks that are due, in a draft. In a restored file that nobody has released none of them runs. */
export const fireIn = (draft: Draft): void => {
  if (isHeld(draft.now.restored)) return passOver(draft, "missed", "restored")
  const { calendar, now: { wallMs: nowMs }, schedule: before } = draft
  startWaiting(draft)
  if (nowMs <= before.cursorMs) return
  const horizonMs = horizonOf(before, calendar, nowMs)
  const [last] = newestIn(calendar, before.cursorMs, horizonMs, 1)
  if (last === undefined) return
  const { ranges, starts } = sorted(before, calendar, horizonMs, nowMs)
  for (const range of ranges) recordRange(draft, range)
  for (const { atMs, count: total } of gapsIn(calendar, before.cursorMs, last.atMs)) addRange(draft, atMs, atMs, total, "skipped", "gap")
  for (const { atMs } of starts) if (!draft.known.has(atMs)) meet(draft, atMs)
  draft.schedule = { ...draft.schedule, cursorMs: last.atMs }
}

/** Decides the ticks of a schedule that are due, and those that waited for the end of a run. Nothing, when there are none. */
export const fire = (schedule: Schedule, around: Around, now: Now): Decision<null> => {
  const draft = drafted(schedule, around, now)
  // While a restored file waits for its release they stay due.
  if (stateOf(schedule) === "active" && !isHeld(now.restored)) fireIn(draft)
  return concluded(draft, null, schedule)
}

/** Gives up what waits and what is behind the cursor: the schedule is paused or gone, or nobody knows whether it has run. */
export const passOver = (draft: Draft, outcome: "skipped" | "missed", reason: "paused" | "gone" | LostReason): void => {
  const { calendar, now: { wallMs }, schedule: { cursorMs } } = draft
  recordRange(draft, { afterMs: cursorMs, untilMs: wallMs, outcome, reason })
  for (const { atMs, count: total } of gapsIn(calendar, cursorMs, wallMs)) addRange(draft, atMs, atMs, total, "skipped", "gap")
  if (reason !== "paused") dropWaiting(draft, reason)
  draft.schedule = { ...draft.schedule, cursorMs: Math.max(cursorMs, wallMs) }
}
