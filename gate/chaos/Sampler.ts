/** Long-lived readers of the product: one process prints the same thing again and again while faults happen, one line a look. */
import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { Effect, type Scope } from "effect"
import type { Row } from "../History.ts"
import type { Workspace } from "./Product.ts"
import { isRow, type Stage } from "./Stage.ts"

const summaryEveryMs = 10
const rowsEveryMs = 150

/** Takes samples of ops-summary until the scope closes or the scenario has as many as it wants. */
export const sample = (stage: Stage): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function*() {
    const clock = yield* Effect.clock
    const wanted = stage.scenario.limits.summaries
    yield* follow(stage.workspace, ["ops-summary", "--every", String(summaryEveryMs)], (summary) => {
      if (stage.summaries.length < wanted) stage.summaries.push({ at: clock.unsafeCurrentTimeMillis(), summary })
      return stage.summaries.length < wanted
    })
  })

/** Answers the tasks as they were last listed; empty before the first look. */
export const watchRows = (workspace: Workspace): Effect.Effect<() => ReadonlyArray<Row>, never, Scope.Scope> =>
  Effect.gen(function*() {
    let last: ReadonlyArray<Row> = []
    yield* follow(workspace, ["task", "list", "--limit", "10000", "--every", String(rowsEveryMs)], (json) => {
      if (Array.isArray(json)) last = json.filter(isRow)
      return true
    })
    return () => last
  })

/** Calls `onLook` with every line until it answers false. */
const follow = ({ dir, env, program }: Workspace, words: ReadonlyArray<string>, onLook: (json: unknown) => boolean): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const child = spawn(process.execPath, [program, ...words, "--json"], { cwd: dir, env, stdio: ["ignore", "pipe", "ignore"] })
      createInterface({ input: child.stdout }).on("line", (line) => {
        const json = parse(line)
        if (json !== undefined && !onLook(json)) child.kill("SIGKILL")
      })
      return child
    }),
    (child) => Effect.sync(() => void child.kill("SIGKILL"))
  ).pipe(Effect.asVoid)

// A line that was cut by the end of the process is no look.
const parse = (line: string): unknown => {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
