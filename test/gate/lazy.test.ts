/** Runtimes that break nothing because they do nothing: whatever scorecard judges them, none says GO. */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import type { RunHistory, ScenarioHistory } from "../../gate/History.ts"
import { parseScorecard } from "../../gate/scorecard/Decode.ts"
import { judge } from "../../gate/scorecard/Judge.ts"
import oracles from "../../scorecards/oracles.json" with { type: "json" }
import quick from "../../scorecards/quick.json" with { type: "json" }
import spine from "../../scorecards/spine.json" with { type: "json" }
import board from "../../scorecards/v1.2.json" with { type: "json" }
import { chain, type Draft, event } from "./invariant/Story.ts"
import { healthy } from "./scorecard/Run.ts"

const well = healthy()

/** The healthy run by another runtime: what it writes into its log instead, and what its clients are told. */
const by = (log: (drafts: ReadonlyArray<Draft>) => ReadonlyArray<Draft>, told: boolean): RunHistory => ({
  ...well,
  scenarios: well.scenarios.map((one): ScenarioHistory => ({
    ...one,
    events: chain(log(one.events ?? []), one.events?.[0]?.stream),
    effects: [],
    journal: one.journal === null ? null : { ...one.journal, summaries: [], restarts: [], operations: [], requests: one.journal.requests.map((request) => ({ ...request, task: told ? request.task : null })) }
  }))
})

const entries: ReadonlySet<string> = new Set(["epoch.started", "task.requested", "task.approved", "task.queued", "approval.given", "hold.released"])
const firsts = (drafts: ReadonlyArray<Draft>): ReadonlyArray<Draft> => {
  const begun = new Set<string | null>()
  return drafts.filter(({ task, type }) => {
    if (type === "task.running") begun.add(task)
    return entries.has(type) && !begun.has(task)
  })
}

const lazy = {
  "completes nothing": by(firsts, true),
  "refuses everything": by((drafts) => drafts.flatMap((draft) => (draft.type === "task.requested" ? [event("command.refused", null, { refusal: { _tag: "NotAllowed" }, state: null })] : draft.type === "epoch.started" ? [draft] : [])), false),
  "logs nothing": by(() => [], false)
} as const

const cards = { spine, quick, "v1.2": board, oracles } as const

describe("a runtime that", () => {
  it.each(Object.entries(lazy).flatMap(([what, history]) => Object.entries(cards).map(([name, card]) => [what, name, history, card] as const)))("%s is not let through by %s", (_, __, history, card) => {
    const { decision, lines } = judge(Either.getOrThrow(parseScorecard(card)), history)
    expect(decision).not.toBe("GO")
    expect(lines.filter(({ verdict }) => verdict !== "PASS").length).toBeGreaterThan(lines.length / 2)
  })

  it("completes nothing is refused for that, and not for want of evidence alone", () => {
    const { decision, lines } = judge(Either.getOrThrow(parseScorecard(spine)), lazy["completes nothing"])
    const failed = lines.filter(({ verdict }) => verdict === "FAIL").map(({ id }) => id)
    expect(decision).toBe("NO-GO")
    expect(failed).toEqual(expect.arrayContaining(["tasks-end-right", "work-ends"]))
  })

  it("does its work is let through by the spine", () => {
    expect(judge(Either.getOrThrow(parseScorecard(spine)), well).decision).toBe("GO")
  })
})
