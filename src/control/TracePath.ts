/** The part of a trace that is about one task, built event by event. `TraceTree.ts` puts the parts together. */
import type { Json } from "../domain/Canonical.ts"
import { spanOf } from "../domain/Ids.ts"
import type { Redactor } from "../domain/Redaction.ts"
import type { Step } from "../domain/Step.ts"
import type { Task } from "../domain/Task.ts"
import { isTerminal, shortId } from "../domain/TaskState.ts"
import type { TracedEvent } from "../domain/Traced.ts"

export type NodeKind = "trace" | "command" | "task" | "hold" | "approved" | "queue" | "run" | "step" | "wait" | "event" | "message"

export interface TraceNode {
  readonly kind: NodeKind
  readonly name: string
  /** Unix ms; null when what said it was given up. */
  readonly at: number | null
  /** Null while it goes on, or when nobody knows. */
  readonly ended_at: number | null
  readonly duration_ms: number | null
  readonly status: string | null
  readonly task: string | null
  readonly span: string | null
  readonly actor: string | null
  readonly detail: { readonly [name: string]: Json }
  /** Numbers of the events in the log that this node is made of. */
  readonly events: ReadonlyArray<number>
  readonly children: ReadonlyArray<TraceNode>
}

/** A node while it is made. */
export interface Draft {
  readonly kind: NodeKind
  name: string
  at: number | null
  endedAt: number | null
  status: string | null
  readonly task: string | null
  readonly step: number | null
  actor: string | null
  detail: { readonly [name: string]: Json }
  readonly events: Array<number>
  readonly children: Array<Draft>
}

type Begin = Pick<Draft, "kind" | "name" | "at"> & Partial<Pick<Draft, "endedAt" | "status" | "task" | "step" | "actor" | "detail">>

export const begun = ({ actor = null, at, detail = {}, endedAt = null, kind, name, status = null, step = null, task = null }: Begin): Draft =>
  ({ kind, name, at, endedAt, status, task, step, actor, detail, events: [], children: [] })

export const finished = (draft: Draft): TraceNode => ({
  kind: draft.kind,
  name: draft.name,
  at: draft.at,
  ended_at: draft.endedAt,
  duration_ms: draft.at === null || draft.endedAt === null ? null : Math.max(0, draft.endedAt - draft.at),
  status: draft.status,
  task: draft.task,
  span: draft.task === null || draft.step === null ? null : spanOf(draft.task, draft.step),
  actor: draft.actor,
  detail: draft.detail,
  events: draft.events,
  children: draft.children.toSorted(byTime).map(finished)
})

const firstEvent = ({ events }: Draft): number => events[0] ?? Number.MAX_SAFE_INTEGER
const byTime = (a: Draft, b: Draft): number => (a.at ?? 0) - (b.at ?? 0) || firstEvent(a) - firstEvent(b)

type Facts = ReadonlyMap<string, Json>

export const factsOf = ({ payload }: TracedEvent): Facts => {
  const json: Json = payload === null ? null : JSON.parse(payload)
  return new Map(typeof json === "object" && json !== null ? Object.entries(json) : [])
}

export const text = (facts: Facts, name: string): string | null => {
  const value = facts.get(name)
  return typeof value === "string" ? value : null
}
const number = (facts: Facts, name: string): number | null => {
  const value = facts.get(name)
  return typeof value === "number" ? value : null
}
export const inner = (facts: Facts, name: string): Facts => {
  const value = facts.get(name)
  return new Map(typeof value === "object" && value !== null ? Object.entries(value) : [])
}

/** What is shown of an event that is a node of its own, or of the end of one. */
const shownFacts = ["reason", "code", "error", "attempt", "generation", "epoch", "worker", "waits", "available_at_ms", "hold", "self", "name", "from_generation", "write", "wakes", "kill", "compensate", "percent", "note", "key", "op", "result", "outcome", "child", "state"]

export const detailOf = (facts: Facts, redactor: Redactor): Draft["detail"] => {
  const command = inner(facts, "command")
  const said = [...facts].filter(([name, value]) => shownFacts.includes(name) && value !== null)
  const asked = command.size === 0 ? [] : [["command", Object.fromEntries(command)] as const]
  const shown = redactor.json(Object.fromEntries([...said, ...asked]))
  return typeof shown === "object" && shown !== null && !isList(shown) ? shown : {}
}

const isList = (value: Json): value is ReadonlyArray<Json> => Array.isArray(value)

