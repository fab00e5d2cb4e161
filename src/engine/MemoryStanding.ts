/** How things stand beside their counts, in the reference engine: recounted from all tasks. */
import { decidedLate, leftLate, lingerMs, type Mark, overdueMaxMs, type Tally } from "../domain/Census.ts"
import type { Decision } from "../domain/Decision.ts"
import type { Epoch } from "../domain/Lease.ts"
import type { QueueState } from "../domain/Queue.ts"
import type { Schedule } from "../domain/Schedule.ts"
import { blockedSinceMs, isDead, leasedSinceMs, type Task, type TaskId } from "../domain/Task.ts"
import type { Standing } from "./Engine.ts"

interface KeptEpoch {
  readonly epoch: number
  readonly startedAtMs: number
  leaseUntilMs: number
}

/** What no task says: when the store was made, its epochs, and when conditions ended. */
export const make = (wallMs: () => number) => {
  const epochs: Array<KeptEpoch> = []
  const marks: Partial<Record<Mark, number>> = {}
  const marked = (name: Mark | undefined, atMs: number): void => {
    if (name !== undefined) marks[name] = atMs
  }
  return {
    madeAtMs: wallMs(),
    epochs,
    marks,
    marked,
    /** Before a decision is stored. */
    decided: ({ schedules, tasks }: Pick<Decision<unknown>, "schedules" | "tasks">, store: Pick<Store, "queues" | "tasks">, atMs: number): void => {
      if (tasks.some((task) => leftLate(store.tasks.get(task.id), task, atMs) && store.queues.get(task.queue)?.paused !== true)) marked("queue_age", atMs)
      if (schedules.some(decidedLate)) marked("schedules_overdue", atMs)
    },
    renewed: ({ epoch, leaseUntilMs }: Epoch): void => {
      const known = epochs.find((one) => one.epoch === epoch)
      if (known === undefined) epochs.push({ epoch, startedAtMs: wallMs(), leaseUntilMs })
      else known.leaseUntilMs = leaseUntilMs
    }
  }
}

interface Store {
  readonly tasks: ReadonlyMap<TaskId, Task>
  readonly queues: ReadonlyMap<string, QueueState>
  readonly schedules: { readonly all: () => ReadonlyArray<Schedule> }
  readonly kept: { readonly madeAtMs: number; readonly epochs: ReadonlyArray<KeptEpoch>; readonly marks: Readonly<Partial<Record<Mark, number>>> }
  readonly tallyMinutes: (sinceMs: number) => { readonly firstMs: Partial<Record<Tally, number>>; readonly lastMs: Partial<Record<Tally, number>> }
}

const minimum = (values: Iterable<number | null>): number | null => {
  let least: number | null = null
  for (const value of values) if (value !== null && (least === null || value < least)) least = value
  return least
}

// The lease of an epoch ends with the next epoch, if not before.
const earlierUntilMs = (epochs: ReadonlyArray<KeptEpoch>, leased: ReadonlyArray<Task>): number | null => {
  const earliest = minimum(leased.map(({ lease }) => lease?.epoch ?? null))
  const place = epochs.findIndex(({ epoch }) => epoch === earliest)
  const [one, next] = [epochs[place], epochs[place + 1]]
  return one === undefined || next === undefined ? null : Math.min(one.leaseUntilMs, next.startedAtMs)
}

export const of = (store: Store, sinceMs: number, nowMs: number): Standing => {
  const tasks = [...store.tasks.values()]
  const queued = tasks.filter(({ state }) => state === "QUEUED")
  const leased = tasks.filter(({ lease }) => lease !== null)
  const paused = [...store.queues.values()].filter((state) => state.paused)
  const isClosed = (queue: string): boolean => paused.some((state) => state.queue === queue && state.sinceMs <= nowMs - lingerMs)
  const schedules = store.schedules.all()
  return {
    madeAtMs: store.kept.madeAtMs,
    blockedSinceMs: minimum(tasks.map(blockedSinceMs)),
    leasedSinceMs: minimum(leased.map(leasedSinceMs)),
    dueSinceMs: minimum(queued.map(({ availableAtMs }) => availableAtMs)),
    openDueSinceMs: minimum(queued.filter(({ queue }) => !isClosed(queue)).map(({ availableAtMs }) => availableAtMs)),
    earlierUntilMs: earlierUntilMs(store.kept.epochs, leased),
    deadSinceMs: minimum(tasks.filter(isDead).map(({ updatedAtMs }) => updatedAtMs)),
    queuesPaused: paused.length,
    queuesPausedSinceMs: minimum(paused.map((state) => state.sinceMs)),
    schedulesPaused: schedules.filter((schedule) => schedule.paused !== null).length,
    schedulesOverdue: schedules.filter(({ dueMs }) => dueMs !== null && dueMs < nowMs - overdueMaxMs).length,
    schedulesDueMs: minimum(schedules.map(({ dueMs }) => dueMs)),
    marks: { ...store.kept.marks },
    ...store.tallyMinutes(sinceMs)
  }
}
