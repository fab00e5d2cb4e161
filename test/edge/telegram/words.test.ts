/** What somebody types: whole tables, and any text at all. */
import { FastCheck as fc } from "effect"
import { describe, expect, it } from "vitest"
import { correction, type Said, understood } from "../../../src/edge/telegram/Words.ts"
import { edits, isName, menuFor, namesFor, nearest, usageOf, vocabulary } from "../../../src/edge/telegram/Vocabulary.ts"
import { roles } from "../../../src/domain/Role.ts"

const said = (text: string) => understood(text, "opsbot")
const asked = (text: string): unknown => {
  const one = said(text)
  return one._tag === "Ask" ? one.ask : one
}
const looked = (text: string): unknown => {
  const one = said(text)
  return one._tag === "Look" ? one.look : one
}
const why = (one: Said): string => (one._tag === "Wrong" ? `${one.name ?? "-"}: ${one.why}` : one._tag)

const plan = { scope: "one host", risks: "none", test_plan: "look", rollback_plan: "undo", approval_impact: "none" }
const fine = { policy_safety: true, correctness: true, tests: true, rollback: true, approval_constraints: true }
const open = { policy_safety: false, correctness: false, tests: false, rollback: false, approval_constraints: false }

describe("a command in a chat", () => {
  it.each([
    ["/newtask report say \"hi\" & <b>*_~`", { op: "submit", kind: "report", payload: { prompt: "say \"hi\" & <b>*_~`" }, reason: null }],
    ["/newtask report {\"a\":[1]}", { op: "submit", kind: "report", payload: { a: [1] }, reason: null }],
    ["/newtask report", { op: "submit", kind: "report", payload: {}, reason: null }],
    ["/newtask\nreport\nline one\nline two", { op: "submit", kind: "report", payload: { prompt: "line one\nline two" }, reason: null }],
    ["/newtask report مرحبا 👩‍👩‍👧 \u202etxt", { op: "submit", kind: "report", payload: { prompt: "مرحبا 👩‍👩‍👧 \u202etxt" }, reason: null }],
    ["/approve 3f9a1c", { op: "approve", task: "3f9a1c", reason: null }],
    ["/approve 3f9a1c looks fine to me", { op: "approve", task: "3f9a1c", reason: "looks fine to me" }],
    ["/approve@OpsBot 3F9A1C", { op: "approve", task: "3F9A1C", reason: null }],
    ["  /approve 3f9\u200ba1c", { op: "approve", task: "3f9a1c", reason: null }],
    ["\u200e/approve #3f9a1c,", { op: "approve", task: "3f9a1c", reason: null }],
    ["/reject 3f9a1c no, not today", { op: "reject", task: "3f9a1c", reason: "no, not today" }],
    ["/stop 3f9a1c enough", { op: "cancel", task: "3f9a1c", reason: "enough" }],
    ["/cancel 3f9a1c enough", { op: "cancel", task: "3f9a1c", reason: "enough" }],
    ["/resume 3f9a1c", { op: "resume", task: "3f9a1c", reason: null }],
    ["/recover 3f9a1c the disk is back", { op: "recover", task: "3f9a1c", reason: "the disk is back" }],
    ["/redrive 3f9a1c the disk is back", { op: "recover", task: "3f9a1c", reason: "the disk is back" }],
    ["/dismiss 3f9a1c of no use", { op: "dismiss", task: "3f9a1c", reason: "of no use" }],
    ["/fork 3f9a1c 2 step two was wrong", { op: "fork", task: "3f9a1c", step: 2, reason: "step two was wrong" }],
    ["/reconcile 3f9a1c succeeded seen in the list", { op: "reconcile", task: "3f9a1c", outcome: "succeeded", reason: "seen in the list" }],
    ["/reconcile 3f9a1c RETRY not there", { op: "reconcile", task: "3f9a1c", outcome: "retry", reason: "not there" }],
    ["/review 3f9a1c pass", { op: "review", task: "3f9a1c", verdict: "pass", checklist: fine, reason: null }],
    ["/review 3f9a1c pass well done", { op: "review", task: "3f9a1c", verdict: "pass", checklist: fine, reason: "well done" }],
    ["/review 3f9a1c fail missing_tests none at all", { op: "review", task: "3f9a1c", verdict: "fail", checklist: open, code: "missing_tests", reason: "none at all" }],
    ["/plan 3f9a1c\nscope: one host\nRisks: none\ntest plan: look\nrollback-plan: undo\napproval_impact: none", { op: "plan", task: "3f9a1c", plan, reason: null }],
    [`/plan 3f9a1c ${JSON.stringify(plan)}`, { op: "plan", task: "3f9a1c", plan, reason: null }],
    ["/plan 3f9a1c\nscope: one\nhost\nrisks: none\ntest_plan: look\nrollback_plan: undo\napproval_impact: none", { op: "plan", task: "3f9a1c", plan: { ...plan, scope: "one\nhost" }, reason: null }]
  ])("%s", (text, ask) => {
    expect(asked(text)).toEqual(ask)
  })

  it.each([
    ["/start", { _tag: "Start" }],
    ["/start deep-link", { _tag: "Start" }],
    ["/help", { _tag: "Help" }],
    ["/OPS", { _tag: "Ops" }],
    ["/ops@opsbot", { _tag: "Ops" }],
    ["/board", { _tag: "Board" }],
    ["/cron", { _tag: "Cron" }],
    ["/queues", { _tag: "Queues" }],
    ["/gate", { _tag: "Gate" }],
    ["/status 3f9a1c", { _tag: "Status", task: "3f9a1c" }],
    ["/why 3f9a1c please", { _tag: "Why", task: "3f9a1c" }],
    ["/trace 3f9a1c", { _tag: "Trace", task: "3f9a1c" }],
    ["/trace 0123456789abcdef0123456789abcdef", { _tag: "Trace", task: "0123456789abcdef0123456789abcdef" }],
    ["/list", { _tag: "List", state: null, limit: 10 }],
    ["/list 3", { _tag: "List", state: null, limit: 3 }],
    ["/list 999", { _tag: "List", state: null, limit: 20 }],
    ["/list failed 5", { _tag: "List", state: "FAILED", limit: 5 }]
  ])("%s looks", (text, look) => {
    expect(looked(text)).toEqual(look)
  })

  it.each([
    ["hello", "Talk"],
    ["", "Talk"],
    ["3f9a1c", "Talk"],
    ["/ops@otherbot", "Theirs"],
    ["/aprove 3f9a1c", "approve: there is no such command"],
    ["/stats", "status: there is no such command"],
    ["/rec 3f9a1c", "recover: there is no such command"],
    ["/xyzzy", "-: there is no such command"],
    ["/", "-: there is no such command"],
    ["/constructor", "-: there is no such command"],
    [`/${"a".repeat(10_000)}`, "-: there is no such command"],
    ["/newtask", "newtask: it wants the type of the task, then what is to be done"],
    ["/newtask report {nope", "newtask: the payload begins with { and is not JSON"],
    [`/newtask report {"a":${"[".repeat(200)}${"]".repeat(200)}}`, "newtask: the payload holds a number that is too large, or is nested deeper than 100 levels"],
    [`/newtask report {"a":${"[".repeat(90_000)}${"]".repeat(90_000)}}`, "newtask: the payload holds a number that is too large, or is nested deeper than 100 levels"],
    ["/newtask report {\"a\":1e999}", "newtask: the payload holds a number that is too large, or is nested deeper than 100 levels"],
    ["/approve", "approve: it wants the id of a task, or 4 or more characters of its end"],
    ["/approve abc", "approve: the id of a task has letters and digits only, at least 4 of its end"],
    ["/approve ../../etc", "approve: the id of a task has letters and digits only, at least 4 of its end"],
    ["/reject 3f9a1c", "reject: it wants a reason behind the id"],
    ["/stop 3f9a1c \n ", "stop: it wants a reason behind the id"],
    ["/fork 3f9a1c x because", "fork: it wants the number of a step behind the id, from 1 on"],
    ["/fork 3f9a1c 0 because", "fork: it wants the number of a step behind the id, from 1 on"],
    ["/fork 3f9a1c 2", "fork: it wants a reason behind the step"],
    ["/reconcile 3f9a1c maybe", "reconcile: it wants succeeded, failed or retry behind the id"],
    ["/reconcile 3f9a1c failed", "reconcile: it wants a reason: what was looked at"],
    ["/review 3f9a1c", "review: it wants pass or fail behind the id"],
    ["/review 3f9a1c fail because", "review: a review that fails says why: policy_conflict, missing_tests, insufficient_plan, high_risk_unmitigated, artifact_incomplete or other"],
    ["/plan 3f9a1c", "plan: the plan misses scope, risks, test_plan, rollback_plan, approval_impact"],
    ["/plan 3f9a1c scope: x", "plan: the plan misses risks, test_plan, rollback_plan, approval_impact"],
    [`/plan 3f9a1c\nscope: ${"x".repeat(4001)}\nrisks: a\ntest plan: b\nrollback plan: c\napproval impact: d`, "plan: scope has at most 4000 characters"],
    ["/plan 3f9a1c {\"scope\": 1}", "plan: the plan misses scope, risks, test_plan, rollback_plan, approval_impact"],
    ["/list x", "list: it wants a state (REQUESTED, APPROVED, QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELED, EXPIRED), a number from 1 to 20, or both"]
  ])("%s is answered with what to type", (text, wanted) => {
    expect(why(said(text))).toBe(wanted)
  })

  it("takes 10,000 characters as they are", () => {
    expect(asked(`/newtask report ${"x".repeat(10_000)}`)).toMatchObject({ payload: { prompt: "x".repeat(10_000) } })
  })

  it("never fails, whatever is typed, and its correction fits one message", () => {
    const word = fc.constantFrom(...Object.keys(vocabulary).map((name) => `/${name}`), "/x", "", "3f9a1c", "{", "scope:", "pass", "fail", "\u202e", "\u0000", "\n", "@opsbot")
    const text = fc.oneof(fc.string({ unit: "binary", maxLength: 400 }), fc.array(fc.oneof(word, fc.string({ unit: "grapheme", maxLength: 20 })), { maxLength: 8 }).map((words) => words.join(" ")))
    fc.assert(fc.property(text, (typed) => {
      const one = said(typed)
      if (one._tag === "Wrong") expect(correction(one).length).toBeLessThanOrEqual(4096)
    }), { numRuns: 3000 })
  })
})

