/** The verb `logs`: reads the files of the log beside a database, whether or not a server runs. */
import { existsSync } from "node:fs"
import { Effect } from "effect"
import type { LogLine } from "./domain/LogRecord.ts"
import { exitCode } from "./edge/cli/ExitCode.ts"
import type { Place, Print } from "./edge/cli/Program.ts"
import { logText, type TraceLook } from "./edge/cli/TraceVerbs.ts"
import { logFile, olderLogFile, readLog } from "./LogFiles.ts"

type Wanted = Extract<TraceLook, { readonly _tag: "Logs" }>

/** How often somebody who follows looks. */
const lookEvery = "300 millis"

const tell = (print: Print, lines: ReadonlyArray<LogLine>, { json }: Place): void => {
  if (lines.length > 0) print.out(`${lines.map((line) => (json ? line.text : logText(line))).join("\n")}\n`)
}

// What stands behind the last line that was told; all of it when that line is not there any more.
const behind = (lines: ReadonlyArray<LogLine>, last: LogLine | undefined): ReadonlyArray<LogLine> =>
  last === undefined ? lines : lines.slice(lines.findLastIndex(({ text }) => text === last.text) + 1)

export const showLogs = (print: Print, { filter, follow, limit }: Wanted, database: string, place: Place): Effect.Effect<number> => {
  const next = (last: LogLine | undefined): Effect.Effect<number> =>
    Effect.flatMap(Effect.sleep(lookEvery), () => {
      const fresh = behind(readLog(database, filter, Infinity), last)
      tell(print, fresh, place)
      return next(fresh.at(-1) ?? last)
    })
  return Effect.suspend(() => {
    if (!existsSync(logFile(database)) && !existsSync(olderLogFile(database))) print.say(`no process has written a log beside ${database}`)
    const lines = readLog(database, filter, limit)
    tell(print, lines, place)
    return follow ? next(lines.at(-1)) : Effect.succeed(exitCode.ok)
  })
}
