/** Modules of workflows: JavaScript that a configuration names, and the tasks that each of them exports. */
import { existsSync } from "node:fs"
import { extname } from "node:path"
import { pathToFileURL } from "node:url"
import { Data, Effect } from "effect"
import { matrix } from "./domain/Matrix.ts"
import type { AnyTask } from "./runtime/TaskDefinition.ts"

/** Why a module cannot be used, in words that follow its name. */
export class ModuleRefused extends Data.TaggedError("ModuleRefused")<{ readonly issue: string }> {}

const refuse = (issue: string) => new ModuleRefused({ issue })

/** How long a module may take to load: longer is taken for a top-level `await` that never ends. */
const loadMaxMs = matrix.module_load.timeoutMs

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === "object" && value !== null

// By its shape: the module has a copy of our classes, and of Effect, that is its own.
const isTask = (value: unknown): value is AnyTask =>
  isObject(value) && typeof value["run"] === "function" && typeof value["issueOf"] === "function" &&
  isObject(value["kind"]) && typeof value["kind"]["name"] === "string" && typeof value["kind"]["version"] === "string"

// Where it went wrong is told by node itself, when it runs the module.
const wordsOf = (cause: unknown): string => {
  const [line = ""] = (cause instanceof Error ? cause.message : String(cause)).split("\n")
  return `cannot be imported: ${line} (run it with node to see where)`
}

/** The tasks that the module in `file` exports under the name `tasks`. Importing it runs it. */
export const tasksOf = (file: string): Effect.Effect<ReadonlyArray<AnyTask>, ModuleRefused> =>
  Effect.gen(function*() {
    const extension = extname(file)
    if (/^\.[cm]?tsx?$/.test(extension)) return yield* refuse("is TypeScript; name the .mjs or .js file that it is compiled to")
    if (extension !== ".mjs" && extension !== ".js") return yield* refuse("is no module; name a .mjs or .js file")
    if (!existsSync(file)) return yield* refuse("does not exist")
    const found: unknown = yield* Effect.tryPromise({
      try: (): Promise<unknown> => import(pathToFileURL(file).href),
      catch: (cause) => refuse(wordsOf(cause))
    }).pipe(Effect.timeoutFail({ duration: loadMaxMs, onTimeout: () => refuse(`did not load within ${loadMaxMs / 1000} seconds; does it await something that never ends?`) }))
    const tasks = isObject(found) ? found["tasks"] : undefined
    if (!Array.isArray(tasks)) return yield* refuse("exports no list of tasks; write `export const tasks = [...]`")
    const strange = tasks.findIndex((task) => !isTask(task))
    if (strange >= 0) return yield* refuse(`exports something else than a task as tasks[${strange}]; make it with Task.define or Task.defineAsync`)
    return tasks.filter(isTask)
  })
