/**
 * A schedule: what is to run, when, and what happens when that was not possible. What was declared is the spec; where it stands is kept
 * with it. The rules of its ticks are in `Ticking.ts`, those of instants in `Calendar.ts`.
 */
import { Either } from "effect"
import { type Calendar, nextAfter, type OnGap, type OnRepeat } from "./Calendar.ts"
import { canonical, type Json, sha256 } from "./Canonical.ts"
import { cronTimes } from "./Cron.ts"
import { isoOf, isZone } from "./Zone.ts"

export const catchUps = ["all", "latest", "none"] as const
export type CatchUp = (typeof catchUps)[number]

export const overlaps = ["skip", "queue", "cancel-running", "allow"] as const
export type Overlap = (typeof overlaps)[number]

export type Timing =
  | { readonly _tag: "Cron"; readonly cron: string; readonly zone: string; readonly onGap: OnGap; readonly onRepeat: OnRepeat }
  | { readonly _tag: "Every"; readonly periodMs: number }

/** What was declared. A change of any member is a new version. */
export interface ScheduleSpec {
  readonly name: string
  readonly kind: string
  readonly payload: Json
  readonly timing: Timing
  /** What is done with late ticks. */
  readonly catchUp: CatchUp
  /** Older ticks are not caught up. */
  readonly catchUpWindowMs: number
  /** The most ticks that are caught up at once, the newest first. */
  readonly catchUpMax: number
  /** What is done with a tick while an earlier run has not ended. */
  readonly overlap: Overlap
  /** The most ticks that wait for the end of a run, under `queue`. */
  readonly queueMax: number
  /** A tick starts up to this much after its instant; how much follows from its name and instant. */
  readonly jitterMs: number
  /** A tick that starts later than this is late. */
  readonly lateAfterMs: number
}

export type TickOutcome = "started" | "late" | "waiting" | "skipped" | "backfilled"
/** Why ticks do not run that a lost part of the log may have run. */
export type LostReason = "restored" | "loss_accepted"
export type TickReason = "overlap" | "kind_gone" | "gone" | LostReason
export type RangeReason = "gap" | "paused" | "catch_up" | "window" | "cap" | "gone" | LostReason

/** One nominal tick that was decided for itself. There is never a second row for the same instant of a schedule. */
export interface TickRow {
  readonly schedule: string
  readonly nominalMs: number
  readonly version: number
  readonly outcome: TickOutcome
  readonly reason: TickReason | null
  readonly task: string | null
  /** How long after its instant, jitter included, it was decided. */
  readonly lateMs: number
  readonly atMs: number
}

/** Ticks that were decided together, from the first to the last. */
export interface TickRange {
  readonly schedule: string
  readonly fromMs: number
  readonly toMs: number
  readonly count: number
  readonly version: number
  readonly outcome: "skipped" | "missed"
  readonly reason: RangeReason
  readonly atMs: number
}

/** What an engine stores of a decision about a schedule. `Tick` is new, `Retick` replaces the row of the same instant. */
export type ScheduleChange =
  | { readonly _tag: "Put"; readonly schedule: Schedule }
  | { readonly _tag: "Tick" | "Retick"; readonly tick: TickRow }
  | { readonly _tag: "Range"; readonly range: TickRange }

/** How many ticks ended how, since the schedule was first declared. Each change of them is in the log. */
export interface Counts {
  readonly started: number
  readonly late: number
  readonly skipped: number
  readonly missed: number
  readonly backfilled: number
  readonly manual: number
}

export const noTicks: Counts = { started: 0, late: 0, skipped: 0, missed: 0, backfilled: 0, manual: 0 }

