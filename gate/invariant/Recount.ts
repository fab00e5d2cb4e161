/**
 * The counts of `docs/event-log.md`, "What /ops counts, from the log alone", at any event of a log. It walks the log
 * once, forwards, and keeps the instants of what is counted in windows.
 */
import type { LogEvent } from "../History.ts"
import { advance, emptyFold, isBlocked, type TaskFold } from "./Fold.ts"

/** What blocks a task: one of these holds, or an outcome that nobody knows. */
const holds = ["plan", "review", "approval", "policy"] as const

const noStanding = () => ({
  "tasks.blocked": 0,
  "tasks.blocked_by.plan": 0,
  "tasks.blocked_by.review": 0,
  "tasks.blocked_by.approval": 0,
  "tasks.blocked_by.policy": 0,
  "tasks.blocked_by.outcome_unknown": 0,
  "tasks.running": 0,
  "tasks.queued": 0,
  "leases.active": 0,
  "dead_letter.tasks": 0
})
type Standing = keyof ReturnType<typeof noStanding>

const windows = [
  "tasks.failed_window",
  "idempotency.replay_window",
  "idempotency.conflict_window",
  "idempotency.in_progress_window",
  "idempotency.dispatch_keys_window",
  "idempotency.telegram_keys_window",
  "timeouts.command_window",
  "timeouts.dispatch_window",
  "leases.fenced_window",
  "leases.recovered_window",
  "schedules.missed_window",
  "break_glass.used_window"
] as const
type Window = (typeof windows)[number]

export type Recounted = Readonly<Record<Standing | Window, number>>

/** Walks one log. `at` may be asked for ascending events only. */
export class Recount {
  readonly #events: ReadonlyArray<LogEvent>
  readonly #log = emptyFold()
  readonly #standing = noStanding()
  /** Tasks that failed and that somebody took out of the dead letter. */
  readonly #dismissed = new Set<string>()
  readonly #instants = new Map<Window, Array<number>>(windows.map((window) => [window, []]))
  #next = 0

  constructor(events: ReadonlyArray<LogEvent>) {
    this.#events = events
  }

  /** The counts after event `asOf`, in the window that starts at `sinceMs`. */
  at(asOf: number, sinceMs: number): Recounted {
    for (let event = this.#events[this.#next]; event !== undefined && event.seq <= asOf; event = this.#events[this.#next]) {
      this.#take(event)
      this.#next += 1
    }
    const within = (window: Window) => countFrom(this.#instants.get(window) ?? [], sinceMs)
    return {
      ...this.#standing,
      "tasks.failed_window": within("tasks.failed_window"),
      "idempotency.replay_window": within("idempotency.replay_window"),
      "idempotency.conflict_window": within("idempotency.conflict_window"),
      "idempotency.in_progress_window": within("idempotency.in_progress_window"),
      "idempotency.dispatch_keys_window": within("idempotency.dispatch_keys_window"),
      "idempotency.telegram_keys_window": within("idempotency.telegram_keys_window"),
      "timeouts.command_window": within("timeouts.command_window"),
      "timeouts.dispatch_window": within("timeouts.dispatch_window"),
      "leases.fenced_window": within("leases.fenced_window"),
      "leases.recovered_window": within("leases.recovered_window"),
      "schedules.missed_window": within("schedules.missed_window"),
      "break_glass.used_window": within("break_glass.used_window")
    }
  }

  /** Whether, after the last event that was asked for, a restored file waits for its release. */
  get held(): boolean {
    return this.#log.held
  }

  /** When a restored file was released last, up to the last event that was asked for. */
  get releasedAt(): number | null {
    return this.#releasedAt
  }

  #releasedAt: number | null = null

  #take(event: LogEvent): void {
    const { task } = event
    if (event.type === "store.released") this.#releasedAt = event.at
    if (task !== null) this.#stand(this.#log.tasks.get(task), -1)
    advance(this.#log, event)
    // A task that failed anew is in the dead letter anew.
    if (task !== null && event.type === "task.failed") this.#dismissed.delete(task)
    if (task !== null && event.type === "dead.dismissed") this.#dismissed.add(task)
    if (task !== null) this.#stand(this.#log.tasks.get(task), 1)
    for (const window of windows) {
      if (counted[window](event)) insert(this.#instants.get(window) ?? [], event.at)
    }
  }

  #stand(task: TaskFold | undefined, by: 1 | -1): void {
    if (task === undefined) return
    if (task.state === "RUNNING" && !task.unknown) this.#standing["leases.active"] += by
    if (task.state === "FAILED" && !this.#dismissed.has(task.id)) this.#standing["dead_letter.tasks"] += by
    if (isBlocked(task)) this.#block(task, by)
    else if (task.state === "RUNNING") this.#standing["tasks.running"] += by
    else if (task.state === "QUEUED") this.#standing["tasks.queued"] += by
  }

  #block(task: TaskFold, by: 1 | -1): void {
    this.#standing["tasks.blocked"] += by
    if (task.unknown) this.#standing["tasks.blocked_by.outcome_unknown"] += by
    for (const hold of holds) if (task.holds.has(hold)) this.#standing[`tasks.blocked_by.${hold}`] += by
  }
}

const dispatchTimeouts: ReadonlySet<unknown> = new Set(["start_to_close_timeout", "schedule_to_start_timeout"])

/** Which events a window counts. */
const counted: Readonly<Record<Window, (event: LogEvent) => boolean>> = {
  "tasks.failed_window": ({ type }) => type === "task.failed",
  "idempotency.replay_window": ({ type }) => type === "idempotency.replayed",
  "idempotency.conflict_window": ({ payload, type }) => type === "idempotency.conflict" && payload?.code === "idempotency_payload_mismatch",
  "idempotency.dispatch_keys_window": ({ payload, type }) => type === "task.running" && payload?.generation === 1,
  "idempotency.telegram_keys_window": ({ payload }) => isKeyedOnTelegram(payload?.command),
  "timeouts.command_window": ({ type }) => type === "command.timed_out",
  "timeouts.dispatch_window": ({ payload }) => dispatchTimeouts.has(payload?.code),
  "idempotency.in_progress_window": ({ type }) => type === "idempotency.in_progress",
  "leases.fenced_window": ({ type }) => type === "write.fenced",
  "leases.recovered_window": ({ payload, type }) => type === "effect.adopted" || payload?.by === "lease_lost",
  "schedules.missed_window": ({ type }) => type === "schedule.missed",
  "break_glass.used_window": ({ type }) => type === "hold.broken"
}

const isKeyedOnTelegram = (command: unknown): boolean =>
  typeof command === "object" && command !== null && "channel" in command && command.channel === "telegram" && "key" in command && command.key !== null

// Kept ascending. The wall clock may step back, so an event need not be the latest of its log.
const insert = (instants: Array<number>, at: number): void => {
  let place = instants.length
  while (place > 0 && (instants[place - 1] ?? at) > at) place -= 1
  instants.splice(place, 0, at)
}

// How many of the ascending instants are not before `since`.
const countFrom = (instants: ReadonlyArray<number>, since: number): number => {
  let [low, high] = [0, instants.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((instants[middle] ?? since) < since) low = middle + 1
    else high = middle
  }
  return instants.length - low
}
