/**
 * A task as a card in a chat: what it is, where it stands, who has said what, and the buttons for what may be done next. It shows no
 * payload, since everybody in the chat sees it, and stays short: whatever is long is cut. Pure.
 */
import { DateTime } from "effect"
import type { Entity } from "../../domain/Chat.ts"
import { counted, digestOf, type Governance } from "../../domain/Governance.ts"
import { oneLine, type Redactor } from "../../domain/Redaction.ts"
import type { Step } from "../../domain/Step.ts"
import { isDead, type Task } from "../../domain/Task.ts"
import { shortId, type TaskState } from "../../domain/TaskState.ts"
import { secretsOf } from "../../domain/TaskSecrets.ts"
import { neverMs } from "../../domain/Timeout.ts"
import type { Look, LookButton } from "./Look.ts"

/** Who ended it, or decided last, as the log has it. */
export interface Decided {
  readonly what: string
  readonly actor: string
  readonly atMs: number
  readonly reason: string | null
}

export interface CardFacts {
  readonly task: Task
  readonly steps: ReadonlyArray<Step>
  readonly decided: Decided | null
}

/** What a chat may do about tasks. */
export interface Ways {
  /** Whether a task with these risks may be approved in a chat. */
  readonly mayApprove: (risks: ReadonlyArray<string>) => boolean
  /** Address of a page about a task, to which its id is added; null: there is none. */
  readonly link: string | null
}

/** The most characters of a card, and of one line of it. */
export const cardMax = 1000
const lineMax = 160
const wordMax = 48

/** Cut, never in the middle of a character. */
export const cut = (text: string, max: number): string => (text.length <= max ? text : `${text.slice(0, max - 1).replace(/[\ud800-\udbff]$/, "")}…`)

/** `18:03 UTC`, with the day when that is another one. */
export const clockOf = (atMs: number): string => `${DateTime.formatIso(DateTime.unsafeMake(atMs)).slice(0, 16).replace("T", " ")} UTC`

/** The risks that its approval takes. */
export const risksOf = ({ governance, risk }: Task): ReadonlyArray<string> => [...new Set([...(risk === "none" ? [] : [risk]), ...governance?.risks ?? []])]

/** Where a task may be approved that may not be in a chat. */
export const linkTo = ({ link }: Ways, task: Task): string | null => (link === null ? null : `${link}${task.id}`)

const stateWords = {
  REQUESTED: "asks for people",
  APPROVED: "approved, waits for its resume",
  QUEUED: "in the queue",
  RUNNING: "runs",
  SUCCEEDED: "done",
  FAILED: "failed",
  CANCELED: "canceled",
  EXPIRED: "expired"
} as const satisfies Record<TaskState, string>

/** Where a task stands, in words. */
export const stateOf = (task: Task): string => {
  if (task.unknown !== null) return `nobody knows whether step ${task.unknown.step} happened`
  if (task.state === "REQUESTED") return task.holds.length === 0 ? "waits for its resume" : `waits for ${task.holds.join(", ")}`
  const cancel = task.cancel === null ? "" : ", asked to end"
  if (task.state === "QUEUED" && task.waits.length > 0) return `waits for ${task.waits.map((wait) => cut(oneLine(wait.startsWith("child:") ? `task ${shortId(wait)}` : wait.replace(":", " ")), wordMax)).join(", ")}${cancel}`
  if (task.state === "FAILED") return `failed${task.failure === null ? "" : `: ${cut(oneLine(task.failure.code), wordMax)}`}${isDead(task) ? "" : ", dismissed"}`
  return `${stateWords[task.state]}${cancel}`
}

const who = (actor: string): string => cut(oneLine(actor), wordMax)

const approvalsLine = (governance: Governance, digest: string): ReadonlyArray<string> => {
  const { approvals: needed, approver } = governance.demand
  if (needed === 0) return []
  const given = counted(governance, digest)
  const by = given.slice(0, 4).map(({ actor, atMs, self }) => `${who(actor)} ${clockOf(atMs)}${self ? " (SELF-APPROVAL)" : ""}`)
  const missing = Math.max(0, needed - given.length)
  return [
    `approved ${given.length} of ${needed}${by.length === 0 ? "" : ` by ${by.join(", ")}`}${given.length > by.length ? " …" : ""}`,
    ...(missing === 0 ? [] : [`missing: ${missing} with the role ${who(approver)}${governance.self ? "" : ", not its authors"}`])
  ]
}

const governanceLines = (task: Task, governance: Governance, { text }: Redactor): ReadonlyArray<string> => {
  const digest = digestOf(task, governance)
  const { broken, demand, denied, plan, review } = governance
  return [
    ...(denied === null ? [] : [`the policy refuses it: ${oneLine(denied.why)}`]),
    ...(plan === null ? (demand.plan ? ["plan: missing"] : []) : [`plan: by ${who(plan.actor)} ${clockOf(plan.atMs)}`]),
    ...(review === null ? (demand.review ? ["review: missing"] : []) : [`review: ${review.verdict === "pass" ? "passed" : `FAILED (${review.code ?? "other"})`} by ${who(review.actor)} ${clockOf(review.atMs)}${review.digest === digest ? "" : ", of something else"}`]),
    ...approvalsLine(governance, digest),
    ...(broken === null ? [] : [`GLASS BROKEN by ${who(broken.actor)} ${clockOf(broken.atMs)}: ${oneLine(text(broken.reason))}`])
  ]
}

