/**
 * What a simulation plays: `scenarios/simulated/<id>.json`. Times, shares and counts of virtual people, work and faults stand there, so
 * that nothing of it can be chosen after a run. Instants are virtual milliseconds, shares parts per million.
 */
import { readFileSync } from "node:fs"
import { basename } from "node:path"
import { Data, Either, ParseResult, Schema } from "effect"
import { measureNames } from "../scorecard/Measures.ts"

/** A setting cannot be played. Nothing was run. */
export class SettingRefused extends Data.TaggedError("SettingRefused")<{ readonly file: string; readonly why: string }> {
  override get message() {
    return `${this.file}: ${this.why}`
  }
}

const Ppm = Schema.Int.pipe(Schema.between(0, 1_000_000))
const Count = Schema.Int.pipe(Schema.greaterThanOrEqualTo(0))
/** The least and the most. */
const Range = Schema.Tuple(Count, Count).pipe(Schema.filter(([low, high]) => low <= high || `[${low}, ${high}] has more at the least than at the most`))
const Measure = Schema.NonEmptyString.pipe(Schema.filter((name) => measureNames.includes(name) || `no measure is called ${name}`))

/**
 * What strikes, and how it shows that it did: `kill` at any instant, `kill_at_commit` at a point of a transaction, `pause` longer than a
 * lease, `command_lost` a supervisor that is killed with its command, `busy`, `full` and `io` storage, `sync` a sync that fails, `clock` a
 * wall clock that is set, `replay` a command that is sent again, `polls` and `sends` what the chat service does to calls.
 */
export const faultClasses = ["kill", "kill_at_commit", "pause", "command_lost", "busy", "full", "io", "sync", "clock", "replay", "polls", "sends"] as const
export type SimulatedFault = (typeof faultClasses)[number]

/** Those that strike at instants drawn beforehand. How often a command is sent again follows from the people, by `double_ppm`. */
export type ScheduledFault = Exclude<SimulatedFault, "replay">
export const isScheduled = (kind: SimulatedFault): kind is ScheduledFault => kind !== "replay"

export const Setting = Schema.Struct({
  $schema: Schema.optionalWith(Schema.String, { exact: true }),
  v: Schema.Literal(1),
  id: Schema.NonEmptyString,
  title: Schema.NonEmptyString,
  hypothesis: Schema.NonEmptyString,
  traffic_class: Schema.Literal("fault", "prodlike"),
  /** For so long people ask and faults strike; afterwards nothing breaks any more, and everything must come to its end within `heal_ms`. */
  active_ms: Count,
  heal_ms: Count,
  lease_ms: Count,
  workers: Count,
  /** Within so long a command has to be answered, whatever the network does. */
  command_ms: Count,
  tasks: Range,
  heavy_ppm: Ppm,
  /** The share of tasks that come to another end than success: they fail, or people reject, cancel or forget them. */
  odd_ppm: Ppm,
  /** The shares of runs in which people ask for tasks with children, send signals, fork, fill a queue with limits, send what does not fit, and in which a task ends its process each time. */
  rare_ppm: Schema.Struct({ children: Ppm, signals: Ppm, forks: Ppm, limits: Ppm, misfits: Ppm, poison: Ppm }),
  /** The share of tasks that people ask for in a chat; the others are asked for on the command line. */
  chat_ppm: Ppm,
  /** The time between two ticks of the one schedule. */
  tick_ms: Count,
  /** How long a command works. */
  work_ms: Range,
  people: Schema.Struct({
    /** Until somebody answers. */
    think_ms: Range,
    /** The share of commands that are given twice, of words that are mistyped, and of presses by somebody who may not. */
    double_ppm: Ppm,
    mistake_ppm: Ppm,
    stranger_ppm: Ppm
  }),
  /** Faults in an hour, of each class that strikes by itself. */
  faults: Schema.Record({ key: Schema.Literal(...faultClasses.filter(isScheduled)), value: Count }),
  /** Of the seeds, those without any fault, those with all classes, and in the others the share of classes that are on. */
  swarm: Schema.Struct({ control_ppm: Ppm, all_ppm: Ppm, class_ppm: Ppm }),
  preemption_ppm: Ppm,
  /** Names of the measures by which each seed is judged. */
  measures: Schema.NonEmptyArray(Measure)
})
export type Setting = typeof Setting.Type

/** Reads a setting. Throws `SettingRefused` when it cannot be read, does not fit, or its id is not its name. */
export const readSetting = (file: string): Setting => {
  const refused = (why: string) => new SettingRefused({ file, why })
  const text = Either.try({ try: () => readFileSync(file, "utf8"), catch: () => refused("cannot be read") })
  const json = Either.flatMap(text, (found) => Either.try({ try: (): unknown => JSON.parse(found), catch: () => refused("is not JSON") }))
  const setting = Either.getOrThrowWith(Either.flatMap(json, (found) => Either.mapLeft(Schema.decodeUnknownEither(Setting, { onExcessProperty: "error" })(found), (error) => refused(issueIn(error)))), (error) => error)
  if (setting.id !== basename(file, ".json")) throw refused(`its id is ${setting.id}, which is not its name`)
  return setting
}

/** The same work at the same pace for another time: as many tasks fewer as it is shorter, and never none. */
export const lasting = (setting: Setting, activeMs: number = setting.active_ms): Setting => {
  const scaled = (count: number): number => Math.max(1, Math.round((count * activeMs) / setting.active_ms))
  return activeMs === setting.active_ms ? setting : { ...setting, active_ms: activeMs, tasks: [scaled(setting.tasks[0]), scaled(setting.tasks[1])] }
}

const issueIn = (error: ParseResult.ParseError): string => {
  const [first] = ParseResult.ArrayFormatter.formatErrorSync(error)
  return `${first?.path.join(".") ?? ""} ${first?.message ?? "is not valid"}`.trim()
}
