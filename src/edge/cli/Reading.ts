/** The verbs that only look. They open the file read-only, so they work with the server up and down. */
import { Effect } from "effect"
import { resolve } from "../../control/Commands.ts"
import { type OpsSummary, opsText } from "../../control/OpsSummary.ts"
import { heavySlotsOf, type LimitsInForce, queueRowsOf } from "../../control/QueueViews.ts"
import { Redacting } from "../../control/Redacting.ts"
import { detailOf, rawPayloadOf, rowOf, stepsOf } from "../../control/Views.ts"
import { traceText } from "../../control/TraceText.ts"
import { traceOf } from "../../control/Tracing.ts"
import { toLine } from "../../domain/TaskEvent.ts"
import { EngineReader, Instants, type TaskFilter } from "../../engine/Engine.ts"
import { exitCode } from "./ExitCode.ts"
import { detailText, listText, queuesText, stepsText } from "./Output.ts"
import type { Print } from "./Program.ts"

/** Once, or with `everyMs` again and again until the process is ended. */
export const showSummary = <E, R>(print: Print, summarised: Effect.Effect<OpsSummary, E, R>, check: boolean, everyMs: number | null) => {
  const once = Effect.gen(function*() {
    const summary = yield* summarised
    print.result(summary, () => opsText(summary))
    return check && summary.status === "degraded" ? exitCode.degraded : exitCode.ok
  })
  return again(once, everyMs)
}

const again = <A, E, R>(once: Effect.Effect<A, E, R>, everyMs: number | null): Effect.Effect<A, E, R> =>
  everyMs === null ? once : Effect.zipLeft(once, Effect.sleep(everyMs)).pipe(Effect.forever)

/** The most children and forks that are shown, newest first. */
const relativesMax = 100

/** With `raw` the payload is shown as it is stored, which is what its owner may ask for: a sensitive read. */
export const showTask = (print: Print, text: string, raw = false) =>
  Effect.gen(function*() {
    const reader = yield* EngineReader
    const redactor = yield* Redacting
    const id = yield* resolve(text)
    const task = yield* reader.get(id)
    if (task === undefined) return exitCode.notFound
    const shown = detailOf(task, {
      steps: yield* reader.steps(id),
      attempts: yield* reader.attempts(id),
      children: yield* reader.list({ parent: id, limit: relativesMax }),
      forks: yield* reader.list({ forkedFrom: id, limit: relativesMax })
    }, redactor)
    const detail = raw ? { ...shown, payload: rawPayloadOf(task) } : shown
    print.result(detail, () => detailText(detail))
    return exitCode.ok
  })

export const showSteps = (print: Print, text: string) =>
  Effect.gen(function*() {
    const reader = yield* EngineReader
    const redactor = yield* Redacting
    const id = yield* resolve(text)
    const rows = stepsOf(yield* reader.get(id), yield* reader.steps(id), redactor)
    print.result(rows, () => stepsText(rows))
    return exitCode.ok
  })

/** The whole path of a task or a trace. */
export const showTrace = (print: Print, text: string) =>
  Effect.gen(function*() {
    const trace = yield* traceOf(text)
    print.result(trace, () => traceText(trace))
    return exitCode.ok
  })

export const listTasks = (print: Print, filter: TaskFilter, everyMs: number | null) =>
  again(
    Effect.gen(function*() {
      const reader = yield* EngineReader
      const redactor = yield* Redacting
      const rows = (yield* reader.list(filter)).map((task) => rowOf(task, redactor))
      print.result(rows, () => listText(rows))
      return exitCode.ok
    }),
    everyMs
  )

export const showQueues = (print: Print, everyMs: number | null, limits: LimitsInForce | null) =>
  again(
    Effect.gen(function*() {
      const reader = yield* EngineReader
      const { wallMs } = yield* Instants
      const nowMs = wallMs()
      const queues = queueRowsOf(yield* reader.queues(nowMs), limits)
      print.result({ v: 1, generated_at: nowMs, workers: limits?.workers ?? null, heavy_slots: heavySlotsOf(limits), queues }, () => queuesText(queues, nowMs))
      return exitCode.ok
    }),
    everyMs
  )

/** Events that are read and written at a time. */
const page = 1000

/** Prints the log, one JSON object a line, oldest first. */
export const printEvents = (print: Print, after: number, type: string | undefined) =>
  Effect.gen(function*() {
    const reader = yield* EngineReader
    const printFrom = (seq: number): Effect.Effect<void, Effect.Effect.Error<ReturnType<typeof reader.events>>> =>
      Effect.flatMap(reader.events(seq, page), (events) => {
        const lines = events.filter((event) => type === undefined || event.type === type).map(toLine)
        if (lines.length > 0) print.out(`${lines.join("\n")}\n`)
        const last = events.at(-1)
        return last === undefined || events.length < page ? Effect.void : printFrom(last.seq)
      })
    yield* printFrom(after)
    return exitCode.ok
  })

