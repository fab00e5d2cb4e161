import { describe, expect, it } from "vitest"
import type { Fault, Journal } from "../../../gate/History.ts"
import { mttr } from "../../../gate/kpi/mttr.ts"
import { mttrMean } from "../../../gate/kpi/mttrMean.ts"
import { asked, because, call, chatting, type Draft, event, fault, history, keyOf, offenders, polled, request, requested, run, running, scenario, score, struck, succeeded, unknownOutcome } from "../invariant/Story.ts"

const limits = { restored_within_ms: 600_000, probes: 2 }
/** When the faults of these stories struck; the story ends an hour later. */
const at = 1_000_000
const after = (ms: number, draft: Draft): Draft => ({ ...draft, at: at + ms })
const told = (faults: ReadonlyArray<Fault>, events: ReadonlyArray<Draft>, over: Partial<Journal> = {}) =>
  history({ events, journal: { faults, requests: [request("t1")], ended_at: at + 3_600_000, ...over } })
const of = (faults: ReadonlyArray<Fault>, events: ReadonlyArray<Draft>, over: Partial<Journal> = {}) => mttr(told(faults, events, over), limits)
const begun = [...asked("t1"), running("t1")]

describe("mttr", () => {
  it("counts a task that runs again within the limit, to the millisecond", () => {
    const again = (ms: number) => score(of([fault("one/1", ["t1"])], [...begun, after(ms, running("t1", 2))]))
    expect([again(600_000), again(600_001)]).toEqual(["1/1", "0/1"])
    expect(offenders(of([fault("one/1", ["t1"])], [...begun, after(600_001, running("t1", 2))]))).toEqual(["one, fault one/1: it lasted 600001 ms, and 600000 ms were allowed"])
  })

  it("counts what was never over, however short it was watched", () => {
    const found = of([fault("one/1", ["t1"])], begun, { ended_at: at + 1000 })
    expect(offenders(found)).toEqual(["one, fault one/1: t1 was not well again when the scenario ended, 1000 ms later"])
    expect(found).toMatchObject({ figures: { mean_ms: 1000, longest_ms: 1000, not_over: 1 } })
  })

  it("ends an incident with the last of all that the fault struck", () => {
    expect(score(of([fault("one/1", ["t1", "t2"])], [...begun, ...asked("t2"), running("t2"), after(10, running("t1", 2))]))).toBe("0/1")
    expect(score(of([fault("one/1", ["t1", "t2"])], [...begun, ...asked("t2"), running("t2"), after(10, running("t1", 2)), after(700_000, running("t2", 2))]))).toBe("0/1")
  })

  it("takes no end for a good one that nobody expected", () => {
    const end = (draft: Draft) => score(of([fault("one/1", ["t1"])], [...begun, after(5, draft)]))
    expect(end(succeeded("t1"))).toBe("1/1")
    expect(end(event("task.failed", "t1", { from: "RUNNING", by: "settle" }))).toBe("0/1")
    expect(end(unknownOutcome("t1"))).toBe("0/1")
    const unsure = request("t1", { expect: { states: ["OUTCOME_UNKNOWN"], done_min: 0, done_max: 1 } })
    expect(score(of([fault("one/1", ["t1"])], [...begun, after(5, unknownOutcome("t1"))], { requests: [unsure] }))).toBe("1/1")
  })

  it("takes nothing for a sign of life that was there before the fault", () => {
    expect(score(of([fault("one/1", ["t1"])], [...begun, after(0, event("run.progress", "t1"))]))).toBe("0/1")
  })

  it("asks polls for as many good ones in a row as the scorecard does", () => {
    const polls = (...calls: ReturnType<typeof polled>[]) => of([fault("one/1", ["getUpdates 1"], { class: "poll_fault", must_hit: "poll" })], [], { chat: chatting({ calls }) })
    expect(score(polls(struck(1), polled(2), polled(3)))).toBe("1/1")
    expect(polls(struck(1), polled(2), struck(3), polled(4), polled(5))).toMatchObject({ figures: { longest_ms: 4100 } })
    expect(score(polls(struck(1), polled(2), struck(3), polled(4)))).toBe("0/1")
  })

  it("ends with the effect of a command, the report of an end, and the next epoch, where these were struck", () => {
    const update = (ms: number) => score(of([fault("one/1", [keyOf(1)], { must_hit: "update" })], [after(ms, because(1, requested("t1", { key: keyOf(1) })))]))
    expect([update(10), update(600_001)]).toEqual(["1/1", "0/1"])
    const report = (text: string) => score(of([fault("one/1", ["task-000001"], { class: "send_fault", must_hit: "report" })], [event("task.succeeded", "task-000001")], { chat: chatting({ calls: [call(1, { text })] }) }))
    expect([report("000001  exec\ndone"), report("000001  exec\nrunning"), report("000002  exec\ndone")]).toEqual(["1/1", "0/1", "0/1"])
    const boot = (ms: number) => score(of([fault("one/1", ["t1"], { must_hit: "stored", until: at + 50 })], [after(ms, event("epoch.started", null))]))
    expect([boot(51), boot(50)]).toEqual(["1/1", "0/1"])
  })

  it("tells classes of faults apart, and leaves out what interrupts nothing", () => {
    const faults = [fault("one/1", ["t1"]), fault("one/2", ["t1"], { class: "sigstop" }), fault("one/3", []), fault("one/4", ["t1"], { witness: null }), fault("one/5", ["t1"], { class: "replay", must_hit: "stored" })]
    expect(of(faults, [...begun, after(5, running("t1", 2))])).toMatchObject({
      good: 2, total: 2, strata: { sigkill: 1, sigstop: 1 }, excluded: { "it missed what it had to hit": 2, "a replay interrupts nothing": 1 }, figures: { mean_ms: 5, median_ms: 5, p90_ms: 5 }
    })
  })

  it("is missing without its limits, and counts nothing where nothing broke", () => {
    expect(score(mttr(told([], []), { probes: 2 }))).toBe("missing: the scorecard gives no restored_within_ms")
    expect(score(mttr(told([], []), { restored_within_ms: 0.5, probes: 2 }))).toContain("missing")
    expect(score(of([], begun))).toBe("0/0")
  })
})

describe("mttrMean", () => {
  const two = (id: string, ms: number) => scenario({ id, events: [...begun, after(ms, running("t1", 2))], journal: { faults: [fault(`${id}/1`, ["t1"])], requests: [request("t1")], ended_at: at + 3_600_000 } })

  it("counts classes by the mean of their incidents over all scenarios", () => {
    expect(score(mttrMean(run(two("one", 100_000), two("two", 1_100_000)), limits))).toBe("1/1")
    expect(offenders(mttrMean(run(two("one", 100_000), two("two", 1_100_002)), limits))).toEqual(["sigkill: 2 incidents lasted 600001 ms in the mean, and 600000 ms are allowed"])
  })

  it("does not look better for incidents that were never over", () => {
    const never = told([fault("one/1", ["t1"]), fault("one/2", ["t2"])], [...begun, after(1, running("t1", 2))])
    expect(offenders(mttrMean(never, limits))).toEqual(["sigkill: 2 incidents lasted 1800001 ms in the mean, and 600000 ms are allowed"])
  })

  it("is missing without its limits or a log", () => {
    expect(score(mttrMean(told([], []), { probes: 2 }))).toBe("missing: the scorecard gives no restored_within_ms")
    expect(score(mttrMean({ scenarios: [{ ...scenario({}), events: null }] }, limits))).toContain("missing")
  })
})
