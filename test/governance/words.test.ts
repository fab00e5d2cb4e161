import { describe, expect, it } from "vitest"
import { digestOf } from "../../src/domain/Governance.ts"
import type { Kind } from "../../src/domain/Kind.ts"
import type { Policy } from "../../src/domain/Policy.ts"
import { afterLoss } from "../../src/domain/Loss.ts"
import { recover } from "../../src/domain/Recovery.ts"
import { resume } from "../../src/domain/Dispatch.ts"
import { reject } from "../../src/domain/Request.ts"
import type { Task } from "../../src/domain/Task.ts"
import { now, refusalOf, taskAfter, typesOf } from "../domain/runs.ts"
import { commandOf, heavyKind, kindOf } from "../engine/tasks.ts"
import { answerIn, approves, breaks, factsIn, needing, plans, requestedBy, reviews } from "./world.ts"

const resumes = (task: Task, kind: Kind) => resume(task, commandOf({ op: "resume", task: task.id, reason: null }), kind, now)
const recovers = (task: Task, kind: Kind) => recover(task, commandOf({ op: "recover", task: task.id, reason: "again" }), kind, now)
const rejects = (task: Task, actor = "cli:bob") => reject(task, commandOf({ op: "reject", task: task.id, reason: "too risky" }, { actor }), now)
const digest = (task: Task): string => (task.governance === null ? "" : digestOf(task, task.governance))

describe("N of M approvals", () => {
  it.each([1, 2, 3])("release the hold with the %ith of as many distinct people, and not before", (needed) => {
    const kind = needing({ approvals: needed })
    let task = requestedBy(kind)
    for (let given = 1; given <= needed; given++) {
      const decision = approves(task, kind, `cli:approver-${given}`)
      task = taskAfter(decision)
      expect([task.state, task.holds]).toEqual(given < needed ? ["REQUESTED", ["approval"]] : ["APPROVED", []])
      expect(factsIn(decision, "approval.given")).toMatchObject({ given, needed, self: false, digest: digest(task) })
      expect(typesOf(decision)).toEqual(given < needed ? ["approval.given"] : ["approval.given", "hold.released", "task.approved"])
    }
  })

  it("do not count the same person twice, on whichever channel: that is a conflict", () => {
    const kind = needing({ approvals: 2 })
    const once = taskAfter(approves(requestedBy(kind), kind))
    const again = approves(once, kind, "cli:bob", { channel: "telegram" })
    expect([refusalOf(again), again.tasks, typesOf(again)]).toEqual(["AlreadyApproved", [], ["command.refused"]])
    const approved = taskAfter(approves(once, kind, "cli:cleo"))
    expect(refusalOf(approves(approved, kind))).toBe("AlreadyApproved")
    expect(answerIn(approves(approved, kind, "cli:dan"))).toMatchObject({ state: "APPROVED", moved: false })
  })

  it("take the role that the policy names, and are denied on the record without it", () => {
    const kind = needing({ approver: "dba" })
    const task = requestedBy(kind)
    const denied = approves(task, kind, "cli:bob", { roles: ["approver"] })
    expect([refusalOf(denied), denied.tasks, typesOf(denied)]).toEqual(["NotAllowed", [], ["command.denied"]])
    expect(taskAfter(approves(task, kind, "cli:bob", { roles: ["approver", "dba"] })).state).toBe("APPROVED")
  })

  it("are never the requester's, nor another author's, and none of them is counted", () => {
    const kind = needing({ approvals: 1 })
    const task = requestedBy(kind)
    const authored: Task = { ...task, authors: ["cli:zoe"] }
    for (const actor of ["cli:ada", "cli:zoe"]) {
      const decision = approves(authored, kind, actor)
      expect([refusalOf(decision), decision.tasks, typesOf(decision)]).toEqual(["SelfApproval", [], ["command.refused"]])
    }
  })

  it("wait for the plan: nobody says yes to what he cannot have seen", () => {
    const kind = needing({ plan: true })
    const task = requestedBy(kind)
    expect([task.holds, refusalOf(approves(task, kind))]).toEqual([["plan", "approval"], "HoldsOpen"])
    expect(taskAfter(approves(taskAfter(plans(task, kind)), kind)).state).toBe("APPROVED")
  })

  it("that are enough leave a further one without a word while the review is open", () => {
    const kind = needing({ review: true })
    const once = taskAfter(approves(requestedBy(kind), kind))
    expect(once.holds).toEqual(["review"])
    expect(answerIn(approves(once, kind, "cli:cleo"))).toMatchObject({ state: "REQUESTED", moved: false })
  })
})