describe("the vocabulary", () => {
  it("has names and descriptions that the service takes", () => {
    for (const [name, { description }] of Object.entries(vocabulary)) {
      expect(name).toMatch(/^[a-z0-9_]{1,32}$/)
      expect(description.length).toBeLessThanOrEqual(256)
      expect(description.length).toBeGreaterThanOrEqual(3)
    }
  })

  it("shows each role what it may do", () => {
    expect(namesFor(["viewer"])).not.toContain("approve")
    expect(namesFor(["approver"])).toContain("approve")
    expect(namesFor(["requester"])).toContain("newtask")
    expect(namesFor(["viewer"])).toContain("ops")
    expect(menuFor(roles).length).toBe(Object.keys(vocabulary).length)
  })

  it("answers each command that wants words with its usage", () => {
    for (const [name, { usage }] of Object.entries(vocabulary)) {
      if (!usage.startsWith("<") || !isName(name)) continue
      const one = said(`/${name}`)
      expect(one._tag === "Wrong" && correction(one)).toContain(usageOf(name))
    }
  })

  it("measures words by their edits", () => {
    expect(edits("aprove", "approve")).toBe(1)
    expect(edits("satrt", "start")).toBe(1)
    expect(edits("", "ops")).toBe(3)
    expect(nearest("resmue")).toBe("resume")
  })
})
