/** Builds the layers that a verb needs, runs it, and answers its exit code. Loaded when the door alone cannot answer. */
import { Cause, Effect, Exit, Layer, Option } from "effect"
import { databaseFile, locate } from "./DataDir.ts"
import type { Ask } from "./domain/Command.ts"
import type { Answer } from "./domain/Decision.ts"
import { CommandRefused } from "./edge/cli/CommandSocket.ts"
import type { Look, Place, Print } from "./edge/cli/Program.ts"
import { listTasks, printEvents, showSteps, showSummary, showTask } from "./edge/cli/Reading.ts"
import * as Live from "./engine/Live.ts"
import * as SqliteReader from "./engine/SqliteReader.ts"

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

const run = async <A>(effect: Effect.Effect<A, Failure>): Promise<A | Failed> =>
  Exit.match(await Effect.runPromiseExit(effect), { onSuccess: (value): A | Failed => value, onFailure: failedOf })

const reading = (place: Place) => Layer.merge(SqliteReader.layer(place.db ?? databaseFile(locate(place.config))), Live.instants)

const lookAt = (print: Print, action: Look) => {
  switch (action._tag) {
    case "Summary":
      return showSummary(print, action.hours, action.check, action.everyMs)
    case "Show":
      return showTask(print, action.task)
    case "Steps":
      return showSteps(print, action.task)
    case "List":
      return listTasks(print, { limit: action.limit, ...(action.state === undefined ? {} : { state: action.state }) }, action.everyMs)
    case "Events":
      return printEvents(print, action.after, action.type)
  }
}

/** Carries out a verb that only looks. */
export const look = async (print: Print, action: Look, place: Place): Promise<number | Failed> => {
  const effect: Effect.Effect<number, Failure> = lookAt(print, action).pipe(Effect.provide(reading(place)))
  return run(effect)
}

/** Decides a command here, since no server answered. */
export const decide = async (ask: Ask, key: string | null, place: Place): Promise<Answer | Failed> => {
  const { decideHere } = await import("./Ask.ts")
  return run(decideHere(ask, key, place.config))
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
