import { describe, expect, it } from "vitest"
import { effectsPermitted } from "../../../gate/invariant/effectsPermitted.ts"
import { asked, done, history, intent, lived, offenders, running, score, started } from "./Story.ts"

describe("effectsPermitted", () => {
  it("finds an effect without an intent", () => {
    const found = effectsPermitted(history({ events: [...asked("t1"), running("t1")], effects: [started("t1")] }))
    expect(score(found)).toBe("0/1")
    expect(offenders(found)).toEqual(["one, task t1, process 4001, attempt 1, generation 1: started without an intent"])
  })

  it("finds an effect of a task that the log does not know", () => {
    expect(score(effectsPermitted(history({ events: lived("t1"), effects: [started("t2")] })))).toBe("0/1")
  })

  it.each([["attempt", { attempt: 2 }], ["generation", { generation: 2 }], ["dispatch key", { dispatch_key: "other" }]])("finds an effect under another %s", (_, over) => {
    expect(score(effectsPermitted(history({ events: lived("t1"), effects: [started("t1", 1, over)] })))).toBe("0/1")
  })

  it("finds an intent under a dispatch key that is not the task's", () => {
    const events = [...asked("t1"), running("t1"), intent("t1", 1, { dispatch_key: "other" })]
    expect(score(effectsPermitted(history({ events, effects: [started("t1", 1, { dispatch_key: "other" })] })))).toBe("0/1")
    expect(score(effectsPermitted(history({ events, effects: [started("t1")] })))).toBe("0/1")
  })

  it("finds a second effect under one intent", () => {
    expect(score(effectsPermitted(history({ events: lived("t1"), effects: [started("t1"), started("t1", 1, { pid: 7 })] })))).toBe("1/2")
  })

  it("finds an effect that came later than its intent allowed, by more than two ticks of the ledger's clock", () => {
    expect(score(effectsPermitted(history({ events: lived("t1"), effects: [started("t1", 1, { mono_ms: 10_021 })] })))).toBe("0/1")
    expect(score(effectsPermitted(history({ events: lived("t1"), effects: [started("t1", 1, { mono_ms: 10_020 })] })))).toBe("1/1")
  })

  it("finds an intent that names no latest start", () => {
    const events = [...asked("t1"), running("t1"), intent("t1", 1, { start_before_mono_ms: null })]
    expect(offenders(effectsPermitted(history({ events, effects: [started("t1")] })))[0]).toContain("names no latest start")
  })

  it("finds an end without a start", () => {
    expect(score(effectsPermitted(history({ events: lived("t1"), effects: [done("t1")] })))).toBe("0/1")
  })

  it("counts nothing in an empty ledger", () => {
    expect(score(effectsPermitted(history({ events: lived("t1") })))).toBe("0/0")
  })

  it("counts starts", () => {
    expect(score(effectsPermitted(history({ events: lived("t1"), effects: [started("t1"), done("t1")] })))).toBe("1/1")
  })
})
