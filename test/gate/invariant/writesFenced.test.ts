import { describe, expect, it } from "vitest"
import { writesFenced } from "../../../gate/invariant/writesFenced.ts"
import { asked, event, history, intent, lived, offenders, queuedAgain, running, score, succeeded, unknownOutcome } from "./Story.ts"

const second = [...asked("t1"), running("t1"), queuedAgain("t1", "lease_lost"), running("t1", 2)]
const step = (what: string, turn = 1) => event(`step.${what}`, "t1", { step: 1, name: "charge", attempt: 1, generation: turn })
const settledBy = (op: string, turn = 1) => event("step.settled", "t1", { step: 1, attempt: 1, generation: turn, outcome: "retry", command: { op } })
const progress = event("run.progress", "t1", { attempt: 1, generation: 1, percent: 50, note: "half" })
const failed = event("task.failed", "t1", { from: "RUNNING", by: "settle", attempt: 1, generation: 1, code: "x", error: "" })

describe("writesFenced", () => {
  it.each([["an intent", intent("t1")], ["a success", succeeded("t1")], ["a failure", failed], ["a retry", queuedAgain("t1", "retry")], ["an unknown outcome", unknownOutcome("t1")], ["a step that succeeded", step("succeeded")], ["a step that failed", step("failed")], ["a step that did not happen", step("settled")], ["a word of progress", progress], ["a suspension", queuedAgain("t1", "suspend")]])(
    "finds %s that is written under an old generation",
    (_, late) => {
      const found = writesFenced(history({ events: [...second, late] }))
      expect(score(found)).toBe("1/2")
      expect(offenders(found)[0]).toContain("was written under generation 1, and 2 was the highest granted")
    }
  )

  it("finds a write that names no generation, or one that was never granted", () => {
    expect(score(writesFenced(history({ events: [...second, succeeded("t1", 2, { generation: null })] })))).toBe("1/2")
    expect(score(writesFenced(history({ events: [...second, succeeded("t1", 3)] })))).toBe("1/2")
  })

  it("finds a write about a task that is not RUNNING", () => {
    const found = writesFenced(history({ events: [...asked("t1"), running("t1"), queuedAgain("t1", "retry"), intent("t1")] }))
    expect(offenders(found)).toEqual(["one, seq 6, task t1: effect.intent was written while the task was not RUNNING"])
  })

  it("finds an intent that was written when its lease had run out, though nobody else held the task", () => {
    const late = event("effect.intent", "t1", { ...intent("t1").payload, mono_ms: 5000, start_before_mono_ms: 5000 })
    const inTime = event("effect.intent", "t1", { ...intent("t1").payload, mono_ms: 4999, start_before_mono_ms: 5000 })
    expect(offenders(writesFenced(history({ events: [...asked("t1"), running("t1"), late] })))).toEqual([expect.stringContaining("after its lease had run out")])
    expect(score(writesFenced(history({ events: [...asked("t1"), running("t1"), inTime] })))).toBe("1/1")
  })

  it("finds an intent while the outcome is unknown", () => {
    const unknown = [...asked("t1"), running("t1"), intent("t1"), unknownOutcome("t1")]
    expect(score(writesFenced(history({ events: [...unknown, intent("t1")] })))).toBe("2/3")
    expect(score(writesFenced(history({ events: [...unknown, queuedAgain("t1", "reconcile")] })))).toBe("3/3")
  })

  it("finds a step that ends by itself while the outcome is unknown, and one that is reconciled while none is", () => {
    const begun = [...asked("t1"), running("t1"), intent("t1")]
    const unknown = [...begun, unknownOutcome("t1")]
    expect(offenders(writesFenced(history({ events: [...unknown, step("succeeded")] })))).toEqual(["one, seq 7, task t1: step.succeeded was written while the outcome was unknown"])
    expect(score(writesFenced(history({ events: [...unknown, step("failed")] })))).toBe("2/3")
    expect(score(writesFenced(history({ events: [...unknown, progress] })))).toBe("2/3")
    expect(score(writesFenced(history({ events: [...unknown, settledBy("reconcile"), queuedAgain("t1", "reconcile")] })))).toBe("4/4")
    expect(offenders(writesFenced(history({ events: [...begun, settledBy("reconcile")] })))).toEqual(["one, seq 6, task t1: step.settled was reconciled while no outcome was unknown"])
    expect(score(writesFenced(history({ events: [...unknown, settledBy("reconcile", 2)] })))).toBe("2/3")
    expect(score(writesFenced(history({ events: [...unknown, step("settled")] })))).toBe("2/3")
    expect(score(writesFenced(history({ events: [...begun, step("settled")] })))).toBe("2/2")
  })

  it("lets a restore say anew what nobody knows, and nobody else", () => {
    const unknown = [...asked("t1"), running("t1"), intent("t1"), unknownOutcome("t1")]
    const again = event("task.outcome_unknown", "t1", { step: 1, attempt: 1, generation: 1, code: "restored" })
    const restored = event("store.restored", null, { number: 1, generation_floor: 1000 })
    expect(score(writesFenced(history({ events: [...unknown, restored, again] })))).toBe("3/3")
    expect(offenders(writesFenced(history({ events: [...unknown, again] })))).toEqual(["one, seq 7, task t1: task.outcome_unknown was written while the outcome was unknown"])
    expect(score(writesFenced(history({ events: [...unknown, restored, event("store.released", null), again] })))).toBe("2/3")
  })

  it("finds a step that ends while its run is parked", () => {
    const parked = [...asked("t1"), running("t1"), step("succeeded"), queuedAgain("t1", "suspend")]
    expect(score(writesFenced(history({ events: parked })))).toBe("2/2")
    expect(offenders(writesFenced(history({ events: [...parked, step("succeeded")] })))).toEqual(["one, seq 7, task t1: step.succeeded was written while the task was not RUNNING"])
  })

  it("counts nothing in an empty log", () => {
    expect(score(writesFenced(history({})))).toBe("0/0")
  })

  it("counts intents, outcomes and returns to the queue", () => {
    expect(score(writesFenced(history({ events: lived("t1") })))).toBe("2/2")
    expect(score(writesFenced(history({ events: [...second, intent("t1", 2), succeeded("t1", 2)] })))).toBe("3/3")
  })

  it("does not ask a recovery for a generation, since nobody holds the task", () => {
    const recovered = event("task.queued", "t1", { from: "FAILED", by: "recover", attempt: 1, generation: 1 })
    expect(score(writesFenced(history({ events: [...asked("t1"), running("t1"), failed, recovered] })))).toBe("1/1")
  })
})
