import { describe, expect, it } from "vitest"
import { noDuplicateHeavy } from "../../../gate/invariant/noDuplicateHeavy.ts"
import { asked, done, fault, history, intent, lived, offenders, queuedAgain, request, running, score, started, succeeded } from "./Story.ts"

const requests = [request("t1")]
const faults = [fault("one/1", ["t1"])]

/** A second attempt, after the first was ended by `by`. */
const twice = (by: string, effect = "dangerous") => [
  ...asked("t1"), running("t1"), intent("t1", 1, { effect }), queuedAgain("t1", by), running("t1", 2), intent("t1", 2, { effect }), succeeded("t1", 2)
]

describe("noDuplicateHeavy", () => {
  it("finds an effect that is done twice, whatever the log says", () => {
    const found = noDuplicateHeavy(history({ events: twice("retry"), effects: [started("t1"), done("t1"), started("t1", 2), done("t1", 2)], journal: { requests, faults } }))
    expect(score(found)).toBe("0/1")
    expect(offenders(found)).toEqual(["one, task t1: done 2 times (fault one/1)"])
  })

  it("finds a dangerous effect that is started again because its lease was lost", () => {
    expect(score(noDuplicateHeavy(history({ events: twice("lease_lost"), effects: [started("t1"), started("t1", 2), done("t1", 2)], journal: { requests, faults } })))).toBe("0/1")
  })

  it("finds a start that is repeated under one intent", () => {
    expect(score(noDuplicateHeavy(history({ events: lived("t1"), effects: [started("t1"), started("t1", 1, { pid: 7 }), done("t1")], journal: { requests, faults } })))).toBe("0/1")
  })

  it("finds a start that no intent names behind another", () => {
    expect(score(noDuplicateHeavy(history({ events: lived("t1"), effects: [started("t1"), done("t1"), started("t1", 2)], journal: { requests, faults } })))).toBe("0/1")
  })

  it("finds a second run behind a dispatch key that changed", () => {
    const other = { dispatch_key: "t1-again" }
    const effects = [started("t1"), done("t1"), started("t1", 2, other), done("t1", 2, other)]
    expect(score(noDuplicateHeavy(history({ events: twice("retry"), effects, journal: { requests, faults } })))).toBe("0/1")
  })

  it("finds two tasks under one dispatch key", () => {
    const events = [...lived("t1"), ...lived("t2", { dispatch_key: "t1" })]
    const effects = [started("t1"), done("t1"), started("t2", 1, { dispatch_key: "t1" })]
    expect(score(noDuplicateHeavy(history({ events, effects, journal: { requests: [...requests, request("t2")], faults } })))).toBe("0/2")
  })

  it("does not take the retry of one task for the end of another under the same dispatch key", () => {
    const key = { dispatch_key: "t1" }
    const second = [...asked("t2", key), running("t2"), intent("t2", 1, key), queuedAgain("t2", "retry"), running("t2", 2), intent("t2", 2, key)]
    const effects = [started("t1"), started("t2", 2, key)]
    expect(score(noDuplicateHeavy(history({ events: [...lived("t1"), ...second], effects, journal: { requests, faults } })))).toBe("0/2")
  })

  it("does not take a retry before the first intent, or behind the second, for one between them", () => {
    const early = [...asked("t1"), running("t1"), queuedAgain("t1", "retry"), running("t1", 2), intent("t1", 2), running("t1", 3), intent("t1", 3), queuedAgain("t1", "retry", 3)]
    expect(score(noDuplicateHeavy(history({ events: early, effects: [started("t1", 2), started("t1", 3)], journal: { requests, faults } })))).toBe("0/1")
  })

  it("counts a duplicate that no fault hit as one bad unit", () => {
    expect(score(noDuplicateHeavy(history({ events: lived("t1"), effects: [started("t1"), done("t1"), done("t1")], journal: { requests } })))).toBe("0/1")
  })

  it("finds a heavy task that only the journal calls heavy", () => {
    expect(score(noDuplicateHeavy(history({ events: lived("t1", { class: "light" }), effects: [done("t1"), done("t1")], journal: { requests } })))).toBe("0/1")
  })

  it("counts nothing where no fault hit and nothing was replayed", () => {
    expect(score(noDuplicateHeavy(history({ events: lived("t1"), effects: [started("t1"), done("t1")], journal: { requests } })))).toBe("0/0")
  })

  it.each([["retry", "dangerous"], ["reconcile", "dangerous"], ["lease_lost", "idempotent"]])("allows a second start after %s of a %s effect", (by, effect) => {
    expect(score(noDuplicateHeavy(history({ events: twice(by, effect), effects: [started("t1"), started("t1", 2), done("t1", 2)], journal: { requests, faults } })))).toBe("1/1")
  })

  it("allows a start under a later attempt when the earlier never started", () => {
    expect(score(noDuplicateHeavy(history({ events: twice("lease_lost"), effects: [started("t1", 2), done("t1", 2)], journal: { requests, faults } })))).toBe("1/1")
  })

  it("counts each fault with each heavy task and each replayed key once", () => {
    const again = { key: "key-t1", op: "submit", same_payload: true, exit: 0, task: "t1", first_task: "t1" }
    const found = noDuplicateHeavy(history({
      events: [...lived("t1"), ...lived("t2", { class: "light" })],
      journal: {
        requests: [...requests, request("t2", { class: "light" })],
        faults: [...faults, fault("one/2", ["t1", "t1", "t2"]), fault("one/3", ["t1"], { class: "replay" }), fault("one/4", ["t1"], { witness: null })],
        replays: [again, again]
      }
    }))
    expect(found).toMatchObject({ good: 3, total: 3, excluded: { "not heavy": 1 } })
  })
})
