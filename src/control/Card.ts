/**
 * What an approver is shown: exactly what would run, what people have said about it, and how it differs from the last run of its kind
 * that people let go. The digest on it is what an approval is bound to. Payloads are redacted; nothing here decides anything.
 */
import { DateTime } from "effect"
import type { Json } from "../domain/Canonical.ts"
import { counted, digestOf, type Governance } from "../domain/Governance.ts"
import type { Kind } from "../domain/Kind.ts"
import type { ApprovedRun } from "../domain/LastApproved.ts"
import { type DiffLine, diffLines, onlyChanges } from "../domain/LineDiff.ts"
import { oneLine, type Redactor } from "../domain/Redaction.ts"
import { isStale, nextFor } from "../domain/Request.ts"
import type { Task } from "../domain/Task.ts"
import { secretsOf } from "../domain/TaskSecrets.ts"
import { isTerminal, shortId } from "../domain/TaskState.ts"

/** What people have to do and have done, as it is shown. */
export const governanceOf = (task: Task, { text }: Redactor) => {
  const { governance } = task
  if (governance === null) return null
  const { broken, demand, denied, plan, policyVersion, review, risks, self } = governance
  const digest = digestOf(task, governance)
  const given = counted(governance, digest)
  return {
    policy_version: policyVersion,
    risks,
    denied,
    digest,
    expires_at: task.expiresAtMs,
    approvals: {
      needed: demand.approvals,
      approver: demand.approver,
      self_allowed: self,
      given: given.map((one) => ({ actor: one.actor, channel: one.channel, at: one.atMs, self: one.self, note: one.note === null ? null : text(one.note) })),
      missing: Math.max(0, demand.approvals - given.length)
    },
    plan: { needed: demand.plan, filed: plan === null ? null : { actor: plan.actor, at: plan.atMs, ...partsOf(plan.text, text) } },
    review: { needed: demand.review, given: review === null ? null : { actor: review.actor, at: review.atMs, verdict: review.verdict, code: review.code, notes: review.notes === null ? null : text(review.notes), counts: review.digest === digest } },
    broken: broken === null ? null : { actor: broken.actor, at: broken.atMs, reason: text(broken.reason), counts: broken.digest === digest }
  }
}

const planParts = ["scope", "risks", "test_plan", "rollback_plan", "approval_impact"] as const

const partsOf = (plan: string, text: Redactor["text"]) => {
  const parts: Json = JSON.parse(plan)
  const given = new Map(typeof parts === "object" && parts !== null ? Object.entries(parts) : [])
  const part = (name: string): string => {
    const said = given.get(name)
    return typeof said === "string" ? text(said) : ""
  }
  return { scope: part("scope"), risks: part("risks"), test_plan: part("test_plan"), rollback_plan: part("rollback_plan"), approval_impact: part("approval_impact") }
}

export type GovernanceView = NonNullable<ReturnType<typeof governanceOf>>

interface Compared {
  readonly run: ApprovedRun
  /** Its task, if it is still there. */
  readonly task: Task | undefined
}

const pretty = (payload: string, sensitive: Task["sensitive"], { json }: Redactor): ReadonlyArray<string> =>
  JSON.stringify(json(JSON.parse(payload), sensitive?.payload ?? []), null, 2).split("\n")

const changed = (from: string | null, to: string | null) => (from === to ? null : { from, to })

/** Lines of a difference that are kept. */
const diffMax = 400
const signed = (line: DiffLine | null): string => (line === null ? "  …" : `${line.sign} ${line.text}`)

