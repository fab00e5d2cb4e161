/**
 * The path of a trace as a tree with durations: the command at its root; below it the task, and below that in the order of time its
 * holds, its waits in the queue, its runs with their steps, its parked waits with the children that they waited for, its forks, and
 * the messages that it left in the outbox. Every event has its place, and each has one.
 */
import type { Json } from "../domain/Canonical.ts"
import type { Redactor } from "../domain/Redaction.ts"
import type { Step } from "../domain/Step.ts"
import type { Task, TaskId } from "../domain/Task.ts"
import { secretsOf } from "../domain/TaskSecrets.ts"
import type { TracedEvent, TracedMessage } from "../domain/Traced.ts"
import { begun, detailOf, type Draft, factsOf, finished, inner, TaskPath, text, type TraceNode } from "./TracePath.ts"

export interface Trace {
  readonly v: 1
  readonly trace: string
  /** The task that was asked about; null for a trace. */
  readonly asked: string | null
  readonly tasks: number
  readonly events: number
  readonly began_at: number | null
  readonly ended_at: number | null
  readonly duration_ms: number | null
  /** What cannot be told, in words. */
  readonly missing: ReadonlyArray<string>
  readonly root: TraceNode
}

export interface Found {
  readonly trace: string
  readonly asked: TaskId | null
  readonly tasks: ReadonlyArray<Task>
  readonly cut: boolean
  readonly steps: ReadonlyMap<TaskId, ReadonlyArray<Step>>
  readonly events: ReadonlyArray<TracedEvent>
  readonly messages: ReadonlyArray<TracedMessage>
  readonly nowMs: number
  readonly redactor: Redactor
}

/** The root: what was asked for, by whom. */
const commandOf = (task: Task, first: TracedEvent | undefined): Draft => {
  const facts = first === undefined ? new Map<string, Json>() : factsOf(first)
  const command = inner(facts, "command")
  const op = text(command, "op") ?? text(facts, "by") ?? "submit"
  const channel = text(command, "channel")
  return begun({ kind: "command", name: op, at: task.createdAtMs, task: task.id, actor: first?.actor ?? task.requester, detail: channel === null ? {} : { channel } })
}

const messageOf = ({ at, id, task, text: words, topic }: TracedMessage, { text: shown }: Redactor): Draft =>
  begun({ kind: "message", name: topic, at, endedAt: at, task, detail: { id, text: shown(words) } })

const unplaced = (event: TracedEvent, redactor: Redactor): Draft => {
  const draft = begun({ kind: "event", name: event.type, at: event.at, endedAt: event.at, task: event.task, actor: event.actor, detail: detailOf(factsOf(event), redactor) })
  draft.events.push(event.seq)
  return draft
}

/** What cannot be told, in words. */
const missingIn = ({ cut, events, tasks }: Found): ReadonlyArray<string> => {
  const pruned = events.filter(({ payload }) => payload === null).length
  const prunedTasks = tasks.filter(({ prunedAtMs }) => prunedAtMs !== null).length
  const silent = tasks.filter(({ id }) => !events.some(({ task, type }) => task === id && type === "task.requested")).length
  return [
    ...(pruned === 0 ? [] : [`${pruned} events have lost their payload when their retention ended: codes, errors and results of them are gone`]),
    ...(prunedTasks === 0 ? [] : [`payload, results and errors of ${prunedTasks} tasks were pruned`]),
    ...(silent === 0 ? [] : [`the first event of ${silent} tasks was not found: was the clock set back by more than a minute?`]),
    ...(cut ? [`there are more than ${tasks.length} tasks under it; the rest is left out`] : [])
  ]
}

/** Puts everything that was found in its place. */
export const treeOf = (found: Found): Trace => {
  const { asked, events, messages, redactor, steps, tasks, trace } = found
  const paths = new Map(tasks.map((task) => [String(task.id), new TaskPath(task, steps.get(task.id) ?? [], redactor.knowing(secretsOf(task)))]))
  const top: Array<Draft> = []
  for (const task of tasks) {
    const path = paths.get(task.id)
    if (path === undefined) continue
    const first = events.find((event) => event.task === task.id && event.type === "task.requested")
    const above = task.parent === null ? undefined : paths.get(task.parent.task)
    const origin = task.forkedFrom === null ? undefined : paths.get(task.forkedFrom.task)
    if (above !== undefined) {
      above.waitAt(task.parent?.step ?? 0).children.push(path.node)
      continue
    }
    const command = commandOf(task, first)
    command.children.push(path.node)
    command.endedAt = path.node.endedAt
    if (origin === undefined) top.push(command)
    else origin.node.children.push(command)
  }
  const loose: Array<Draft> = []
  for (const event of events) {
    const path = event.task === null ? undefined : paths.get(event.task)
    if (path === undefined) loose.push(unplaced(event, redactor))
    else path.take(event)
  }
  for (const message of messages) paths.get(message.task)?.node.children.push(messageOf(message, redactor))
  return framed(found, asked, trace, [...top, ...loose])
}

// One command is the root itself; several have the trace above them.
const framed = (found: Found, asked: TaskId | null, trace: string, top: ReadonlyArray<Draft>): Trace => {
  const [only] = top
  const root = only !== undefined && top.length === 1 ? only : begun({ kind: "trace", name: trace, at: Math.min(...top.map(({ at }) => at ?? Infinity)) })
  if (root !== only) root.children.push(...top)
  if (root.kind === "trace") root.endedAt = top.every(({ endedAt }) => endedAt !== null) ? Math.max(...top.map(({ endedAt }) => endedAt ?? 0)) : null
  const { at, duration_ms: lasted, ended_at: ended, ...node } = finished(root)
  return { v: 1, trace, asked, tasks: found.tasks.length, events: found.events.length, began_at: at, ended_at: ended, duration_ms: lasted, missing: missingIn(found), root: { ...node, at, ended_at: ended, duration_ms: lasted } }
}
