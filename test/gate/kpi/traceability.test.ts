import { describe, expect, it } from "vitest"
import { traceability } from "../../../gate/kpi/traceability.ts"
import { asked, askedAbout, by, type Draft, event, history, intent, lived, offenders, requested, running, score, succeeded } from "../invariant/Story.ts"

const of = (...events: ReadonlyArray<Draft>) => traceability(history({ events }))
const why = (...events: ReadonlyArray<Draft>) => offenders(of(...events))[0]?.replace("one, task t1: ", "")
const run = [running("t1"), intent("t1"), succeeded("t1")]
/** The drafts with the one of this type changed. */
const changed = (drafts: ReadonlyArray<Draft>, type: string, over: Partial<Draft>): ReadonlyArray<Draft> => drafts.map((draft) => (draft.type === type ? { ...draft, ...over } : draft))

describe("traceability", () => {
  it("counts every task that ended, and no other", () => {
    expect(score(of(...lived("t1"), ...askedAbout("t2"), running("t2"), intent("t2"), succeeded("t2"), ...asked("t3"), running("t3")))).toBe("2/2")
    expect(score(of(requested("t1"), event("task.canceled", "t1", { from: "REQUESTED", by: "reject" })))).toBe("1/1")
  })

  it.each<[string, ReadonlyArray<Draft>, string]>([
    ["without a request", run, "it begins with task.running, not with a request"],
    ["that nobody asked for", lived("t1", { command: null }), "no command asked for it"],
    ["whose parent is not there", lived("t1", { by: "child", parent: "p" }), "it comes from the task p, which the log does not know"],
    ["whose origin is not named", lived("t1", { by: "fork" }), "it comes from the task (none), which the log does not know"],
    ["of a schedule without a name", lived("t1", { by: "schedule" }), "it comes from a schedule, and none is named"],
    ["approved with an open hold", changed([...askedAbout("t1"), ...run], "hold.released", { type: "run.progress" }), "seq 4: it was approved with the open hold approval"],
    ["approved although a hold was opened again", [...askedAbout("t1").slice(0, 3), event("hold.opened", "t1", { hold: "review" }), ...askedAbout("t1").slice(3), ...run], "seq 5: it was approved with the open hold review"],
    ["that ran without being queued", [...asked("t1").slice(0, 2), ...run], "seq 3: it ran from APPROVED, not from the queue"],
    ["that succeeded without a run", [...asked("t1"), succeeded("t1")], "seq 4: it succeeded, and it never ran"],
    ["whose work is not in the log", [...asked("t1"), running("t1"), succeeded("t1")], "seq 5: it succeeded, and nothing of its work is in the log"],
    ["of two traces", changed(lived("t1"), "effect.intent", { trace: "f".repeat(32) }), `seq 5: its trace is ${"f".repeat(32)}, that of the request is `],
    ["without a trace", lived("t1").map((draft) => ({ ...draft, trace: null })), "seq 1: its trace is (none), that of the request is (none)"],
    ["whose time runs backwards", changed(lived("t1"), "task.succeeded", { at: 998_999 }), "seq 6: it is 1001 ms before seq 5"]
  ])("counts as bad one %s", (_, events, expected) => {
    expect(why(...events)).toContain(expected)
  })

  it("finds parents, forks and schedules that are there", () => {
    expect(score(of(...lived("p"), ...lived("t1", { by: "child", parent: "p" }), ...lived("t2", { by: "fork", forked_from: "p" }), ...lived("t3", { by: "schedule", schedule: "nightly" })))).toBe("4/4")
  })

  it("asks anew what people said once they are asked anew", () => {
    const again = event("task.requested", "t1", { from: "CANCELED", by: "recover", holds: ["approval"] })
    const canceled = event("task.canceled", "t1", { from: "QUEUED", by: "cancel" })
    const ended = event("task.canceled", "t1", { from: "REQUESTED", by: "reject" })
    expect(score(of(...askedAbout("t1"), canceled, again, ended))).toBe("1/1")
    expect(why(...askedAbout("t1"), canceled, again, event("task.approved", "t1", { from: "REQUESTED", by: "release" }), ended)).toBe("seq 8: it was approved with the open hold approval")
  })

  it("allows a clock that was set back on the record, and a second", () => {
    const back = (ms: number) => changed(lived("t1"), "task.succeeded", { at: 1_000_000 - ms })
    expect(score(of(...back(1000)))).toBe("1/1")
    const stepped = event("clock.stepped", null, { by_ms: -60_000 })
    expect(score(of(...back(61_000).slice(0, -1), stepped, ...back(61_000).slice(-1)))).toBe("1/1")
    expect(score(of(stepped, ...back(61_000)))).toBe("0/1")
  })

  it("follows no answer to a command that was sent again: it has a trace of its own", () => {
    expect(score(of(...lived("t1"), by("cli:ada", { ...event("idempotency.replayed", "t1"), trace: "e".repeat(32) })))).toBe("1/1")
  })
})