/** Builds the part of the tree that is about one task, event by event. */
export class TaskPath {
  readonly node: Draft
  private readonly redactor: Redactor
  private readonly steps: ReadonlyMap<number, Step>
  private readonly holds = new Map<string, Draft>()
  /** What the task waits for between two states. */
  private waiting: Draft | null = null
  private run: Draft | null = null
  private readonly open = new Map<number, Draft>()
  private readonly waits = new Map<number, Draft>()

  constructor(task: Task, steps: ReadonlyArray<Step>, redactor: Redactor) {
    this.redactor = redactor
    this.steps = new Map(steps.map((step) => [step.number, step]))
    this.node = begun({
      kind: "task",
      name: task.kind,
      at: task.createdAtMs,
      endedAt: isTerminal[task.state] ? task.updatedAtMs : null,
      status: task.unknown !== null ? "outcome unknown" : task.state,
      task: task.id,
      step: 0,
      actor: task.requester,
      detail: { short: shortId(task.id), class: task.class, attempt: task.attempt, trace: task.trace }
    })
    for (const step of steps) this.standing(step)
  }

  /** The wait that a child was asked for by. */
  waitAt(step: number): Draft {
    return this.waits.get(step) ?? this.node
  }

  // A step that waits, or was taken over, has no intent: its row says when it began.
  private standing({ child, copiedFrom, endedAtMs, name, number, sort, startedAtMs, state, wakeAtMs }: Step): void {
    const { node } = this
    if (copiedFrom !== null) {
      node.children.push(begun({ kind: "step", name, at: node.at, endedAt: node.at, status: "copied", task: node.task, step: number, detail: { number, copied_from: copiedFrom } }))
      return
    }
    if (sort !== "sleep" && sort !== "signal" && sort !== "child") return
    const wait = begun({ kind: "wait", name, at: startedAtMs, endedAt: endedAtMs, status: state, task: node.task, step: number, detail: { number, sort, ...(wakeAtMs === null ? {} : { wake_at: wakeAtMs }), ...(child === null ? {} : { child }) } })
    this.waits.set(number, wait)
    node.children.push(wait)
  }

  private mark(draft: Draft, event: TracedEvent): Draft {
    draft.events.push(event.seq)
    return draft
  }

  private under(draft: Draft, event: TracedEvent, at: Draft = this.node): Draft {
    at.children.push(draft)
    return this.mark(draft, event)
  }

  private aside(event: TracedEvent, facts: Facts): void {
    const at = this.run !== null && (event.type === "run.progress" || event.type === "effect.adopted" || event.type === "write.fenced") ? this.run : this.node
    this.under(begun({ kind: "event", name: event.type, at: event.at, endedAt: event.at, status: null, task: event.task, actor: event.actor, detail: detailOf(facts, this.redactor) }), event, at)
  }

  private endWaiting(event: TracedEvent, status: string | null = null): void {
    if (this.waiting === null) return
    this.waiting.endedAt = event.at
    this.waiting.status = status ?? this.waiting.status
    this.waiting = null
  }

  private endRun(event: TracedEvent, status: string, facts: Facts): void {
    const { run } = this
    if (run === null) return this.endWaiting(event, status)
    run.endedAt = event.at
    run.status = status
    run.detail = { ...run.detail, ...detailOf(facts, this.redactor) }
    this.mark(run, event)
    for (const step of this.open.values()) {
      // A command that is the whole of its task ends with its run.
      step.endedAt = event.at
      step.status ??= status === "succeeded" ? "succeeded" : status
    }
    this.open.clear()
    this.run = null
  }

  take(event: TracedEvent): void {
    const facts = factsOf(event)
    switch (event.type) {
      case "task.requested":
        return this.requested(event, facts)
      case "task.approved":
        return this.approved(event)
      case "task.queued":
        return this.queued(event, facts)
      case "task.running":
        return this.running(event, facts)
      case "effect.intent":
      case "step.succeeded":
      case "step.failed":
      case "step.settled":
        return this.step(event, facts)
      case "hold.released":
        return this.released(event, facts)
      case "task.outcome_unknown":
        return this.parked(event, facts)
      case "task.succeeded":
      case "task.failed":
      case "task.canceled":
      case "task.expired":
        return this.ended(event, facts)
      default:
        return this.aside(event, facts)
    }
  }

