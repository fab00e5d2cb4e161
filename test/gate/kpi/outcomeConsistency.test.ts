import { describe, expect, it } from "vitest"
import type { Effect, Journal, RunHistory } from "../../../gate/History.ts"
import { outcomeConsistency } from "../../../gate/kpi/outcomeConsistency.ts"
import { asked, type Draft, done, event, history, intent, lived, offenders, request, running, score, started, succeeded } from "../invariant/Story.ts"

const rules = { zone: "UTC", tests: { kinds: ["test.*"], actors: [] }, machines: [], maintenance: [] }
const names = ["t1", "t2", "t3", "t4", "t5"]
const result = (out: string, file = "a") => ({ result: { exit_code: 0, stdout_sha256: out, stdout_file: file } })
const life = (task: string, out = "same", file = task): ReadonlyArray<Draft> => [...asked(task, { kind: "k", kind_version: "1", payload_sha256: "p" }), running(task), intent(task), succeeded(task, 1, result(out, file))]
const failed = (task: string): ReadonlyArray<Draft> => [...asked(task), running(task), event("task.failed", task, { from: "RUNNING", by: "settle", code: "boom" })]
const once = names.flatMap((task) => [started(task), done(task)])
const requests = names.map((task) => request(task, { spec: "s" }))
const of = (events: ReadonlyArray<Draft>, effects: ReadonlyArray<Effect> = once, journal: Partial<Journal> = { requests }) => outcomeConsistency({ ...history({ events, effects, journal }), rules }, { reruns: 5, volatile: "stdout_file" })
const five = (change: (task: string) => ReadonlyArray<Draft> = (task) => life(task)) => names.flatMap((task) => change(task))

describe("outcomeConsistency", () => {
  it("counts a spec whose five runs agree, but for what is different every time", () => {
    expect(score(of(five()))).toBe("1/1")
  })

  it.each<[string, ReadonlyArray<Draft>, ReadonlyArray<Effect>, string]>([
    ["another output", five((task) => life(task, task === "t4" ? "other" : "same")), once, "5 runs have 2 outcomes: SUCCEEDED, SUCCEEDED, SUCCEEDED, SUCCEEDED, SUCCEEDED"],
    ["another end", five((task) => (task === "t2" ? failed(task) : life(task))), once, "5 runs have 2 outcomes: SUCCEEDED, FAILED, SUCCEEDED, SUCCEEDED, SUCCEEDED"],
    ["an effect more", five(), [...once, done("t3")], "5 runs have 2 outcomes: SUCCEEDED, SUCCEEDED, SUCCEEDED, SUCCEEDED, SUCCEEDED"],
    ["an effect of another step", five(), once.map((line) => (line.task === "t3" ? { ...line, dispatch_key: "t3:2" } : line)), "5 runs have 2 outcomes: SUCCEEDED, SUCCEEDED, SUCCEEDED, SUCCEEDED, SUCCEEDED"],
    ["a run that the log does not have", five((task) => (task === "t5" ? [] : life(task))), once, "5 runs have 2 outcomes: SUCCEEDED, SUCCEEDED, SUCCEEDED, SUCCEEDED, not there"],
    ["the same failure five times", five(failed), [], "all ended FAILED, expected SUCCEEDED"]
  ])("counts as bad a spec with %s", (_, events, effects, why) => {
    expect(offenders(of(events, effects))).toEqual([`one, spec s: ${why}`])
  })

  it("says that the same failure five times is right where it was expected", () => {
    const expected = names.map((task) => request(task, { spec: "s", expect: { states: ["FAILED"], done_min: 0, done_max: 0 } }))
    expect(score(of(five(failed), [], { requests: expected }))).toBe("1/1")
  })

  it("tells failures apart by their code", () => {
    const expected = names.map((task) => request(task, { spec: "s", expect: { states: ["FAILED"], done_min: 0, done_max: 0 } }))
    const other = five((task) => (task === "t1" ? failed(task).map((draft) => (draft.type === "task.failed" ? { ...draft, payload: { ...draft.payload, code: "bang" } } : draft)) : failed(task)))
    expect(score(of(other, [], { requests: expected }))).toBe("0/1")
  })

  it("leaves out, and shows, a spec that was run less often; requests of no spec are none", () => {
    expect(of(five(), once, { requests: requests.slice(1) })).toMatchObject({ total: 0, excluded: { "it was run less often": 1 } })
    expect(score(of(five(), once, { requests: names.map((task) => request(task)) }))).toBe("0/0")
  })

  it("takes the first five of more runs", () => {
    expect(score(of([...five(), ...life("t6", "other")], once, { requests: [...requests, request("t6", { spec: "s" })] }))).toBe("1/1")
  })

  it("takes in production the same work for a spec, run to an end, and no tests", () => {
    const used: Partial<Journal> = { world: "production" }
    const without: (history: RunHistory) => RunHistory = ({ scenarios }) => ({ rules, scenarios: scenarios.map((one) => ({ ...one, effects: null })) })
    const use = (events: ReadonlyArray<Draft>) => outcomeConsistency(without(history({ events, journal: used })), { reruns: 5, volatile: "stdout_file" })
    expect(score(use(five()))).toBe("1/1")
    expect(score(use(five((task) => life(task, task))))).toBe("0/1")
    expect(use([...five().slice(0, -1), ...lived("x", { kind: "test.k" })])).toMatchObject({ total: 0, excluded: { "it was run less often": 1, "marked as a test": 1 } })
  })

  it("is missing without the ledger of what was played, and without a number of runs", () => {
    expect(score(outcomeConsistency({ rules, scenarios: history({ events: five(), journal: { requests } }).scenarios.map((one) => ({ ...one, effects: null })) }, { reruns: 5 }))).toBe("missing: one: the effect ledger is missing")
    expect(score(outcomeConsistency({ ...history({}), rules }, {}))).toBe("missing: the scorecard does not say reruns")
  })
})
