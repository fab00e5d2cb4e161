import { describe, expect, it } from "vitest"
import { tasksEndRight } from "../../../gate/invariant/tasksEndRight.ts"
import { asked, done, history, intent, lived, offenders, request, running, score, started, unknownOutcome } from "./Story.ts"

const requests = [request("t1")]

describe("tasksEndRight", () => {
  it("finds a product that completes nothing", () => {
    const found = tasksEndRight(history({ events: asked("t1"), journal: { requests } }))
    expect(offenders(found)).toEqual(["one, task t1, key key-t1: it ended QUEUED, expected SUCCEEDED"])
  })

  it("finds a success without its effect", () => {
    expect(score(tasksEndRight(history({ events: lived("t1"), effects: [started("t1")], journal: { requests } })))).toBe("0/1")
  })

  it("finds an effect too many, under whichever dispatch key", () => {
    for (const again of [done("t1", 2, { dispatch_key: "other" }), done("other", 2, { dispatch_key: "t1" })]) {
      const found = tasksEndRight(history({ events: lived("t1"), effects: [done("t1"), again], journal: { requests } }))
      expect(offenders(found)[0]).toContain("its effect is done 2 times, expected 1 to 1")
    }
  })

  it("finds a request that was never stored", () => {
    expect(score(tasksEndRight(history({ journal: { requests: [request("t1", { task: null })] } })))).toBe("0/1")
  })

  it("counts nothing without requests", () => {
    expect(score(tasksEndRight(history({ events: lived("t1") })))).toBe("0/0")
  })

  it("finds a task by its key when no answer came", () => {
    expect(score(tasksEndRight(history({ events: lived("t1"), effects: [done("t1")], journal: { requests: [request("t1", { task: null })] } })))).toBe("1/1")
  })

  it("knows an unknown outcome by its own name", () => {
    const expected = { states: ["OUTCOME_UNKNOWN"], done_min: 0, done_max: 1 }
    const events = [...asked("t1"), running("t1"), intent("t1")]
    const journal = { requests: [request("t1", { expect: expected })] }
    expect(score(tasksEndRight(history({ events, journal })))).toBe("0/1")
    expect(score(tasksEndRight(history({ events: [...events, unknownOutcome("t1")], journal })))).toBe("1/1")
  })
})
