import { describe, expect, it } from "vitest"
import type { Effect, Journal, RunHistory } from "../../../gate/History.ts"
import { heavySuccess } from "../../../gate/kpi/heavySuccess.ts"
import { asked, type Draft, done, event, history, intent, lived, queuedAgain, request, running, score, offenders, started, succeeded } from "../invariant/Story.ts"

const rules = { zone: "UTC", tests: { kinds: ["test.*"], actors: [] }, machines: [], maintenance: [] }
const at = 1_000_000
const told = (events: ReadonlyArray<Draft>, journal: Partial<Journal> = {}, effects: ReadonlyArray<Effect> = [started("t1"), done("t1")]): RunHistory => ({ ...history({ events, effects, journal }), rules })
const of = (events: ReadonlyArray<Draft>, journal: Partial<Journal> = {}, effects?: ReadonlyArray<Effect>) => heavySuccess(told(events, journal, effects), { end_within_ms: 60_000 })
const failed = event("task.failed", "t1", { from: "RUNNING", by: "settle", code: "exit_nonzero" })

describe("heavySuccess", () => {
  it("counts heavy tasks that ran and succeeded, and shows those of the first attempt", () => {
    expect(of([...lived("t1"), ...lived("t2", { class: "light" }), ...asked("t3")])).toMatchObject({ good: 1, total: 1, figures: { "at the first attempt": 1 } })
    const second = [...asked("t1"), running("t1"), queuedAgain("t1", "retry"), running("t1", 2), intent("t1", 2), succeeded("t1", 2)]
    expect(of(second)).toMatchObject({ good: 1, total: 1, figures: { "at the first attempt": 0 } })
  })

  it.each<[string, ReadonlyArray<Draft>, string]>([
    ["failed", [...asked("t1"), running("t1"), failed], "it ended FAILED"],
    ["was still running when its end was due", [...asked("t1"), running("t1")], "it was RUNNING when its end was due"],
    ["succeeded too late", [...asked("t1"), running("t1"), { ...succeeded("t1"), at: at + 60_001 }], "it was RUNNING when its end was due"],
    ["succeeded with an exit code", [...asked("t1"), running("t1"), succeeded("t1", 1, { result: { exit_code: 3 } })], "it ended SUCCEEDED with exit code 3"],
    ["was canceled after it had failed once", [...asked("t1"), running("t1"), queuedAgain("t1", "retry"), event("task.canceled", "t1", { from: "QUEUED", by: "cancel" })], "it ended CANCELED"]
  ])("counts as bad one that %s", (_, events, why) => {
    expect(offenders(of(events))).toEqual([`one, task t1: ${why}`])
  })

  it("looks at the ledger where somebody said how often its effect is to be done", () => {
    const requests = [request("t1")]
    expect(score(of(lived("t1"), { requests }))).toBe("1/1")
    expect(offenders(of(lived("t1"), { requests }, [started("t1")]))).toEqual(["one, task t1: its effect is done 0 times, expected 1 to 1"])
    expect(score(heavySuccess({ scenarios: told(lived("t1"), { requests }).scenarios.map((one) => ({ ...one, effects: null })), rules }, { end_within_ms: 60_000 }))).toBe("missing: one: the effect ledger is missing")
  })

  it("leaves out, and shows, what was called off, made to fail, or marked as a test", () => {
    const canceled = event("task.canceled", "t1", { from: "RUNNING", by: "cancel" })
    expect(of([...asked("t1"), running("t1"), event("task.cancel_requested", "t1"), canceled])).toMatchObject({ total: 0, excluded: { "somebody canceled it before it failed once": 1 } })
    expect(of([...asked("t1"), running("t1"), failed], { requests: [request("t1", { expect: { states: ["FAILED"], done_min: 0, done_max: 0 } })] })).toMatchObject({ total: 0, excluded: { "it was made to end otherwise": 1 } })
    expect(of(lived("t1", { kind: "test.heavy" }))).toMatchObject({ total: 0, excluded: { "marked as a test": 1 } })
  })

  it("judges an end that was due in the span, by the request or else by the scorecard", () => {
    expect(of(lived("t1"), { ended_at: at + 60_000 })).toMatchObject({ total: 0, censored: 1 })
    expect(of(lived("t1"), { ended_at: at + 60_001 })).toMatchObject({ total: 1, censored: 0 })
    expect(of(lived("t1"), { requests: [request("t1", { due_at: at + 10 })], ended_at: at + 11 })).toMatchObject({ total: 1, censored: 0 })
    expect(of(lived("t1"), { started_at: at + 60_001 })).toMatchObject({ total: 0, censored: 0 })
  })

  it("is missing where the scorecard says neither how a span is counted nor when an end is due", () => {
    expect(score(heavySuccess(told([]), {}))).toBe("missing: the scorecard does not say end_within_ms")
    expect(score(heavySuccess(history({}), { end_within_ms: 1 }))).toContain("missing")
  })
})