describe("self-approval", () => {
  const sole: Partial<Policy> = { selfApproval: new Set(["browser"]) }

  it("is allowed by the kind, and marked in event, row and answer", () => {
    const kind = heavyKind({ selfApproval: true })
    const decision = approves(requestedBy(kind), kind, "cli:ada")
    expect(factsIn(decision, "approval.given")).toMatchObject({ self: true })
    expect(factsIn(decision, "hold.released")).toMatchObject({ self: true })
    expect(taskAfter(decision).governance?.approvals).toMatchObject([{ actor: "cli:ada", self: true }])
    expect(answerIn(decision)).toMatchObject({ self: true, state: "APPROVED" })
  })

  it("of somebody else's work is no self-approval, whatever the policy allows", () => {
    const kind = heavyKind({ selfApproval: true })
    const decision = approves(requestedBy(kind), kind)
    expect(factsIn(decision, "approval.given")).toMatchObject({ self: false })
    expect("self" in answerIn(decision)).toBe(false)
  })

  it("is allowed by a policy for the risks that it names, and only when all risks of a task are among them", () => {
    const [one, both, none] = ["browser", "browser, delete", "none"].map((risk) => needing({}, { risk }, sole))
    for (const [kind, expected] of [[one, "granted"], [both, "SelfApproval"], [none, "SelfApproval"]] as const) {
      if (kind === undefined) throw new Error("three kinds")
      expect(refusalOf(approves(requestedBy(kind), kind, "cli:ada"))).toBe(expected)
    }
  })

  it("is allowed too of what nobody had to be asked about before the end of the log was lost", () => {
    for (const [selfApproval, expected] of [[true, "granted"], [false, "SelfApproval"]] as const) {
      const kind = kindOf({ selfApproval })
      const asking = taskAfter(afterLoss(requestedBy(kind), "code", now))
      expect([asking.state, asking.holds, refusalOf(approves(asking, kind, "cli:ada"))]).toEqual(["REQUESTED", ["approval"], expected])
    }
  })

  it("is one person's word: where two are needed another one has to say yes too", () => {
    const kind = needing({ approvals: 2 }, { selfApproval: true })
    const own = taskAfter(approves(requestedBy(kind), kind, "cli:ada"))
    expect([own.state, refusalOf(approves(own, kind, "cli:ada"))]).toEqual(["REQUESTED", "AlreadyApproved"])
    const decision = approves(own, kind)
    expect(factsIn(decision, "hold.released")).toMatchObject({ self: true })
  })

  it("never breaks the glass, and never reviews", () => {
    const kind = needing({ review: true }, { selfApproval: true })
    const task = requestedBy(kind)
    expect([refusalOf(breaks(task, kind, "cli:ada")), refusalOf(reviews(task, kind, "cli:ada"))]).toEqual(["SelfApproval", "SelfApproval"])
  })
})

describe("a rejection", () => {
  it("ends the task with its reason, whoever had said yes", () => {
    const kind = needing({ approvals: 2 })
    const decision = rejects(taskAfter(approves(requestedBy(kind), kind)), "cli:cleo")
    expect([taskAfter(decision).state, factsIn(decision, "task.canceled")]).toMatchObject(["CANCELED", { by: "reject", reason: "too risky" }])
  })

  it("takes back what others had said: a recovery asks everybody anew", () => {
    const kind = needing({ approvals: 1 })
    const approved = taskAfter(approves(requestedBy(kind), kind))
    expect(taskAfter(recovers(taskAfter(rejects(approved)), kind))).toMatchObject({ state: "REQUESTED", holds: ["approval"], governance: { approvals: [] } })
    const broken = taskAfter(breaks(requestedBy(kind), kind))
    expect(taskAfter(recovers(taskAfter(rejects(broken)), kind))).toMatchObject({ state: "REQUESTED", holds: ["approval"], governance: { broken: null } })
  })
})

describe("a plan", () => {
  const kind = needing({ approvals: 2, plan: true, review: true })

  it("that changes takes every word about the one before with it, for good", () => {
    const first = taskAfter(approves(taskAfter(reviews(taskAfter(plans(requestedBy(kind), kind)), kind, "cli:rita")), kind))
    expect(first.holds).toEqual(["approval"])
    const second = plans(first, kind, "cli:ada", "two hosts")
    expect([taskAfter(second).holds, factsIn(second, "plan.filed")]).toMatchObject([["review", "approval"], { voided: ["cli:bob"] }])
    const back = taskAfter(plans(taskAfter(second), kind))
    expect([back.holds, back.governance?.approvals, back.governance?.review]).toEqual([["review", "approval"], [], null])
    expect(refusalOf(approves(back, kind))).toBe("granted")
  })

  it("that says the same moves nothing, and stays its author's", () => {
    const task = taskAfter(plans(requestedBy(kind), kind, "cli:pat"))
    const same = plans(task, kind, "cli:rita")
    expect([answerIn(same).moved, same.tasks, typesOf(same)]).toEqual([false, [], ["command.accepted"]])
    expect(refusalOf(reviews(task, kind, "cli:pat"))).toBe("SelfApproval")
  })

  it("is filed while people are asked, and not after they said yes", () => {
    const plain = needing({})
    expect(refusalOf(plans(taskAfter(approves(requestedBy(plain), plain)), plain))).toBe("TransitionRefused")
  })
})