  private requested(event: TracedEvent, facts: Facts): void {
    this.mark(this.node, event)
    // A task that was asked for again after it had ended.
    this.endWaiting(event)
    const holds = facts.get("holds")
    for (const hold of isList(holds ?? null) && Array.isArray(holds) ? holds : []) {
      const name = String(hold)
      const draft = begun({ kind: "hold", name, at: event.at, status: "open", task: event.task })
      this.holds.set(name, draft)
      this.node.children.push(draft)
    }
  }

  private released(event: TracedEvent, facts: Facts): void {
    const hold = this.holds.get(text(facts, "hold") ?? "")
    if (hold === undefined) return this.aside(event, facts)
    hold.endedAt = event.at
    hold.status = "released"
    hold.actor = event.actor
    hold.detail = detailOf(facts, this.redactor)
    this.mark(hold, event)
  }

  private approved(event: TracedEvent): void {
    // Nobody had to say yes, and it is queued in the same instant.
    if (this.holds.size === 0) return void this.mark(this.node, event)
    this.waiting = this.under(begun({ kind: "approved", name: "approved, waits for a resume", at: event.at, task: event.task }), event)
  }

  private queued(event: TracedEvent, facts: Facts): void {
    const by = text(facts, "by")
    if (this.run !== null) {
      const status = by === "suspend" ? "parked" : by === "retry" ? "failed, to be retried" : by === "lease_lost" ? "lost" : by === "hand_back" ? "handed back" : by ?? "ended"
      this.endRun(event, status, facts)
      // The event is the end of the run; the wait behind it has none of its own.
      this.waiting = begun({ kind: "queue", name: queueName(by), at: event.at, task: event.task, detail: facts.has("available_at_ms") ? { available_at_ms: facts.get("available_at_ms") ?? null } : {} })
      this.node.children.push(this.waiting)
      return
    }
    this.endWaiting(event)
    this.waiting = this.under(begun({ kind: "queue", name: queueName(by), at: event.at, task: event.task, actor: event.actor, detail: detailOf(facts, this.redactor) }), event)
  }

  private running(event: TracedEvent, facts: Facts): void {
    this.endWaiting(event, "claimed")
    const attempt = number(facts, "attempt")
    const generation = number(facts, "generation")
    this.run = this.under(begun({ kind: "run", name: attempt === null ? "run" : `attempt ${attempt}, generation ${generation ?? "?"}`, at: event.at, status: "running", task: event.task, detail: detailOf(facts, this.redactor) }), event)
  }

  private step(event: TracedEvent, facts: Facts): void {
    const at = number(facts, "step")
    const name = text(facts, "name") ?? (at === null ? "step" : this.steps.get(at)?.name ?? `step ${at}`)
    if (at === null) return this.aside(event, facts)
    const wait = this.waits.get(at)
    if (wait !== undefined && event.type !== "effect.intent") return void this.mark(wait, event)
    const open = this.open.get(at)
    if (event.type !== "effect.intent") {
      const status = event.type.slice("step.".length)
      const draft = open ?? begun({ kind: "step", name, at: event.at, task: event.task, step: at, detail: { number: at } })
      if (open === undefined) (this.run ?? this.node).children.push(draft)
      draft.endedAt = event.at
      draft.status = status
      draft.detail = { ...draft.detail, ...detailOf(facts, this.redactor) }
      this.open.delete(at)
      return void this.mark(draft, event)
    }
    if (open !== undefined) {
      open.endedAt = event.at
      open.status = "lost"
    }
    const draft = begun({ kind: "step", name, at: event.at, task: event.task, step: at, detail: { number: at, effect: text(facts, "effect") } })
    this.open.set(at, this.under(draft, event, this.run ?? this.node))
  }

  private parked(event: TracedEvent, facts: Facts): void {
    for (const step of this.open.values()) step.status = "outcome unknown"
    this.endRun(event, "outcome unknown", facts)
    this.waiting = begun({ kind: "queue", name: "nobody knows whether it happened; waits for a reconcile", at: event.at, status: "waiting", task: event.task })
    this.node.children.push(this.waiting)
  }

  private ended(event: TracedEvent, facts: Facts): void {
    const status = event.type.slice("task.".length)
    for (const hold of this.holds.values()) {
      if (hold.endedAt !== null) continue
      hold.endedAt = event.at
      hold.status = status
    }
    if (this.run !== null) return this.endRun(event, status, facts)
    this.endWaiting(event, status)
    this.aside(event, facts)
  }
}

const queueName = (by: string | null): string => {
  switch (by) {
    case "suspend":
      return "parked"
    case "retry":
      return "waits for the next attempt"
    case "lease_lost":
      return "taken back, waits for a worker"
    default:
      return "in the queue"
  }
}
