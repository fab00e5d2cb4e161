/**
 * What is done to a schedule: it is declared, changed or gone with the configuration, and paused, resumed, run and filled up by people.
 * What its ticks do is in `Ticking.ts`.
 */
import { countIn, ticksIn } from "./Calendar.ts"
import { canonical, sha256 } from "./Canonical.ts"
import { type Command, commandFacts } from "./Command.ts"
import { type Decision, granted, refuseCommand } from "./Decision.ts"
import type { Now } from "./Now.ts"
import { ScheduleNotFound, ScheduleRefused } from "./Refusal.ts"
import { calendarOf, isSame, type LostReason, noTicks, planned, type Schedule, type ScheduleSpec, stateOf, tickKey } from "./Schedule.ts"
import type { ScheduleAnswer, ScheduleAsk, ScheduleAskTo } from "./ScheduleAsk.ts"
import { aboutSchedule, type Around, concluded, drafted, dropWaiting, fireIn, passOver, runFor } from "./Ticking.ts"

// Payloads are told by their digest, as those of tasks are.
const factsOf = ({ catchUp, catchUpMax, catchUpWindowMs, jitterMs, kind, lateAfterMs, overlap, payload, queueMax, timing }: ScheduleSpec) => ({
  kind,
  payload_sha256: sha256(canonical(payload)),
  ...(timing._tag === "Every" ? { every_ms: timing.periodMs } : { cron: timing.cron, zone: timing.zone, on_gap: timing.onGap, on_repeat: timing.onRepeat }),
  catch_up: catchUp,
  catch_up_window_ms: catchUpWindowMs,
  catch_up_max: catchUpMax,
  overlap,
  queue_max: queueMax,
  jitter_ms: jitterMs,
  late_after_ms: lateAfterMs
})

const declaredEvent = (schedule: Schedule, why: "new" | "changed" | "back" | "calendar") => {
  const { anchorMs, nextMs, spec } = planned(schedule)
  return aboutSchedule(schedule, "schedule.declared", { why, ...factsOf(spec), anchor_ms: anchorMs, next_ms: nextMs })
}

/**
 * Brings a schedule to what is declared now; `spec` is undefined when it is declared no more. What was due under the declaration before is
 * decided under it, and the new one begins now.
 */
export const declare = (stored: Schedule | undefined, spec: ScheduleSpec | undefined, around: Around, now: Now): Decision<null> => {
  if (stored === undefined) return spec === undefined ? granted(null, {}) : first(spec, now)
  if (spec === undefined) return stored.gone ? granted(null, {}) : gone(stored, around, now)
  if (!stored.gone && isSame(stored.spec, spec)) return recalculated(stored)
  const draft = drafted(stored, around, now)
  const state = stateOf(stored)
  if (state === "active") fireIn(draft)
  if (state === "paused") passOver(draft, "skipped", "paused")
  const before = draft.schedule
  const anchorMs = isSame(stored.spec.timing, spec.timing) && !stored.gone ? before.anchorMs : now.wallMs
  draft.schedule = { ...before, version: before.version + 1, spec, gone: false, anchorMs, cursorMs: Math.max(before.cursorMs, now.wallMs) }
  return concluded(draft, null, stored, [declaredEvent(draft.schedule, stored.gone ? "back" : "changed")])
}

const first = (spec: ScheduleSpec, now: Now): Decision<null> => {
  const schedule = planned({
    name: spec.name,
    version: 1,
    spec,
    gone: false,
    paused: null,
    anchorMs: now.wallMs,
    cursorMs: now.wallMs,
    nextMs: null,
    dueMs: null,
    waiting: [],
    last: null,
    counts: noTicks,
    updatedAtMs: now.wallMs
  })
  return granted(null, { schedules: [{ _tag: "Put", schedule }], events: [declaredEvent(schedule, "new")] })
}

const gone = (stored: Schedule, around: Around, now: Now): Decision<null> => {
  const draft = drafted(stored, around, now)
  passOver(draft, stored.paused === null ? "missed" : "skipped", stored.paused === null ? "gone" : "paused")
  draft.schedule = { ...draft.schedule, gone: true }
  return concluded(draft, null, stored, [aboutSchedule(stored, "schedule.gone", {})])
}

// A newer database of time zones may place the next tick elsewhere.
const recalculated = (stored: Schedule): Decision<null> => {
  const schedule = planned(stored)
  return schedule.dueMs === stored.dueMs && schedule.nextMs === stored.nextMs
    ? granted(null, {})
    : granted(null, { schedules: [{ _tag: "Put", schedule }], events: [declaredEvent(schedule, "calendar")] })
}

const answerFor = (schedule: Schedule, moved: boolean, tasks: ReadonlyArray<string> = [], existing = 0): ScheduleAnswer => ({
  schedule: schedule.name,
  state: stateOf(schedule),
  version: schedule.version,
  moved,
  tasks,
  existing
})

/**
 * Gives up the ticks up to now, and those that wait, of a schedule whose runs may do something dangerous: the lost part of the log may
 * have run them. They are on record as missed, so that a person can have them run by a backfill.
 */
export const afterLostPart = (stored: Schedule, reason: LostReason, around: Around, now: Now): Decision<null> => {
  const draft = drafted(stored, around, now)
  if (stateOf(stored) === "active") passOver(draft, "missed", reason)
  else dropWaiting(draft, reason)
  return concluded(draft, null, stored)
}

/** The most ticks that one backfill takes. */
export const backfillMax = 1000

