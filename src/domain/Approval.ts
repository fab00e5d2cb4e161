/**
 * What people say about a task before it runs: how it is to be done, whether that will do, yes; or, in an emergency and on the record,
 * that it goes without. None of it dispatches: a task whose last hold is released waits, approved, for its resume.
 */
import { Either } from "effect"
import { canonical } from "./Canonical.ts"
import type { AskTo, Command } from "./Command.ts"
import { about, type Answer, answerFor, byCommand, type Decision, denyCommand, entered, granted, refuseCommand } from "./Decision.ts"
import { type Approval, counted, digestOf, type Governance, openHolds } from "./Governance.ts"
import type { Hold } from "./Hold.ts"
import type { Kind } from "./Kind.ts"
import type { Message } from "./Message.ts"
import type { Now } from "./Now.ts"
import { approverRoles } from "./Policy.ts"
import { AlreadyApproved, ApprovalStale, ApprovalVoid, HoldsOpen, NotAllowed, ReviewRefused, SelfApproval, TransitionRefused } from "./Refusal.ts"
import { accept, isStale, isVoid, lapseOf, nextFor, refusedAsLapsed, reheld } from "./Request.ts"
import { isIn, type Task, type TaskIn } from "./Task.ts"
import type { EventDraft } from "./TaskEvent.ts"
import { move } from "./Transition.ts"

type PeopleAsk = AskTo<"approve"> | AskTo<"plan"> | AskTo<"review"> | AskTo<"break_glass">
type Asking = TaskIn<"REQUESTED"> & { readonly governance: Governance }

/** Whose work it is: none of them may say yes to it, unless the policy of a sole operator allows it. */
export const isAuthor = (task: Task, person: Person): boolean => isSame(person, [task.requester, ...task.authors])

/** Whoever speaks, by his name and by the ways he comes: a name may be another one since the configuration was changed. */
type Person = Pick<Command, "actor" | "identities">

const isSame = ({ actor, identities = [] }: Person, names: ReadonlyArray<string>): boolean => [actor, ...identities].some((name) => names.includes(name))

/** The task as far as it asks people for something; otherwise the refusal. What is stale is asked anew first, and nobody's word is taken for it. */
const asking = (task: Task, command: Command<PeopleAsk>, kind: Kind | undefined, now: Now): Asking | Decision<Answer> => {
  if (!isIn(task, "REQUESTED")) return refuseCommand(command, task, new TransitionRefused({ task: task.id, state: task.state, wanted: command.ask.op, next: nextFor(task) }))
  const lapse = lapseOf(task, now)
  if (lapse !== null) return refusedAsLapsed(task, command, lapse, now)
  // Nobody is asked any more: a resume is all that it waits for.
  if (!task.held && !isVoid(task, kind, now)) return refuseCommand(command, task, new TransitionRefused({ task: task.id, state: task.state, wanted: command.ask.op, next: nextFor(task) }))
  if (task.governance === null || isStale(task, kind)) return refusedAsStale(task, command, kind, now)
  return { ...task, governance: task.governance }
}

const refusedAsStale = (task: TaskIn<"REQUESTED">, command: Command<PeopleAsk>, kind: Kind | undefined, now: Now): Decision<Answer> => {
  const { answer, events } = refuseCommand(command, task, new ApprovalVoid({ task: task.id, kind: task.kind }))
  const after = reheld(task, kind, now)
  return { ...granted(null, { tasks: [after.task], events: [...events, ...after.events] }), answer }
}

const isDecision = <A>(value: Asking | Decision<A>): value is Decision<A> => "answer" in value

/** Stores what was said, and releases the holds that it closes. `said` comes before the events of what it caused. */
const withWord = (task: Asking, governance: Governance, command: Command<PeopleAsk>, said: EventDraft, now: Now, messages: ReadonlyArray<Message> = []): Decision<Answer> => {
  const open = openHolds(task, governance)
  const after: TaskIn<"REQUESTED"> = { ...task, governance, holds: open, updatedAtMs: now.wallMs }
  const self = counted(governance, digestOf(task, governance)).some((approval) => approval.self)
  const released = task.holds.filter((hold) => !open.includes(hold)).map((hold) => holdEvent(after, "hold.released", hold, command.actor, self))
  const opened = open.filter((hold) => !task.holds.includes(hold)).map((hold) => holdEvent(after, "hold.opened", hold, command.actor, self))
  const events = [byCommand(said, command), ...opened, ...released]
  if (open.length > 0) return granted(answerFor(after, true), { tasks: [after], events, messages })
  const approved = move(after, "APPROVED", "release")
  return granted(answerFor(approved, true), { tasks: [approved], events: [...events, entered(approved, "REQUESTED", "release", command.actor)], messages })
}

