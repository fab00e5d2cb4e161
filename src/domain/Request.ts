/** Asking for work, and saying yes or no to it: from nothing to REQUESTED, APPROVED, CANCELED or EXPIRED. */
import { canonical, type Json, sha256 } from "./Canonical.ts"
import type { AskTo, Command } from "./Command.ts"
import { about, type Answer, answerFor, byCommand, type Decision, entered, granted, refuseCommand } from "./Decision.ts"
import { requeued } from "./Execution.ts"
import type { Hold } from "./Hold.ts"
import type { Kind } from "./Kind.ts"
import type { Now } from "./Now.ts"
import { type Placement, placed, placedBy } from "./Placement.ts"
import { askedAnew, type Governance, openHolds } from "./Governance.ts"
import { policyByDefault } from "./Policy.ts"
import { governanceFor, policyOf, rulingOn } from "./Ruling.ts"
import { ApprovalLapsed, DebounceRefused, PolicyDenied, TransitionRefused } from "./Refusal.ts"
import { isHeld } from "./Restored.ts"
import { compensatedCode, isIn, type StepRef, type Task, type TaskId, type TaskIn } from "./Task.ts"
import type { EventDraft } from "./TaskEvent.ts"
import { isPastClose, timeoutCode } from "./Timeout.ts"
import { move, type Origin, origin } from "./Transition.ts"

/** The actor of what happens by policy, without a person. */
export const policyActor = "system:policy"

/**
 * Stores a new task. One that needs no people goes on to the queue in the same decision. `holder` is the task that has the unique
 * key of the request, if it has one: then that is the answer.
 */
export const submit = (command: Command<AskTo<"submit">>, kind: Kind, id: TaskId, now: Now, holder?: Task): Decision<Answer> => {
  const { actor: requester, ask, key, trace } = command
  if (holder !== undefined) return ask.debounce === undefined ? answeredBy(holder, command) : debounce(holder, command, ask.debounce, kind, now)
  const { denied } = rulingOn(kind, ask.payload)
  if (denied !== null) return refuseCommand(command, null, new PolicyDenied({ kind: kind.name, ...denied }))
  const placement = placed(kind, ask, now.wallMs)
  const requested = newTask({ id, kind, payload: ask.payload, requester, authors: command.identities ?? nobody, key, trace, parent: null, forkedFrom: null, placement }, now)
  const event = byCommand(arrived(requested, "submit"), command)
  if (requested.holds.length > 0) {
    return granted(answerFor(requested, true), { tasks: [requested], events: [event], messages: [approvalNeeded(requested)] })
  }
  const { events, task } = passThrough(requested, now)
  return granted(answerFor(task, true), { tasks: [task], events: [event, ...events] })
}

const existing = (task: Task, moved: boolean): Answer => ({ ...answerFor(task, moved), existing: true })

const answeredBy = (holder: Task, command: Command): Decision<Answer> =>
  granted(existing(holder, false), { events: [byCommand(about(holder, "command.accepted", command.actor, { state: holder.state, unique: holder.unique?.key ?? null }), command)] })

type Debounce = NonNullable<AskTo<"submit">["debounce"]>

// The due instant moves, and what is to be done is what was asked for last. Queue, priority and tenant stay those of the first request.
const debounce = (holder: Task, command: Command<AskTo<"submit">>, wish: Debounce, kind: Kind, now: Now): Decision<Answer> => {
  // It is not somebody's debounce but an active run under the same key: that is only told.
  if (holder.state === "RUNNING" || holder.startedAtMs !== null) return answeredBy(holder, command)
  if (!isIn(holder, "QUEUED") || holder.held || governanceFor(kind, command.ask.payload, now.wallMs) !== null) return refuseCommand(command, holder, new DebounceRefused({ task: holder.id, key: wish.key }))
  const payload = canonical(command.ask.payload)
  const latestMs = wish.max_wait_ms === undefined ? Infinity : holder.createdAtMs + wish.max_wait_ms
  const dueMs = Math.max(now.wallMs, Math.min(now.wallMs + wish.delay_ms, latestMs))
  // Whoever changes what is to be done has a hand in it.
  const authors = command.actor === holder.requester || holder.authors.includes(command.actor) ? holder.authors : [...holder.authors, command.actor]
  const after: Task = {
    ...holder,
    authors,
    payload,
    payloadSha256: sha256(payload),
    kindVersion: kind.version,
    queuedAtMs: dueMs,
    ...requeued({ ...holder, queuedAtMs: dueMs }, dueMs),
    updatedAtMs: now.wallMs
  }
  const facts = { debounce: wish.key, payload_sha256: after.payloadSha256, kind_version: after.kindVersion, available_at_ms: dueMs }
  return granted(existing(after, true), { tasks: [after], events: [byCommand(about(after, "task.debounced", command.actor, facts), command)] })
}