const differenceOf = (task: Task, governance: Governance | null, { run, task: before }: Compared, redactor: Redactor) => {
  const gone = before === undefined || before.prunedAtMs !== null
  const lines = gone || task.prunedAtMs !== null ? [] : onlyChanges(diffLines(pretty(before.payload, before.sensitive, redactor), pretty(task.payload, task.sensitive, redactor)), 2).map(signed)
  const samePayload = run.payloadSha256 === task.payloadSha256
  return {
    task: run.task,
    short: shortId(run.task),
    at: run.atMs,
    by: run.by,
    self: run.self,
    broken: run.broken,
    kind_version: changed(run.kindVersion, task.kindVersion),
    policy_version: changed(run.policyVersion, governance?.policyVersion ?? null),
    plan: (governance?.plan?.text ?? null) === run.plan ? "same" as const : "changed" as const,
    payload: samePayload ? "same" as const : gone ? "pruned" as const : lines.length === 0 ? "redacted" as const : "changed" as const,
    lines: samePayload ? [] : lines.slice(0, diffMax),
    lines_left_out: Math.max(0, (samePayload ? 0 : lines.length) - diffMax)
  }
}

export interface CardFacts {
  readonly task: Task
  /** As it is declared now; undefined when that is not known. */
  readonly kind: Kind | undefined
  /** What people let go last of this kind; undefined: nothing that is known. */
  readonly last: Compared | undefined
}

// What one of the two tasks marks as secret is shown nowhere.
export const cardOf = (facts: CardFacts, redactor: Redactor) =>
  cardWith(facts, redactor.knowing([facts.task, facts.last?.task].flatMap((task) => (task === undefined ? [] : secretsOf(task)))))

const cardWith = ({ kind, last, task }: CardFacts, redactor: Redactor) => ({
  v: 1,
  task: task.id,
  short: shortId(task.id),
  kind: task.kind,
  kind_version: task.kindVersion,
  class: task.class,
  risk: task.risk,
  tenant: task.tenant,
  state: task.state,
  holds: task.holds,
  requester: task.requester,
  authors: task.authors,
  requested_at: task.createdAtMs,
  /** Kind or policy were changed since people were asked: the next word about it makes it ask anew. */
  stale: isStale(task, kind),
  payload: task.prunedAtMs === null ? redactor.json(JSON.parse(task.payload), task.sensitive?.payload ?? []) : null,
  payload_sha256: task.payloadSha256,
  governance: governanceOf(task, redactor),
  /** Null: the first run of this kind, as far as is known. */
  since_last: last === undefined ? null : differenceOf(task, task.governance, last, redactor),
  next: nextFor(task)
})

export type Card = ReturnType<typeof cardOf>

const when = (atMs: number): string => DateTime.formatIso(DateTime.unsafeMake(atMs))
const who = (actor: string, self: boolean): string => `${oneLine(actor)}${self ? " (SELF-APPROVAL)" : ""}`

const people = (count: number): string => (count === 1 ? "1 person" : `${count} people`)

/** What people have said and what is missing, in lines. */
export const governanceLines = (view: GovernanceView): ReadonlyArray<string> => {
  const { approvals, broken, denied, plan, review } = view
  const given = approvals.given.map((one) => `approved  by ${who(one.actor, one.self)} at ${when(one.at)}${one.note === null ? "" : `: ${oneLine(one.note)}`}`)
  return [
    ...(view.risks.length === 0 ? [] : [`risks     ${view.risks.map(oneLine).join(", ")}`]),
    ...(denied === null ? [] : [`policy    refuses it (${oneLine(denied.rule)}): ${oneLine(denied.why)}`]),
    ...(plan.filed === null
      ? (plan.needed ? ["plan      missing"] : [])
      : [`plan      by ${oneLine(plan.filed.actor)} at ${when(plan.filed.at)}`, ...planParts.map((part) => `          ${part}: ${oneLine(plan.filed?.[part] ?? "")}`)]),
    ...(review.given === null ? (review.needed ? ["review    missing"] : []) : [reviewLine(review.given)]),
    ...(approvals.needed === 0 ? [] : [...given, `approvals ${approvals.given.length} of ${approvals.needed}${approvals.missing === 0 ? "" : `, missing: ${people(approvals.missing)} with the role ${oneLine(approvals.approver)}`}`]),
    ...(broken === null ? [] : [`BROKEN    glass: ${oneLine(broken.actor)} let it go at ${when(broken.at)}${broken.counts ? "" : ", for something else than it is now"}: ${oneLine(broken.reason)}`]),
    ...(view.expires_at === null ? [] : [`expires   ${when(view.expires_at)}`]),
    `digest    ${view.digest}`
  ]
}

