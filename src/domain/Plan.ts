/**
 * A plan: what a command would do as things stand, in words that people and programs read, and a digest that it may be tied to.
 *
 * The digest is SHA-256 of the canonical JSON of what was asked and by whom (the reason aside), of all that the rule was given and that
 * matters, and of what it decided without what is drawn (ids, traces) and without instants. A rule is a pure function, so the same
 * digest means the same inputs and the same outcome; a heartbeat, another task, or time that changes no outcome leaves it as it is.
 * The idempotency key and the channel are no part of it. `PlanSteps.ts` says what becomes of steps.
 */
import { Either, Schema } from "effect"
import { type FoundBulk, type ItemOutcome } from "./Bulk.ts"
import { canonical, type Json, sha256 } from "./Canonical.ts"
import type { AnyAsk } from "./Command.ts"
import type { Decision } from "./Decision.ts"
import { Hold } from "./Hold.ts"
import { counted, digestOf } from "./Governance.ts"
import type { Kind } from "./Kind.ts"
import type { Now } from "./Now.ts"
import { fatesOf, StepPlan } from "./PlanSteps.ts"
import { policyByDefault } from "./Policy.ts"
import type { QueueState } from "./Queue.ts"
import { redact } from "./Redaction.ts"
import type { Refusal } from "./Refusal.ts"
import { nextFor } from "./Request.ts"
import { isHeld } from "./Restored.ts"
import { type Schedule, stateOf } from "./Schedule.ts"
import type { Step } from "./Step.ts"
import { type Task, TaskState } from "./Task.ts"

/** How a command is to be taken. Neither member: it is carried out. */
export interface How {
  /** It is rehearsed, and nothing is stored. */
  readonly plan?: true
  /** It is carried out if its plan still has this digest, or one that begins so. */
  readonly if_plan?: string
}

/** The digest of a plan, or its beginning: at least 16 of the 64 digits. */
export const planPattern = /^[0-9a-f]{16,64}$/

/** What becomes of one task. */
export const TaskPlan = Schema.Struct({
  /** Null: a new one, whose id is drawn when it is stored. */
  task: Schema.NullOr(Schema.String),
  kind: Schema.String,
  from: Schema.NullOr(TaskState),
  to: TaskState,
  /** What it waits for then. */
  holds: Schema.Array(Hold),
  holds_opened: Schema.Array(Hold),
  holds_released: Schema.Array(Hold),
  /** What else changes about it, by name. Instants are not told. */
  changes: Schema.Array(Schema.String)
})
export type TaskPlan = typeof TaskPlan.Type

const Change = Schema.Struct({ name: Schema.String, from: Schema.NullOr(Schema.String), to: Schema.String })
const Counts = Schema.Record({ key: Schema.String, value: Schema.Int })

/** The most tasks and the most steps of a plan that are told one by one. */
export const listedMax = 100
/** The first tasks of a bulk command that are told. */
export const firstMax = 10

export const Plan = Schema.Struct({
  v: Schema.Literal(1),
  op: Schema.String,
  /** The digest, 64 hex digits. */
  plan: Schema.String,
  /** Whether the command would be granted. */
  legal: Schema.Boolean,
  refusal: Schema.NullOr(Schema.Struct({ code: Schema.String, text: Schema.String, next: Schema.Array(Schema.String) })),
  /** Whether it needs a reason that was not given. */
  needs_reason: Schema.Boolean,
  /** Whether the answer that is stored under its key would be given again, and nothing be done. */
  replay: Schema.Boolean,
  /** The task that is there already under the unique key of a submit. */
  existing: Schema.NullOr(Schema.String),
  /** Whether anything but the record of the command would change. */
  changes: Schema.Boolean,
  tasks: Schema.Array(TaskPlan),
  tasks_total: Schema.Int,
  /** Approvals that people have given and that would count no more. */
  approvals_voided: Schema.Array(Schema.Struct({ task: Schema.String, actor: Schema.String })),
  steps: Schema.Array(StepPlan),
  /** How many steps have which fate, those that are not told included. */
  steps_total: Counts,
  /** Whether what was done is undone first, as far as its steps say how. */
  undoes: Schema.Boolean,
  queue: Schema.NullOr(Change),
  schedule: Schema.NullOr(Schema.Struct({ ...Change.fields, runs: Schema.Int, ticks: Counts })),
  bulk: Schema.NullOr(Schema.Struct({ verb: Schema.String, to: Schema.String, matched: Schema.Int, first: Schema.Array(Schema.String) })),
  /** Whether a restored file would begin to work again. */
  releases: Schema.Boolean,
  /** Events that would be stored, by type, and messages, by topic. */
  events: Counts,
  messages: Counts
})
export type Plan = typeof Plan.Type

