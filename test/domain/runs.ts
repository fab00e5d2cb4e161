/** Tasks in every state, and runs in the middle of their steps, for tests of the rules. */
import { Either } from "effect"
import { approve } from "../../src/domain/Approval.ts"
import type { AskTo, TaskAsk } from "../../src/domain/Command.ts"
import type { Decision } from "../../src/domain/Decision.ts"
import { claim, resume } from "../../src/domain/Dispatch.ts"
import { begin, type Outcome, settle } from "../../src/domain/Execution.ts"
import type { Held } from "../../src/domain/Lease.ts"
import type { Now } from "../../src/domain/Now.ts"
import { cancel } from "../../src/domain/Recovery.ts"
import { expire, submit } from "../../src/domain/Request.ts"
import { changed, type Step, type StepDraft } from "../../src/domain/Step.ts"
import type { Task } from "../../src/domain/Task.ts"
import type { TaskState } from "../../src/domain/TaskState.ts"
import { commandOf, draftOf, execDraft, failedOutcome, heavyKind, kindOf, nextId, succeeded } from "../engine/tasks.ts"

export const now: Now = { wallMs: 1_800_000_000_000, monoMs: 1_000_000, epoch: 1, leaseUntilMonoMs: 1_030_000 }
export const later = (ms: number, change: Partial<Now> = {}): Now => ({ ...now, wallMs: now.wallMs + ms, monoMs: now.monoMs + ms, ...change })
export const nextEpoch = (ms = 60_000): Now => later(ms, { epoch: 2, leaseUntilMonoMs: now.monoMs + ms + 30_000 })

/** The last task that a decision stored. */
export const taskAfter = <A>(decision: Decision<A>): Task => {
  const task = decision.tasks.at(-1)
  if (task === undefined) throw new Error(`nothing was stored: ${JSON.stringify(decision.events)}`)
  return task
}
export const refusalOf = (decision: Decision<unknown>): string => (Either.isLeft(decision.answer) ? decision.answer.left._tag : "granted")
export const answerOf = <A>(decision: Decision<A>): A => Either.getOrThrow(decision.answer)
export const typesOf = (decision: Decision<unknown>): ReadonlyArray<string> => decision.events.map(({ type }) => type)
/** The steps of a task after a decision. */
export const stepsAfter = (steps: ReadonlyArray<Step>, decision: Decision<unknown>): ReadonlyArray<Step> => {
  const known = new Map(steps.map((step) => [step.number, step]))
  for (const change of decision.steps) {
    const number = change._tag === "Put" ? change.step.number : change.number
    const after = changed(known.get(number), change)
    if (after !== undefined) known.set(number, after)
  }
  return [...known.values()]
}

export const ask = <O extends Exclude<TaskAsk["op"], "submit" | "reconcile" | "fork" | "signal" | "plan" | "review">>(op: O, reason: string | null = "because"): AskTo<O> => {
  const wanted = { op, task: "t", reason }
  return wanted as AskTo<O>
}

export const requested = (kind = heavyKind()): Task => taskAfter(submit(commandOf({ op: "submit", kind: kind.name, payload: {}, reason: null }), kind, nextId(), now))
export const approved = (kind = heavyKind()): Task => taskAfter(approve(requested(kind), commandOf(ask("approve"), { actor: "cli:bob" }), kind, now))
export const queued = (kind = heavyKind()): Task => (kind.needsApproval ? taskAfter(resume(approved(kind), commandOf(ask("resume")), kind, now)) : requested(kind))
/** The kind of a task as it was when the task was asked for. */
export const kindFor = (task: Task) => (task.class === "heavy" ? heavyKind : kindOf)({ name: task.kind, version: task.kindVersion })
export const claimedAt = (task: Task, at: Now): Task => taskAfter(claim(task, "w", kindFor(task), at))
export const running = (kind = heavyKind()): Task => claimedAt(queued(kind), now)
export const held = (task: Task): Held => ({ generation: task.generation, epoch: task.lease?.epoch ?? 0 })
export const begun = (kind = heavyKind()): Task => {
  const task = running(kind)
  return taskAfter(begin(task, held(task), execDraft(kind.effect), now))
}
export const unknown = (): Task => {
  const task = begun()
  return taskAfter(settle(task, held(task), { _tag: "Unknown", code: "killed", error: "" }, now, 0))
}
export const ended = (outcome: Outcome): Task => {
  const task = running()
  return taskAfter(settle(task, held(task), outcome, now, 0))
}

export const inState: Record<TaskState, () => Task> = {
  REQUESTED: requested,
  APPROVED: approved,
  QUEUED: queued,
  RUNNING: running,
  SUCCEEDED: () => ended(succeeded),
  FAILED: () => ended(failedOutcome),
  CANCELED: () => taskAfter(cancel(requested(), commandOf(ask("cancel")), now)),
  EXPIRED: () => taskAfter(expire(requested(), later(3_600_000)))
}

/** A run of a kind that needs nobody, in the middle of these steps, in the order of the list. */
export const inTheMiddleOf = (drafts: ReadonlyArray<StepDraft>, kind = kindOf()): { readonly task: Task; readonly steps: ReadonlyArray<Step> } => {
  let task = running(kind)
  let steps: ReadonlyArray<Step> = []
  for (const draft of drafts) {
    const decision = begin(task, held(task), draft, now)
    steps = stepsAfter(steps, decision)
    task = taskAfter(decision)
  }
  return { task, steps }
}

/** A dangerous step of a workflow; `answers`: it has a probe. */
export const dangerous = (number: number, answers = false): StepDraft => draftOf(number, { effect: "dangerous", answers })

/** Writes under which a run is not held: another generation, another epoch, a lease that was taken away. */
export const lateWrites = (task: Task): ReadonlyArray<readonly [string, Task, Held]> => [
  ["another generation", task, { ...held(task), generation: task.generation - 1 }],
  ["another epoch", task, { ...held(task), epoch: 0 }],
  ["a lease that was taken away", { ...task, lease: null }, held(task)]
]
