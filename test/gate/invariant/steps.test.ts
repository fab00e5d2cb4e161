import { describe, expect, it } from "vitest"
import { effectsPermitted } from "../../../gate/invariant/effectsPermitted.ts"
import { jobsConserved } from "../../../gate/invariant/jobsConserved.ts"
import { noDuplicateHeavy } from "../../../gate/invariant/noDuplicateHeavy.ts"
import { singleOwner } from "../../../gate/invariant/singleOwner.ts"
import { tasksEndRight } from "../../../gate/invariant/tasksEndRight.ts"
import { begins, command, ends } from "../Garden.ts"
import { asked, done, event, fault, history, offenders, queuedAgain, request, requested, running, score, started, succeeded } from "./Story.ts"

const key = (step: number, over = {}) => ({ dispatch_key: `t1:${step}`, ...over })
const journal = { requests: [request("t1", { expect: { states: ["SUCCEEDED"], done_min: 1, done_max: 1 } })], faults: [fault("one/1", ["t1"])] }

/** A step whose process died in its middle, begun again by the next run. */
const again = (effect: string) => [...asked("t1"), running("t1"), begins("t1", 1, { effect }), queuedAgain("t1", "lease_lost"), running("t1", 2), begins("t1", 1, { effect, attempt: 2, generation: 2 }), succeeded("t1", 2)]
const twice = [started("t1", 1, key(1)), done("t1", 1, key(1)), started("t1", 2, key(1)), done("t1", 2, key(1))]

describe("a step that is done again since its outcome was never stored", () => {
  it.each(["idempotent", "read"])("counts once where it is %s, and is no duplicate", (effect) => {
    expect(score(tasksEndRight(history({ events: again(effect), effects: twice, journal })))).toBe("1/1")
    expect(score(noDuplicateHeavy(history({ events: again(effect), effects: twice, journal })))).toBe("1/1")
  })

  it("is a duplicate where it is dangerous", () => {
    expect(offenders(noDuplicateHeavy(history({ events: again("dangerous"), effects: twice, journal })))).toEqual(["one, task t1: done 2 times (fault one/1)"])
  })

  it("is a duplicate where it is a command, whatever its class", () => {
    const events = again("idempotent").map((draft) => (draft.type === "effect.intent" ? { ...draft, payload: { ...draft.payload, pid: 7 } } : draft))
    expect(score(noDuplicateHeavy(history({ events, effects: twice, journal })))).toBe("0/1")
  })

  it("may begin again under the same lease when it is known that it failed, and not else", () => {
    const tries = (how: string) => [...asked("t1"), running("t1"), begins("t1", 1), ends("t1", 1, how), begins("t1", 1), ends("t1", 1), succeeded("t1")]
    const effects = [started("t1", 1, key(1)), started("t1", 1, key(1)), done("t1", 1, key(1))]
    expect(score(noDuplicateHeavy(history({ events: tries("failed"), effects, journal })))).toBe("1/1")
    expect(score(noDuplicateHeavy(history({ events: tries("mentioned"), effects, journal })))).toBe("0/1")
    expect(score(singleOwner(history({ events: tries("failed"), effects })))).toBe("1/1")
    expect(score(singleOwner(history({ events: tries("mentioned"), effects })))).toBe("0/1")
  })

  it("has an intent for each try, and not one for two", () => {
    const events = [...asked("t1"), running("t1"), begins("t1", 1), ends("t1", 1, "failed"), begins("t1", 1), ends("t1", 1, "failed"), succeeded("t1")]
    const starts = (count: number) => Array.from({ length: count }, () => started("t1", 1, key(1)))
    expect(score(effectsPermitted(history({ events, effects: starts(2) })))).toBe("2/2")
    expect(offenders(effectsPermitted(history({ events, effects: starts(3) })))[0]).toContain("started again under an intent that was already used")
  })
})