export interface Schedule {
  readonly name: string
  /** Counts from 1. */
  readonly version: number
  readonly spec: ScheduleSpec
  /** Whether it is declared no more. */
  readonly gone: boolean
  readonly paused: { readonly actor: string; readonly reason: string; readonly atMs: number } | null
  /** Where a plain interval begins. */
  readonly anchorMs: number
  /** Every tick at or before this instant is decided. */
  readonly cursorMs: number
  /** The next nominal tick, and the instant at which it starts; null when none is to come. */
  readonly nextMs: number | null
  readonly dueMs: number | null
  /** Nominal instants of the ticks that wait for the end of a run, oldest first. */
  readonly waiting: ReadonlyArray<number>
  readonly last: Pick<TickRow, "nominalMs" | "outcome" | "reason" | "task" | "atMs"> | null
  readonly counts: Counts
  readonly updatedAtMs: number
}

export type ScheduleState = "active" | "paused" | "gone"
export const stateOf = ({ gone, paused }: Pick<Schedule, "gone" | "paused">): ScheduleState => (gone ? "gone" : paused === null ? "active" : "paused")

export const calendarOf = ({ timing }: Pick<ScheduleSpec, "timing">, anchorMs: number): Calendar =>
  timing._tag === "Cron" ? timing : { _tag: "Every", periodMs: timing.periodMs, anchorMs }

/** A number in [0, 1) that is always the same for a tick. */
const chanceOf = (name: string, nominalMs: number, what: string): number => Number.parseInt(sha256(`${what} ${name} ${nominalMs}`).slice(0, 10), 16) / 2 ** 40

/** When a tick starts: its instant and its jitter. */
export const dueOf = ({ jitterMs, name }: ScheduleSpec, nominalMs: number): number =>
  jitterMs === 0 ? nominalMs : nominalMs + Math.floor(chanceOf(name, nominalMs, "jitter") * (jitterMs + 1))

/** The key of a tick's run: for whoever is asked twice outside, and in the database. */
export const tickKey = (name: string, nominalMs: number): string => `schedule:${name}:${isoOf(nominalMs)}`

/** Two numbers for the id of a tick's run, and its trace. */
export const drawnFor = (key: string): { readonly chances: readonly [number, number]; readonly trace: string } => ({
  chances: [chanceOf(key, 1, "id"), chanceOf(key, 2, "id")],
  trace: sha256(`trace ${key}`).slice(0, 32)
})

/** The schedule with its next tick after the cursor, if it is to have one. */
export const planned = (schedule: Schedule): Schedule => {
  const next = stateOf(schedule) === "active" ? nextAfter(calendarOf(schedule.spec, schedule.anchorMs), schedule.cursorMs) : null
  return { ...schedule, nextMs: next?.atMs ?? null, dueMs: next === null ? null : dueOf(schedule.spec, next.atMs) }
}

const plain = (part: object): Json => JSON.parse(JSON.stringify(part))

/** Whether two declarations, or parts of them, say the same. */
export const isSame = (a: object, b: object): boolean => canonical(plain(a)) === canonical(plain(b))

/** How a schedule is declared: what is left out has its default. */
export interface ScheduleEntry {
  readonly name: string
  readonly kind: string
  readonly payload?: Json | undefined
  readonly cron?: string | undefined
  readonly everyMs?: number | undefined
  readonly zone?: string | undefined
  readonly onGap?: OnGap | undefined
  readonly onRepeat?: OnRepeat | undefined
  readonly catchUp?: CatchUp | undefined
  readonly catchUpWindowMs?: number | undefined
  readonly catchUpMax?: number | undefined
  readonly overlap?: Overlap | undefined
  readonly queueMax?: number | undefined
  readonly jitterMs?: number | undefined
  readonly lateAfterMs?: number | undefined
}

const yearMs = 366 * 86_400_000
const hourMs = 3_600_000
export const scheduleName = /^[a-z][a-z0-9._-]{0,63}$/

const limits = {
  everyMs: [1000, yearMs],
  catchUpWindowMs: [1000, 10 * yearMs],
  catchUpMax: [1, 1000],
  queueMax: [1, 1000],
  jitterMs: [0, hourMs],
  lateAfterMs: [0, hourMs]
} as const satisfies Partial<Record<keyof ScheduleEntry, readonly [number, number]>>