/** The event of a task that is new. */
export const arrived = (requested: TaskIn<"REQUESTED">, by: Origin): EventDraft =>
  entered(requested, null, by, requested.requester, {
    kind: requested.kind,
    kind_version: requested.kindVersion,
    class: requested.class,
    risk: requested.risk,
    tenant: requested.tenant,
    queue: requested.queue,
    priority: requested.priority,
    ...(requested.concurrencyKey === null ? {} : { concurrency_key: requested.concurrencyKey }),
    ...(requested.unique === null ? {} : { unique: { ...requested.unique } }),
    payload_sha256: requested.payloadSha256,
    dispatch_key: requested.dispatchKey,
    holds: requested.holds,
    ...(requested.governance === null ? {} : asked(requested.governance)),
    ...(requested.authors.length === 0 ? {} : { authors: requested.authors }),
    key: requested.key,
    ...(requested.parent === null ? {} : { parent: requested.parent.task, parent_step: requested.parent.step }),
    ...(requested.forkedFrom === null ? {} : { forked_from: requested.forkedFrom.task, from_step: requested.forkedFrom.step }),
    ...(requested.schedule === null ? {} : { schedule: requested.schedule.name, tick_ms: requested.schedule.atMs, tick_by: requested.schedule.by })
  })

/** What people are asked for, as facts of an event. */
export const asked = ({ demand, denied, policyVersion, risks }: Governance): EventDraft["payload"] => ({
  policy_version: policyVersion,
  ...(demand.approvals === 0 ? {} : { approvals: demand.approvals, approver: demand.approver }),
  ...(demand.plan ? { plan: true } : {}),
  ...(risks.length === 0 ? {} : { risks }),
  ...(denied === null ? {} : { denied: { ...denied } })
})

/** Where a new task comes from. */
export interface Wanted {
  readonly id: TaskId
  readonly kind: Kind
  readonly payload: Json
  readonly requester: string
  /** Who else had a hand in it. Default: nobody. */
  readonly authors?: ReadonlyArray<string>
  readonly key: string | null
  readonly trace: string
  readonly parent: StepRef | null
  readonly forkedFrom: StepRef | null
  /** Default: that of the kind. */
  readonly placement?: Placement
}

const nobody: ReadonlyArray<string> = []
const noHolds: Task["holds"] = []

/** A task as it is asked for. Its holds are those of its kind, wherever it comes from. */
export const newTask = ({ authors = nobody, forkedFrom, id, key, kind, parent, payload: wanted, placement, requester, trace }: Wanted, now: Now): TaskIn<"REQUESTED"> => {
  const payload = canonical(wanted)
  const { concurrencyKey, dueMs, priority, queue, tenant, unique } = placement ?? placedBy(kind, now.wallMs)
  const payloadSha256 = sha256(payload)
  const governance = governanceFor(kind, wanted, now.wallMs)
  return {
    id,
    kind: kind.name,
    kindVersion: kind.version,
    class: kind.class,
    risk: kind.risk,
    tenant,
    queue,
    priority,
    concurrencyKey,
    unique,
    payload,
    payloadSha256,
    requester,
    authors: authors.filter((author) => author !== requester),
    key,
    trace,
    dispatchKey: id,
    limits: kind.limits,
    retry: kind.retry,
    held: governance !== null,
    createdAtMs: now.wallMs,
    parent,
    forkedFrom,
    schedule: null,
    ...(kind.sensitive === undefined ? {} : { sensitive: kind.sensitive }),
    state: origin.state,
    holds: governance === null ? noHolds : openHolds({ kind: kind.name, kindVersion: kind.version, payloadSha256 }, governance),
    governance,
    attempt: 0,
    budget: kind.retry.attemptsMax,
    losses: 0,
    generation: 0,
    lease: null,
    intents: [],
    steps: 0,
    waits: [],
    signals: [],
    unknown: null,
    cancel: null,
    availableAtMs: dueMs,
    expiresAtMs: governance === null ? null : now.wallMs + governance.ttlMs,
    queuedAtMs: null,
    startedAtMs: null,
    updatedAtMs: now.wallMs,
    failure: null,
    result: null,
    dismissed: null,
    prunedAtMs: null
  }
}

