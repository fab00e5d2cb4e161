import { Either, FastCheck as fc } from "effect"
import { describe, expect, it } from "vitest"
import type { ChatHistory, LogEvent, RunHistory, ScenarioHistory } from "../../../gate/History.ts"
import { parseScorecard } from "../../../gate/scorecard/Decode.ts"
import { judge, judgeCheck } from "../../../gate/scorecard/Judge.ts"
import type { Check } from "../../../gate/scorecard/Scorecard.ts"
import type { Measurement } from "../../../gate/Verdict.ts"
import quickJson from "../../../scorecards/quick.json" with { type: "json" }
import spineJson from "../../../scorecards/spine.json" with { type: "json" }
import boardJson from "../../../scorecards/v1.2.json" with { type: "json" }
import { chain, commanded, type Draft, done, fault, lived, request, requested, started } from "../invariant/Story.ts"
import { healthy, restart } from "./Run.ts"

const [spine, quick, board] = [spineJson, quickJson, boardJson].map((json) => Either.getOrThrow(parseScorecard(json)))
if (spine === undefined || quick === undefined || board === undefined) throw new Error("a scorecard is missing")

const check = (over: Partial<Check> = {}): Check => ({ id: "x", title: "X", measure: null, rule: "census", n_min: 10, population: "All.", traffic_classes: ["fault"], worlds: ["machine"], exclusions: [], remedy: "Look.", ...over })
const atLeast = check({ rule: "rate_at_least", threshold_ppm: 900_000, acceptance: [[29, 0], [46, 1], [61, 2]], n_min: 29 })
const atMost = check({ rule: "rate_at_most", threshold_ppm: 150_000, acceptance: [[19, 0], [30, 1]], n_min: 19 })
const counted = (good: number, total: number): Measurement => ({ _tag: "Counted", good, total, excluded: {}, offenders: [] })
const verdict = (of: Check, good: number, total: number) => judgeCheck(of, counted(good, total)).verdict
const reason = (of: Check, good: number, total: number) => judgeCheck(of, counted(good, total)).reason

