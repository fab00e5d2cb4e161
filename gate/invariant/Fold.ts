/**
 * The fold of one log: where every task stands, event by event, and what the events claim against it. Measures filter
 * what is noted here; they do not walk the log themselves.
 *
 * After a claim that does not fit, the fold goes on from what the event says, so that one violation is one offender.
 * One pass, kept per array of events.
 */
import type { LogEvent } from "../History.ts"
import { enteredBy, isLegal, isState, isTerminal, type State } from "./StateMachine.ts"

export interface Intent {
  readonly seq: number
  /** Its number within the task, from 1. */
  readonly step: number | null
  readonly name: string | null
  readonly effect: string | null
  readonly attempt: number | null
  readonly generation: number | null
  readonly dispatchKey: string | null
  readonly startBeforeMonoMs: number | null
  /** A step that is a function, and no command: nothing stands between its intent and its body that could hold it back. */
  readonly code: boolean
}

/** The end of a step, or of a run that had one in hand: what is known of it from here on. */
export interface StepEnd {
  readonly seq: number
  readonly step: number
  readonly name: string | null
  /** `succeeded`, `failed`: it is known. `settled`: it is known that it may be tried again. `reconciled`: a person says that it happened. */
  readonly how: "succeeded" | "failed" | "settled" | "reconciled"
}

/** Where a task comes from that nobody submitted: a child from the step of another, a fork from a cut through one, a tick from a schedule. */
export interface Origin {
  readonly by: string
  readonly parent: string | null
  readonly parentStep: number | null
  readonly forkedFrom: string | null
  readonly fromStep: number | null
  readonly schedule: string | null
  readonly tickMs: number | null
  readonly tickBy: string | null
}

/** The state of one task. Only `advance` changes it. */
export interface TaskFold {
  readonly id: string
  /** Null until the log says that it was requested. */
  state: State | null
  /** How often the log says that it was requested as a new task. */
  requested: number
  class: string | null
  kind: string | null
  origin: Origin | null
  /** Whether a command asked for it. */
  commanded: boolean
  /** Who requested it: a key is that of whoever asked. */
  requester: string | null
  key: string | null
  dispatchKey: string | null
  holds: ReadonlySet<string>
  /** Whether people were asked about it, when it was asked for or at any time since. */
  asked: boolean
  unknown: boolean
  /** The highest generation granted so far. */
  generation: number
  /** A restore of the file: the next generation lies above it. */
  floor: number
  readonly intents: Array<Intent>
  readonly ends: Array<StepEnd>
  /** Entries into QUEUED. One between two intents ended the attempt of the first. */
  readonly rests: Array<{ readonly seq: number; readonly by: string }>
}

export interface Move {
  readonly seq: number
  readonly task: string
  readonly from: string
  readonly to: State
  readonly by: string
  /** Why the table forbids it; null when it does not. */
  readonly refusal: string | null
}

/** `highest` is the highest generation granted before this grant, or the floor of a restore that lies above it. */
export interface Grant {
  readonly seq: number
  readonly task: string
  readonly generation: number | null
  readonly fromGeneration: number | null
  readonly highest: number
}

/** A write by whoever holds the lease. */
export interface Write {
  readonly seq: number
  readonly task: string
  readonly type: string
  readonly generation: number | null
  readonly highest: number
  readonly running: boolean
  /** The outcome of the run was already unknown. */
  readonly unknown: boolean
  /** A person settled it, by reconcile. */
  readonly reconciled: boolean
  /** The restore of a backup says anew what nobody knows. */
  readonly parked: boolean
  /** An intent that was written when its lease had run out, by the monotonic clock. */
  readonly expired: boolean
}

export interface Fold {
  readonly tasks: Map<string, TaskFold>
  readonly byKey: Map<string, Array<TaskFold>>
  readonly moves: Array<Move>
  /** Schedules that the log declared. */
  readonly schedules: Set<string>
  readonly grants: Array<Grant>
  readonly writes: Array<Write>
  /** Seqs of late writes that were refused. */
  readonly fenced: Array<number>
  /** Seq of the first event without its payload. */
  pruned: number | null
  /** The file was restored from a backup, and nobody has released it since. */
  held: boolean
}

export const emptyFold = (): Fold => ({ tasks: new Map(), byKey: new Map(), moves: [], schedules: new Set(), grants: [], writes: [], fenced: [], pruned: null, held: false })

const folds = new WeakMap<ReadonlyArray<LogEvent>, Fold>()

