import { describe, expect, it } from "vitest"
import { readBundle, readRun } from "../../../gate/evidence/Reader.ts"
import { filesOf, inputOf, run, scenarioIds } from "./SyntheticRun.ts"

const [calm] = run.scenarios
if (calm === undefined) throw new Error("the run has no scenario")

describe("the history of a run", () => {
  it("has null for a text that was not there, and says nothing about it", () => {
    const { history, problems } = readRun([{ id: "calm", journal: null, eventsText: null, effectsText: null }])
    expect(history.scenarios).toEqual([{ id: "calm", journal: null, events: null, effects: null }])
    expect(problems).toEqual([])
  })

  it("has null for a file with one malformed line, and names the line", () => {
    const { history, problems } = readRun([{ ...calm, effectsText: `${calm.effectsText}{"phase":"begun"}\n` }])
    expect(history.scenarios[0]).toMatchObject({ effects: null, events: { length: 14 } })
    expect(problems).toEqual([expect.stringMatching(/^effects\/calm.jsonl line 5 is malformed: /)])
  })

  it("is empty, not absent, for an empty log", () => {
    expect(readRun([{ ...calm, eventsText: "" }]).history.scenarios[0]?.events).toEqual([])
  })

  it("is the same before and after it was a bundle, in whatever order scenarios ran", () => {
    const before = readRun([...run.scenarios].reverse())
    expect(before.history.scenarios.map(({ id }) => id)).toEqual([...scenarioIds])
    expect(readBundle(filesOf(inputOf("/nowhere")))).toEqual(before)
  })

  it("names the member of a journal that is not as documented", () => {
    const files = filesOf(inputOf("/nowhere")).set("scenarios/calm.json", Buffer.from(JSON.stringify({ ...calm.journal, status: "fine" })))
    expect(readBundle(files)).toMatchObject({ problems: [expect.stringContaining("scenarios/calm.json is malformed: status: Expected")] })
  })
})
