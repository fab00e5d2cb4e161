/**
 * What a task waits for, who holds it and until when, and what would move it: a chain of reasons, each with a code, a sentence, since,
 * until, and the next command to type. Pure: what is known of the task and of what is around it is given.
 *
 * The rules are asked, not told again: what keeps a due task from being claimed is said by `Claiming.ts`, which holds are open by
 * `Governance.ts`, and which commands a task would accept by `Request.ts`.
 */
import { childrenIn, signalWait } from "../domain/Checkpoint.ts"
import { type ClaimPolicy, type Obstacle, obstaclesOf } from "../domain/Claiming.ts"
import { needsReason } from "../domain/Command.ts"
import { counted, digestOf, type Governance } from "../domain/Governance.ts"
import type { Hold } from "../domain/Hold.ts"
import type { Epoch } from "../domain/Lease.ts"
import { heavySlots } from "../domain/Queue.ts"
import { oneLine } from "../domain/Redaction.ts"
import { nextFor } from "../domain/Request.ts"
import type { Step } from "../domain/Step.ts"
import { isDead, isIn, type Task } from "../domain/Task.ts"
import { isTerminal, shortId } from "../domain/TaskState.ts"
import { closeDeadlineMs, neverMs } from "../domain/Timeout.ts"
import { isoOf } from "../domain/Zone.ts"
import type { Contention } from "../engine/Engine.ts"
import type { ReasonDetail } from "./OpsReasons.ts"
import type { LimitsInForce } from "./QueueViews.ts"

/** One link of the chain. `until` is when it ends by itself, if it does. */
export interface WhyReason {
  readonly code: string
  readonly text: string
  readonly since: string | null
  readonly until: string | null
  /** The command to type; null: nothing but time, or a word of the reason itself. */
  readonly next: string | null
  /** The tasks that stand in the way. */
  readonly tasks?: ReadonlyArray<string>
  /** Why those do not get on, one level deep. */
  readonly why?: ReadonlyArray<{ readonly task: string; readonly state: Task["state"]; readonly reasons: ReadonlyArray<WhyReason> }>
}

/** What is around a task. */
export interface Surroundings {
  readonly nowMs: number
  readonly epoch: Epoch | null
  readonly heldSinceMs: number | null
  /** What runs beside it; null where nobody asked, since it is not queued. */
  readonly contention: Contention | null
  /** Null: not known, as of a file without its configuration. */
  readonly limits: LimitsInForce | null
  readonly steps: ReadonlyArray<Step>
  /** Those that it waits for. */
  readonly children: ReadonlyArray<{ readonly task: Task; readonly around: Surroundings }>
  /** What the storage does. */
  readonly storage: ReadonlyArray<ReasonDetail>
}

interface Link {
  readonly code: string
  readonly text: string
  readonly sinceMs?: number | null
  readonly untilMs?: number | null
  readonly next?: string | null
  readonly more?: Pick<WhyReason, "tasks" | "why">
}

const instant = (atMs: number | null | undefined): string | null => (atMs === null || atMs === undefined || atMs >= neverMs ? null : isoOf(atMs))

const link = ({ code, more = {}, next = null, sinceMs, text, untilMs }: Link): WhyReason => ({ code, text, since: instant(sinceMs), until: instant(untilMs), next, ...more })

const verb = (op: string, task: Task, rest = ""): string => {
  const needs = Object.entries(needsReason).some(([known, needed]) => known === op && needed)
  return `opsgate task ${op.replaceAll("_", "-")} ${shortId(task.id)}${rest}${needs ? " --reason \"<why>\"" : ""}`
}

const plural = (count: number, word: string): string => `${count} ${word}${count === 1 ? "" : "s"}`

/** The chain of reasons, the outermost first. */
export const whyOf = (task: Task, around: Surroundings): ReadonlyArray<WhyReason> => {
  if (isTerminal[task.state]) return [endedOf(task)]
  const outer = [...aroundOf(around), ...canceling(task)]
  if (isIn(task, "REQUESTED")) return [...outer, ...asking(task)]
  if (isIn(task, "APPROVED")) return [...outer, resumable(task)]
  if (isIn(task, "QUEUED")) return [...outer, ...queued(task, around), ...deadlines(task)]
  return [...outer, ...running(task, around), ...deadlines(task)]
}