describe("steps side by side", () => {
  const both = [...asked("t1"), running("t1"), begins("t1", 1), begins("t1", 2), ends("t1", 1), ends("t1", 2), succeeded("t1")]
  const effects = [started("t1", 1, key(1)), started("t1", 1, key(2)), done("t1", 1, key(1)), done("t1", 1, key(2))]

  it("have one owner under one lease", () => {
    expect(score(singleOwner(history({ events: both, effects })))).toBe("1/1")
    expect(score(noDuplicateHeavy(history({ events: both, effects, journal })))).toBe("1/1")
  })

  it("have two where the lease of one was never given up", () => {
    const events = [...asked("t1"), running("t1"), begins("t1", 1), running("t1", 2), begins("t1", 2, { attempt: 2, generation: 2 })]
    expect(offenders(singleOwner(history({ events, effects: [started("t1", 1, key(1)), started("t1", 2, key(2))] })))[0]).toContain("started while process 4001 of generation 1 was in progress")
  })
})

describe("the end of a body that came late", () => {
  const effects = [started("t1", 1, key(1)), started("t1", 2, key(1)), done("t1", 1, key(1)), done("t1", 2, key(1))]

  it("is nobody's fault where the step may be done again, and is found where it is dangerous", () => {
    expect(score(singleOwner(history({ events: again("idempotent"), effects })))).toBe("2/2")
    expect(score(singleOwner(history({ events: again("dangerous"), effects })))).toBe("1/2")
  })
})

describe("effectsPermitted", () => {
  const events = [...asked("t1"), running("t1"), begins("t1", 1), succeeded("t1")]

  it("knows the key of a step, and no other", () => {
    expect(score(effectsPermitted(history({ events, effects: [started("t1", 1, key(1))] })))).toBe("1/1")
    expect(score(effectsPermitted(history({ events, effects: [started("t1", 1, key(2))] })))).toBe("0/1")
    const wrong = events.map((draft) => (draft.type === "effect.intent" ? { ...draft, payload: { ...draft.payload, dispatch_key: "t1:2" } } : draft))
    expect(score(effectsPermitted(history({ events: wrong, effects: [started("t1", 1, key(2))] })))).toBe("0/1")
  })

  it("lets a body in code begin late, and no command", () => {
    const late = [started("t1", 1, key(1, { mono_ms: 99_999 }))]
    const supervised = events.map((draft) => (draft.type === "effect.intent" ? { ...draft, payload: { ...draft.payload, pid: 7 } } : draft))
    expect(score(effectsPermitted(history({ events, effects: late })))).toBe("1/1")
    expect(score(effectsPermitted(history({ events: supervised, effects: late })))).toBe("0/1")
  })
})

describe("jobsConserved", () => {
  const child = (id: string, over = {}) => requested(id, { by: "child", parent: "t1", parent_step: 3, key: null, command: null, ...over })
  const fork = (over = {}) => requested("f1", { by: "fork", forked_from: "t1", from_step: 2, key: "fork", ...command("fork", "fork", "again"), ...over })
  const tick = (over = {}) => requested("k1", { by: "schedule", schedule: "s", tick_ms: 1, tick_by: "tick", key: "schedule:s:1", command: null, ...over })
  const declared = event("schedule.declared", null, { schedule: "s" })
  const judged = (...events: ReadonlyArray<ReturnType<typeof event>>) => jobsConserved(history({ events: [declared, requested("t1"), ...events], journal: { requests: [request("t1")] } }))

  it("counts what steps, forks and schedules asked for", () => {
    expect(score(judged(child("c1"), child("c2", { parent_step: 4 }), fork(), tick()))).toBe("5/5")
  })

  it.each([
    ["a child of nobody", child("c1", { parent: "ghost" }), "it is the child of ghost, which the log does not know"],
    ["a fork that nobody asked for", fork({ command: null }), "nobody asked for this fork"],
    ["a fork of nothing", fork({ forked_from: "ghost" }), "it was forked from ghost, which the log does not know"],
    ["a tick of a schedule that was never declared", tick({ schedule: "other" }), "the schedule other was never declared"],
    ["a run by hand that nobody asked for", tick({ tick_by: "manual" }), "nobody asked for this run of s"]
  ])("finds %s", (_, draft, sentence) => {
    expect(offenders(judged(draft))).toEqual([`one, task ${draft.task}: ${sentence}`])
  })

  it("finds a second child of one step, and one that is requested twice", () => {
    expect(offenders(judged(child("c1"), child("c2")))).toEqual(["one, task c2: step 3 of t1 has a child already"])
    expect(offenders(judged(child("c1"), child("c1")))).toEqual(["one, task c1: the log has it requested 2 times"])
  })
})
