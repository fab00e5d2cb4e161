/** What is read of the log and the outbox for one trace. */
import type { Message } from "./Message.ts"
import type { TaskId } from "./Task.ts"
import type { TaskEvent } from "./TaskEvent.ts"

/** Events about these tasks, and those under the trace that are about none, between the two instants. */
export interface WantedTrace {
  readonly tasks: ReadonlyArray<TaskId>
  readonly trace: string
  readonly fromMs: number
  readonly throughMs: number
}

export type TracedEvent = Pick<TaskEvent, "seq" | "at" | "type" | "task" | "trace" | "actor" | "payload">

/** A message as it stands in the outbox. */
export interface TracedMessage extends Message {
  readonly id: number
  readonly at: number
}

export interface Traced {
  /** Oldest first, at most `tracedMax`. */
  readonly events: ReadonlyArray<TracedEvent>
  readonly messages: ReadonlyArray<TracedMessage>
}

export const tracedMax = 100_000

/** How far the wall clock may have been set back within the instants that are looked at without an event being missed. */
export const clockSlackMs = 60_000
