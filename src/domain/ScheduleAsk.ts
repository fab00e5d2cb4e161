/** What an operator asks of a schedule. The wire form of a request, beside that of `Command.ts`. */
import { Schema } from "effect"
import { reasonMax, taskNameMax } from "./AskLimits.ts"

const Reason = Schema.NullOr(Schema.String.pipe(Schema.maxLength(reasonMax)))
const OnSchedule = { schedule: Schema.NonEmptyString.pipe(Schema.maxLength(taskNameMax)), reason: Reason }
const Instant = Schema.Int.pipe(Schema.between(0, 8_640_000_000_000_000))

export const ScheduleAsk = Schema.Union(
  Schema.Struct({ op: Schema.Literal("schedule-pause"), ...OnSchedule }),
  Schema.Struct({ op: Schema.Literal("schedule-resume"), ...OnSchedule }),
  /** A run outside of the ticks. */
  Schema.Struct({ op: Schema.Literal("schedule-run"), ...OnSchedule }),
  /** The ticks from the first instant to the last, both included, that have had no run. Unix time in milliseconds. */
  Schema.Struct({ op: Schema.Literal("schedule-backfill"), ...OnSchedule, from: Instant, to: Instant })
)
export type ScheduleAsk = typeof ScheduleAsk.Type
export type ScheduleAskTo<O extends ScheduleAsk["op"]> = Extract<ScheduleAsk, { readonly op: O }>

/** Whether a command is refused without a reason. */
export const scheduleNeedsReason = {
  "schedule-pause": true,
  "schedule-resume": false,
  "schedule-run": false,
  "schedule-backfill": true
} as const satisfies Record<ScheduleAsk["op"], boolean>

export const isScheduleAsk = (ask: { readonly op: string }): ask is ScheduleAsk => ask.op in scheduleNeedsReason

/** The answer to a command about a schedule. */
export const ScheduleAnswer = Schema.Struct({
  schedule: Schema.String,
  state: Schema.Literal("active", "paused", "gone"),
  version: Schema.Int,
  /** Whether this very command changed anything. */
  moved: Schema.Boolean,
  /** The runs that it asked for. */
  tasks: Schema.Array(Schema.String),
  /** Ticks of a backfill that had their run before. */
  existing: Schema.Int
})
export type ScheduleAnswer = typeof ScheduleAnswer.Type