/** Decides a command about a schedule. */
export const scheduleCommand = (stored: Schedule | undefined, command: Command<ScheduleAsk>, around: Around, now: Now): Decision<ScheduleAnswer> => {
  const { ask } = command
  if (stored === undefined) return refuseCommand(command, null, new ScheduleNotFound({ schedule: ask.schedule }))
  if (stored.gone) return refuse(command, "gone")
  switch (ask.op) {
    case "schedule-pause":
      return pause(stored, command, around, now)
    case "schedule-resume":
      return resumeSchedule(stored, command, around, now)
    case "schedule-run":
      return runNow(stored, command, around, now)
    case "schedule-backfill":
      return backfill(stored, { ...command, ask }, around, now)
  }
}

const refuse = (command: Command<ScheduleAsk>, why: ScheduleRefused["why"], count = 0): Decision<never> =>
  refuseCommand(command, null, new ScheduleRefused({ schedule: command.ask.schedule, why, count, max: backfillMax }))

const commanded = (schedule: Schedule, type: Parameters<typeof aboutSchedule>[1], command: Command<ScheduleAsk>, payload: Parameters<typeof aboutSchedule>[2]) =>
  aboutSchedule(schedule, type, { ...payload, command: commandFacts(command) }, command.actor, command.trace)

const unmoved = (stored: Schedule, command: Command<ScheduleAsk>): Decision<ScheduleAnswer> =>
  granted(answerFor(stored, false), { events: [commanded(stored, "command.accepted", command, { state: stateOf(stored) })] })

// What is due at this instant still runs: the pause begins behind it.
const pause = (stored: Schedule, command: Command<ScheduleAsk>, around: Around, now: Now): Decision<ScheduleAnswer> => {
  if (stored.paused !== null) return unmoved(stored, command)
  const draft = drafted(stored, around, now)
  fireIn(draft)
  const reason = command.ask.reason ?? ""
  draft.schedule = { ...draft.schedule, paused: { actor: command.actor, reason, atMs: now.wallMs } }
  return concluded(draft, answerFor(draft.schedule, true), stored, [commanded(stored, "schedule.paused", command, { reason, cursor_ms: draft.schedule.cursorMs })])
}

// The clock may have been far ahead once. Then the schedule begins again now, and ticks that have a row stay decided.
const resumeSchedule = (stored: Schedule, command: Command<ScheduleAsk>, around: Around, now: Now): Decision<ScheduleAnswer> => {
  if (stored.paused === null) return unmoved(stored, command)
  const draft = drafted(stored, around, now)
  passOver(draft, "skipped", "paused")
  draft.schedule = { ...draft.schedule, paused: null, cursorMs: now.wallMs }
  const facts = { reason: command.ask.reason, paused_at_ms: stored.paused.atMs, cursor_ms: now.wallMs, was_ahead: stored.cursorMs > now.wallMs }
  return concluded(draft, answerFor(draft.schedule, true), stored, [commanded(stored, "schedule.resumed", command, facts)])
}

const runNow = (stored: Schedule, command: Command<ScheduleAsk>, around: Around, now: Now): Decision<ScheduleAnswer> => {
  if (around.kind === undefined) return refuse(command, "kind_gone")
  const draft = drafted(stored, around, now)
  const task = runFor(draft, around.kind, { name: stored.name, atMs: now.wallMs, by: "manual" }, `schedule:${stored.name}:manual:${command.trace}`, command)
  draft.schedule = { ...draft.schedule, counts: { ...draft.schedule.counts, manual: draft.schedule.counts.manual + 1 } }
  return concluded(draft, answerFor(stored, true, [task.id]), stored)
}

/** The ticks of the range that had no run get one, side by side, whatever the overlap policy says. */
const backfill = (stored: Schedule, command: Command<ScheduleAskTo<"schedule-backfill">>, around: Around, now: Now): Decision<ScheduleAnswer> => {
  const { from, to } = command.ask
  if (around.kind === undefined) return refuse(command, "kind_gone")
  if (to < from) return refuse(command, "no_range")
  if (to > now.wallMs) return refuse(command, "future")
  const calendar = calendarOf(stored.spec, stored.anchorMs)
  const total = countIn(calendar, from - 1, to)
  if (total > backfillMax) return refuse(command, "too_many", total)
  const draft = drafted(stored, around, now)
  const tasks: Array<string> = []
  let existing = 0
  for (const { atMs } of ticksIn(calendar, from - 1, to)) {
    const known = draft.known.get(atMs)
    if (known !== undefined && known.outcome !== "skipped") {
      existing += 1
      continue
    }
    const task = runFor(draft, around.kind, { name: stored.name, atMs, by: "backfill" }, tickKey(stored.name, atMs), command)
    draft.changes.push({
      _tag: known === undefined ? "Tick" : "Retick",
      tick: { schedule: stored.name, nominalMs: atMs, version: stored.version, outcome: "backfilled", reason: null, task: task.id, lateMs: Math.max(0, now.wallMs - atMs), atMs: now.wallMs }
    })
    tasks.push(task.id)
  }
  draft.schedule = { ...draft.schedule, counts: { ...draft.schedule.counts, backfilled: draft.schedule.counts.backfilled + tasks.length } }
  const facts = { from_ms: from, to_ms: to, count: tasks.length, existing, reason: command.ask.reason }
  return concluded(draft, answerFor(stored, true, tasks, existing), stored, [commanded(stored, "schedule.backfilled", command, facts)])
}
