/** Builds the layers that a verb needs, runs it, and answers its exit code. Loaded when the door alone cannot answer. */
import { dirname } from "node:path"
import { Cause, Effect, Exit, Layer, Logger, LogLevel, Option } from "effect"
import type { Ask } from "./domain/Command.ts"
import type { Answer, QueueAnswer } from "./domain/Decision.ts"
import type { DoorAsk } from "./control/Door.ts"
import type { How, Plan } from "./domain/Plan.ts"
import type { ScheduleAnswer, ScheduleAsk } from "./domain/ScheduleAsk.ts"
import { CommandRefused } from "./edge/cli/CommandSocket.ts"
import { exitCode } from "./edge/cli/ExitCode.ts"
import type { Look, Place, Print } from "./edge/cli/Program.ts"
import type { FileAction } from "./edge/cli/FileVerbs.ts"
import { listTasks, printEvents, showQueues, showSteps, showSummary, showTask, showTrace } from "./edge/cli/Reading.ts"
import { Redacting } from "./control/Redacting.ts"
import type { LimitsInForce } from "./control/QueueViews.ts"
import { showPreview, showSchedules, showTicks, tryPreview } from "./edge/cli/ScheduleReading.ts"
import type { EngineReader, Instants } from "./engine/Engine.ts"
import * as Live from "./engine/Live.ts"
import * as SqliteReader from "./engine/SqliteReader.ts"
import { showLogs } from "./Logs.ts"
import { redactorIn } from "./RedactionKey.ts"
import { fileOf, lossIn, storageAt, summaryAt } from "./StorageLook.ts"

/** A failure as the door prints it. */
export interface Failed {
  readonly tag: string
  readonly text: string
}

type Failure = { readonly _tag: string; readonly message: string }

const failedOf = (cause: Cause.Cause<Failure>): Failed => {
  const failure = Cause.failureOption(cause)
  if (Option.isNone(failure)) return { tag: "Defect", text: `internal error: ${Cause.pretty(cause)}` }
  const { value } = failure
  return { tag: value instanceof CommandRefused ? value.tag : value._tag, text: value.message }
}

/** Runs an effect that the door asked for. */
export const run = async <A>(effect: Effect.Effect<A, Failure>): Promise<A | Failed> =>
  Exit.match(await Effect.runPromiseExit(effect), { onSuccess: (value): A | Failed => value, onFailure: failedOf })

// Standard output belongs to the answer.
export const warnings = Layer.merge(
  Logger.replace(Logger.defaultLogger, Logger.logfmtLogger.pipe(Logger.map((line) => void process.stderr.write(`${line}\n`)))),
  Logger.minimumLogLevel(LogLevel.Warning)
)

export const reading = (place: Place) => Layer.merge(SqliteReader.layer(fileOf(place)), Live.instants)

/** Reads the file of a place, and says first what it has lost. */
export const readingAt = <A>(place: Place, print: Print, read: Effect.Effect<A, Failure, EngineReader | Instants>): Effect.Effect<A, Failure> =>
  Effect.zipRight(
    Effect.map(lossIn(fileOf(place)), (lost) => (lost === null ? undefined : print.say(lost.message))),
    Effect.provide(Effect.provideService(read, Redacting, redactorIn(dirname(fileOf(place)))), reading(place))
  )

const lookAt = (print: Print, action: Exclude<Look, { readonly _tag: "Summary" | "Logs" | "Why" }>, limits: LimitsInForce | null): Effect.Effect<number, Failure, EngineReader | Instants> => {
  switch (action._tag) {
    case "Show":
      return showTask(print, action.task, action.raw)
    case "Trace":
      return showTrace(print, action.of)
    case "Steps":
      return showSteps(print, action.task)
    case "List":
      return listTasks(print, { limit: action.limit, ...(action.state === undefined ? {} : { state: action.state }) }, action.everyMs)
    case "Queues":
      return showQueues(print, action.everyMs, limits)
    case "Events":
      return printEvents(print, action.after, action.type)
    case "Schedules":
      return showSchedules(print)
    case "Ticks":
      return showTicks(print, action.schedule, action.limit)
    case "Preview":
      return typeof action.of === "string" ? showPreview(print, action.of, action.count, action.fromMs) : tryPreview(print, action.of, action.count, action.fromMs)
  }
}