/** Takes a task without open holds on to the queue, by policy. */
export const passThrough = (requested: TaskIn<"REQUESTED">, now: Now): { readonly task: Task; readonly events: ReadonlyArray<EventDraft> } => {
  const approved = move(requested, "APPROVED", "release")
  const queued = enqueued(approved, now)
  return {
    task: queued,
    events: [entered(approved, "REQUESTED", "release", policyActor), entered(queued, "APPROVED", "resume", policyActor, { available_at_ms: queued.availableAtMs })]
  }
}

/** An approved task in the queue. The approval's time to live ends with the first enqueue. */
export const enqueued = (approved: TaskIn<"APPROVED">, now: Now): Task =>
  queuedFrom(approved, Math.max(now.wallMs, approved.availableAtMs), now)

// What was asked for later counts its time from then on.
const queuedFrom = (approved: TaskIn<"APPROVED">, dueMs: number, now: Now): Task => {
  const queuedAtMs = approved.queuedAtMs ?? dueMs
  return move(approved, "QUEUED", "resume", { queuedAtMs, ...requeued({ ...approved, queuedAtMs }, dueMs), updatedAtMs: now.wallMs })
}

export const approvalNeeded = (task: Task) => ({
  topic: "approval_needed" as const,
  task: task.id,
  text: `${task.kind} asks for ${task.holds.join(", ")} (risk ${task.risk}, requested by ${task.requester})`
})

/** Whether what people are asked about, or have said, is not what would run under the kind and the policy as they stand now. */
export const isStale = ({ governance, held, kindVersion }: Task, kind: Kind | undefined): boolean =>
  kind !== undefined && held && (governance === null || governance.policyVersion !== policyOf(kind).version || kindVersion !== kind.version)

/** Whether a task may not be dispatched as it is: what was said yes to is something else, or nobody was asked who has to be. */
export const isVoid = (task: Task, kind: Kind | undefined, now: Now): boolean =>
  task.held
    ? kind === undefined || isStale(task, kind)
    : kind !== undefined && mayNeedPeople(kind) && governanceFor(kind, JSON.parse(task.payload), now.wallMs) !== null

// Without a policy nothing is looked for in payloads: whether people are needed shows by the kind alone, and most kinds need none.
const mayNeedPeople = (kind: Kind): boolean => policyOf(kind) !== policyByDefault || kind.needsApproval || kind.risk !== "none"

/** How far the clock may be set back without anybody being asked anew: what keeping time does by itself. */
const clockSlackMs = 60_000

const saidLastMs = ({ approvals, askedAtMs, broken, review }: Governance): number =>
  Math.max(askedAtMs, review?.atMs ?? 0, broken?.atMs ?? 0, ...approvals.map(({ atMs }) => atMs))

/** Whether the word of people is too old for a task, or of a time that is not yet, by the clock as it stands. */
export const lapseOf = (task: Task, { wallMs }: Now): ApprovalLapsed["why"] | null => {
  if (task.expiresAtMs !== null && wallMs >= task.expiresAtMs) return "late"
  return task.governance !== null && wallMs + clockSlackMs < saidLastMs(task.governance) ? "clock" : null
}

/** Refuses what comes too late, and ends the task whose time has run out, so that nobody has to wait for whoever looks after that. */
export const refusedAsLapsed = (task: TaskIn<"REQUESTED" | "APPROVED">, command: Command, why: ApprovalLapsed["why"], now: Now): Decision<Answer> => {
  const { answer, events } = refuseCommand(command, task, new ApprovalLapsed({ task: task.id, why }))
  const over = expire(task, now)
  return { ...granted(null, { tasks: over.tasks, events: [...events, ...over.events], messages: over.messages }), answer }
}

/** What people are asked about a task, as the kind and the policy stand now; nothing of what they had said is taken over but the plan. */
export const governedAnew = (task: Task, kind: Kind | undefined, now: Now, anyway: boolean): Governance | null => {
  if (kind === undefined) return askedAnew(task.governance, task.limits, now.wallMs)
  const governance = governanceFor(kind, JSON.parse(task.payload), now.wallMs, anyway)
  return governance === null ? null : { ...governance, plan: task.governance?.plan ?? null }
}

