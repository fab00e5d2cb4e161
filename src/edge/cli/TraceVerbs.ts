/** The verbs that follow what happened: the log for triage, and the path of a trace. Their words, and what people read of them. */
import { type Command, InvalidArgumentError, Option } from "commander"
import { DateTime } from "effect"
import { isTrace } from "../../domain/Ids.ts"
import { type LogFilter, type LogLevel, logLevels, type LogLine } from "../../domain/LogRecord.ts"
import { oneLine } from "../../domain/Redaction.ts"

export type TraceLook =
  | { readonly _tag: "Logs"; readonly filter: LogFilter; readonly limit: number; readonly follow: boolean }
  | { readonly _tag: "Trace"; readonly of: string }

type Run = (look: TraceLook, command: Command) => Promise<void>

/** The most records that the files of the log hold. */
const limitMax = 1000

const limit = (text: string): number => {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1 || value > limitMax) throw new InvalidArgumentError(`a whole number from 1 to ${limitMax} is wanted`)
  return value
}

const trace = (text: string): string => {
  if (!isTrace(text.toLowerCase())) throw new InvalidArgumentError("a trace id has 32 hex digits, and not only zeros")
  return text.toLowerCase()
}

const task = (text: string): string => {
  if (!/^[0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{4,26}$/.test(text)) throw new InvalidArgumentError("a task is named by its id, or by 4 or more characters of its end")
  return text
}

interface LogOptions {
  readonly level?: LogLevel
  readonly task?: string
  readonly trace?: string
  readonly limit: number
  readonly follow?: boolean
}

/** Adds the verbs; `looking` gives a verb the options that all such verbs have. */
export const addTraceVerbs = (program: Command, looking: (command: Command) => Command, run: Run): void => {
  looking(program.command("logs"))
    .description("the latest records of the log, with the server up or down")
    .addOption(new Option("--level <level>", "this level and above").choices(logLevels))
    .addOption(new Option("--task <id>", "only about this task: its id, or the end of it").argParser(task))
    .addOption(new Option("--trace <id>", "only under this trace").argParser(trace))
    .addOption(new Option("--limit <n>", "how many").default(500).argParser(limit))
    .option("--follow", "go on with what comes, until interrupted")
    .action(({ follow, level, limit, task, trace }: LogOptions, command: Command) =>
      run({ _tag: "Logs", filter: { ...(level === undefined ? {} : { level }), ...(task === undefined ? {} : { task }), ...(trace === undefined ? {} : { trace }) }, limit, follow: follow ?? false }, command))

  looking(program.command("trace <task-or-trace>"))
    .description("the whole path of a task or a trace as a tree with durations")
    .action((of: string, _options: unknown, command: Command) => run({ _tag: "Trace", of }, command))
}

const when = (atMs: number): string => DateTime.formatIso(DateTime.unsafeMake(atMs))

/** One record in one line. */
export const logText = ({ actor, at, code, level, message, task }: LogLine): string =>
  [when(at), level.toUpperCase().padEnd(5), oneLine(message), ...(task === null ? [] : [`task=${oneLine(task)}`]), ...(actor === null ? [] : [`by=${oneLine(actor)}`]), ...(code === null ? [] : [`code=${oneLine(code)}`])].join("  ")