const holdEvent = (task: Task, type: "hold.opened" | "hold.released", hold: Hold, actor: string, self: boolean): EventDraft =>
  about(task, type, actor, { hold, payload_sha256: task.payloadSha256, ...(hold === "approval" ? { self } : {}) })

/**
 * One person's yes. Enough of them, of distinct people in the role that is asked for, release the hold. Nobody approves his own work
 * unless the policy allows it; nobody approves twice; and nobody approves what he cannot have seen: a plan that is missing, or, when the
 * request names the digest of what was shown, something else.
 */
export const approve = (task: Task, command: Command<AskTo<"approve">>, kind: Kind | undefined, now: Now): Decision<Answer> => {
  if (isIn(task, "APPROVED")) return approveApproved(task, command, kind)
  const found = asking(task, command, kind, now)
  if (isDecision(found)) return found
  const { governance } = found
  const digest = digestOf(found, governance)
  if (isOfAnother(command, digest)) return refuseCommand(command, task, new ApprovalStale({ task: task.id }))
  if (saidYes(found, command)) return refuseCommand(command, task, new AlreadyApproved({ task: task.id, actor: command.actor }))
  const unfit = whyNot(task, governance, command, kind)
  if (unfit !== null) return unfit
  const self = isAuthor(task, command)
  if (found.holds.includes("plan")) return refuseCommand(command, task, new HoldsOpen({ task: task.id, holds: ["plan"] }))
  // There are enough of them.
  if (!found.holds.includes("approval")) return accept(task, command)
  const approval: Approval = { actor: command.actor, channel: command.channel, roles: command.roles, atMs: now.wallMs, note: command.ask.reason, digest, self, ...(command.identities === undefined ? {} : { identities: command.identities }) }
  const after: Governance = { ...governance, approvals: [...governance.approvals, approval] }
  const said = about(task, "approval.given", command.actor, {
    digest,
    payload_sha256: task.payloadSha256,
    kind_version: task.kindVersion,
    policy_version: governance.policyVersion,
    given: counted(after, digest).length,
    needed: governance.demand.approvals,
    self
  })
  const decision = withWord(found, after, command, said, now)
  return self ? { ...decision, answer: Either.map(decision.answer, (answer) => ({ ...answer, self: true as const })) } : decision
}

// Others have said yes already. Nothing is left to do, unless what was shown is not what they said yes to.
const approveApproved = (task: TaskIn<"APPROVED">, command: Command<AskTo<"approve">>, kind: Kind | undefined): Decision<Answer> => {
  const { governance } = task
  if (governance === null) return accept(task, command)
  if (isOfAnother(command, digestOf(task, governance))) return refuseCommand(command, task, new ApprovalStale({ task: task.id }))
  if (saidYes({ ...task, governance }, command)) return refuseCommand(command, task, new AlreadyApproved({ task: task.id, actor: command.actor }))
  return whyNot(task, governance, command, kind) ?? accept(task, command)
}

/** Why this person's yes is not taken, whatever state the task is in. */
const whyNot = (task: Task, governance: Governance, command: Command<AskTo<"approve">>, kind: Kind | undefined): Decision<never> | null => {
  if (isAuthor(task, command) && !governance.self && kind?.selfApproval !== true) return refuseCommand(command, task, new SelfApproval({ task: task.id, actor: command.actor }))
  const needed = approverRoles(governance.demand.approver)
  return needed.every((role) => command.roles.includes(role))
    ? null
    : denyCommand(command, task, new NotAllowed({ op: "approve", actor: command.actor, needs: [needed.join(" and ")] }))
}

const isOfAnother = ({ ask }: Command<AskTo<"approve">>, digest: string): boolean => ask.digest !== undefined && !digest.startsWith(ask.digest)

