/**
 * Who was allowed to let what run, told from the events alone. It shares nothing with the rules of holds: what each kind asks for, and
 * who has which roles, is told to it as data.
 */
import type { TaskEvent } from "../../src/domain/TaskEvent.ts"
import { payloadOf } from "./house.ts"

/** What a kind asks for as it is declared at some instant. */
export interface Asked {
  readonly kindVersion: string
  readonly policyVersion: string
  readonly approvals: number
  readonly approver: string
  readonly plan: boolean
  readonly review: boolean
  readonly ttlMs: number
  readonly self: boolean
  /** Work with this word in its payload is denied. */
  readonly deniedWord: string | null
  /** Nothing is dispatched. */
  readonly readonly: boolean
}

export interface Told {
  /** What a kind asks for when this event is written. */
  readonly askedAt: (seq: number, kind: string) => Asked
  readonly rolesOf: (actor: string) => ReadonlyArray<string>
  /** The payloads, by digest. */
  readonly payloads: ReadonlyMap<string, string>
}

interface Given {
  readonly actor: string
  readonly kindVersion: unknown
  readonly policyVersion: unknown
  readonly payload: unknown
  readonly self: boolean
}

interface Known {
  readonly id: string
  readonly kind: string
  readonly authors: Set<string>
  state: string
  payload: unknown
  askedAtMs: number
  /** What people were asked for last. */
  asked: Asked
  given: Array<Given>
  planner: string | null
  passed: Given | null
  broken: Given | null
  canceling: boolean
}

const states = new Map(["requested", "approved", "queued", "running", "succeeded", "failed", "canceled", "expired"].map((state) => [`task.${state}`, state]))
const terminal = ["succeeded", "failed", "canceled", "expired"]

/** The promises that the log breaks, in sentences. */
export const broken = (events: ReadonlyArray<TaskEvent>, told: Told): { readonly problems: ReadonlyArray<string>; readonly seen: ReadonlyMap<string, number> } => {
  const problems: Array<string> = []
  const seen = new Map<string, number>()
  const tasks = new Map<string, Known>()
  const count = (what: string): void => void seen.set(what, (seen.get(what) ?? 0) + 1)
  for (const event of events) {
    count(event.type)
    if (event.task === null) continue
    const known = tasks.get(event.task)
    const problem = known === undefined ? began(tasks, event, told, count) : follow(known, event, told, count)
    if (problem !== null) problems.push(`seq ${event.seq}, ${event.type} of ${event.task} by ${event.actor}: ${problem}`)
  }
  return { problems, seen }
}

const began = (tasks: Map<string, Known>, { actor, at, payload: text, seq, task, type }: TaskEvent, told: Told, count: (what: string) => void): string | null => {
  const facts = JSON.parse(text ?? "null")
  count(`begins by ${facts.by}`)
  if (type !== "task.requested" || task === null) return "a task begins with its request"
  tasks.set(task, {
    id: task,
    kind: facts.kind,
    authors: new Set([actor, ...(facts.authors ?? [])]),
    state: "requested",
    payload: facts.payload_sha256,
    askedAtMs: at,
    asked: told.askedAt(seq, facts.kind),
    given: [],
    planner: null,
    passed: null,
    broken: null,
    canceling: false
  })
  return null
}

const anew = (task: Known, { at, seq }: TaskEvent, told: Told): void => {
  task.askedAtMs = at
  task.asked = told.askedAt(seq, task.kind)
  task.given = []
  task.passed = null
  task.broken = null
}

const follow = (task: Known, event: TaskEvent, told: Told, count: (what: string) => void): string | null => {
  const facts = payloadOf(event)
  const to = states.get(event.type)
  if (to !== undefined) return entered(task, event, to, told, count)
  switch (event.type) {
    case "task.debounced":
      task.authors.add(event.actor)
      task.payload = facts["payload_sha256"]
      task.asked = told.askedAt(event.seq, task.kind)
      return task.state === "queued" ? null : "what is not queued is not changed"
    case "approval.voided":
      anew(task, event, told)
      return null
    case "plan.filed":
      task.planner = event.actor
      task.given = []
      task.passed = null
      return null
    case "approval.given":
      return given(task, event, told)
    case "review.passed":
    case "review.failed":
      return reviewed(task, event, told)
    case "hold.broken":
      task.broken = wordOf(task, event)
      if (!told.rolesOf(event.actor).includes("admin")) return "only an admin breaks the glass"
      return task.authors.has(event.actor) ? "nobody breaks the glass for his own work" : null
    case "task.cancel_requested":
      task.canceling = true
      return null
    case "effect.intent":
      return task.canceling ? "what was asked to end begins nothing" : null
    default:
      return null
  }
}