const until = ({ expiresAtMs, state }: Task): ReadonlyArray<string> =>
  expiresAtMs === null || expiresAtMs >= neverMs || !["REQUESTED", "APPROVED", "QUEUED"].includes(state) ? [] : [`until ${clockOf(expiresAtMs)}`]

const stepLine = ({ state }: Task, steps: ReadonlyArray<Step>): ReadonlyArray<string> => {
  if (steps.length === 0) return []
  const done = steps.filter((step) => step.state === "succeeded").length
  const now = state === "RUNNING" || state === "QUEUED" ? steps.find((step) => step.endedAtMs === null) : undefined
  return [`steps: ${done} of ${steps.length} known done${now === undefined ? "" : `, now ${cut(oneLine(now.name), wordMax)}`}`]
}

const lastLine = ({ decided, task }: CardFacts, { text }: Redactor): ReadonlyArray<string> => {
  if (decided !== null) return [`${oneLine(decided.what)} by ${who(decided.actor)} ${clockOf(decided.atMs)}${decided.reason === null ? "" : `: ${oneLine(text(decided.reason))}`}`]
  const { attempt, cancel, failure, state, updatedAtMs } = task
  if (cancel !== null) return [`asked to end by ${who(cancel.actor)} ${clockOf(cancel.atMs)}: ${oneLine(text(cancel.reason))}`]
  if (failure !== null && state !== "SUCCEEDED") return [`attempt ${attempt}: ${oneLine(failure.code)}${failure.error === "" ? "" : `, ${oneLine(text(failure.error))}`}`]
  return [`since ${clockOf(updatedAtMs)}`]
}

const command = (label: string, words: string): LookButton => ({ label, ask: { op: "words", text: words } })

const approving = (task: Task, ways: Ways): ReadonlyArray<LookButton> => {
  const { governance } = task
  if (governance === null || !task.holds.includes("approval") || task.holds.includes("plan")) return []
  if (ways.mayApprove(risksOf(task))) return [{ label: "✅ Approve", ask: { op: "approve", task: task.id, digest: digestOf(task, governance), reason: null } }]
  const url = linkTo(ways, task)
  return url === null ? [] : [{ label: "🔗 Approve elsewhere", url }]
}

/** What to type on the machine for an approval that a chat may not give. */
export const approveElsewhere = (task: Task): string => `opsgate task approve ${shortId(task.id)}`

// Without a page to link to, the card itself has to say where.
const elsewhere = (task: Task, ways: Ways): ReadonlyArray<string> =>
  task.governance === null || !task.holds.includes("approval") || ways.mayApprove(risksOf(task)) || linkTo(ways, task) !== null
    ? []
    : [`approved on the machine only: ${approveElsewhere(task)}`]

const buttonsOf = (task: Task, ways: Ways): Look["buttons"] => {
  const id = shortId(task.id)
  const why = command("❓ Why", `/why ${id}`)
  const stop = command("⏹ Stop…", `/stop ${id}`)
  const reject = command("❌ Reject…", `/reject ${id}`)
  const resume: LookButton = { label: "▶️ Resume", ask: { op: "resume", task: task.id, reason: null } }
  if (task.unknown !== null) return [[why]]
  switch (task.state) {
    case "REQUESTED":
      return [[...(task.holds.length === 0 ? [resume] : approving(task, ways)), reject], [why, stop]]
    case "APPROVED":
      return [[resume, reject], [why, stop]]
    case "QUEUED":
    case "RUNNING":
      return [[why, ...(task.cancel === null ? [stop] : [])]]
    case "FAILED":
      return isDead(task) && task.prunedAtMs === null ? [[command("♻️ Recover…", `/recover ${id}`), command("🗑 Dismiss…", `/dismiss ${id}`)], [why]] : []
    case "SUCCEEDED":
    case "CANCELED":
    case "EXPIRED":
      return []
  }
}

/** The card. */
export const cardLook = (facts: CardFacts, ways: Ways, given: Redactor): Look => {
  const { steps, task } = facts
  const redactor = given.knowing(secretsOf(task))
  const { governance } = task
  const risks = risksOf(task)
  const id = shortId(task.id)
  const head = [
    `${id}  ${cut(oneLine(task.kind), wordMax)}`,
    `${stateOf(task)}`,
    `${task.class}, ${risks.length === 0 ? "no risk named" : `risk ${risks.map(oneLine).join(", ")}`}, asked for by ${who(task.requester)}`,
    ...(task.forkedFrom === null ? [] : [`forked from ${shortId(task.forkedFrom.task)} at step ${task.forkedFrom.step}`])
  ]
  const digest = governance === null ? [] : [`digest ${digestOf(task, governance).slice(0, 8)}`]
  const middle = [...(governance === null ? [] : governanceLines(task, governance, redactor)), ...elsewhere(task, ways), ...until(task), ...stepLine(task, steps), ...lastLine(facts, redactor)]
  // The digest is there whatever has to be left out.
  const room = cardMax - digest.join("").length - 1
  const text = [cut([...head, ...middle].map((line) => cut(line, lineMax)).join("\n"), room), ...digest].join("\n")
  const entities: Array<Entity> = [{ type: "code", offset: 0, length: id.length }]
  if (digest.length > 0) entities.push({ type: "code", offset: text.length - 8, length: 8 })
  return { text, entities, buttons: buttonsOf(task, ways) }
}