const wordsOf = { everyMs: "every", catchUpWindowMs: "the window of catching up", catchUpMax: "the cap of catching up", queueMax: "the length of the queue", jitterMs: "the jitter", lateAfterMs: "the grace of a late tick" } as const satisfies Record<keyof typeof limits, string>

const limitIssue = (entry: ScheduleEntry): string | null => {
  const names = ["everyMs", "catchUpWindowMs", "catchUpMax", "queueMax", "jitterMs", "lateAfterMs"] as const
  for (const name of names) {
    const value = entry[name]
    const [min, max] = limits[name]
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= min && value <= max)) {
      return `${wordsOf[name]} is a whole number from ${min} to ${max}${name.endsWith("Ms") ? " milliseconds" : ""}`
    }
  }
  return null
}

const choices = {
  onGap: ["skip", "shift"],
  onRepeat: ["once", "twice"],
  catchUp: catchUps,
  overlap: overlaps
} as const satisfies Partial<Record<keyof ScheduleEntry, ReadonlyArray<string>>>

const choiceIssue = (entry: ScheduleEntry): string | null => {
  for (const name of ["onGap", "onRepeat", "catchUp", "overlap"] as const) {
    const value = entry[name]
    if (value !== undefined && !choices[name].some((one) => one === value)) return `${name} is one of ${choices[name].join(", ")}`
  }
  return null
}

/** The timing of an entry, or what is wrong with it. Also for what is only tried, without a schedule. */
export const timingOf = ({ cron, everyMs, onGap = "shift", onRepeat = "once", zone }: Pick<ScheduleEntry, "cron" | "everyMs" | "onGap" | "onRepeat" | "zone">): Either.Either<Timing, string> => {
  if ((cron === undefined) === (everyMs === undefined)) return Either.left("either cron or every says when it runs")
  if (everyMs !== undefined) return zone === undefined ? Either.right({ _tag: "Every", periodMs: everyMs }) : Either.left("a plain interval knows no zone")
  if (zone !== undefined && !isZone(zone)) return Either.left(`${JSON.stringify(zone)} is no zone of the IANA database`)
  return Either.flatMap(Either.mapLeft(cronTimes(cron ?? ""), (issue) => `cron: ${issue}`), ({ dayFrom }) =>
    dayFrom(0) === null ? Either.left("cron: there is no such day") : Either.right({ _tag: "Cron" as const, cron: cron ?? "", zone: zone ?? "UTC", onGap, onRepeat }))
}

/** The spec of an entry, with the defaults filled in, or one sentence about what is wrong. */
export const specOf = (entry: ScheduleEntry): Either.Either<ScheduleSpec, string> => {
  if (!scheduleName.test(entry.name)) return Either.left("a schedule is named by 1 to 64 small letters, digits and . _ -, beginning with a letter")
  const issue = limitIssue(entry) ?? choiceIssue(entry)
  if (issue !== null) return Either.left(issue)
  return Either.map(timingOf(entry), (timing) => ({
    name: entry.name,
    kind: entry.kind,
    payload: entry.payload ?? {},
    timing,
    catchUp: entry.catchUp ?? "latest",
    catchUpWindowMs: entry.catchUpWindowMs ?? yearMs,
    catchUpMax: entry.catchUpMax ?? 100,
    overlap: entry.overlap ?? "skip",
    queueMax: entry.queueMax ?? 1,
    jitterMs: entry.jitterMs ?? 0,
    lateAfterMs: entry.lateAfterMs ?? 5000
  }))
}

const units = { ms: 1, s: 1000, m: 60_000, h: hourMs, d: 24 * hourMs } as const

/** `30s`, `1h30m`, `500ms` as milliseconds; null when it is not a duration. */
export const durationOf = (text: string): number | null => {
  const parts = [...text.matchAll(/(\d{1,9})(ms|s|m|h|d)/g)]
  if (parts.length === 0 || parts.map(([part]) => part).join("") !== text) return null
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * (unit === "ms" || unit === "s" || unit === "m" || unit === "h" || unit === "d" ? units[unit] : 0), 0)
}
