import { describe, expect, it } from "vitest"
import { humanIntervention } from "../../../gate/kpi/humanIntervention.ts"
import { asked, by, type Draft, event, intent, lived, offenders, queued, queuedAgain, requested, running, score, succeeded, unknownOutcome } from "../invariant/Story.ts"
import { at, commanded, hour, use } from "./Use.ts"

/** One after the other, a second apart, from the start on. */
const told = (...events: ReadonlyArray<Draft>) => use({ events: events.map((draft, index) => at(index * 1000, draft)) })
const judged = (...events: ReadonlyArray<Draft>) => humanIntervention(told(...events))

const failed = (task: string) => event("task.failed", task, { from: "RUNNING", by: "settle", attempt: 1, generation: 1, code: "exit", error: "1" })
const canceled = (task: string) => event("task.canceled", task, { from: "QUEUED", by: "cancel", reason: "no" })
const recovered = commanded("recover", queued("t", { from: "FAILED", by: "recover" }))
const twice = [...asked("t"), running("t"), intent("t"), failed("t")]
const again = [running("t", 2), intent("t", 2), succeeded("t", 2)]

describe("humanIntervention", () => {
  it("finds nothing to say of tasks that came to their end by themselves, retries included", () => {
    expect(score(judged(...lived("t"), ...lived("u")))).toBe("2/2")
    expect(score(judged(...asked("t"), running("t"), intent("t"), queuedAgain("t", "retry"), ...again))).toBe("1/1")
  })

  it("counts what the policy asks people for as approvals, and not as interventions", () => {
    const measured = judged(
      by("cli:ada", requested("t", { holds: ["approval"] })),
      commanded("approve", event("approval.given", "t", { digest: "d" }), "cli:bob"),
      commanded("approve", event("hold.released", "t", { hold: "approval" }), "cli:carol"),
      event("task.approved", "t", { from: "REQUESTED", by: "release" }),
      commanded("resume", queued("t")),
      ...again
    )
    expect([score(measured), measured]).toEqual(["1/1", expect.objectContaining({ figures: { approvals: 2, interventions: 0 } })])
  })

  it.each<[string, ReadonlyArray<Draft>]>([
    ["a recovery", [...twice, recovered, ...again]],
    ["a kill", [...asked("t"), running("t"), intent("t"), commanded("kill", event("task.cancel_requested", "t", { kill: true })), canceled("t")]],
    ["a reconcile", [...asked("t"), running("t"), intent("t"), unknownOutcome("t"), commanded("reconcile", event("task.failed", "t", { from: "RUNNING", by: "reconcile" }))]],
    ["a dismissal", [...twice, commanded("dismiss", event("dead.dismissed", "t", { code: "exit" }))]],
    ["broken glass", [requested("t", { holds: ["approval"] }), commanded("break_glass", event("hold.broken", "t", { holds: ["approval"] })), event("task.approved", "t", { from: "REQUESTED", by: "release" }), queued("t"), ...again]],
    ["a cancel after a failure", [...asked("t"), running("t"), intent("t"), queuedAgain("t", "retry"), commanded("cancel", canceled("t"))]],
    ["a cancel after a lost lease", [...asked("t"), running("t"), queuedAgain("t", "lease_lost"), commanded("cancel", canceled("t"))]],
    ["a resume after it had run", [...asked("t"), running("t"), intent("t"), commanded("cancel", canceled("t")), commanded("resume", queued("t", { from: "CANCELED", by: "recover" })), ...again]]
  ])("finds %s", (_, events) => {
    const measured = judged(...events)
    expect([score(measured), offenders(measured)[0]]).toEqual(["0/1", expect.stringMatching(/^window, task t: cli:ada had to \w+ \(seq \d+\)$/)])
  })

  it("finds a fork of what had ended badly, and none of what had succeeded", () => {
    const forked = commanded("fork", requested("f", { by: "fork", forked_from: "t" }))
    expect(score(judged(...twice, forked))).toBe("0/1")
    expect(score(judged(...lived("t"), forked))).toBe("1/1")
  })

  it.each<[string, ReadonlyArray<Draft>]>([
    ["a cancel of what had not failed", [...asked("t"), commanded("cancel", canceled("t"))]],
    ["a signal", [...asked("t"), running("t"), intent("t"), commanded("signal", event("signal.received", "t", { name: "go" })), succeeded("t")]],
    ["a recovery that was refused", [...twice, commanded("recover", event("command.refused", "t", { refusal: {} }))]],
    ["a recovery that was answered from what was stored", [...lived("t"), commanded("recover", event("idempotency.replayed", "t", { op: "recover" }))]],
    ["what a program does", [...twice, commanded("recover", queued("t", { from: "FAILED", by: "recover" }), "code:nightly"), ...again]]
  ])("does not count %s", (_, events) => {
    expect(score(judged(...events))).toBe("1/1")
  })

  it("counts a task once, by the end in which it stays", () => {
    expect(score(judged(...twice, recovered))).toBe("0/0")
    expect(judged(...twice, recovered, ...again)).toMatchObject({ total: 1, figures: { interventions: 1 } })
  })

  it("counts what ended in the window, with all that went before it", () => {
    const events = [...twice, recovered, ...again]
    const ending = (ms: number) => use({ events: events.map((draft, index) => at(index === events.length - 1 ? ms : -hour + index, draft)) })
    expect(score(humanIntervention(ending(0)))).toBe("0/1")
    expect(score(humanIntervention(ending(-1)))).toBe("0/0")
    expect(score(humanIntervention(ending(hour - 1)))).toBe("0/1")
    expect(score(humanIntervention(ending(hour)))).toBe("0/0")
  })

  it("leaves out tests by their kind and by who asked, and counts them", () => {
    const events = [...lived("t", { kind: "smoke.web" }), ...lived("u", { kind: "web" }), by("cli:tester", requested("v")), ...asked("v").slice(1), ...again.map((draft) => ({ ...draft, task: "v" }))]
    const seen = use({ events: events.map((draft, index) => at(index, draft)), rules: { tests: { kinds: ["smoke.*"], actors: ["cli:tester"] } } })
    expect(humanIntervention(seen)).toMatchObject({ good: 1, total: 1, excluded: { "marked as a test": 2 } })
  })

  it("does not miss the payloads that retention takes", () => {
    const pruned = lived("t").map((draft) => (draft.type === "task.succeeded" ? { ...draft, payload: null } : draft))
    expect(score(judged(...pruned))).toBe("1/1")
  })
})