const limitsOf = async (config: string | undefined): Promise<LimitsInForce | Failed> => run((await import("./Config.ts")).limits(config))

// A configuration that cannot be read is no reason not to say what else is known.
const why = async (print: Print, task: string, place: Place): Promise<number | Failed> => {
  const limits = place.db === undefined ? await limitsOf(place.config) : null
  const { showWhy } = await import("./edge/cli/WhyReading.ts")
  const shown = Effect.flatMap(storageAt(place), (storage) => showWhy(print, task, { limits: limits === null || "tag" in limits ? null : limits, storage }))
  return run(readingAt(place, print, shown))
}

/** Carries out a verb that only looks. */
export const look = async (print: Print, action: Look, place: Place): Promise<number | Failed> => {
  if (action._tag === "Summary") return run<number>(showSummary(print, summaryAt(place, action.hours), action.check, action.everyMs))
  if (action._tag === "Why") return why(print, action.task, place)
  if (action._tag === "Logs") return run(showLogs(print, action, fileOf(place), place))
  // What is only tried needs no file.
  if (action._tag === "Preview" && typeof action.of !== "string") return run(Effect.provide(tryPreview(print, action.of, action.count, action.fromMs), Live.instants))
  const limits = action._tag === "Queues" && place.db === undefined ? await limitsOf(place.config) : null
  if (limits !== null && "tag" in limits) return limits
  return run(readingAt(place, print, lookAt(print, action, limits)))
}

/** Decides a command here, since no server answered. */
export const decide = async (ask: Ask | ScheduleAsk, key: string | null, place: Place, how: How = {}): Promise<Answer | QueueAnswer | ScheduleAnswer | Failed> => {
  const { decideHere } = await import("./Ask.ts")
  const decided: Effect.Effect<Answer | QueueAnswer | ScheduleAnswer, Failure> = Effect.provide(decideHere(ask, key, place.config, how), warnings)
  return run(decided)
}

/** Plans a command here, since no server answered. */
export const plan = async (ask: DoorAsk, key: string | null, place: Place): Promise<Plan | Failed> => {
  const { planHere } = await import("./Planning.ts")
  const planned: Effect.Effect<Plan, Failure> = Effect.provide(planHere(ask, key, place.config), warnings)
  return run(planned)
}

/** Goes on with a file that has lost something. */
export const accept = async (print: Print, reason: string, place: Place): Promise<number | Failed> => {
  const { acceptedText, acceptLossOf } = await import("./AcceptLoss.ts")
  return run(Effect.map(Effect.provide(acceptLossOf(reason, place.config), warnings), (accepted) => {
    print.result(accepted, () => acceptedText(accepted))
    return exitCode.ok
  }))
}

/** Waits for the end of a task; answers how it stands then, or when the time is up. */
export const awaitTask = async (answer: Answer, waitMs: number, place: Place): Promise<Answer | Failed> => {
  const { awaitEnd } = await import("./Ask.ts")
  return run(Effect.map(awaitEnd(answer, waitMs, place.config), (task) => (task === undefined ? answer : { ...answer, state: task.state, holds: task.holds })))
}

/** Runs the server until it is told to stop; commands run under the program at `supervisor`. */
export const serveUntilStopped = async (place: Place, supervisor: string): Promise<number | Failed> => {
  const { serve } = await import("./Serve.ts")
  return run(serve(place.config, supervisor))
}

/** Carries out a verb about the file as a whole. */
export const onFile = async (print: Print, action: FileAction, place: Place): Promise<number | Failed> => {
  const { carryOutOnFile } = await import("./FileVerbs.ts")
  return run(carryOutOnFile(print, action, place))
}
