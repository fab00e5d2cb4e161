/** Prints what a task waits for. */
import { Effect } from "effect"
import { resolve } from "../../control/Commands.ts"
import { whyText } from "../../control/Why.ts"
import { type KnownOutside, whyTask } from "../../control/WhyLook.ts"
import { printable } from "../../domain/Redaction.ts"
import { EngineReader } from "../../engine/Engine.ts"
import { exitCode } from "./ExitCode.ts"
import type { Print } from "./Program.ts"

export const showWhy = (print: Print, text: string, outside: KnownOutside) =>
  Effect.gen(function*() {
    const reader = yield* EngineReader
    const task = yield* reader.get(yield* resolve(text))
    if (task === undefined) return exitCode.notFound
    const why = yield* whyTask(task, outside)
    print.result(why, () => whyText(task, why.reasons).split("\n").map(printable).join("\n"))
    return exitCode.ok
  })