/** What a rule was given, as far as a plan speaks of it. */
export interface PlanInputs {
  readonly tasks: ReadonlyArray<Task | undefined>
  readonly related: ReadonlyArray<Task | undefined>
  readonly steps: ReadonlyArray<Step>
  readonly stored: object | undefined
  readonly holder?: Task | undefined
  readonly queue?: QueueState | undefined
  readonly bulk?: FoundBulk | undefined
  readonly schedule?: { readonly schedule: Schedule | undefined; readonly open: ReadonlyArray<Task> }
}

export interface Rehearsed {
  readonly ask: AnyAsk
  readonly actor: string
  readonly found: PlanInputs
  readonly now: Now
  readonly decision: Decision<unknown>
  /** The kinds as they are declared now. */
  readonly kindOf: (name: string) => Kind | undefined
  readonly needsReason: boolean
}

/** Describes what was rehearsed. */
export const planOf = (rehearsed: Rehearsed): Plan => {
  const { ask, decision, found, needsReason } = rehearsed
  const known = knownIn(found)
  const tasks = decision.tasks.map((task) => taskPlan(known.get(task.id), task))
  const steps = fatesOf(found.tasks[0], found.steps, decision)
  const told = {
    v: 1,
    op: ask.op,
    legal: Either.isRight(decision.answer),
    replay: decision.events.some(({ type }) => type === "idempotency.replayed"),
    existing: existingIn(decision),
    changes: [decision.tasks, decision.steps, decision.queues, decision.schedules, decision.bulks].some((list) => list.length > 0) || (decision.replays?.length ?? 0) > 0 || decision.restored !== null,
    approvals_voided: decision.tasks.flatMap((task) => voided(known.get(task.id), task)),
    steps_total: countBy(steps, ({ fate }) => fate),
    undoes: decision.tasks.some(({ cancel, id, state }) => cancel?.compensate === true && state === "QUEUED" && known.get(id)?.cancel?.compensate !== true),
    queue: queuePlan(rehearsed),
    schedule: schedulePlan(rehearsed),
    bulk: bulkPlan(decision),
    releases: decision.restored !== null,
    events: countBy(decision.events, ({ type }) => type),
    messages: countBy(decision.messages, ({ topic }) => topic)
  } as const
  const refusal = Either.isLeft(decision.answer) ? refusalPlan(decision.answer.left, found.tasks[0]) : null
  return {
    ...told,
    plan: shaOf({ ...inputsOf(rehearsed, known), outcome: { ...told, refusal: refusal?.code ?? null, tasks, placed: decision.tasks.map(placedFacts), steps, bulk: matchedIn(decision) } }),
    refusal,
    needs_reason: needsReason,
    tasks: tasks.slice(0, listedMax),
    tasks_total: tasks.length,
    steps: steps.slice(0, listedMax)
  }
}

const knownIn = ({ holder, related, schedule, tasks }: PlanInputs): ReadonlyMap<string, Task> =>
  new Map([...tasks, ...related, holder, ...schedule?.open ?? []].flatMap((task) => (task === undefined ? [] : [[task.id, task] as const])))

const plain = (value: object): Json => JSON.parse(JSON.stringify(value))
const shaOf = (value: object): string => sha256(canonical(plain(value)))

// A task counts as a whole: whatever a decision has changed about it since, the plan spoke of another one. That of a task which is only
// looked at, such as a parent that goes on waiting, does not.
const inputsOf = ({ actor, ask, decision, found, kindOf, now }: Rehearsed, known: ReadonlyMap<string, Task>) => {
  const concerned = new Set([...found.tasks.flatMap((task) => task?.id ?? []), ...decision.tasks.map(({ id }) => id)])
  const tasks = [...known.values()].filter(({ id }) => concerned.has(id))
  const names = new Set([...tasks.map(({ kind }) => kind), ...("kind" in ask && typeof ask.kind === "string" ? [ask.kind] : []), ...(found.schedule?.schedule === undefined ? [] : [found.schedule.schedule.spec.kind])])
  return {
    v: 1,
    actor,
    ask: askFacts(ask),
    tasks: Object.fromEntries(tasks.map((task) => [task.id, shaOf(task)])),
    steps: shaOf(found.steps),
    kinds: Object.fromEntries([...names].map((name) => [name, declared(kindOf(name))])),
    queue: found.queue?.paused ?? null,
    schedule: found.schedule?.schedule === undefined ? null : scheduleFacts(found.schedule.schedule),
    // How far it is does not count, as a heartbeat does not.
    bulk: found.bulk === undefined ? null : { id: found.bulk.bulk.id, state: found.bulk.bulk.state },
    held: isHeld(now.restored)
  }
}

const declared = (kind: Kind | undefined) => (kind === undefined ? null : { version: kind.version, policy: (kind.policy ?? policyByDefault).version })

// Ticks that run meanwhile are its heartbeat; what is decided about those that are due is in the outcome.
const scheduleFacts = (schedule: Schedule) => ({ name: schedule.name, version: schedule.version, state: stateOf(schedule), paused: schedule.paused?.atMs ?? null })