/** A task that waits for people, as it has to be asked about now. */
export const reheld = (task: TaskIn<"REQUESTED">, kind: Kind | undefined, now: Now): { readonly task: TaskIn<"REQUESTED">; readonly events: ReadonlyArray<EventDraft> } => {
  const governance = governedAnew(task, kind, now, task.governance?.anyway ?? false)
  const versioned = { ...task, kindVersion: kind?.version ?? task.kindVersion, governance, updatedAtMs: now.wallMs }
  const after = {
    ...versioned,
    held: governance !== null,
    holds: governance === null ? noHolds : openHolds(versioned, governance),
    expiresAtMs: governance === null || task.intents.length > 0 ? null : now.wallMs + governance.ttlMs
  }
  return { task: after, events: [about(after, "approval.voided", policyActor, { holds: after.holds, kind_version: after.kindVersion, ...(governance === null ? { policy_version: null } : asked(governance)) })] }
}

/** Says no: the task ends, with the reason on record. */
export const reject = (task: Task, command: Command<AskTo<"reject">>, now: Now): Decision<Answer> => {
  if (!isIn(task, "REQUESTED", "APPROVED")) {
    return refuseCommand(command, task, new TransitionRefused({ task: task.id, state: task.state, wanted: "reject", next: nextFor(task) }))
  }
  // What others had said counts no more either: a recovery asks everybody anew.
  const governance = task.governance === null ? null : { ...task.governance, approvals: [], review: null, broken: null }
  const holds = governance === null ? task.holds : openHolds(task, governance)
  const canceled = { ...move(task, "CANCELED", "reject"), governance, holds, expiresAtMs: null, updatedAtMs: now.wallMs }
  return granted(answerFor(canceled, true), {
    tasks: [canceled],
    events: [byCommand(entered(canceled, task.state, "reject", command.actor, { reason: command.ask.reason }), command)]
  })
}

/** A command that found its work done. It is on record and moved nothing. */
export const accept = (task: Task, command: Command): Decision<Answer> =>
  granted(answerFor(task, false), { events: [byCommand(about(task, "command.accepted", command.actor, { state: task.state }), command)] })

/** What time alone does to a task that waits for people or in the queue. Nothing, when it is not due. */
export const expire = (task: Task, now: Now): Decision<boolean> => {
  if (task.expiresAtMs === null || now.wallMs < task.expiresAtMs || isHeld(now.restored)) return granted(false, {})
  if (!isIn(task, "REQUESTED", "APPROVED", "QUEUED") || task.intents.length > 0) return granted(false, {})
  const expired = { ...move(task, "EXPIRED", "expire"), waits: [], expiresAtMs: null, updatedAtMs: now.wallMs }
  const event = entered(expired, task.state, "expire", "system:runtime", { code: expiryCode(task, now) })
  const message = { topic: "task_ended" as const, task: task.id, text: `${task.kind} expired` }
  return granted(true, { tasks: [expired], events: [event], messages: [message] })
}

const expiryCode = (task: TaskIn<"REQUESTED" | "APPROVED" | "QUEUED">, now: Now): string => {
  if (task.state !== "QUEUED") return timeoutCode.approval
  return isPastClose(task.limits, task.queuedAtMs, now.wallMs) ? timeoutCode.scheduleToClose : timeoutCode.scheduleToStart
}

/** The commands that a task in this state would accept, for refusals and for people. */
export const nextFor = (task: Task): ReadonlyArray<string> => {
  if (task.unknown !== null) return ["reconcile"]
  if (task.state === "REQUESTED") return [...waysOut(task), "reject", "cancel"]
  return task.state === "CANCELED" && task.failure?.code === compensatedCode ? ["fork"] : nextCommands[task.state]
}

const byHold = { plan: ["plan"], review: ["review"], approval: ["approve"], policy: [] } as const satisfies Record<Hold, ReadonlyArray<string>>

// Without an open hold the resume finds that nobody has to be asked any more.
const waysOut = ({ holds }: Task): ReadonlyArray<string> => (holds.length === 0 ? ["resume"] : holds.flatMap((hold) => byHold[hold]))

const nextCommands = {
  APPROVED: ["resume", "reject", "cancel"],
  QUEUED: ["cancel"],
  RUNNING: ["cancel", "kill"],
  SUCCEEDED: [],
  FAILED: ["recover"],
  CANCELED: ["recover"],
  EXPIRED: ["recover"]
} as const satisfies Record<Exclude<Task["state"], "REQUESTED">, ReadonlyArray<string>>