/** The fold of a whole log, made once. */
export const fold = (events: ReadonlyArray<LogEvent>): Fold => {
  const made = folds.get(events)
  if (made !== undefined) return made
  const log = emptyFold()
  for (const event of events) advance(log, event)
  folds.set(events, log)
  return log
}

/** Blocked: an open hold in a state that is not terminal, or an unknown outcome. */
export const isBlocked = (task: TaskFold): boolean => task.unknown || (task.holds.size > 0 && !isTerminal(task.state))

/** Whether a task ended in one of the states it was expected in. `OUTCOME_UNKNOWN` is RUNNING with an unknown outcome. */
export const isAmong = (task: TaskFold, expected: ReadonlyArray<string>): boolean =>
  expected.some((state) => state === task.state || (state === "OUTCOME_UNKNOWN" && task.unknown))

/** The state in a sentence. */
export const describe = (task: TaskFold): string => (task.unknown ? `${task.state} with an unknown outcome` : `${task.state ?? "not requested"}`)

export const text = (payload: LogEvent["payload"], name: string): string | null => {
  const value = payload?.[name]
  return typeof value === "string" ? value : null
}

export const whole = (payload: LogEvent["payload"], name: string): number | null => {
  const value = payload?.[name]
  return typeof value === "number" && Number.isSafeInteger(value) ? value : null
}

/** Takes one event further. */
export const advance = (log: Fold, event: LogEvent): void => {
  if (event.payload === null) log.pruned ??= event.seq
  if (event.type === "store.restored") restore(log, event)
  if (event.type === "store.released") log.held = false
  if (event.type === "schedule.declared") log.schedules.add(text(event.payload, "schedule") ?? "")
  if (event.task === null) return
  const task = taskOf(log, event.task)
  const to = enteredBy(event.type)
  if (to !== undefined) enter(log, task, event, to)
  else if (event.type === "hold.released") release(task, text(event.payload, "hold"))
  else if (event.type === "hold.opened") open(task, text(event.payload, "hold"))
  else if (event.type === "approval.voided") task.holds = holdsIn(event.payload)
  else if (event.type === "effect.adopted") grant(log, task, event)
  else if (event.type === "effect.intent") {
    write(log, task, event)
    task.intents.push(intentIn(task, event))
  } else if (event.type === "task.outcome_unknown") {
    write(log, task, event)
    task.unknown = true
  } else if (underLease.has(event.type)) {
    write(log, task, event)
    end(task, event)
  }
  if (event.type === "write.fenced") log.fenced.push(event.seq)
}

// Runs that the backup does not know of may have had higher generations than it knows.
const restore = (log: Fold, { payload }: LogEvent): void => {
  log.held = true
  const floor = whole(payload, "generation_floor") ?? 0
  for (const task of log.tasks.values()) task.floor = Math.max(task.floor, floor)
}

/** What a run, or the reconcile of one, writes about its steps. */
const underLease: ReadonlySet<string> = new Set(["step.succeeded", "step.failed", "step.settled", "run.progress"])

const taskOf = (log: Fold, id: string): TaskFold => {
  const known = log.tasks.get(id)
  if (known !== undefined) return known
  const task: TaskFold = {
    id,
    state: null,
    requested: 0,
    class: null,
    kind: null,
    origin: null,
    commanded: false,
    requester: null,
    key: null,
    dispatchKey: null,
    holds: new Set(),
    asked: false,
    unknown: false,
    generation: 0,
    floor: 0,
    intents: [],
    ends: [],
    rests: []
  }
  log.tasks.set(id, task)
  return task
}

const enter = (log: Fold, task: TaskFold, event: LogEvent, to: State): void => {
  const by = text(event.payload, "by") ?? "nothing"
  const from = event.payload?.from ?? null
  log.moves.push({ seq: event.seq, task: task.id, from: typeof from === "string" ? from : "(new)", to, by, refusal: refusalOf(task, event, to, by) })
  const afterRun = to === "QUEUED" && (task.state === "RUNNING" || from === "RUNNING")
  if (to === "SUCCEEDED" || to === "FAILED" || afterRun) write(log, task, event)
  if (to === "QUEUED") task.rests.push({ seq: event.seq, by })
  if (opOf(event.payload) === "reconcile" || by === "reconcile") end(task, event)
  if (to === "REQUESTED") request(log, task, event)
  if (to === "RUNNING") grant(log, task, event)
  task.state = to
  task.unknown = false
}