// However the tasks were named: which they are is known by what was loaded, or matched.
const askFacts = (ask: AnyAsk): object => {
  const { bulk: _bulk, reason: _reason, task: _task, ...rest }: { readonly [name: string]: unknown } = { ...ask }
  const { filter } = rest
  return typeof filter === "object" && filter !== null ? { ...rest, filter: { ...filter, tasks: null } } : rest
}

// What was asked for and where it stands. The id, the trace and what follows from them are drawn.
const placedFacts = ({ class: taskClass, concurrencyKey, forkedFrom, kindVersion, payloadSha256, priority, queue, risk, tenant, unique }: Task) =>
  ({ taskClass, concurrencyKey, forkedFrom, kindVersion, payloadSha256, priority, queue, risk, tenant, unique })

const countBy = <A>(all: ReadonlyArray<A>, nameOf: (one: A) => string): Record<string, number> => {
  const counts: Record<string, number> = {}
  for (const one of all) counts[nameOf(one)] = (counts[nameOf(one)] ?? 0) + 1
  return counts
}

const taskPlan = (before: Task | undefined, after: Task): TaskPlan => ({
  task: before === undefined ? null : after.id,
  kind: after.kind,
  from: before?.state ?? null,
  to: after.state,
  holds: after.holds,
  holds_opened: after.holds.filter((hold) => !(before?.holds ?? []).includes(hold)),
  holds_released: (before?.holds ?? []).filter((hold) => !after.holds.includes(hold)),
  changes: before === undefined ? [] : changedNames(before, after)
})

const isInstant = (name: string): boolean => name.endsWith("Ms")
const told = new Set(["state", "holds", "payloadSha256"])
const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

const changedNames = (before: Task, after: Task): ReadonlyArray<string> => {
  const was = new Map<string, unknown>(Object.entries(before))
  return Object.entries(after)
    .filter(([name, value]) => !isInstant(name) && !told.has(name) && JSON.stringify(value) !== JSON.stringify(was.get(name)))
    .map(([name]) => snake(name))
    .sort()
}

const countedFor = (task: Task) => (task.governance === null ? [] : counted(task.governance, digestOf(task, task.governance)).map(({ actor }) => actor))

// They were given for something else than what would run, or the task asks people anew.
const voided = (before: Task | undefined, after: Task) => {
  const still = new Set(countedFor(after))
  return before === undefined ? [] : countedFor(before).filter((actor) => !still.has(actor)).map((actor) => ({ task: after.id, actor }))
}

const existingIn = ({ answer }: Decision<unknown>): string | null => {
  const granted = Either.isRight(answer) ? answer.right : null
  return typeof granted === "object" && granted !== null && "existing" in granted && "task" in granted && typeof granted.task === "string" ? granted.task : null
}

const refusalPlan = (refusal: Refusal, task: Task | undefined) => ({
  code: refusal._tag,
  text: redact(refusal.message),
  next: "next" in refusal ? refusal.next : task === undefined ? [] : nextFor(task)
})

const queueWord = (state: QueueState | undefined): string | null => (state === undefined ? null : state.paused ? "paused" : "open")

const queuePlan = ({ decision, found }: Rehearsed): Plan["queue"] => {
  const [after] = decision.queues
  return after === undefined ? null : { name: after.queue, from: queueWord(found.queue), to: after.paused ? "paused" : "open" }
}

const schedulePlan = ({ decision, found }: Rehearsed): Plan["schedule"] => {
  const before = found.schedule?.schedule
  const puts = decision.schedules.flatMap((change) => (change._tag === "Put" ? [change.schedule] : []))
  const after = puts.at(-1)
  if (before === undefined || after === undefined) return null
  const ticks: Record<string, number> = {}
  for (const change of decision.schedules) {
    if (change._tag === "Put") continue
    const [outcome, count] = change._tag === "Range" ? [change.range.outcome, change.range.count] as const : [change.tick.outcome, 1] as const
    ticks[outcome] = (ticks[outcome] ?? 0) + count
  }
  const open = new Set(found.schedule?.open.map(({ id }) => id))
  return { name: after.name, from: stateOf(before), to: stateOf(after), runs: decision.tasks.filter(({ id }) => !open.has(id)).length, ticks }
}

const bulkPlan = ({ bulks }: Decision<unknown>): Plan["bulk"] => {
  const [change] = bulks
  if (change === undefined || change._tag === "Item") return null
  const { matched, state, verb } = change.bulk
  return { verb, to: state, matched, first: change.items.slice(0, firstMax) }
}

// Every task of a new one, and how many items of an old one wait does not count.
const matchedIn = ({ bulks }: Decision<unknown>) =>
  bulks.map((change) => (change._tag === "Item" ? outcomeOf(change) : { verb: change.bulk.verb, to: change.bulk.state, items: sha256(change.items.join("\n")) }))

const outcomeOf = ({ outcome }: { readonly outcome: ItemOutcome }) => ({ outcome })
