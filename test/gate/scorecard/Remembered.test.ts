import { describe, expect, it } from "vitest"
import type { RunHistory, ScenarioHistory } from "../../../gate/History.ts"
import { measureNamed, measureNames } from "../../../gate/scorecard/Measures.ts"
import { additive, remembered } from "../../../gate/scorecard/Remembered.ts"
import { healthy } from "./Run.ts"

const well = healthy()
const spoiled = (change: (scenario: ScenarioHistory, index: number) => Partial<ScenarioHistory>): RunHistory => ({ ...well, scenarios: well.scenarios.map((scenario, index) => ({ ...scenario, ...change(scenario, index) })) })

const histories: ReadonlyArray<readonly [string, RunHistory]> = [
  ["a run that went well", well],
  ["one without ledgers", spoiled(() => ({ effects: [] }))],
  ["one in which every event is that of another seq", spoiled(({ events }) => ({ events: events?.map((event) => ({ ...event, seq: event.seq + 1 })) ?? null }))],
  ["one with a log less", spoiled((_, index) => (index === 2 ? { events: null } : {}))],
  ["one with two journals less", spoiled((_, index) => (index === 1 || index === 3 ? { journal: null } : {}))],
  ["one in which nobody asked", spoiled(({ journal }) => ({ journal: journal === null ? null : { ...journal, requests: [], faults: [] } }))],
  ["no scenario", { scenarios: [] }],
  ["one scenario", { scenarios: well.scenarios.slice(0, 1) }]
]

describe("what was measured scenario by scenario", () => {
  it.each(histories.flatMap(([what, history]) => [...additive].map((name) => [name, what, history] as const)))("%s is what is measured at once: %s", (name, _, history) => {
    const measure = measureNamed(name)
    if (measure === undefined) throw new Error(`there is no measure ${name}`)
    expect(remembered(name, measure, history, {})).toEqual({ ...measure(history, {}) })
  })

  it("is told of measures that there are", () => {
    expect([...additive].filter((name) => !measureNames.includes(name))).toEqual([])
  })
})

describe("what was measured", () => {
  const counting = () => {
    let times = 0
    const measure = ({ scenarios }: RunHistory) => ({ _tag: "Counted", good: scenarios.length, total: times += 1, excluded: {}, offenders: [] }) as const
    return { measure, times: () => times }
  }

  it.each([
    ["another log", { ...well, scenarios: [{ ...well.scenarios[0], id: "x", journal: null, effects: null, events: [] }] }, {}],
    ["other results beside the scenarios", { ...well, control: { v: 1, declared: [], results: [] } }, {}],
    ["other parameters", well, { limit_ms: 1 }]
  ] as const)("is measured anew for %s, and not for the same", (_, other, parameters) => {
    const { measure, times } = counting()
    const name = `test of ${_}`
    remembered(name, measure, well, {})
    remembered(name, measure, { ...well }, {})
    expect(times()).toBe(1)
    remembered(name, measure, other, parameters)
    expect(times()).toBe(2)
  })
})
