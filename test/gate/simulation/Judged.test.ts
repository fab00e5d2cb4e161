import { describe, expect, it } from "vitest"
import type { Journal } from "../../../gate/History.ts"
import { judged } from "../../../gate/simulation/Judged.ts"
import { readSetting } from "../../../gate/simulation/Setting.ts"
import type { Played } from "../../../gate/simulation/Simulate.ts"
import { settingFile } from "./machines.ts"

const journal = (change: Partial<Journal> = {}): Journal => ({
  v: 1,
  scenario: {
    v: 1, id: "seeds-7", title: "a seed", hypothesis: "it holds", traffic_class: "fault", seed: 7, faults: [],
    workload: { script: "simulated", tasks: 1, heavy_ppm: 0, concurrency: 1 },
    limits: { wall_ms: 1000, lease_ms: 1000, summaries: 0, command_ms: 1000 }
  },
  seed: 7, started_at: 0, ended_at: 1000, status: "completed", note: null, world: "simulation",
  requests: [], replays: [], faults: [], summaries: [], restarts: [],
  ...change
})
const played = (change: Partial<Played> = {}): Played => ({ journal: journal(), eventsText: "", effectsText: "", turns: 1, virtualMs: 999.6, classes: [], strikes: [], ...change })
const requested: Journal["requests"] = [{ key: "k", kind: "light.sh", class: "light", task: null, expect: { states: ["SUCCEEDED"], done_min: 1, done_max: 1 } }]

describe("a seed that was played", () => {
  it("in which nothing happened did not hold, though no measure has anything against it", () => {
    const { problems, run } = judged(played(), readSetting(settingFile).measures)
    expect([run.failed, problems]).toEqual([["scenariosComplete"], ["its log is empty"]])
    expect(run).toMatchObject({ seed: 7, events: 0, virtual_ms: 1000, hits: {}, seen: {} })
  })

  it("whose people still waited at the end failed, and says so", () => {
    const { problems, run } = judged(played({ journal: journal({ status: "aborted", note: "2 people were still waiting" }) }), [])
    expect([run.failed, problems]).toEqual([["scenariosComplete"], ["2 people were still waiting", "its log is empty"]])
  })

  it("with a log that cannot be read failed", () => {
    const { problems, run } = judged(played({ eventsText: "{\n" }), [])
    expect(run.failed).toEqual(["scenariosComplete"])
    expect(problems.join()).toContain("seeds-7")
  })

  it("judged by a measure that nobody has failed under its name, and one that is broken names who broke it", () => {
    const { problems, run } = judged(played({ journal: journal({ requests: requested }) }), ["vibes", "tasksEndRight"])
    expect(run.failed).toEqual(expect.arrayContaining(["vibes", "tasksEndRight"]))
    expect(problems).toEqual(expect.arrayContaining(["vibes: no measure is called vibes", expect.stringContaining("tasksEndRight: seeds-7")]))
  })

  it("counts of its faults those that hit something", () => {
    const fault = { class: "sigkill", must_hit: "running", witness: { kind: "exit", detail: "" }, at: 0, seed: 7 } as const
    const { run } = judged(played({ journal: journal({ faults: [{ ...fault, id: "1", hit: ["t"] }, { ...fault, id: "2", hit: [] }, { ...fault, id: "3", class: "clock", hit: ["t"] }] }) }), [])
    expect(run.hits).toEqual({ sigkill: 1, clock: 1 })
  })

  it("has a digest of its log and its ledger, each byte of both", () => {
    const digests = [played(), played({ eventsText: "a" }), played({ effectsText: "b" })].map((one) => judged(one, []).run.digest)
    expect(new Set(digests).size).toBe(3)
  })
})
