/** The verbs about schedules: their words, and what is printed about them. Times are read in `ScheduleReading.ts`, since a command starts faster without that. */
import { type Command, InvalidArgumentError, Option } from "commander"
import type { Preview, PreviewRow, ScheduleView, TickView } from "../../control/ScheduleViews.ts"
import { oneLine } from "../../domain/Redaction.ts"
import type { ScheduleAnswer, ScheduleAsk } from "../../domain/ScheduleAsk.ts"
import { howOf, planning, type PlanOptions } from "./PlanWords.ts"
import { type Look, looking, placeOf, type TriedTiming, type Verbs, wholeNumber, withGlobals } from "./Program.ts"

const instant = (text: string): number => {
  const atMs = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)$/.test(text) ? Date.parse(text) : Number.NaN
  if (!Number.isFinite(atMs) || atMs < 0) throw new InvalidArgumentError("an instant is written like 2026-03-08T02:30:00Z, or with an offset such as -05:00 at its end")
  return atMs
}

interface AskOptions extends PlanOptions {
  readonly reason?: string
  readonly key?: string
}

const asking = (command: Command): Command =>
  planning(withGlobals(command))
    .option("--reason <text>", "why; on record for ever")
    .option("--key <key>", "idempotency key: the same key and request give the same answer")

interface PreviewOptions extends TriedTiming {
  readonly count: number
  readonly from?: number
}

const previewLook = (name: string | undefined, options: PreviewOptions, refuse: (sentence: string) => never): Look => {
  const given = [options.cron, options.every, options.zone, options.onGap, options.onRepeat].some((option) => option !== undefined)
  const common = { _tag: "Preview", count: options.count, fromMs: options.from ?? null } as const
  if (name !== undefined) return given ? refuse("opsgate: a schedule has its own times; leave the name out to try others") : { ...common, of: name }
  return { ...common, of: options }
}

/** Adds `schedules` and `schedule …`. */
export const addScheduleVerbs = (program: Command, verbs: Verbs): Command => {
  looking(program.command("schedules"))
    .description("what runs by itself: next and last tick, and what was late, skipped or missed")
    .action((_options: unknown, command: Command) => verbs.run({ _tag: "Schedules" }, placeOf(command)))

  const schedule = withGlobals(program.command("schedule").description("look at a schedule, pause it, run it"))

  looking(schedule.command("preview [name]"))
    .description("the next ticks of a schedule, or of --cron or --every")
    .option("--cron <pattern>", "5 fields, or 6 with seconds in front")
    .option("--every <duration>", "a plain interval such as 30s, 5m or 1h30m")
    .option("--zone <zone>", "IANA zone of the pattern (default: UTC)")
    .addOption(new Option("--on-gap <rule>", "for a local time that does not exist").choices(["skip", "shift"]))
    .addOption(new Option("--on-repeat <rule>", "for a local time that exists twice").choices(["once", "twice"]))
    .addOption(new Option("--count <n>", "how many").default(10).argParser(wholeNumber(1, 1000)))
    .addOption(new Option("--from <instant>", "after this instant instead of now").argParser(instant))
    .action((name: string | undefined, options: PreviewOptions, command: Command) =>
      verbs.run(previewLook(name, options, (sentence) => command.error(sentence, { exitCode: 2 })), placeOf(command)))

  looking(schedule.command("ticks <name>"))
    .description("what became of its ticks, newest first")
    .addOption(new Option("--limit <n>", "how many").default(50).argParser(wholeNumber(1, 100_000)))
    .action((name: string, options: { readonly limit: number }, command: Command) => verbs.run({ _tag: "Ticks", schedule: name, limit: options.limit }, placeOf(command)))

  const simple = (op: "pause" | "resume" | "run", description: string) =>
    asking(schedule.command(`${op} <name>`))
      .description(description)
      .action((name: string, options: AskOptions, command: Command) => asked(verbs, { op: `schedule-${op}`, schedule: name, reason: options.reason ?? null }, options, command))

  simple("pause", "let no tick run until it is resumed; needs --reason")
  simple("resume", "let its ticks run again; those in between are skipped")
  simple("run", "run it now, outside of its ticks")

  asking(schedule.command("backfill <name>"))
    .description("run the ticks of a range that had no run; needs --reason")
    .addOption(new Option("--from <instant>", "the first, included").argParser(instant).makeOptionMandatory())
    .addOption(new Option("--to <instant>", "the last, included").argParser(instant).makeOptionMandatory())
    .action((name: string, options: AskOptions & { readonly from: number; readonly to: number }, command: Command) =>
      asked(verbs, { op: "schedule-backfill", schedule: name, reason: options.reason ?? null, from: options.from, to: options.to }, options, command))
  return program
}