const wordOf = ({ asked, payload }: Known, { actor, payload: text }: TaskEvent): Given => {
  const facts = JSON.parse(text ?? "null")
  return { actor, kindVersion: facts.kind_version ?? asked.kindVersion, policyVersion: facts.policy_version ?? asked.policyVersion, payload: facts.payload_sha256 ?? payload, self: facts.self === true }
}

const given = (task: Known, event: TaskEvent, told: Told): string | null => {
  const word = wordOf(task, event)
  const own = task.authors.has(event.actor)
  if (task.state !== "requested") return `nobody is asked while it is ${task.state}`
  if (own !== word.self) return own ? "a self-approval is not marked" : "somebody else's approval is marked as one's own"
  if (own && !task.asked.self) return "a self-approval that nobody allows"
  const roles = told.rolesOf(event.actor)
  if (!roles.includes("approver") || !roles.includes(task.asked.approver)) return `has not the role ${task.asked.approver}`
  if (task.given.some(({ actor }) => actor === event.actor)) return "has said yes before"
  task.given.push(word)
  return payloadOf(event)["given"] === task.given.length ? null : `is said to be number ${String(payloadOf(event)["given"])}, and is ${task.given.length}`
}

const reviewed = (task: Known, event: TaskEvent, told: Told): string | null => {
  if (event.type === "review.passed") task.passed = wordOf(task, event)
  else {
    task.passed = null
    // The plan goes with it, and so does what was said to that.
    if (task.asked.plan) [task.planner, task.given] = [null, []]
  }
  if (!told.rolesOf(event.actor).includes("reviewer")) return "is no reviewer"
  return task.authors.has(event.actor) || task.planner === event.actor ? "reviews his own work" : null
}

const entered = (task: Known, event: TaskEvent, to: string, told: Told, count: (what: string) => void): string | null => {
  const from = task.state
  const facts = payloadOf(event)
  task.state = to
  if (terminal.includes(from)) count(`${from} to ${to}`)
  if (terminal.includes(from)) return back(task, event, from, to, told)
  if (to === "requested") anew(task, event, told)
  if (to === "canceled" && facts["by"] === "reject") anew(task, event, told)
  if (terminal.includes(to)) task.canceling = false
  if (to === "queued" && facts["by"] === "resume") return lacking(task, event, told)
  if (to !== "running") return null
  if (task.canceling) {
    count("claims to undo")
    return null
  }
  const { approvals, plan, review } = told.askedAt(event.seq, task.kind)
  if (approvals > 0 || plan || review) count("claims under a word")
  if (task.broken !== null) count("claims behind broken glass")
  return told.askedAt(event.seq, task.kind).readonly ? "nothing is dispatched under this policy" : missing(task, event.seq, told)
}

const back = (task: Known, event: TaskEvent, from: string, to: string, told: Told): string | null => {
  const facts = payloadOf(event)
  const command = Object(facts["command"])
  if (from === "succeeded") return "what succeeded is never run again"
  if (facts["by"] !== "recover" || command.op !== "recover" || typeof command.reason !== "string" || command.reason.trim() === "") return `left ${from} without a recovery`
  if (!told.rolesOf(event.actor).some((role) => role === "operator" || role === "admin")) return "may not recover"
  if (to === "queued") return from === "expired" ? "what expired asks anew" : lacking(task, event, told)
  anew(task, event, told)
  return null
}

/** What is missing, or too late, when it is let into the queue. */
const lacking = (task: Known, event: TaskEvent, told: Told): string | null => {
  const { approvals, plan, review } = told.askedAt(event.seq, task.kind)
  const spoken = task.given.length > 0 || task.broken !== null || task.passed !== null
  if ((approvals > 0 || plan || review) && spoken && event.at >= task.askedAtMs + task.asked.ttlMs) return "comes when the time to say yes has run out"
  return missing(task, event.seq, told)
}

/** What is missing for it to run, as its kind and the policy are now. */
const missing = (task: Known, seq: number, told: Told): string | null => {
  const now = told.askedAt(seq, task.kind)
  const holds = (word: Given): boolean => word.kindVersion === now.kindVersion && word.policyVersion === now.policyVersion && word.payload === task.payload
  if (task.broken !== null && holds(task.broken)) return null
  const denied = now.deniedWord !== null && (told.payloads.get(String(task.payload)) ?? "").includes(now.deniedWord)
  if (denied) return "the policy denies it"
  const counted = new Set(task.given.filter(holds).filter(({ actor, self }) => !task.authors.has(actor) || (self && now.self)).map(({ actor }) => actor))
  if (counted.size < now.approvals) return `has ${counted.size} of ${now.approvals} approvals`
  if (now.plan && task.planner === null) return "has no plan"
  return now.review && (task.passed === null || !holds(task.passed)) ? "has not passed its review" : null
}
