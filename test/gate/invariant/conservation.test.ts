import { describe, expect, it } from "vitest"
import { conservation } from "../../../gate/invariant/conservation.ts"
import { asked, event, history, lived, offenders, requested, running, scenario, score } from "./Story.ts"

describe("conservation", () => {
  it("counts tasks that are in exactly one state, ended or in flight", () => {
    expect(score(conservation(history({ events: [...lived("t1"), ...asked("t2"), running("t2"), requested("t3")] })))).toBe("3/3")
  })

  it.each([
    ["moves and was never requested", [running("t1")], "the log has it requested 0 times"],
    ["was requested twice", [requested("t1"), requested("t1")], "the log has it requested 2 times"],
    ["came to an end without leaving where it was", [...asked("t1"), event("task.succeeded", "t1", { from: "RUNNING", by: "settle" })], "by what it entered and left it is QUEUED and SUCCEEDED and minus RUNNING"],
    ["is in two states", [...asked("t1"), event("task.failed", "t1", { by: "settle" })], "by what it entered and left it is QUEUED and FAILED"]
  ])("counts one that %s", (_, events, why) => {
    expect(offenders(conservation(history({ events })))).toEqual([`one, task t1: ${why}`])
  })

  it("needs no ledger in production, and one everywhere else", () => {
    const journal = scenario({ journal: { world: "production" } }).journal
    expect(score(conservation({ scenarios: [{ ...scenario({ events: lived("t1") }), effects: null, journal }] }))).toBe("1/1")
    expect(score(conservation({ scenarios: [{ ...scenario({ events: lived("t1") }), effects: null }] }))).toBe("missing: one: the effect ledger is missing")
  })
})
