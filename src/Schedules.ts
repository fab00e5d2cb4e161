/** Schedules as they are written in a configuration or in the options of a program, checked against the kinds that they run. */
import { Duration, Either } from "effect"
import type { Json } from "./domain/Canonical.ts"
import { durationOf, type ScheduleEntry, type ScheduleSpec, specOf } from "./domain/Schedule.ts"
import { durationIssue } from "./runtime/workflow/StepOptions.ts"

/** A kind as far as a schedule has to know it. */
interface Runnable {
  /** Why a payload does not fit, or null. */
  readonly issueOf: (payload: Json) => string | null
}

/** `schedules.<name>` of a configuration; the schema has checked its members one by one. */
export interface ConfigSchedule {
  readonly kind: string
  readonly payload?: Json
  readonly cron?: string
  readonly every?: string
  readonly zone?: string
  readonly on_gap?: ScheduleEntry["onGap"]
  readonly on_repeat?: ScheduleEntry["onRepeat"]
  readonly catch_up?: ScheduleEntry["catchUp"]
  readonly catch_up_window_ms?: number
  readonly catch_up_max?: number
  readonly overlap?: ScheduleEntry["overlap"]
  readonly queue_max?: number
  readonly jitter_ms?: number
  readonly late_after_ms?: number
}

/** A schedule in code. Times may be durations, as everywhere in the options of a program. */
export interface ScheduleOptions extends Omit<ScheduleEntry, "everyMs" | "catchUpWindowMs" | "jitterMs" | "lateAfterMs"> {
  readonly every?: Duration.DurationInput
  readonly catchUpWindow?: Duration.DurationInput
  readonly jitter?: Duration.DurationInput
  readonly lateAfter?: Duration.DurationInput
}

const checked = (entry: ScheduleEntry, kinds: ReadonlyMap<string, Runnable>): Either.Either<ScheduleSpec, string> =>
  Either.flatMap(specOf(entry), (spec) => {
    const kind = kinds.get(spec.kind)
    if (kind === undefined) return Either.left(`there is no task kind ${JSON.stringify(spec.kind)}`)
    const issue = kind.issueOf(spec.payload)
    return issue === null ? Either.right(spec) : Either.left(`the payload does not fit the kind ${spec.kind}: ${issue}`)
  })

const configured = (name: string, entry: ConfigSchedule, kinds: ReadonlyMap<string, Runnable>): Either.Either<ScheduleSpec, string> => {
  const everyMs = entry.every === undefined ? undefined : durationOf(entry.every)
  if (everyMs === null) return Either.left(`every is a duration such as 30s, 5m or 1h30m`)
  return checked({
    name,
    kind: entry.kind,
    payload: entry.payload,
    cron: entry.cron,
    everyMs,
    zone: entry.zone,
    onGap: entry.on_gap,
    onRepeat: entry.on_repeat,
    catchUp: entry.catch_up,
    catchUpWindowMs: entry.catch_up_window_ms,
    catchUpMax: entry.catch_up_max,
    overlap: entry.overlap,
    queueMax: entry.queue_max,
    jitterMs: entry.jitter_ms,
    lateAfterMs: entry.late_after_ms
  }, kinds)
}

/** The schedules of a configuration, or one sentence about the first that cannot be used. */
export const fromConfig = (entries: Readonly<Record<string, ConfigSchedule>>, kinds: ReadonlyMap<string, Runnable>): Either.Either<ReadonlyArray<ScheduleSpec>, string> =>
  Either.all(Object.entries(entries).map(([name, entry]) => Either.mapLeft(configured(name, entry, kinds), (issue) => `schedules.${name}: ${issue}`)))

const millisOf = (input: Duration.DurationInput | undefined): number | undefined => (input === undefined ? undefined : Math.ceil(Duration.toMillis(input)))

const inCode = ({ catchUpWindow, every, jitter, lateAfter, ...entry }: ScheduleOptions, kinds: ReadonlyMap<string, Runnable>): Either.Either<ScheduleSpec, string> => {
  const issue = durationIssue("every", every) ?? durationIssue("catchUpWindow", catchUpWindow) ?? durationIssue("jitter", jitter) ?? durationIssue("lateAfter", lateAfter)
  if (issue !== null) return Either.left(issue)
  return checked({ ...entry, everyMs: millisOf(every), catchUpWindowMs: millisOf(catchUpWindow), jitterMs: millisOf(jitter), lateAfterMs: millisOf(lateAfter) }, kinds)
}

/** The schedules of a program, or one sentence about the first that cannot be used. */
export const fromOptions = (all: ReadonlyArray<ScheduleOptions>, kinds: ReadonlyMap<string, Runnable>): Either.Either<ReadonlyArray<ScheduleSpec>, string> => {
  const twice = all.find(({ name }, index) => all.findIndex((other) => other.name === name) !== index)
  if (twice !== undefined) return Either.left(`the schedule ${twice.name} is declared twice`)
  return Either.all(all.map((one) => Either.mapLeft(inCode(one, kinds), (issue) => `the schedule ${one.name}: ${issue}`)))
}
