/** Whether what a program was opened with makes sense. */
import { Duration } from "effect"
import { type QueueOptions, queuesIssue } from "./QueueOptions.ts"
import { durationIssue } from "./runtime/workflow/StepOptions.ts"

/** The options as a program without types may have written them. */
interface Written {
  readonly file: unknown
  readonly tasks: unknown
  readonly schedules?: unknown
  readonly workers?: unknown
  readonly queues?: Readonly<Record<string, QueueOptions>>
  readonly lease?: Duration.DurationInput
  readonly stopGrace?: Duration.DurationInput
}

/** Why it cannot be opened, or null. */
export const optionsIssue = ({ file, lease, queues, schedules, stopGrace, tasks, workers }: Written): string | null => {
  if (typeof file !== "string" || file === "") return "file is the path of the database"
  if (!Array.isArray(tasks)) return "tasks is a list of definitions"
  if (schedules !== undefined && !Array.isArray(schedules)) return "schedules is a list of declarations"
  if (workers !== undefined && !(typeof workers === "number" && Number.isSafeInteger(workers) && workers >= 0)) return "workers counts from 0, where 0 runs nothing"
  const limits = queuesIssue(queues ?? {})
  if (limits !== null) return limits
  const time = durationIssue("lease", lease) ?? durationIssue("stopGrace", stopGrace)
  if (time !== null) return time
  return lease !== undefined && Duration.toMillis(lease) < leaseMinMs ? `lease is at least ${leaseMinMs} ms` : null
}

/** A shorter lease would run out between two heartbeats of a busy process. */
const leaseMinMs = 100
