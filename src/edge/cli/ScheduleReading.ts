/** The verbs that only look at schedules. */
import { Effect, Either } from "effect"
import { previewOfSchedule, previewOfTiming, schedulesNow, ticksOf } from "../../control/ScheduleViews.ts"
import { durationOf, timingOf } from "../../domain/Schedule.ts"
import { Instants } from "../../engine/Engine.ts"
import { exitCode } from "./ExitCode.ts"
import { CommandRefused } from "./CommandSocket.ts"
import type { Print, TriedTiming } from "./Program.ts"
import { previewText, schedulesText, ticksText } from "./ScheduleVerbs.ts"

export const showSchedules = (print: Print) =>
  Effect.map(schedulesNow, (rows) => {
    print.result(rows, () => schedulesText(rows))
    return exitCode.ok
  })

export const showTicks = (print: Print, schedule: string, limit: number) =>
  Effect.map(ticksOf(schedule, limit), (rows) => {
    print.result(rows, () => ticksText(rows))
    return exitCode.ok
  })

/** The next ticks of a timing, without a file. */
export const tryPreview = (print: Print, { cron, every, onGap, onRepeat, zone }: TriedTiming, count: number, fromMs: number | null) =>
  Effect.gen(function*() {
    const everyMs = every === undefined ? undefined : durationOf(every)
    if (everyMs === null || (everyMs !== undefined && everyMs < 1000)) return yield* new CommandRefused({ tag: "Usage", text: "--every is a duration of at least a second, such as 30s, 5m or 1h30m" })
    const timing = timingOf({ cron, everyMs, onGap, onRepeat, zone })
    if (Either.isLeft(timing)) return yield* new CommandRefused({ tag: "Usage", text: timing.left })
    const { wallMs } = yield* Instants
    const preview = previewOfTiming(timing.right, count, fromMs ?? wallMs())
    print.result(preview, () => previewText(preview))
    return exitCode.ok
  })

export const showPreview = (print: Print, of: string, count: number, fromMs: number | null) =>
  Effect.map(previewOfSchedule(of, count, fromMs), (preview) => {
    print.result(preview, () => previewText(preview))
    return exitCode.ok
  })