describe("a check", () => {
  it.each(["census", "zero", "rate_at_least", "rate_at_most"] as const)("is INSUFFICIENT under %s when nothing was measured", (rule) => {
    const line = judgeCheck({ ...atLeast, rule }, counted(0, 0))
    expect([line.verdict, line.bound_ppm]).toEqual(["INSUFFICIENT", null])
    expect(line.reason).toBe("Nothing was measured: needs 29 units.")
  })

  it("is INSUFFICIENT when nothing measures it yet", () => {
    expect(judgeCheck(check(), null)).toMatchObject({ verdict: "INSUFFICIENT", reason: "Nothing measures this yet.", total: 0, bound_ppm: null })
  })

  it("is an ERROR when evidence is missing, and says which", () => {
    const line = judgeCheck(check(), { _tag: "Missing", why: "one: the journal is missing" })
    expect(line).toMatchObject({ verdict: "ERROR", reason: "Evidence is missing: one: the journal is missing.", total: 0, bound_ppm: null })
  })

  it.each([[5, 3], [-1, 3], [1.5, 3], [Number.NaN, Number.NaN]])("is an ERROR when a measure answers %s of %s", (good, total) => {
    expect(verdict(check(), good, total)).toBe("ERROR")
  })

  it.each(["census", "zero"] as const)("under %s fails on one bad unit, however small the sample", (rule) => {
    expect([verdict(check({ rule }), 0, 1), verdict(check({ rule }), 999, 1000)]).toEqual(["FAIL", "FAIL"])
    expect(reason(check({ rule }), 999, 1000)).toBe("1 of 1000 are bad, and none may be.")
  })

  it.each(["census", "zero"] as const)("under %s needs its smallest sample", (rule) => {
    expect([verdict(check({ rule }), 9, 9), verdict(check({ rule }), 10, 10)]).toEqual(["INSUFFICIENT", "PASS"])
    expect(reason(check({ rule }), 9, 9)).toBe("None of 9 is bad, but 10 are the fewest that count: needs 1 more.")
  })

  it("under zero prints how many might be bad after all", () => {
    expect(judgeCheck(check({ rule: "zero" }), counted(300, 300))).toMatchObject({ bound_ppm: 9937, reason: "None of 300 is bad, so at most 0.9937 % are (one-sided 95 %)." })
    expect(judgeCheck(check(), counted(300, 300)).bound_ppm).toBeNull()
  })

  it("under rate_at_least fails by what was observed, passes by what is proven, and else needs more", () => {
    expect([verdict(atLeast, 26, 29), verdict(atLeast, 28, 28), verdict(atLeast, 29, 29), verdict(atLeast, 44, 45), verdict(atLeast, 45, 46)]).toEqual([
      "FAIL", "INSUFFICIENT", "PASS", "INSUFFICIENT", "PASS"
    ])
    expect(reason(atLeast, 26, 29)).toBe("26 of 29 are good, where at least 90 % must be.")
    expect(reason(atLeast, 44, 45)).toContain("needs 1 more, all good.")
    expect(reason(atLeast, 9, 10)).toContain("needs 36 more, all good.")
    expect(reason(atLeast, 45, 46)).toBe("45 of 46 are good, which proves at least 90.0975 % (one-sided 95 %); at least 90 % was asked.")
  })

  it("under rate_at_most is the mirror image", () => {
    expect([verdict(atMost, 16, 19), verdict(atMost, 18, 18), verdict(atMost, 19, 19), verdict(atMost, 29, 30)]).toEqual(["FAIL", "INSUFFICIENT", "PASS", "PASS"])
    expect(judgeCheck(atMost, counted(19, 19)).bound_ppm).toBeLessThanOrEqual(150_000)
    expect(reason(atMost, 16, 19)).toBe("3 of 19 are bad, where at most 15 % must be.")
  })

  it("fails a rate by integers, at the very edge", () => {
    expect([verdict(atLeast, 9, 10), verdict(atLeast, 899_999, 1_000_000)]).toEqual(["INSUFFICIENT", "FAIL"])
  })

  it("decides by the scorecard's table, not by the bound", () => {
    expect(verdict({ ...atLeast, acceptance: [[46, 1]] }, 29, 29)).toBe("INSUFFICIENT")
    expect(verdict(atLeast, 998, 1000)).toBe("PASS")
    expect(reason(atLeast, 950, 1000)).toContain("the scorecard's table ends before as many failures.")
  })

  it("does not pass below n_min, whatever its table says", () => {
    expect(verdict({ ...atLeast, n_min: 40 }, 30, 30)).toBe("INSUFFICIENT")
    expect(reason({ ...atLeast, n_min: 40 }, 30, 30)).toContain("needs 10 more")
  })

  it("is an ERROR when something was left out for a reason that the scorecard does not allow; what is bad stays bad", () => {
    const left = (good: number, excluded: Readonly<Record<string, number>>): Measurement => ({ _tag: "Counted", good, total: 10, excluded, offenders: [] })
    const of = check({ exclusions: ["rain"] })
    expect(judgeCheck(of, left(10, { rain: 3 })).verdict).toBe("PASS")
    expect(judgeCheck(of, left(10, { rain: 3, sun: 2 }))).toMatchObject({ verdict: "ERROR", reason: "The measure left out 2 for a reason that the scorecard does not allow: sun." })
    expect(judgeCheck(of, left(9, { sun: 2 })).verdict).toBe("FAIL")
    expect(judgeCheck(of, { _tag: "Counted", good: 0, total: 0, excluded: { sun: 2 }, offenders: [] }).verdict).toBe("ERROR")
  })

  it("is INSUFFICIENT when the end of too many was not seen; what is bad stays bad", () => {
    const seen = (good: number, censored: number): Measurement => ({ _tag: "Counted", good, total: 95, excluded: {}, offenders: [], censored })
    const of = (measured: Measurement) => judgeCheck(check(), measured, { censoredMaxPpm: 50_000 })
    expect([of(seen(95, 5)).verdict, of(seen(95, 6)).verdict, of(seen(94, 6)).verdict]).toEqual(["PASS", "INSUFFICIENT", "FAIL"])
    expect(of(seen(95, 6))).toMatchObject({ censored: 6, reason: "The deadline of 6 of 101 lies behind the end of what was seen, and at most 5 % may." })
    expect(judgeCheck(check(), seen(95, 1)).verdict).toBe("INSUFFICIENT")
  })

  it("is INSUFFICIENT when a sort of units is rare; what is bad stays bad", () => {
    const sorted = (good: number, strata: Readonly<Record<string, number>>): Measurement => ({ _tag: "Counted", good, total: 20, excluded: {}, offenders: [], strata })
    const of = check({ strata_min: 5 })
    expect([judgeCheck(of, sorted(20, { a: 15, b: 5 })).verdict, judgeCheck(of, sorted(19, { a: 16, b: 4 })).verdict]).toEqual(["PASS", "FAIL"])
    expect(judgeCheck(of, sorted(20, { a: 16, b: 4 }))).toMatchObject({ verdict: "INSUFFICIENT", reason: "Of each sort 5 are the fewest that count, and there are 4 of b." })
  })

  it("is an ERROR when a rate has no threshold", () => {
    expect(judgeCheck(check({ rule: "rate_at_least" }), counted(10, 10)).verdict).toBe("ERROR")
  })
})

