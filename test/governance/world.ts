/** Kinds and policies that ask people for something, people who say it, and the rules applied one after the other. */
import { Either } from "effect"
import { approve, breakGlass, plan, review } from "../../src/domain/Approval.ts"
import type { Json } from "../../src/domain/Canonical.ts"
import type { AskTo, Command, TaskAsk } from "../../src/domain/Command.ts"
import type { Answer, Decision } from "../../src/domain/Decision.ts"
import type { Kind } from "../../src/domain/Kind.ts"
import type { Now } from "../../src/domain/Now.ts"
import { type Demand, oneApproval, type Policy, policyByDefault } from "../../src/domain/Policy.ts"
import { submit } from "../../src/domain/Request.ts"
import type { Task } from "../../src/domain/Task.ts"
import { now, taskAfter } from "../domain/runs.ts"
import { commandOf, heavyKind, nextId } from "../engine/tasks.ts"

export const demanding = (change: Partial<Demand>): Demand => ({ ...oneApproval, ...change })

/** A policy of this version under which heavy work needs this. */
export const policyOf = (heavy: Partial<Demand>, change: Partial<Policy> = {}): Policy => ({ ...policyByDefault, version: "p1", heavy: demanding(heavy), ...change })

/** A heavy kind that needs this. */
export const needing = (heavy: Partial<Demand>, change: Partial<Kind> = {}, policy: Partial<Policy> = {}): Kind => heavyKind({ policy: policyOf(heavy, policy), ...change })

export const parts = { scope: "one host", risks: "none", test_plan: "by hand", rollback_plan: "back", approval_impact: "one" }
export const fine = { policy_safety: true, correctness: true, tests: true, rollback: true, approval_constraints: true }

export type By = Partial<Pick<Command, "actor" | "roles" | "channel">>

/** A task that ada asks for. */
export const requestedBy = (kind: Kind, payload: Json = {}, at: Now = now, actor = "cli:ada"): Task =>
  taskAfter(submit(commandOf({ op: "submit", kind: kind.name, payload, reason: null }, { actor }), kind, nextId(), at))

const wanted = <O extends TaskAsk["op"]>(ask: AskTo<O>, actor: string, by: By) => commandOf(ask, { actor, ...by })

/** Bob's word, unless it is somebody else's. */
export const approves = (task: Task, kind: Kind | undefined, actor = "cli:bob", by: By = {}, at: Now = now, digest?: string): Decision<Answer> =>
  approve(task, wanted<"approve">({ op: "approve", task: task.id, reason: null, ...(digest === undefined ? {} : { digest }) }, actor, by), kind, at)
export const plans = (task: Task, kind: Kind | undefined, actor = "cli:ada", scope = parts.scope, at: Now = now): Decision<Answer> =>
  plan(task, wanted<"plan">({ op: "plan", task: task.id, reason: null, plan: { ...parts, scope } }, actor, {}), kind, at)
export const reviews = (task: Task, kind: Kind | undefined, actor = "cli:bob", change: Partial<AskTo<"review">> = {}, at: Now = now): Decision<Answer> =>
  review(task, wanted<"review">({ op: "review", task: task.id, reason: null, verdict: "pass", checklist: fine, ...change }, actor, {}), kind, at)
export const breaks = (task: Task, kind: Kind | undefined, actor = "cli:eve", at: Now = now): Decision<Answer> =>
  breakGlass(task, wanted<"break_glass">({ op: "break_glass", task: task.id, reason: "the site is down" }, actor, {}), kind, at)

/** What the event of this type says. */
export const factsIn = (decision: Decision<unknown>, type: string) => decision.events.find((event) => event.type === type)?.payload
export const answerIn = <A>({ answer }: Decision<A>): A => Either.getOrThrow(answer)