const reviewLine = ({ actor, at, code, counts, notes, verdict }: NonNullable<GovernanceView["review"]["given"]>): string =>
  `review    ${verdict === "pass" ? "passed" : `FAILED (${code ?? "other"})`} by ${oneLine(actor)} at ${when(at)}${counts ? "" : ", of something else than it is now"}${notes === null ? "" : `: ${oneLine(notes)}`}`

const payloadWords = { same: "the same payload", pruned: "its payload is gone, so it cannot be compared", redacted: "the payload differs in what is redacted only", changed: "the payload differs:" } as const

const differenceLines = (since: Card["since_last"]): ReadonlyArray<string> => {
  if (since === null) return ["difference: first run of this kind that is known"]
  const how = `${since.broken ? "let go by breaking the glass" : "approved"} by ${since.by.map(oneLine).join(", ")}${since.self ? " (SELF-APPROVAL)" : ""}`
  return [
    `difference to the last run that was ${how} at ${when(since.at)} (${since.short}):`,
    ...(since.kind_version === null ? [] : [`  kind      ${since.kind_version.from ?? "none"} -> ${since.kind_version.to ?? "none"}`]),
    ...(since.policy_version === null ? [] : [`  policy    ${since.policy_version.from ?? "none"} -> ${since.policy_version.to ?? "none"}`]),
    ...(since.plan === "same" ? [] : ["  the plan differs"]),
    `  ${payloadWords[since.payload]}`,
    ...since.lines.map((line) => `  ${oneLine(line)}`),
    ...(since.lines_left_out === 0 ? [] : [`  … ${since.lines_left_out} more lines`])
  ]
}

/** A line that is longer is cut. */
const lineMax = 200
// Never in the middle of a character.
const cut = (line: string): string => (line.length <= lineMax ? line : `${line.slice(0, lineMax - 1).replace(/[\ud800-\udbff]$/, "")}…`)

// As many of the lines as there is room for, and how many are missing.
const fitting = (lines: ReadonlyArray<string>, room: number): ReadonlyArray<string> => {
  let left = room
  const kept = lines.findIndex((line) => (left -= line.length + 1) < 0)
  return kept === -1 ? lines : [...lines.slice(0, kept), `  … ${lines.length - kept} more lines: opsgate task card --json`]
}

/**
 * The card for people, at most about so many characters, for a chat for example: who, what, what is missing and the digest are always
 * there; of the difference and of the payload as much as there is room for.
 */
export const cardText = (card: Card, max = Infinity): string => {
  const head = [
    `task      ${card.task} (${card.short}) ${card.state}${card.holds.length === 0 || isTerminal[card.state] ? "" : `, waits for ${card.holds.join(", ")}`}`,
    `kind      ${oneLine(card.kind)} ${oneLine(card.kind_version)}  ${card.class}, risk ${oneLine(card.risk)}${card.tenant === "default" ? "" : `, tenant ${oneLine(card.tenant)}`}`,
    `requested by ${oneLine(card.requester)} at ${when(card.requested_at)}${card.authors.length === 0 ? "" : `; authors: ${card.authors.map(oneLine).join(", ")}`}`,
    ...(card.stale ? ["CHANGED   kind or policy were changed since people were asked: the next word about it makes it ask anew"] : []),
    ...(card.governance === null ? ["needs nobody"] : governanceLines(card.governance))
  ].map(cut)
  const tail = card.next.length === 0 ? [] : [`next      ${card.next.map((verb) => `opsgate task ${verb} ${card.short}`).join(" | ")}`]
  const room = max - [...head, ...tail].join("\n").length
  const difference = fitting(differenceLines(card.since_last).map(cut), room / 2)
  const payload = JSON.stringify(card.payload, null, 2)
  const shown = fitting(["payload:", ...payload.split("\n").map((line) => cut(`  ${oneLine(line)}`))], room - difference.join("\n").length)
  return [...head, ...shown, ...difference, ...tail].join("\n")
}
