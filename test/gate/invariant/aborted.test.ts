/** Scenarios that were given up in the middle: their evidence is cut off, and what did not come about in it is missing, not bad. */
import { describe, expect, it } from "vitest"
import type { Journal, RunHistory, ScenarioHistory } from "../../../gate/History.ts"
import { measureNamed, measureNames, subjectOf } from "../../../gate/scorecard/Measures.ts"
import kpi from "../../../scorecards/v1.2-kpi.json" with { type: "json" }
import board from "../../../scorecards/v1.2.json" with { type: "json" }
import { healthy } from "../scorecard/Run.ts"
import { asked, commanded, chatting, done, epoch, fault, history, intent, keyOf, lived, request, running, score, started, struck } from "./Story.ts"

/** What the scorecards tell each measure. */
const parametersOf = (name: string) => {
  const [check] = [...board.checks, ...kpi.checks].filter(({ measure }) => measure === name)
  return check !== undefined && "parameters" in check && check.parameters !== undefined ? Object.fromEntries(Object.entries(check.parameters)) : {}
}

/** As if whoever plays it had given up behind its first `count` events: nothing later was asked, done or seen. */
const cut = (whole: ScenarioHistory, count: number, status: Journal["status"]): ScenarioHistory => {
  const { effects, journal } = whole
  if (journal === null) return whole
  const events = (whole.events ?? []).slice(0, count)
  const has = (type: string, task: string | null) => events.some((event) => event.type === type && event.task === task)
  const keys = new Set(events.map(({ payload }) => payload?.["key"]))
  return {
    ...whole,
    events,
    effects: effects?.filter(({ phase, task }) => has(phase === "done" ? "task.succeeded" : "effect.intent", task)) ?? null,
    journal: {
      ...journal,
      status,
      note: status === "aborted" ? "the server never answered" : null,
      requests: journal.requests.filter(({ key }) => keys.has(key)),
      replays: journal.replays.filter(({ first_task }) => has("task.succeeded", first_task)),
      operations: journal.operations?.filter(({ op, task }) => has(op === "read" ? "task.succeeded" : "task.requested", task)) ?? [],
      faults: journal.faults.filter(({ class: kind, hit }) => kind === "poll_fault" || hit.every((task) => has("task.running", task))),
      summaries: journal.summaries.filter(({ summary }) => typeof summary === "object" && summary !== null && Number(Reflect.get(summary, "as_of_seq")) <= count),
      ...(journal.chat === undefined ? {} : { chat: { ...journal.chat, commands: journal.chat.commands.filter(({ key }) => keys.has(key)) } })
    }
  }
}

// To uptime no data is downtime, whatever the reason. A run cut off before its faults is no faultless one, since their traces are in its log.
const apart: ReadonlySet<string> = new Set(["uptime", "faultlessQuiet"])
const names = measureNames.filter((name) => subjectOf(name) === "scenarios" && !apart.has(name))
const badIn = (run: RunHistory): ReadonlyArray<string> =>
  names.filter((name) => {
    const measured = measureNamed(name)?.(run, parametersOf(name))
    return measured?._tag === "Counted" && measured.good < measured.total
  })

const rules = { zone: "UTC", tests: { kinds: [], actors: [] }, machines: [], maintenance: [] }
const well = healthy()
const cuts = well.scenarios.flatMap((one) => [0, 1, 2, 3, 5, 8, 13, 40, 100].filter((count) => count < (one.events?.length ?? 0)).map((count) => ({ one, count })))
const judged = (status: Journal["status"]) => [...new Set(cuts.flatMap(({ count, one }) => badIn({ scenarios: [cut(one, count, status)], rules })))].sort()

describe("a scenario that was aborted", () => {
  it("breaks no promise by what it did not live to see, wherever it is cut off", () => {
    expect(judged("aborted")).toEqual([])
  })

  it("is told from one that ran to its end and left the same", () => {
    expect(judged("completed")).toEqual(expect.arrayContaining(["interruptedRecovered", "tasksEndRight", "workEnds"]))
  })

  it.each([
    ["tasksEndRight", { events: asked("t1"), journal: { requests: [request("t1")] } }],
    ["jobsConserved", { events: asked("t1"), journal: {} }],
    ["linearizable", { events: asked("t1"), journal: { operations: [{ op: "submit", key: "key-t1", task: "t1", invoked: 1, answered: 2, answer: "QUEUED" }, { op: "read", key: null, task: "t1", invoked: 3, answered: 4, answer: "CANCELED" }] } }],
    ["workEnds", { events: asked("t1"), journal: { requests: [request("t1")] } }],
    ["interruptedRecovered", { events: [...asked("t1"), running("t1")], journal: { requests: [request("t1")], faults: [fault("one/1", ["t1"])] } }],
    ["mttr", { events: [...asked("t1"), running("t1")], journal: { requests: [request("t1")], faults: [fault("one/1", ["t1"])] } }],
    ["mttrMean", { events: [...asked("t1"), running("t1")], journal: { requests: [request("t1")], faults: [fault("one/1", ["t1"])], ended_at: 9_000_000 } }],
    ["pollRecovery", { events: [epoch(1)], journal: { chat: chatting({ bursts: [{ id: "b", kind: "500", at: 1_000_000, struck: [1], keys: [] }], calls: [struck(1)] }) } }],
    ["chatCommandsOnce", { events: [epoch(1)], journal: { chat: chatting({ commands: [commanded(1)] }) } }],
    ["reportsArrive", { events: lived("t1", { key: keyOf(1) }), journal: { faults: [fault("one/1", ["t1"], { class: "send_fault", must_hit: "report" })], chat: chatting({ commands: [commanded(1)] }) } }],
    ["endsReported", { events: lived("t1", { key: keyOf(1) }), journal: { chat: chatting({ commands: [commanded(1)] }) } }],
    ["outcomeConsistency", { events: asked("t1"), journal: { requests: [1, 2, 3, 4, 5].map((n) => request(`t${n}`, { spec: "s" })) } }]
  ] as const)("is missing evidence to %s, which finds the same bad in one that ran to its end", (name, { events, journal }) => {
    const told = (status: Journal["status"]) => measureNamed(name)?.({ ...history({ events, journal: { ...journal, status } }), rules }, parametersOf(name)) ?? expect.fail(name)
    expect(score(told("completed"))).toBe("0/1")
    expect(told("aborted")).toMatchObject({ _tag: "Missing" })
  })

  it("is bad all the same by what it did", () => {
    const twice = history({ events: [...asked("t1"), running("t1"), intent("t1")], effects: [started("t1"), done("t1"), done("t1")], journal: { status: "aborted", requests: [request("t1")] } })
    expect(score(measureNamed("tasksEndRight")?.(twice) ?? expect.fail("no measure"))).toBe("0/1")
    expect(score(measureNamed("jobsConserved")?.(history({ events: [running("t1")], journal: { status: "aborted" } })) ?? expect.fail("no measure"))).toBe("0/1")
    const failed = history({ events: lived("t1"), journal: { status: "aborted", requests: [request("t1", { expect: { states: ["FAILED"], done_min: 0, done_max: 0 } })], faults: [fault("one/1", ["t1"])] } })
    expect(score(measureNamed("interruptedRecovered")?.(failed) ?? expect.fail("no measure"))).toBe("0/1")
  })
})
