import { describe, expect, it } from "vitest"
import { runsApproved } from "../../../gate/invariant/runsApproved.ts"
import { by, type Draft, event, history, lived, offenders, queued, requested, run, running, scenario, score } from "./Story.ts"

const asks = (holds: ReadonlyArray<string>, over = {}) => by("cli:ada", requested("t1", { holds, ...over }))
const yes = (actor: string, digest = "d1", self = false) => by(actor, event("approval.given", "t1", { digest, self }))
const plan = (actor: string, digest = "d1") => by(actor, event("plan.filed", "t1", { digest }))
const review = (actor: string, verdict: "passed" | "failed" = "passed") => by(actor, event(`review.${verdict}`, "t1", { digest: "d1" }))
const broken = (actor: string) => by(actor, event("hold.broken", "t1", { digest: "d1" }))
const voided = (over = {}) => event("task.requested", "t1", { from: "APPROVED", by: "void", holds: ["approval"], approvals: 1, ...over })
const began = (...drafts: ReadonlyArray<Draft>) => runsApproved(history({ events: [...drafts, queued("t1"), running("t1")] }))

describe("runsApproved", () => {
  it("counts a run that somebody else has approved", () => {
    expect(score(began(asks(["approval"]), yes("cli:bob")))).toBe("1/1")
  })

  it("finds a run that nobody has approved", () => {
    const found = began(asks(["approval"]))
    expect(offenders(found)).toEqual(["one, seq 3, task t1: it began although it had 0 of 1 approvals that count"])
    expect(score(found)).toBe("0/1")
  })

  it("does not believe that a hold was released", () => {
    expect(score(began(asks(["approval"]), event("hold.released", "t1", { hold: "approval" }), event("task.approved", "t1", { from: "REQUESTED", by: "release" })))).toBe("0/1")
  })

  it.each<[string, ReadonlyArray<Draft>, string]>([
    ["one yes of two", [yes("cli:bob")], "0/1"],
    ["two of two", [yes("cli:bob"), yes("cli:cleo")], "1/1"],
    ["the same person twice", [yes("cli:bob"), yes("cli:bob")], "0/1"],
    ["one to something else", [yes("cli:bob", "d0"), yes("cli:cleo")], "0/1"],
    ["the requester's, unmarked", [yes("cli:ada"), yes("cli:bob")], "0/1"],
    ["the requester's, marked", [yes("cli:ada", "d1", true), yes("cli:bob")], "1/1"]
  ])("with two approvals needed: %s", (_, words, expected) => {
    expect(score(began(asks(["approval"], { approvals: 2 }), ...words))).toBe(expected)
  })

  it("finds the yes of an author who is not the requester", () => {
    expect(score(began(asks(["approval"], { authors: ["cli:zoe"] }), yes("cli:zoe")))).toBe("0/1")
  })

  it("finds the yes of somebody who changed the payload", () => {
    expect(score(began(asks([]), by("cli:bob", event("task.debounced", "t1")), voided(), yes("cli:bob")))).toBe("0/1")
  })

  it("forgets what was said before people were asked anew", () => {
    expect(score(began(asks(["approval"]), yes("cli:bob"), voided()))).toBe("0/1")
    expect(score(began(asks(["approval"]), yes("cli:bob"), event("approval.voided", "t1", { holds: ["approval"], approvals: 1 })))).toBe("0/1")
    expect(score(began(asks(["approval"]), yes("cli:bob"), voided(), yes("cli:bob", "d2")))).toBe("1/1")
    expect(score(began(asks(["approval"]), yes("cli:bob"), voided({ approvals: 2 }), yes("cli:bob", "d2")))).toBe("0/1")
  })

  it("forgets what was said to another plan", () => {
    const holds = ["plan", "approval"]
    expect(score(began(asks(holds), plan("cli:ada"), yes("cli:bob")))).toBe("1/1")
    expect(score(began(asks(holds), plan("cli:ada"), yes("cli:bob"), plan("cli:ada", "d2")))).toBe("0/1")
    expect(offenders(began(asks(["plan"]))).join()).toContain("there was no plan")
  })

  it("finds a review that is missing, one's own, or undone by a later one", () => {
    const holds = ["plan", "review"]
    expect(score(began(asks(holds), plan("cli:pat"), review("cli:bob")))).toBe("1/1")
    expect(score(began(asks(holds), plan("cli:pat")))).toBe("0/1")
    expect(score(began(asks(holds), plan("cli:pat"), review("cli:pat")))).toBe("0/1")
    expect(score(began(asks(holds), plan("cli:pat"), review("cli:ada")))).toBe("0/1")
    expect(score(began(asks(holds), plan("cli:pat"), review("cli:bob"), review("cli:cleo", "failed")))).toBe("0/1")
    expect(score(began(asks(["review"]), review("cli:bob"), review("cli:cleo", "failed"), review("cli:cleo")))).toBe("1/1")
  })

  it("finds a policy that held it back, whoever said yes", () => {
    expect(offenders(began(asks(["approval", "policy"]), yes("cli:bob"))).join()).toContain("the policy held it back")
  })

  it("accepts broken glass, but nobody's own", () => {
    expect(score(began(asks(["plan", "review", "approval", "policy"]), broken("cli:eve")))).toBe("1/1")
    expect(score(began(asks(["approval"]), broken("cli:ada")))).toBe("0/1")
    expect(score(began(asks(["approval"]), broken("cli:eve"), voided()))).toBe("0/1")
  })

  it("forgets every word with a rejection", () => {
    const rejected = event("task.canceled", "t1", { from: "APPROVED", by: "reject" })
    expect(score(began(asks(["approval"]), yes("cli:bob"), rejected))).toBe("0/1")
    expect(score(began(asks(["approval"]), yes("cli:bob"), event("task.canceled", "t1", { from: "QUEUED", by: "cancel" })))).toBe("1/1")
  })

  it("leaves out what asks nobody, and what was asked to end and only undoes", () => {
    expect(runsApproved(history({ events: lived("t1") }))).toMatchObject({ total: 0, excluded: { "nobody had to be asked": 1 } })
    const ending = event("task.cancel_requested", "t1")
    expect(began(asks(["approval"]), yes("cli:bob"), voided(), ending)).toMatchObject({ total: 0, excluded: { "it was asked to end and begins nothing": 1 } })
    const failed = event("task.failed", "t1", { from: "RUNNING", by: "settle" })
    expect(score(began(asks(["approval"]), ending, failed, voided()))).toBe("0/1")
  })

  it("counts every run of a task", () => {
    const again = [event("task.queued", "t1", { from: "RUNNING", by: "retry" }), running("t1", 2)]
    expect(score(runsApproved(history({ events: [asks(["approval"]), yes("cli:bob"), queued("t1"), running("t1"), ...again] })))).toBe("2/2")
  })

  it("is missing when a payload was pruned", () => {
    const whole = scenario({ events: [asks(["approval"]), yes("cli:bob"), queued("t1"), running("t1")] })
    const events = (whole.events ?? []).map((one) => (one.seq === 1 ? { ...one, payload: null } : one))
    expect(score(runsApproved(run({ ...whole, events })))).toBe("missing: one: the payload of event 1 was pruned")
  })
})
