import { describe, expect, it } from "vitest"
import { interruptedRecovered } from "../../../gate/kpi/interruptedRecovered.ts"
import { asked, fault, history, lived, offenders, request, running, score } from "../invariant/Story.ts"

const requests = [request("t1"), request("t2")]
const events = [...lived("t1"), ...asked("t2"), running("t2")]

describe("interruptedRecovered", () => {
  it("counts a task that did not come to its end", () => {
    const found = interruptedRecovered(history({ events, journal: { requests, faults: [fault("one/1", ["t1", "t2"])] } }))
    expect(score(found)).toBe("1/2")
    expect(offenders(found)).toEqual(["one, fault one/1, task t2: it ended RUNNING, expected SUCCEEDED"])
  })

  it("counts a task that the log lost, and one that nobody asked for", () => {
    expect(score(interruptedRecovered(history({ events, journal: { requests, faults: [fault("one/1", ["t3"])] } })))).toBe("0/1")
    expect(offenders(interruptedRecovered(history({ events, journal: { requests: [request("t3")], faults: [fault("one/1", ["t3"])] } })))[0]).toContain("the log does not know it")
    expect(score(interruptedRecovered(history({ events, journal: { requests: [], faults: [fault("one/1", ["t1"])] } })))).toBe("0/1")
  })

  it("counts nothing where nothing was interrupted", () => {
    expect(score(interruptedRecovered(history({ events, journal: { requests } })))).toBe("0/0")
    const replayed = interruptedRecovered(history({ events, journal: { requests, faults: [fault("one/1", ["t1"], { class: "replay" })] } }))
    expect(replayed).toMatchObject({ total: 0, excluded: { "replays interrupt nothing": 1 } })
  })

  it("leaves out what strikes the way to a chat service", () => {
    const struck = interruptedRecovered(history({ events, journal: { requests, faults: [fault("one/1", ["getUpdates 7"], { class: "poll_fault", must_hit: "poll" }), fault("one/2", ["telegram:1:5"], { must_hit: "update" })] } }))
    expect(struck).toMatchObject({ total: 0, excluded: { "it interrupts no task": 2 } })
  })

  it("counts each fault with each task once", () => {
    const faults = [fault("one/1", ["t1", "t1"]), fault("one/2", ["t1"]), fault("one/2", ["t1"])]
    expect(score(interruptedRecovered(history({ events, journal: { requests, faults } })))).toBe("2/2")
  })

  it("finds a task by its key when no answer came", () => {
    expect(score(interruptedRecovered(history({ events, journal: { requests: [request("t1", { task: null })], faults: [fault("one/1", ["t1"])] } })))).toBe("1/1")
  })
})