const refusalOf = (task: TaskFold, event: LogEvent, to: State, by: string): string | null => {
  const from = event.payload?.from ?? null
  if (from !== null && !isState(from)) return `names no state it came from`
  if (from !== task.state) return `says it came from ${from ?? "(new)"}, but the log has the task in ${task.state ?? "(new)"}`
  if (!isLegal(from, to, by)) return `is not a move that the state machine knows`
  if (task.unknown && by !== "reconcile" && opOf(event.payload) !== "reconcile") return `moves a task whose outcome is unknown; only reconcile may`
  if (to === "APPROVED" && task.holds.size > 0) return `came before the holds were released: ${[...task.holds].join(", ")}`
  return null
}

// A reconcile that finds a pending cancel moves the task by `cancel`; the command names who decided.
const opOf = (payload: LogEvent["payload"]): unknown => {
  const command = payload?.command
  return typeof command === "object" && command !== null && "op" in command ? command.op : null
}

const request = (log: Fold, task: TaskFold, { actor, payload }: LogEvent): void => {
  task.holds = holdsIn(payload)
  task.asked ||= task.holds.size > 0
  if ((payload?.from ?? null) !== null) return
  task.requested += 1
  task.class = text(payload, "class")
  task.kind = text(payload, "kind")
  task.commanded = opOf(payload) !== null
  task.origin = {
    by: text(payload, "by") ?? "nothing",
    parent: text(payload, "parent"),
    parentStep: whole(payload, "parent_step"),
    forkedFrom: text(payload, "forked_from"),
    fromStep: whole(payload, "from_step"),
    schedule: text(payload, "schedule"),
    tickMs: whole(payload, "tick_ms"),
    tickBy: text(payload, "tick_by")
  }
  task.dispatchKey = text(payload, "dispatch_key")
  task.requester = actor
  task.key = text(payload, "key")
  if (task.key === null) return
  const under = log.byKey.get(task.key)
  if (under === undefined) log.byKey.set(task.key, [task])
  else under.push(task)
}

const holdsIn = (payload: LogEvent["payload"]): ReadonlySet<string> => new Set(Array.isArray(payload?.holds) ? payload.holds.map(String) : [])

const open = (task: TaskFold, hold: string | null): void => {
  if (hold !== null) task.holds = new Set([...task.holds, hold])
}

const release = (task: TaskFold, hold: string | null): void => {
  task.holds = new Set([...task.holds].filter((open) => open !== hold))
}

const grant = (log: Fold, task: TaskFold, { payload, seq }: LogEvent): void => {
  const generation = whole(payload, "generation")
  log.grants.push({ seq, task: task.id, generation, fromGeneration: whole(payload, "from_generation"), highest: Math.max(task.generation, task.floor) })
  task.generation = Math.max(task.generation, generation ?? 0)
}

const write = (log: Fold, task: TaskFold, { payload, seq, type }: LogEvent): void => {
  log.writes.push({
    seq,
    task: task.id,
    type,
    generation: whole(payload, "generation"),
    highest: task.generation,
    running: task.state === "RUNNING",
    unknown: task.unknown,
    reconciled: opOf(payload) === "reconcile",
    parked: log.held && type === "task.outcome_unknown" && text(payload, "code") === "restored",
    expired: type === "effect.intent" && (whole(payload, "mono_ms") ?? 0) >= (whole(payload, "start_before_mono_ms") ?? Infinity)
  })
}

const ended: ReadonlyMap<string, StepEnd["how"]> = new Map([["step.succeeded", "succeeded"], ["step.failed", "failed"], ["step.settled", "settled"]] as const)

// What a person says of a step stands in the event that moves its task, or in `step.settled` while another step is unknown.
const end = (task: TaskFold, { payload, seq, type }: LogEvent): void => {
  const step = whole(payload, "step")
  const how = text(payload, "outcome") === "succeeded" ? "reconciled" : ended.get(type) ?? (text(payload, "outcome") === null ? undefined : "settled")
  if (step !== null && how !== undefined) task.ends.push({ seq, step, name: text(payload, "name"), how })
}

const intentIn = (task: TaskFold, { payload, seq }: LogEvent): Intent => ({
  seq,
  step: whole(payload, "step"),
  name: text(payload, "name"),
  code: whole(payload, "pid") === null && text(payload, "dispatch_key") !== task.dispatchKey,
  effect: text(payload, "effect"),
  attempt: whole(payload, "attempt"),
  generation: whole(payload, "generation"),
  dispatchKey: text(payload, "dispatch_key"),
  startBeforeMonoMs: whole(payload, "start_before_mono_ms")
})