const aroundOf = ({ heldSinceMs, storage }: Surroundings): ReadonlyArray<WhyReason> => [
  ...storage.filter(({ ended }) => ended === undefined).map(({ code, next, since }) => ({ code, text: "the storage takes no changes, so nothing begins", since: since ?? null, until: null, next })),
  ...(heldSinceMs === null ? [] : [link({ code: "restore_hold", text: "the file was restored from a backup, and nothing begins before its release", sinceMs: heldSinceMs, next: "opsgate release --reason \"<why>\"" })])
]

const canceling = (task: Task): ReadonlyArray<WhyReason> => {
  const { cancel } = task
  if (cancel === null || task.unknown !== null) return []
  const text = `${cancel.actor} asked it to end: ${cancel.reason}; it does at its next step boundary${cancel.compensate ? ", after what was done is undone" : ""}`
  return [link({ code: "cancel_pending", text, sinceMs: cancel.atMs, next: cancel.kill ? null : verb("kill", task) })]
}

const endedOf = (task: Task): WhyReason => {
  const [next] = nextFor(task)
  const pruned = task.prunedAtMs !== null
  const how = task.failure === null || isIn(task, "SUCCEEDED") ? "" : `: ${task.failure.code}${task.failure.error === "" ? "" : `, ${task.failure.error}`}`
  const dead = isDead(task) ? "; it is in the dead letter" : task.dismissed === null ? "" : `; ${task.dismissed.actor} dismissed it: ${task.dismissed.reason}`
  const gone = pruned ? "; its payload and results were pruned, so it can only be asked for anew" : ""
  const again = next === "fork" || isIn(task, "SUCCEEDED") ? `opsgate task fork ${shortId(task.id)} --step <n> --reason "<why>"` : next === undefined ? null : verb(next, task)
  return link({ code: `ended_${task.state.toLowerCase()}`, text: `it ended ${task.state}${how}${dead}${gone}`, sinceMs: task.updatedAtMs, next: pruned ? `opsgate task submit ${task.kind} <payload>` : again })
}

const missing = (task: Task, governance: Governance): string => {
  const given = counted(governance, digestOf(task, governance))
  const { approvals: needed, approver } = governance.demand
  const by = given.length === 0 ? "" : ` (${given.map(({ actor }) => actor).join(", ")})`
  const others = governance.self ? "" : `, not ${[task.requester, ...task.authors.filter((author) => author !== task.requester)].join(", ")}`
  return `${given.length} of ${plural(needed, "approval")} given${by}; whoever has the role ${approver} may say yes${others}`
}

const holdText = {
  plan: () => "somebody has to say how it is done, tested and rolled back",
  review: (_task, { review }) => `somebody else than its author has to review it${review?.verdict === "fail" ? `; the last review failed (${review.code ?? "other"})` : ""}`,
  approval: missing,
  policy: (_task, { denied }) => (denied === null ? "the policy does not let it run" : `the policy does not let it run: ${denied.rule}, ${denied.why}`)
} as const satisfies Record<Hold, (task: Task, governance: Governance) => string>

const holdVerb = {
  plan: (task) => verb("plan", task),
  review: (task) => verb("review", task),
  approval: (task) => verb("approve", task),
  policy: (task) => verb("cancel", task)
} as const satisfies Record<Hold, (task: Task) => string>

const asking = (task: Task): ReadonlyArray<WhyReason> => {
  const { governance } = task
  if (task.holds.length === 0) return [link({ code: "not_resumed", text: "nobody has to be asked any more: it waits for its resume", sinceMs: task.updatedAtMs, untilMs: task.expiresAtMs, next: verb("resume", task) })]
  return task.holds.map((hold) =>
    link({
      code: `hold_${hold}`,
      text: governance === null ? "people have to say yes" : holdText[hold](task, governance),
      sinceMs: governance?.askedAtMs ?? task.createdAtMs,
      untilMs: task.expiresAtMs,
      next: holdVerb[hold](task)
    }))
}

const resumable = (task: Task): WhyReason =>
  link({ code: "not_resumed", text: "all its holds are released: it waits for its resume, and the approval expires", sinceMs: task.updatedAtMs, untilMs: task.expiresAtMs, next: verb("resume", task) })

const deadlines = (task: Task): ReadonlyArray<WhyReason> => {
  const closeMs = closeDeadlineMs(task.limits, task.queuedAtMs)
  const untilMs = task.expiresAtMs ?? closeMs
  if (untilMs === null || task.unknown !== null) return []
  const text = untilMs === closeMs ? "it expires unless it has ended by then (schedule-to-close)" : "it expires unless it has started by then (schedule-to-start)"
  return [link({ code: "deadline", text, sinceMs: task.queuedAtMs, untilMs })]
}

