/**
 * Long sequences of commands by many people, of runs, crashes, time and policies that change, judged by an oracle that reads only
 * events. Another seed, and more sequences: `OPSGATE_GOVERNANCE_SEED=7 OPSGATE_GOVERNANCE_RUNS=2000`.
 */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { beginsIn } from "../../gate/invariant/Words.ts"
import { broken } from "./Oracle.ts"
import { moves, Play } from "./Play.ts"

const seed = Number(process.env["OPSGATE_GOVERNANCE_SEED"] ?? 1_800_000_000)
const runs = Number(process.env["OPSGATE_GOVERNANCE_RUNS"] ?? 0)

describe("any 200 commands by any people, with time, crashes, recoveries, forks, children, schedules and policies that change", () => {
  it.each([["memory", runs || 120], ["SQLite", runs || 12]] as const)("dispatch nothing with an open hold, count no self-approval, and leave no terminal state without recovery (%s)", async (flavour, numRuns) => {
    const seen = new Map<string, number>()
    const refused = new Map<string, number>()
    const played = fc.asyncProperty(moves(200), async (all) => {
      const play = new Play(flavour)
      try {
        for (const move of all) await play.make(move)
        const events = await play.house.events()
        const verdict = broken(events, play.told)
        // The gate, which knows neither kinds nor roles, says the same.
        const begins = beginsIn(events.map(({ payloadSha256, ...event }) => ({ ...event, payload: JSON.parse(event.payload ?? "null"), payload_sha256: payloadSha256 })))
        const doubted = begins.filter(({ asked, ending, missing }) => asked && !ending && missing !== null)
        expect(doubted.map(({ missing, seq }) => `seq ${seq}: ${missing}\n${play.said.join("\n")}`)).toEqual([])
        for (const [what, times] of verdict.seen) seen.set(what, (seen.get(what) ?? 0) + times)
        for (const [what, times] of play.refused) refused.set(what, (refused.get(what) ?? 0) + times)
        if (verdict.problems.length > 0) throw new Error(`${verdict.problems.join("\n")}\n\n${play.said.join("\n")}`)
      } finally {
        await play.house.close()
      }
    })
    await fc.assert(played, { seed, numRuns, endOnFailure: runs > 0 })

    // A sequence in which nobody says anything breaks no promise.
    const begins = ["begins by submit", "begins by fork", "begins by child", "begins by schedule"]
    const recovered = ["failed to queued", "failed to requested", "canceled to queued", "canceled to requested", "expired to requested"]
    const met = ["claims under a word", "claims behind broken glass", "approval.given", "approval.voided", "plan.filed", "review.passed", "review.failed", "hold.broken", "task.debounced", "effect.intent", "task.expired", "command.denied"]
    expect((flavour === "SQLite" ? ["claims under a word"] : [...met, ...begins, ...recovered]).filter((what) => !seen.has(what))).toEqual([])
    if (flavour === "SQLite") return
    const refusals = ["SelfApproval", "AlreadyApproved", "NotAllowed", "ApprovalVoid", "ApprovalLapsed", "ApprovalStale", "HoldsOpen", "PolicyDenied", "TransitionRefused", "ReviewRefused", "DebounceRefused"]
    expect(refusals.filter((what) => !refused.has(what))).toEqual([])
  }, 600_000)
})