describe("a review", () => {
  const kind = needing({ plan: true, review: true })
  const planned = () => taskAfter(plans(requestedBy(kind), kind, "cli:pat"))

  it("is never the requester's, another author's or the planner's", () => {
    const task: Task = { ...planned(), authors: ["cli:zoe"] }
    for (const actor of ["cli:ada", "cli:zoe", "cli:pat"]) expect(refusalOf(reviews(task, kind, actor))).toBe("SelfApproval")
    expect(refusalOf(reviews(task, kind))).toBe("granted")
  })

  it("waits for the plan, and is refused where nobody asked for one", () => {
    expect(refusalOf(reviews(requestedBy(kind), kind))).toBe("HoldsOpen")
    expect(refusalOf(reviews(requestedBy(needing({})), needing({})))).toBe("ReviewRefused")
  })

  it.each(["policy_safety", "correctness", "tests", "rollback", "approval_constraints"])("does not pass without %s", (name) => {
    const checklist = { policy_safety: true, correctness: true, tests: true, rollback: true, approval_constraints: true, [name]: false }
    expect(refusalOf(reviews(planned(), kind, "cli:bob", { checklist }))).toBe("ReviewRefused")
  })

  it("that fails says why, tells people, and asks for another plan", () => {
    expect(refusalOf(reviews(planned(), kind, "cli:bob", { verdict: "fail" }))).toBe("ReviewRefused")
    const approvedOnce = taskAfter(approves(planned(), kind, "cli:cleo"))
    const failed = reviews(approvedOnce, kind, "cli:bob", { verdict: "fail", code: "missing_tests" })
    expect(taskAfter(failed)).toMatchObject({ state: "REQUESTED", holds: ["plan", "review", "approval"], governance: { plan: null, approvals: [], review: { verdict: "fail", code: "missing_tests" } } })
    expect([failed.messages.map(({ topic }) => topic), factsIn(failed, "review.failed")]).toMatchObject([["review_failed"], { code: "missing_tests" }])
  })

  it("that fails leaves the hold open where no plan is asked for", () => {
    const plain = needing({ review: true })
    expect(taskAfter(reviews(requestedBy(plain), plain, "cli:bob", { verdict: "fail", code: "other" })).holds).toEqual(["review", "approval"])
  })

  it("that fails after one that passed opens the hold again", () => {
    const passed = taskAfter(reviews(planned(), kind))
    expect(passed.holds).toEqual(["approval"])
    const failed = reviews(passed, kind, "cli:cleo", { verdict: "fail", code: "other" })
    expect([taskAfter(failed).holds, typesOf(failed)]).toEqual([["plan", "review", "approval"], ["review.failed", "hold.opened", "hold.opened"]])
  })
})

describe("break-glass", () => {
  it("lets a task go without what it asks for, with an event of its own and an alert, and does not dispatch it", () => {
    const kind = needing({ approvals: 3, plan: true, review: true })
    const decision = breaks(requestedBy(kind), kind)
    expect(taskAfter(decision)).toMatchObject({ state: "APPROVED", holds: [], lease: null, queuedAtMs: null, governance: { broken: { actor: "cli:eve", reason: "the site is down" } } })
    expect(typesOf(decision)).toEqual(["hold.broken", "hold.released", "hold.released", "hold.released", "task.approved"])
    expect(factsIn(decision, "hold.broken")).toMatchObject({ holds: ["plan", "review", "approval"], reason: "the site is down" })
    expect(decision.messages).toMatchObject([{ topic: "break_glass" }])
  })

  it("is void like every other word when the kind or the policy changes", () => {
    const kind = needing({})
    const broken = taskAfter(breaks(requestedBy(kind), kind))
    expect(taskAfter(resumes(broken, needing({}, { version: "v2" })))).toMatchObject({ state: "REQUESTED", holds: ["approval"], governance: { broken: null } })
  })
})