const queued = (task: Task, around: Surroundings): ReadonlyArray<WhyReason> => {
  const waiting = around.steps.filter(({ state }) => state === "waiting")
  const isParked = task.waits.length > 0 || waiting.some(({ wakeAtMs }) => wakeAtMs !== null && wakeAtMs === task.availableAtMs)
  if (isParked && task.availableAtMs > around.nowMs) return waiting.length === 0 ? [parkedBy(task)] : waiting.map((step) => waitOf(task, step, around))
  if (task.availableAtMs > around.nowMs) return [laterOf(task)]
  return due(task, around)
}

const parkedBy = (task: Task): WhyReason => link({ code: "parked", text: `it waits for ${task.waits.join(", ")}`, sinceMs: task.updatedAtMs, untilMs: task.availableAtMs })

const laterOf = (task: Task): WhyReason =>
  task.failure === null
    ? link({ code: "delayed", text: "it was asked for a later instant", sinceMs: task.createdAtMs, untilMs: task.availableAtMs, next: verb("cancel", task) })
    : link({ code: "retry_later", text: `its last run ended with ${task.failure.code}: ${task.failure.error}; ${plural(task.budget, "attempt")} left`, sinceMs: task.updatedAtMs, untilMs: task.availableAtMs, next: verb("cancel", task) })

const waitOf = (task: Task, step: Step, around: Surroundings): WhyReason => {
  const at = { sinceMs: step.startedAtMs, untilMs: step.wakeAtMs }
  if (step.sort === "sleep") return link({ code: "sleeps", text: `step ${step.number} (${step.name}) sleeps`, ...at })
  if (step.sort === "child") {
    const wanted = step.child === null ? childrenIn({ untilMs: null, waits: task.waits }) : [step.child]
    const children = around.children.filter((child) => wanted.includes(child.task.id))
    const why = children.map((child) => ({ task: child.task.id, state: child.task.state, reasons: whyOf(child.task, { ...child.around, children: [] }) }))
    return link({ code: "waits_child", text: `step ${step.number} (${step.name}) waits for the end of ${wanted.join(", ")}`, ...at, next: wanted[0] === undefined ? null : `opsgate why ${shortId(wanted[0])}`, more: { tasks: wanted, why } })
  }
  const signals = task.waits.filter((wait) => wait.startsWith(signalWait(""))).map((wait) => wait.slice(signalWait("").length))
  const name = signals.includes(step.name) ? step.name : signals.join(", ")
  return link({ code: "waits_signal", text: `step ${step.number} (${step.name}) waits for the signal ${name}`, ...at, next: `opsgate task signal ${shortId(task.id)} ${signals[0] ?? step.name} <payload>` })
}

const policyOf = ({ limits }: Surroundings): ClaimPolicy =>
  limits === null ? {} : { queues: limits.queues, heavyMax: heavySlots(limits.workers), ...(limits.kinds === undefined || limits.kinds === null ? {} : { kinds: limits.kinds }) }

const due = (task: Task, around: Surroundings): ReadonlyArray<WhyReason> => {
  const { contention, epoch, limits, nowMs } = around
  const sinceMs = task.availableAtMs
  const isServed = epoch !== null && epoch.leaseUntilMs > nowMs
  const unserved = isServed ? [] : [link({ code: "not_served", text: "no server runs that could claim it", sinceMs: epoch?.leaseUntilMs ?? null, next: "opsgate serve" })]
  if (contention === null) return unserved
  const book = {
    running: () => contention.running,
    runningHeavy: () => contention.runningHeavy,
    runningUnder: () => contention.underKey,
    state: () => contention.state ?? undefined,
    starts: () => contention.starts,
    turns: () => new Map<string, number>(),
    queueCount: () => 1,
    tenantCount: () => 1
  }
  const found = obstaclesOf(policyOf(around), book, task, task.concurrencyKey, nowMs).map((obstacle) => obstacleLink(obstacle, task, contention))
  const full = limits !== null && contention.runningAll >= limits.workers && limits.workers > 0
    ? [link({ code: "slots_full", text: `all ${plural(limits.workers, "worker slot")} are taken`, sinceMs, next: "opsgate queues" })]
    : []
  const all = [...unserved, ...found, ...full]
  return all.length > 0 ? all : [link({ code: "its_turn", text: "nothing keeps it: it is claimed in its turn", sinceMs, next: "opsgate queues" })]
}

