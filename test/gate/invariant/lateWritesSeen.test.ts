import { describe, expect, it } from "vitest"
import { lateWritesSeen } from "../../../gate/invariant/lateWritesSeen.ts"
import { asked, event, fault, history, run, running, scenario, score } from "./Story.ts"

const fenced = event("write.fenced", "t1", { write: "settle", generation: 1, current_generation: 2 })
const events = [...asked("t1"), running("t1"), fenced, fenced]
const stopped = { faults: [fault("one/1", ["t1"], { class: "sigstop" })] }

describe("lateWritesSeen", () => {
  it("counts nothing where nobody was late", () => {
    expect(score(lateWritesSeen(history({ events: asked("t1"), journal: stopped })))).toBe("0/0")
  })

  it("counts nothing where no process was stopped", () => {
    expect(score(lateWritesSeen(history({ events, journal: { faults: [fault("one/1", ["t1"])] } })))).toBe("0/0")
  })

  it("is missing without a ledger", () => {
    expect(score(lateWritesSeen(run({ ...scenario({ events, journal: stopped }), effects: null })))).toBe("missing: one: the effect ledger is missing")
  })

  it("counts the late writes that were refused", () => {
    expect(score(lateWritesSeen(history({ events, journal: stopped })))).toBe("2/2")
  })
})