const saidYes = (task: Task & { readonly governance: Governance }, person: Person): boolean =>
  counted(task.governance, digestOf(task, task.governance)).some(({ actor, identities = [] }) => isSame(person, [actor, ...identities]))

/** Says how it is to be done. Another plan takes the place of the one before, and what was said to that one counts no more, also when it comes back. */
export const plan = (task: Task, command: Command<AskTo<"plan">>, kind: Kind | undefined, now: Now): Decision<Answer> => {
  const found = asking(task, command, kind, now)
  if (isDecision(found)) return found
  const text = canonical(command.ask.plan)
  // Whose plan it is stays as it was: its author does not review it because somebody else says the same.
  if (found.governance.plan?.text === text) return accept(task, command)
  const after: Governance = { ...found.governance, plan: { actor: command.actor, atMs: now.wallMs, text }, approvals: [], review: null }
  const digest = digestOf(found, after)
  const voided = counted(found.governance, digestOf(found, found.governance)).map(({ actor }) => actor)
  const said = about(task, "plan.filed", command.actor, { digest, plan: command.ask.plan, ...(voided.length === 0 ? {} : { voided }) })
  return withWord(found, after, command, said, now)
}

/** Somebody else's look at it. A review that fails says why, and leaves the hold open; where a plan is asked for, another one is. */
export const review = (task: Task, command: Command<AskTo<"review">>, kind: Kind | undefined, now: Now): Decision<Answer> => {
  const found = asking(task, command, kind, now)
  if (isDecision(found)) return found
  const { checklist, code = null, reason, verdict } = command.ask
  const { governance } = found
  if (isAuthor(task, command) || governance.plan?.actor === command.actor) return refuseCommand(command, task, new SelfApproval({ task: task.id, actor: command.actor }))
  if (found.holds.includes("plan")) return refuseCommand(command, task, new HoldsOpen({ task: task.id, holds: ["plan"] }))
  if (!governance.demand.review) return refuseCommand(command, task, new ReviewRefused({ task: task.id, why: "not_asked" }))
  const missing = Object.entries(checklist).filter(([, fine]) => !fine).map(([name]) => name)
  if (verdict === "pass" && missing.length > 0) return refuseCommand(command, task, new ReviewRefused({ task: task.id, why: "checklist" }))
  if (verdict === "fail" && code === null) return refuseCommand(command, task, new ReviewRefused({ task: task.id, why: "code" }))
  const digest = digestOf(found, governance)
  const reviewed = { actor: command.actor, atMs: now.wallMs, verdict, code, notes: reason, digest }
  const after: Governance = { ...governance, review: reviewed, ...(verdict === "fail" && governance.demand.plan ? { plan: null, approvals: [] } : {}) }
  const said = about(task, verdict === "pass" ? "review.passed" : "review.failed", command.actor, { digest, checklist, code, notes: reason })
  const messages: ReadonlyArray<Message> = verdict === "pass" ? [] : [{ topic: "review_failed", task: task.id, text: `${task.kind}: the review failed (${code ?? "other"})` }]
  return withWord(found, after, command, said, now, messages)
}

/**
 * Lets a task go without what it asks for: an emergency, with a reason, by somebody else than the one whose work it is. It has an event of
 * its own, and everybody is told.
 */
export const breakGlass = (task: Task, command: Command<AskTo<"break_glass">>, kind: Kind | undefined, now: Now): Decision<Answer> => {
  const found = asking(task, command, kind, now)
  if (isDecision(found)) return found
  const reason = command.ask.reason ?? ""
  if (isAuthor(task, command)) return refuseCommand(command, task, new SelfApproval({ task: task.id, actor: command.actor }))
  const digest = digestOf(found, found.governance)
  const after: Governance = { ...found.governance, broken: { actor: command.actor, reason, atMs: now.wallMs, digest } }
  const said = about(task, "hold.broken", command.actor, { digest, holds: task.holds, reason })
  const alert: Message = { topic: "break_glass", task: task.id, text: `${command.actor} let ${task.kind} go without ${task.holds.join(", ")}: ${reason}` }
  return withWord(found, after, command, said, now, [alert])
}
