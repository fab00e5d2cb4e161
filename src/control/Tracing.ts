/**
 * Follows a trace: from a task or a trace id to the request that began it all, and from there down to everything that came of it:
 * children, forks, and theirs. What is found is put in order by `TraceTree.ts`.
 */
import { Effect } from "effect"
import { instantOf, isTrace, taskIdFrom } from "../domain/Ids.ts"
import { type TaskAmbiguous, TaskNotFound } from "../domain/Refusal.ts"
import { isTerminal } from "../domain/TaskState.ts"
import type { Task, TaskId } from "../domain/Task.ts"
import type { Step } from "../domain/Step.ts"
import { EngineReader, type EngineUnavailable, Instants } from "../engine/Engine.ts"
import { resolve } from "./Commands.ts"
import { Redacting } from "./Redacting.ts"
import { type Trace, treeOf } from "./TraceTree.ts"

/** The most tasks of one trace that are followed. */
export const followedMax = 1000
/** How long after its trace was drawn a task is looked for first: both are drawn together. */
const nearMs = 5000
/** How long after it a refused request without a task is looked for. */
const refusedMs = 60_000

interface Family {
  /** Parents come before their children. */
  readonly tasks: ReadonlyArray<Task>
  /** There are more than are followed. */
  readonly cut: boolean
}

type Reading<A> = Effect.Effect<A, EngineUnavailable, EngineReader>

const descendants = (roots: ReadonlyArray<Task>): Reading<Family> =>
  Effect.gen(function*() {
    const reader = yield* EngineReader
    const found = new Map<TaskId, Task>(roots.map((task) => [task.id, task]))
    for (const { id } of found.values()) {
      const limit = followedMax - found.size + 1
      if (limit <= 0) break
      for (const task of [...yield* reader.list({ parent: id, limit }), ...yield* reader.list({ forkedFrom: id, limit })].toReversed()) found.set(task.id, task)
    }
    return { tasks: [...found.values()].slice(0, followedMax), cut: found.size > followedMax }
  })

/** The task that asked for this one, or that it was forked from, up to the first. */
const originOf = (task: Task): Reading<Task> =>
  Effect.gen(function*() {
    const reader = yield* EngineReader
    const seen = new Set<TaskId>([task.id])
    let origin = task
    for (let above = task.parent ?? task.forkedFrom; above !== null && !seen.has(above.task); above = origin.parent ?? origin.forkedFrom) {
      seen.add(above.task)
      const next = yield* reader.get(above.task)
      if (next === undefined) return origin
      origin = next
    }
    return origin
  })

// A trace that we drew says when: its tasks are found by the clock. One that a caller brought is looked for everywhere, newest first.
const underTrace = (trace: string): Reading<ReadonlyArray<Task>> =>
  Effect.gen(function*() {
    const reader = yield* EngineReader
    const atMs = instantOf(trace)
    const near = yield* reader.list({ trace, since: taskIdFrom(Math.max(0, atMs - nearMs), [0, 0]), before: taskIdFrom(atMs + nearMs, [0, 0]), limit: followedMax })
    return near.length > 0 ? near : yield* reader.list({ trace, limit: followedMax })
  })

const rootsOf = (text: string): Effect.Effect<{ readonly trace: string; readonly roots: ReadonlyArray<Task>; readonly asked: TaskId | null }, EngineUnavailable | TaskAmbiguous | TaskNotFound, EngineReader> =>
  Effect.gen(function*() {
    const trace = text.toLowerCase()
    if (!isTrace(trace)) {
      const reader = yield* EngineReader
      const task = yield* reader.get(yield* resolve(text))
      if (task === undefined) return yield* new TaskNotFound({ task: text })
      const origin = yield* originOf(task)
      return { trace: origin.trace, roots: [origin], asked: task.id }
    }
    const origins = yield* Effect.forEach(yield* underTrace(trace), originOf)
    const roots = [...new Map(origins.map((task) => [task.id, task])).values()].toSorted((a, b) => (a.id < b.id ? -1 : 1))
    return { trace, roots, asked: null }
  })

/** The whole path of a task or a trace. Fails with `TaskNotFound` when nothing is known of it. */
export const traceOf = (text: string): Effect.Effect<Trace, EngineUnavailable | TaskAmbiguous | TaskNotFound, EngineReader | Instants> =>
  Effect.gen(function*() {
    const reader = yield* EngineReader
    const { wallMs } = yield* Instants
    const { asked, roots, trace } = yield* rootsOf(text)
    const { cut, tasks } = yield* descendants(roots)
    const beganMs = tasks.reduce((earliest, { createdAtMs }) => Math.min(earliest, createdAtMs), tasks[0]?.createdAtMs ?? instantOf(trace))
    const endedMs = tasks.length === 0
      ? beganMs + refusedMs
      : tasks.every(({ state }) => isTerminal[state]) ? Math.max(...tasks.map(({ updatedAtMs }) => updatedAtMs)) : Math.max(wallMs(), ...tasks.map(({ updatedAtMs }) => updatedAtMs))
    const { events, messages } = yield* reader.traced({ tasks: tasks.map(({ id }) => id), trace, fromMs: beganMs, throughMs: endedMs })
    if (tasks.length === 0 && events.length === 0) return yield* new TaskNotFound({ task: JSON.stringify(text.slice(0, 40)) })
    const steps = new Map<TaskId, ReadonlyArray<Step>>()
    for (const { id } of tasks) steps.set(id, yield* reader.steps(id))
    return treeOf({ trace, asked, tasks, cut, steps, events, messages, nowMs: wallMs(), redactor: yield* Redacting })
  })