const obstacleLink = (obstacle: Obstacle, task: Task, { holders }: Contention): WhyReason => {
  const { queue } = task
  const more = { tasks: holders }
  const sinceMs = task.availableAtMs
  switch (obstacle._tag) {
    case "Kind":
      return link({ code: "kind_gone", text: `the kind ${task.kind} is not declared any more, so nobody can run it`, sinceMs, next: verb("cancel", task) })
    case "Paused":
      return obstacle.state === null
        ? link({ code: "queue_paused", text: `the configuration pauses the queue ${queue}`, next: `opsgate queue resume ${queue} --reason "<why>"` })
        : link({ code: "queue_paused", text: `${obstacle.state.actor} paused the queue ${queue}: ${obstacle.state.reason}`, sinceMs: obstacle.state.sinceMs, next: `opsgate queue resume ${queue} --reason "<why>"` })
    case "Concurrency":
      return link({ code: "queue_full", text: `the queue ${queue} runs ${obstacle.running} of ${obstacle.max} at once`, sinceMs, next: firstWhy(holders), more })
    case "Rate":
      return link({ code: "rate_limited", text: `the queue ${queue} has had its ${plural(obstacle.rate.count, "start")} in ${obstacle.rate.perMs} ms`, sinceMs, untilMs: obstacle.freeAtMs })
    case "Key":
      return link({ code: "key_full", text: `${obstacle.max} at once may run under the key ${obstacle.key}`, sinceMs, next: firstWhy(holders), more })
    case "Heavy":
      return link({ code: "heavy_full", text: `${obstacle.running} of ${plural(obstacle.max, "heavy task")} run; one slot is left to light work`, sinceMs, next: "opsgate queues" })
  }
}

const firstWhy = ([first]: ReadonlyArray<string>): string | null => (first === undefined ? null : `opsgate why ${shortId(first)}`)

const running = (task: Task, around: Surroundings): ReadonlyArray<WhyReason> => {
  const { lease, unknown } = task
  if (unknown !== null) {
    const name = around.steps.find(({ number }) => number === unknown.step)?.name
    const text = `step ${unknown.step}${name === undefined ? "" : ` (${name})`} may or may not have happened (${unknown.code}): look, then say what you found`
    return [link({ code: "outcome_unknown", text, sinceMs: unknown.sinceMs, next: verb("reconcile", task, " --outcome <succeeded|failed|retry>") })]
  }
  return [...(lease === null ? [] : [leaseOf(task, lease, around)]), ...task.intents.map((intent) => ({ ...openStep(task, intent) }))]
}

const leaseOf = (task: Task, { epoch: own, worker }: NonNullable<Task["lease"]>, { epoch, nowMs }: Surroundings): WhyReason => {
  const isCurrent = epoch !== null && own === epoch.epoch
  if (isCurrent && epoch.leaseUntilMs > nowMs) {
    return link({ code: "runs", text: `worker ${worker} of epoch ${own} runs attempt ${task.attempt} under generation ${task.generation}; the lease is renewed while the server lives`, sinceMs: task.startedAtMs, untilMs: epoch.leaseUntilMs, next: verb("cancel", task) })
  }
  return link({ code: "lease_stale", text: `the lease of worker ${worker} of epoch ${own} has ended, and nobody has taken the run back yet`, sinceMs: isCurrent ? epoch.leaseUntilMs : task.startedAtMs, next: "opsgate serve" })
}

const openStep = (task: Task, { atMs, effect, name, step }: Task["intents"][number]): WhyReason =>
  link({ code: "step_runs", text: `step ${step} (${name}, ${effect}) has begun; the attempt ends at its timeout`, sinceMs: atMs, untilMs: task.startedAtMs === null ? null : task.startedAtMs + task.limits.startToCloseMs, next: verb("kill", task) })

/** One reason for people: the sentence, when, and what to type; a child's below it. */
export const whyText = (task: Task, reasons: ReadonlyArray<WhyReason>): string =>
  [`${task.id} (${shortId(task.id)}) ${task.state}, ${task.kind}`, ...reasons.flatMap((reason) => linesOf(reason, "  "))].join("\n")

const linesOf = ({ code, next, since, text, until, why = [] }: WhyReason, indent: string): ReadonlyArray<string> => [
  `${indent}${code}: ${oneLine(text)}`,
  ...(since === null && until === null ? [] : [`${indent}  ${[since === null ? "" : `since ${since}`, until === null ? "" : `until ${until}`].filter((part) => part !== "").join(", ")}`]),
  ...(next === null ? [] : [`${indent}  next: ${oneLine(next)}`]),
  ...why.flatMap(({ reasons, state, task }) => [`${indent}  ${task} ${state}`, ...reasons.flatMap((reason) => linesOf(reason, `${indent}    `))])
]
