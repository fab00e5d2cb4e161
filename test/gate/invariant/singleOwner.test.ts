import { describe, expect, it } from "vitest"
import { singleOwner } from "../../../gate/invariant/singleOwner.ts"
import { asked, done, event, history, intent, lived, offenders, queuedAgain, running, score, started, succeeded } from "./Story.ts"

const twice = (by: string) => [...asked("t1"), running("t1"), intent("t1"), queuedAgain("t1", by), running("t1", 2), intent("t1", 2), succeeded("t1", 2)]
const adopted = (over = {}) => event("effect.adopted", "t1", { step: 1, attempt: 1, generation: 2, from_generation: 1, epoch: 2, dispatch_key: "t1", ...over })

describe("singleOwner", () => {
  it("finds a generation that is granted twice, or skipped", () => {
    expect(score(singleOwner(history({ events: [...asked("t1"), running("t1"), queuedAgain("t1", "retry"), running("t1")] })))).toBe("1/2")
    const found = singleOwner(history({ events: [...asked("t1"), running("t1", 2)] }))
    expect(offenders(found)).toEqual(["one, seq 4, task t1: generation 2 was granted after 0"])
  })

  it("wants the first generation after a restore above its floor, of tasks that are older than it", () => {
    const restored = event("store.restored", null, { number: 1, generation_floor: 1000 })
    const before = [...asked("t1"), running("t1"), queuedAgain("t1", "lease_lost"), restored]
    expect(score(singleOwner(history({ events: [...before, running("t1", 1001), queuedAgain("t1", "retry", 1001), running("t1", 1002)] })))).toBe("3/3")
    expect(offenders(singleOwner(history({ events: [...before, running("t1", 2)] })))).toEqual(["one, seq 7, task t1: generation 2 was granted after 1000"])
    expect(score(singleOwner(history({ events: [restored, ...asked("t1"), running("t1")] })))).toBe("1/1")
  })

  it("takes no generation back that was granted once", () => {
    const turns = [1, 2, 1, 2].flatMap((turn) => [running("t1", turn), queuedAgain("t1", "lease_lost", turn)])
    expect(score(singleOwner(history({ events: [...asked("t1"), ...turns] })))).toBe("2/4")
  })

  it("finds an adoption from a generation that was not the last", () => {
    const before = [...asked("t1"), running("t1"), intent("t1")]
    expect(score(singleOwner(history({ events: [...before, adopted({ from_generation: 0 })] })))).toBe("1/2")
    expect(score(singleOwner(history({ events: [...before, adopted({ generation: 1 })] })))).toBe("1/2")
    expect(score(singleOwner(history({ events: [...before, adopted()] })))).toBe("2/2")
  })

  it("finds an effect that starts while another is in progress", () => {
    const found = singleOwner(history({ events: lived("t1"), effects: [started("t1"), started("t1", 1, { pid: 7 })] }))
    expect(offenders(found)).toEqual(["one, seq 4, task t1: process 7 started while process 4001 of generation 1 was in progress"])
  })

  it("finds an effect that was given up and finishes after its successor began", () => {
    const found = singleOwner(history({ events: twice("lease_lost"), effects: [started("t1"), started("t1", 2), done("t1"), done("t1", 2)] }))
    expect(score(found)).toBe("1/2")
    expect(offenders(found)[0]).toContain("process 4001 of generation 1 finished after its successor had started")
  })

  it("finds a start under a generation that no intent names", () => {
    expect(score(singleOwner(history({ events: lived("t1"), effects: [started("t1", 2), done("t1", 2)] })))).toBe("1/2")
    expect(score(singleOwner(history({ events: [...asked("t1"), running("t1")], effects: [started("t1")] })))).toBe("0/1")
  })

  it("counts nothing without a grant", () => {
    expect(score(singleOwner(history({ events: asked("t1") })))).toBe("0/0")
  })

  it.each(["lease_lost", "retry", "reconcile"])("allows a successor after %s, when the first never finished", (by) => {
    expect(score(singleOwner(history({ events: twice(by), effects: [started("t1"), started("t1", 2), done("t1", 2)] })))).toBe("2/2")
  })

  it("allows one effect after another", () => {
    expect(score(singleOwner(history({ events: twice("retry"), effects: [started("t1"), done("t1"), started("t1", 2), done("t1", 2)] })))).toBe("2/2")
  })
})