const asked = (verbs: Verbs, ask: ScheduleAsk, { key, ...how }: AskOptions, command: Command): Promise<void> =>
  verbs.run({ _tag: "Ask", ask, key: key ?? null, waitMs: null, how: howOf(how) }, placeOf(command))

/** One line about what a command did. */
export const scheduleAnswerText = ({ existing, moved, schedule, state, tasks, version }: ScheduleAnswer): string => {
  const runs = tasks.length === 0 ? "" : tasks.length === 1 ? `, run ${tasks[0]}` : `, ${tasks.length} runs`
  const before = existing === 0 ? "" : `, ${existing} had their run before`
  return `${oneLine(schedule)} ${state}, version ${version}${runs}${before}${moved ? "" : ", unchanged"}`
}

const table = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ").trimEnd()).join("\n")
}

const lastText = ({ last }: ScheduleView): string => (last === null ? "-" : `${last.tick ?? "-"} ${last.outcome}${last.reason === null ? "" : ` (${last.reason})`}`)

const durationText = (ms: number): string => {
  const unit = ([["d", 86_400_000], ["h", 3_600_000], ["m", 60_000], ["s", 1000]] as const).find(([, size]) => ms % size === 0)
  return unit === undefined ? `${ms}ms` : `${ms / unit[1]}${unit[0]}`
}

const whenText = ({ cron, every_ms, zone }: ScheduleView): string => (cron === null ? `every ${durationText(every_ms ?? 0)}` : `${oneLine(cron)} ${zone ?? ""}`)

const noteText = ({ clock_behind_ms, paused, waiting }: ScheduleView): string =>
  [
    paused === null ? "" : `paused since ${paused.since} by ${oneLine(paused.by)}: ${oneLine(paused.reason)}`,
    waiting.length === 0 ? "" : `${waiting.length} waiting`,
    clock_behind_ms > 60_000 ? `the clock is ${durationText(Math.round(clock_behind_ms / 1000) * 1000)} behind its last tick` : ""
  ].filter((note) => note !== "").join("; ")

export const schedulesText = (rows: ReadonlyArray<ScheduleView>): string =>
  rows.length === 0
    ? "no schedules"
    : table([
      ["SCHEDULE", "STATE", "WHEN", "NEXT", "LAST", "STARTED", "LATE", "SKIPPED", "MISSED", "NOTE"],
      ...rows.map((row) => [row.name, row.state, whenText(row), row.due ?? "-", lastText(row), String(row.started), String(row.late), String(row.skipped), String(row.missed), noteText(row)])
    ])

export const ticksText = (rows: ReadonlyArray<TickView>): string =>
  rows.length === 0
    ? "no ticks yet"
    : table([
      ["TICK", "COUNT", "OUTCOME", "REASON", "LATE", "TASK"],
      ...rows.map(({ count, from, late_ms, outcome, reason, task, to }) => [from === to ? `${from}` : `${from} to ${to}`, String(count), outcome, reason ?? "", late_ms === null ? "" : `${late_ms}ms`, task ?? ""])
    ])

const offsetText = (minutes: number): string => `${minutes < 0 ? "-" : "+"}${String(Math.floor(Math.abs(minutes) / 60)).padStart(2, "0")}:${String(Math.abs(minutes) % 60).padStart(2, "0")}`

const markText = ({ count, mark }: PreviewRow): string =>
  ({
    none: "",
    shifted: "the clock jumps over this local time: shifted to the first instant after it",
    first: "this local time comes twice: the first",
    second: "this local time comes twice: the second",
    skipped: `the clock jumps: ${count} ${count === 1 ? "tick" : "ticks"} skipped`
  })[mark ?? "none"]

export const previewText = ({ rows, zone }: Preview): string =>
  rows.length === 0
    ? "no tick is to come"
    : table([["UTC", `LOCAL (${zone})`, "OFFSET", "NOTE"], ...rows.map((row) => [row.at ?? "-", row.local, offsetText(row.offset_minutes), markText(row)])])
