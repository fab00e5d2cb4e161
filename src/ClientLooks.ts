/** What the client of a program only reads. */
import { Effect, Schema } from "effect"
import { TaskNotFound } from "./domain/Refusal.ts"
import { type Task, TaskId } from "./domain/Task.ts"
import type { EngineReader } from "./engine/Engine.ts"

const isId = Schema.is(TaskId)
export const idOf = (id: string): Effect.Effect<TaskId, TaskNotFound> => (isId(id) ? Effect.succeed(id) : new TaskNotFound({ task: JSON.stringify(id.slice(0, 40)) }))

export const looksOf = (reader: EngineReader["Type"], wallMs: () => number) => ({
  get: (id: string) => Effect.filterOrFail(Effect.flatMap(idOf(id), reader.get), (task): task is Task => task !== undefined, () => new TaskNotFound({ task: id })),
  steps: (id: string) => Effect.flatMap(Effect.orElseSucceed(idOf(id), () => null), (known) => (known === null ? Effect.succeed([]) : reader.steps(known))),
  attempts: (id: string) => Effect.flatMap(Effect.orElseSucceed(idOf(id), () => null), (known) => (known === null ? Effect.succeed([]) : reader.attempts(known))),
  list: reader.list,
  queues: Effect.suspend(() => reader.queues(wallMs())),
  schedules: reader.schedules,
  ticks: reader.ticks,
  tickRanges: reader.tickRanges
})