const verdictsOf = (history: RunHistory) => Object.fromEntries(judge(spine, history).lines.map(({ id, verdict: said }) => [id, said]))
const notPassed = (history: RunHistory) => Object.entries(verdictsOf(history)).filter(([, said]) => said !== "PASS").map(([id, said]) => `${id} ${said}`)

const well = healthy()
const [first, second, third, fourth, fifth, ...others] = well.scenarios
if (first?.journal == null || second?.journal == null || third?.journal == null || fourth?.journal == null || fifth?.journal?.chat === undefined) throw new Error("the run is incomplete")
const { journal } = first
const replayedJournal = third.journal
const standstillJournal = fourth.journal
const chatJournal = fifth.journal
const { chat } = fifth.journal

/** The healthy run with its first scenario changed. */
const planted = (over: Partial<ScenarioHistory>): RunHistory => ({ ...well, scenarios: [{ ...first, ...over }, second, third, fourth, fifth, ...others] })
const inChats = (over: Partial<ChatHistory>): RunHistory => ({ ...well, scenarios: [first, second, third, fourth, { ...fifth, journal: { ...chatJournal, chat: { ...chat, ...over } } }, ...others] })
const draftOf = ({ actor, at, payload, task, type }: LogEvent): Draft => ({ actor, at, payload, task, type })
/** The first log written anew, with an honest chain over a dishonest story. */
const rewritten = (change: (drafts: ReadonlyArray<Draft>) => ReadonlyArray<Draft>): RunHistory => planted({ events: chain(change((first.events ?? []).map(draftOf)), "store-restart") })
const edited = (task: string, type: string, over: object) => rewritten((drafts) => drafts.map((one) => (one.task === task && one.type === type ? { ...one, payload: { ...one.payload, ...over } } : one)))
const effects = first.effects ?? []
// Summaries are taken of the log as it was; stories about later events leave them alone.
const appended = (...more: ReadonlyArray<Draft>) => rewritten((drafts) => [...drafts, ...more])
const [oneFault] = journal.faults

