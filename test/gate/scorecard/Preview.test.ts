import { Either } from "effect"
import { describe, expect, it } from "vitest"
import type { RunHistory, World } from "../../../gate/History.ts"
import { parseScorecard } from "../../../gate/scorecard/Decode.ts"
import { judge } from "../../../gate/scorecard/Judge.ts"
import { previewed } from "../../../gate/scorecard/Preview.ts"
import { verdicts } from "../../../gate/Verdict.ts"
import card from "../../../scorecards/v1.2-kpi.json" with { type: "json" }
import { ended, epoch, hour, seen, use } from "../kpi/Use.ts"

const scorecard = Either.getOrThrow(parseScorecard(card))
const dayOf = (events = [epoch(-hour, 1)], last = 1): RunHistory => {
  const told = use({ events, summaries: [seen(24 * hour, last, 24 * hour + 15_000)] })
  return { scenarios: told.scenarios.map((one) => ({ ...one, journal: one.journal === null ? null : { ...one.journal, ended_at: one.journal.started_at + 24 * hour } })) }
}
/** The same history as if it had been played elsewhere. */
const playedIn = (world: World, traffic_class: "prodlike" | "operator", { scenarios }: RunHistory): RunHistory => ({
  scenarios: scenarios.map((one) => ({ ...one, id: world, journal: one.journal === null ? null : { ...one.journal, world, scenario: { ...one.journal.scenario, traffic_class } } }))
})
const lineOf = (history: RunHistory, id = "uptime") => judge({ ...scorecard, checks: scorecard.checks.map((check) => (check.id === "uptime" ? { ...check, rule: "census", n_min: 1440 } : check)) }, history).lines.find((line) => line.id === id)

describe("a check about production", () => {
  it("passes on a window of production", () => {
    expect(lineOf(dayOf())).toMatchObject({ verdict: "PASS", good: 1440, total: 1440 })
    expect(lineOf(dayOf())?.preview).toBeUndefined()
  })

  it.each<[World, "prodlike" | "operator"]>([["simulation", "prodlike"], ["machine", "prodlike"], ["simulation", "operator"]])("is a preview on the same history from the %s, as %s traffic, and never passes", (world, traffic) => {
    const line = lineOf(playedIn(world, traffic, dayOf()))
    expect(line).toMatchObject({ verdict: "INSUFFICIENT", preview: true, good: 1440, total: 1440, traffic: [`${traffic}, ${world}, 1 scenario`] })
    expect(line?.reason).toMatch(/^Preview: PASS on simulated operators, who invent their times; only a window of production can pass\. /)
  })

  it("shows in a preview what fails", () => {
    const down = [epoch(-hour, 1), ended(hour, 1), epoch(3 * hour, 2, hour)]
    expect(lineOf(playedIn("simulation", "prodlike", dayOf(down, 2)))).toMatchObject({ verdict: "FAIL", preview: true })
  })

  it("takes nothing from elsewhere where there is production", () => {
    const both = { scenarios: [...playedIn("simulation", "prodlike", dayOf()).scenarios, ...dayOf().scenarios] }
    expect(lineOf(both)).toMatchObject({ verdict: "PASS", total: 1440, traffic: ["operator, production, 1 scenario"] })
  })

  it("is an ERROR where the journal is gone, whatever else there is", () => {
    const gone = { scenarios: [...playedIn("simulation", "prodlike", dayOf()).scenarios, ...dayOf().scenarios.map((one) => ({ ...one, journal: null }))] }
    expect(lineOf(gone)?.verdict).toBe("ERROR")
  })

  it("never passes as a preview, whatever was counted", () => {
    const line = lineOf(dayOf())
    expect(verdicts.map((verdict) => (line === undefined ? null : previewed({ ...line, verdict }).verdict))).toEqual(["INSUFFICIENT", "FAIL", "INSUFFICIENT", "ERROR"])
  })

  it("stands for every target of the scorecard: none is judged on anything but production", () => {
    // What is run beside any use is judged as everywhere.
    const beside = new Set(["control-invariants", "self-test"])
    const targets = scorecard.checks.filter(({ id }) => !beside.has(id))
    expect(targets.map(({ worlds }) => worlds)).toEqual(targets.map(() => ["production"]))
    const simulated = judge(scorecard, playedIn("simulation", "prodlike", dayOf()))
    expect(simulated.lines.filter(({ verdict }) => verdict === "PASS")).toEqual([])
    expect(simulated.decision).not.toBe("GO")
  })
})
