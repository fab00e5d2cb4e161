/** Gathers what is around a task, for `Why.ts`. */
import { Effect } from "effect"
import { childrenIn } from "../domain/Checkpoint.ts"
import type { Task } from "../domain/Task.ts"
import { isTerminal, shortId } from "../domain/TaskState.ts"
import { EngineReader, type EngineUnavailable, Instants } from "../engine/Engine.ts"
import type { ReasonDetail } from "./OpsReasons.ts"
import type { LimitsInForce } from "./QueueViews.ts"
import { type Surroundings, whyOf } from "./Why.ts"

/** The most tasks that are named as standing in the way, and the most children that are looked at. */
const holdersMax = 5
const childrenMax = 20

/** What is known besides the file: the configuration, and what a server says of its storage. */
export interface KnownOutside {
  readonly limits: LimitsInForce | null
  readonly storage: ReadonlyArray<ReasonDetail>
}

const around = (task: Task, outside: KnownOutside, nowMs: number, deep: boolean): Effect.Effect<Surroundings, EngineUnavailable, EngineReader> =>
  Effect.gen(function*() {
    const reader = yield* EngineReader
    const { epoch, heldSinceMs } = yield* reader.summary(nowMs, nowMs)
    const ids = deep ? childrenIn({ untilMs: null, waits: task.waits }).slice(0, childrenMax) : []
    const children = yield* Effect.forEach(ids, (id) =>
      Effect.flatMap(reader.get(id), (child) =>
        child === undefined ? Effect.succeed([]) : Effect.map(around(child, outside, nowMs, false), (its) => [{ task: child, around: its }])))
    return {
      nowMs,
      epoch,
      heldSinceMs,
      contention: task.state === "QUEUED" ? yield* reader.contention(task.queue, task.concurrencyKey, holdersMax) : null,
      limits: outside.limits,
      steps: isTerminal[task.state] ? [] : yield* reader.steps(task.id),
      children: children.flat(),
      storage: outside.storage
    }
  })

/** `why --json`. */
export const whyTask = (task: Task, outside: KnownOutside) =>
  Effect.gen(function*() {
    const { wallMs } = yield* Instants
    const reasons = whyOf(task, yield* around(task, outside, wallMs(), true))
    return { v: 1, task: task.id, short: shortId(task.id), kind: task.kind, state: task.state, queue: task.queue, reasons } as const
  })