describe("judge", () => {
  it("says GO for a run that went well", () => {
    expect(notPassed(well)).toEqual([])
    expect(judge(spine, well)).toMatchObject({ scorecard: "spine", decision: "GO" })
  })

  it("never says more than the ceiling", () => {
    const result = judge(quick, well)
    expect(result.lines.map(({ verdict: said }) => said)).toEqual(quick.checks.map(() => "PASS"))
    expect(result.decision).toBe("INSUFFICIENT")
    expect(judge({ ...quick, ceiling: "NO-GO" }, well).decision).toBe("NO-GO")
    expect(judge(quick, planted({ effects: [...effects, ...effects] })).decision).toBe("NO-GO")
  })

  it("asks the release gate for more than scenarios: without a soak, seeds, tests and mutants it is never GO", () => {
    const said = Object.fromEntries(judge(board, well).lines.map(({ id, reason: why, verdict: of }) => [id, `${of}: ${why}`]))
    expect(said["duplicate-heavy"]).toMatch(/^INSUFFICIENT: .*needs \d+ more/)
    expect(said["command-success"]).toBe("INSUFFICIENT: Nothing was measured: needs 1000 units.")
    expect(said["virtual-hours"]).toBe("INSUFFICIENT: Nothing was measured: needs 72 units.")
    for (const id of ["seeds-hold", "seeds-repeat", "fault-classes-hit"]) expect(said[id]).toBe("ERROR: Evidence is missing: the seeds of the simulation are not there.")
    expect(said["control-invariants"]).toBe("ERROR: Evidence is missing: the results of the tests of the control invariants are not there.")
    expect(said["traceability"]).toMatch(/^PASS/)
    expect(said["conservation"]).toMatch(/^PASS/)
  })

  it.each<[string, RunHistory, ReadonlyArray<string>]>([
    ["an event edited in place", planted({ events: (first.events ?? []).map((one) => (one.seq === 9 ? { ...one, actor: "cli:eve" } : one)) }), ["chain-intact FAIL"]],
    ["a trigger that leads elsewhere", edited("restart-2", "task.succeeded", { by: "reconcile" }), ["legal-transitions FAIL"]],
    ["a yes to one's own work", rewritten((drafts) => drafts.map((one) => (one.task === "restart-1" && one.type === "approval.given" ? { ...one, actor: "cli:ada" } : one))), ["runs-approved FAIL"]],
    ["a job from nowhere", appended(requested("ghost", { key: "ghost" })), ["jobs-conserved FAIL", "work-ends FAIL"]],
    ["a job that was promised and lost", planted({ journal: { ...journal, requests: [...journal.requests, request("lost", { expect: { states: ["SUCCEEDED"], done_min: 0, done_max: 1 } })] } }), ["jobs-conserved FAIL", "tasks-end-right FAIL"]],
    ["an effect that was never done", planted({ effects: effects.filter(({ phase, task }) => task !== "restart-2" || phase === "start") }), ["tasks-end-right FAIL"]],
    [
      "a heavy effect done twice",
      planted({ effects: [...effects, started("restart-2", 1, { pid: 9 }), done("restart-2", 1, { pid: 9 })] }),
      ["tasks-end-right FAIL", "no-duplicate-heavy FAIL", "effects-permitted FAIL"]
    ],
    ["an effect after its lease", planted({ effects: effects.map((one) => (one.task === "restart-2" ? { ...one, mono_ms: 99_999 } : one)) }), ["effects-permitted FAIL"]],
    ["a generation granted twice", edited("restart-2", "task.running", { generation: 0 }), ["single-owner FAIL", "writes-fenced FAIL", "summaries-agree FAIL"]],
    ["two processes at once", planted({ effects: effects.toSpliced(3, 0, started("restart-2", 1, { pid: 9 })) }), ["no-duplicate-heavy FAIL", "effects-permitted FAIL", "single-owner FAIL"]],
    ["a late write that counted", edited("restart-2", "task.succeeded", { generation: 0 }), ["writes-fenced FAIL"]],
    [
      "a repeat that asked for another task",
      { ...well, scenarios: [first, second, { ...third, journal: { ...replayedJournal, replays: replayedJournal.replays.map((one, i) => (i === 1 ? { ...one, task: "other" } : one)) } }, fourth, fifth, ...others] },
      ["commands-deduplicated FAIL"]
    ],
    ["a summary that is off by one", planted({ journal: { ...journal, summaries: journal.summaries.map((one, i) => (i === 7 ? { ...one, summary: { as_of_seq: 1, since_ms: 0 } } : one)) } }), ["summaries-agree FAIL"]],
    [
      "a row that a restart changed",
      { ...well, scenarios: [first, second, third, { ...fourth, journal: { ...standstillJournal, restarts: standstillJournal.restarts.map((one) => ({ ...one, after: one.after.map((row) => ({ ...row, state: "FAILED" })) })) } }, fifth, ...others] },
      ["restarts-keep-state FAIL"]
    ],
    ["a fault that hit nothing", planted({ journal: { ...journal, faults: journal.faults.map((one, i) => (i === 0 ? { ...one, hit: [] } : one)) } }), ["faults-hit ERROR"]],
    ["a scenario that was aborted", planted({ journal: { ...journal, status: "aborted", note: "no server" } }), ["scenarios-complete ERROR"]],
    ["nobody who came late", { ...well, scenarios: [first, { ...second, events: chain((second.events ?? []).map(draftOf).filter(({ type }) => type !== "write.fenced"), "store-paused") }, third, fourth, fifth, ...others] }, ["late-writes-seen INSUFFICIENT", "everything-occurs ERROR"]],
    [
      "jobs that never recovered",
      planted({ journal: { ...journal, faults: oneFault === undefined ? [] : [...journal.faults, fault("restart/99", ["a", "b", "c", "d", "e", "f", "g", "h"])] } }),
      ["interrupted-recovered FAIL"]
    ],
    ["a command in a chat that was lost", inChats({ commands: [...chat.commands, commanded(9999)] }), ["chat-commands-once FAIL"]],
    ["reports that never arrived", inChats({ calls: chat.calls.filter(({ method }) => method === "getUpdates" || method === "editMessageText") }), ["reports-arrive FAIL", "chat-limits-kept INSUFFICIENT", "ends-reported FAIL", "repeats-explained INSUFFICIENT"]],
    ["a call beyond the limits", inChats({ violations: [{ at: 1, scope: "all", method: "sendMessage", early: false }] }), ["chat-limits-kept FAIL"]],
    ["polls that stay away", inChats({ calls: chat.calls.filter(({ faults, method }) => method !== "getUpdates" || faults.length > 0) }), ["poll-recovery FAIL"]]
  ])("catches %s", (_, history, expected) => {
    expect(notPassed(history)).toEqual(expected)
  })

  it("catches a product that completes nothing", () => {
    const idle = rewritten((drafts) => drafts.filter(({ type }) => type === "task.requested" || type === "task.approved"))
    expect(notPassed(idle)).toContain("tasks-end-right FAIL")
    expect(judge(spine, idle).decision).toBe("NO-GO")
  })

  it("counts only the traffic that a check asks for", () => {
    const fewer = { ...spine, checks: spine.checks.map((one) => ({ ...one, traffic_classes: ["operator"] })) }
    const { selfTest, ...unchecked } = well
    expect(selfTest).toBeDefined()
    expect(judge(fewer, unchecked).lines.filter(({ reason: why }) => !why.startsWith("Nothing was measured")).map(({ id }) => id)).toEqual(["self-test", "checks-can-fail"])
  })

  it("counts only the worlds that a check asks for, and says on what it was judged", () => {
    const of = (worlds: Check["worlds"]) => judge({ ...spine, checks: [check({ measure: "scenariosComplete", n_min: 1, worlds })] }, well).lines[0]
    expect(of(["machine"])).toMatchObject({ verdict: "PASS", total: 12, traffic: ["fault, machine, 12 scenarios"] })
    expect(of(["simulation"])).toMatchObject({ verdict: "INSUFFICIENT", total: 0, traffic: [] })
  })

  it("shows a measure of seeds only where the simulation counts, and control tests only where the machine does", () => {
    const simulation = { v: 1 as const, declared: { seeds: 1, twice: 0, fault_classes: ["sigkill"], measures: ["chainIntact"] }, seeds: [{ seed: 1, digest: "a".repeat(64), events: 1, virtual_ms: 1, failed: [], hits: { sigkill: 1 }, seen: {}, twice: null }] }
    const control = { v: 1 as const, declared: [{ file: "a", name: "b" }], results: [{ file: "a", name: "b", status: "passed" as const }] }
    const of = (measure: string, worlds: Check["worlds"]) => judge({ ...spine, checks: [check({ measure, n_min: 1, worlds })] }, { scenarios: [], simulation, control }).lines[0]
    expect(of("seedsHold", ["simulation"])).toMatchObject({ verdict: "PASS", traffic: ["simulation, 1 seed"] })
    expect(of("seedsHold", ["machine"])?.verdict).toBe("ERROR")
    expect(of("controlInvariants", ["machine"])).toMatchObject({ verdict: "PASS", traffic: ["1 test"] })
    expect(of("controlInvariants", ["simulation"])?.verdict).toBe("ERROR")
  })

  it("hands a measure what its check fixes for it", () => {
    const of = (parameters: Record<string, number>) => judge({ ...spine, checks: [check({ measure: "mttr", n_min: 1, exclusions: ["a replay interrupts nothing"], parameters })] }, well).lines[0]
    expect(of({ probes: 1 })).toMatchObject({ verdict: "ERROR", reason: "Evidence is missing: the scorecard gives no restored_within_ms." })
    expect(of({ probes: 1, restored_within_ms: 600_000 })?.total).toBeGreaterThan(0)
  })

  it("says ERROR for a measure that does not exist", () => {
    expect(judge({ ...spine, checks: [check({ measure: "toString" })] }, well)).toMatchObject({ decision: "INSUFFICIENT", lines: [{ verdict: "ERROR" }] })
  })

  it("never says GO, nor PASS, without evidence", () => {
    const empty = fc.constantFrom<ReadonlyArray<never> | null>([], null)
    const part = fc.record({ id: fc.constantFrom("a", "b", "c"), events: empty, effects: empty, journal: fc.constantFrom(null, { ...journal, requests: [], replays: [], faults: [], summaries: [], restarts: [] }) })
    fc.assert(fc.property(fc.array(part, { maxLength: 4 }), (scenarios) => {
      for (const card of [spine, quick, board]) {
        const { decision, lines } = judge(card, { scenarios })
        expect(decision).not.toBe("GO")
        const complete = new Set(["scenarios-complete", "faults-hit"])
        expect(lines.filter(({ id, verdict: said }) => said === "PASS" && !complete.has(id))).toEqual([])
      }
    }))
  })

  it.each(["events", "effects", "journal"] as const)("turns every check that needs it into an ERROR when the %s of one scenario is missing", (part) => {
    expect(judge(spine, planted({ [part]: null })).decision).toBe("INSUFFICIENT")
    const { "checks-can-fail": canFail, "self-test": tested, ...rest } = verdictsOf(planted({ [part]: null }))
    expect([new Set(Object.values(rest)), canFail, tested]).toEqual([new Set(["ERROR"]), "PASS", "PASS"])
  })

  it("judges three scenarios of 5,000 events and 1,000 summaries each", () => {
    const large = () => restart({ tasks: 800, faults: 10, summaries: 1000 })
    const history: RunHistory = { scenarios: [large(), { ...large(), id: "two" }, { ...large(), id: "three" }] }
    expect(history.scenarios.every(({ events }) => (events?.length ?? 0) >= 5000)).toBe(true)
    expect(judge(spine, history).lines.find(({ id }) => id === "summaries-agree")?.total).toBe(3000)
  })
})

describe("the fold", () => {
  it("holds every transition of 100,000 events", () => {
    const events = chain(Array.from({ length: 16_667 }, (_, i) => lived(`t${i}`)).flat())
    const { lines } = judge({ ...spine, checks: spine.checks.filter(({ id }) => id === "legal-transitions") }, { scenarios: [{ ...first, events }] })
    expect(lines[0]?.total).toBe(16_667 * 5)
  })
})
