import { describe, expect, it } from "vitest"
import { checksCanFail } from "../../../gate/invariant/checksCanFail.ts"
import { flipsOf, tallyOf } from "../../../gate/invariant/Mutations.ts"
import { mutantsCaught } from "../../../gate/invariant/mutantsCaught.ts"
import { evidenceMutants } from "../../../gate/selftest/all.ts"
import { measure, type Mutant } from "../../../gate/selftest/Mutant.ts"
import { selfTest } from "../../../gate/selftest/SelfTest.ts"
import { bundled } from "./Baseline.ts"
import { healthy } from "../scorecard/Run.ts"

const files = bundled()
const all = selfTest(files)
/** What the scorecard has no check for. */
const unasked = all.mutations.filter(({ digest, error }) => digest === null && error === null).map(({ id }) => id)
const whole = { ...all, mutations: all.mutations.filter(({ id }) => !unasked.includes(id)) }
const { verdicts } = whole.baselines["evidence"] ?? { verdicts: {} }

describe("the self-test of a run that went well", () => {
  it("finds every check green before anything is broken", () => {
    expect(Object.entries(verdicts).filter(([, verdict]) => verdict !== "PASS")).toEqual([])
  })

  it("catches every mutant, each by its own checks", () => {
    expect(tallyOf(whole)).toEqual({ executed: whole.mutations.length, caught: whole.mutations.length, escaped: [] })
    expect(mutantsCaught({ scenarios: [], selfTest: whole })).toMatchObject({ _tag: "Counted", good: whole.mutations.length, total: whole.mutations.length, excluded: {} })
  })

  it("leaves out what only the board asks for", () => {
    expect(unasked).toEqual(["too-many-at-a-time", "end-unnoticed", "answers-late", "incidents-long", "trace-torn", "job-in-two-places", "control-test-skipped", "seed-failed", "seed-not-repeated", "fault-class-without-hit", "soak-short", "power-cut-lost", "sync-survived", "full-disk-ignored", "read-only-ignored", "clock-followed"].map((name) => `tampering/${name}`))
  })

  it("turns every check of the scorecard and every aspect of the verifier red", () => {
    expect(checksCanFail({ scenarios: [], selfTest: whole })).toMatchObject({ _tag: "Counted", good: Object.keys(verdicts).length, total: Object.keys(verdicts).length })
  })

  it.each(whole.mutations.map((mutation) => [mutation.id, mutation] as const))("%s flips what it must, and nothing that it does not declare", (_, mutation) => {
    const flips = flipsOf(whole.baselines[mutation.baseline]?.verdicts ?? {}, mutation.after)
    expect(flips).toEqual(expect.arrayContaining([...mutation.must_flip]))
    expect("*" in mutation.may_flip ? [] : flips.filter((name) => !mutation.must_flip.includes(name) && !(name in mutation.may_flip))).toEqual([])
  })

  it("gives the same record again", () => {
    const some = evidenceMutants.filter((_, index) => index % 8 === 0)
    const ids = new Set(some.map(({ id }) => id))
    expect(selfTest(bundled(), some).mutations.filter(({ id }) => ids.has(id))).toEqual(all.mutations.filter(({ id }) => ids.has(id)))
  })

  it("knows each mutant by one name", () => {
    const ids = evidenceMutants.map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
    expect(evidenceMutants.filter(({ family, id }) => !id.startsWith(`${family}/`))).toEqual([])
  })

  it("says everything may change only of what takes evidence away from every check", () => {
    expect(evidenceMutants.filter(({ also = {} }) => "*" in also).map(({ id }) => id).sort()).toEqual([
      "absence/journal", "absence/ledger", "absence/log", "absence/log-cut", "absence/log-cut-relisted", "absence/log-deleted", "absence/log-empty", "absence/payload", "absence/scenarios",
      "tampering/event-inserted", "tampering/event-removed", "tampering/events-reordered", "tampering/ledger-malformed"
    ])
  })
})

describe("a self-test", () => {
  const mutant = (apply: Mutant["apply"], over: Partial<Mutant> = {}): Mutant => ({ id: "tampering/x", family: "tampering", hand: "run", what: "X.", flips: [measure("chainIntact")], apply, ...over })
  const one = (made: Mutant, of = files) => selfTest(of, [made]).mutations[0]

  it("does not count a mutant that changes no byte", () => {
    expect(one(mutant(() => {}))).toMatchObject({ error: "it changed no byte", digest: null })
  })

  it("does not count a mutant that finds nothing to break", () => {
    expect(one(mutant((draft) => draft.rewrite("a unicorn", () => null)))).toMatchObject({ error: "no scenario has a unicorn", digest: null })
  })

  it("sees a mutant that no check notices", () => {
    const made = selfTest(files, [mutant((draft) => draft.write("NOTES.md", "harmless"))])
    expect(tallyOf(made).escaped).toEqual(["tampering/x"])
  })

  it("sees a check that turned red and was not declared", () => {
    const made = selfTest(files, [mutant((draft) => draft.rewriteAll(() => ({ effects: [] })), { flips: [measure("tasksEndRight")] })])
    expect(tallyOf(made).escaped).toEqual(["tampering/x"])
  })

  it("leaves out what the scorecard has no check for", () => {
    expect(one(mutant((draft) => draft.write("NOTES.md", "x"), { flips: [measure("vibes")] }))).toMatchObject({ error: null, digest: null, must_flip: [] })
  })

  it("credits nothing on a run that is not green without any mutant", () => {
    const { scenarios } = healthy()
    const made = selfTest(bundled({ scenarios: scenarios.map((scenario, index) => (index === 0 ? { ...scenario, effects: [] } : scenario)) }), evidenceMutants.slice(0, 3))
    expect(tallyOf(made).escaped).toEqual([])
    expect(mutantsCaught({ scenarios: [], selfTest: { ...made, mutations: [...made.mutations, ...whole.mutations] } })).toMatchObject({ _tag: "Missing", why: expect.stringContaining("without any mutant") })
  })

  it("breaks a window of use as far as the window has something to break, and what is missing in a run that was played stays an error", () => {
    const scenarios = healthy().scenarios.slice(0, 1)
    const inUse = scenarios.map((scenario) => ({ ...scenario, effects: null, journal: scenario.journal === null ? null : { ...scenario.journal, world: "production" as const, requests: [], summaries: [] } }))
    const { mutations } = selfTest(bundled({ scenarios: inUse }, "v1.2-kpi"))
    expect(mutations.filter(({ error }) => error !== null)).toEqual([])
    expect(mutations.filter(({ digest }) => digest !== null).length).toBeGreaterThanOrEqual(50)
    expect(mutations.find(({ id }) => id === "tampering/ledger-malformed")).toMatchObject({ digest: null, what: expect.stringContaining("(Not made: no scenario has a ledger.)") })
    const played = scenarios.map((scenario) => ({ ...scenario, effects: null }))
    expect(selfTest(bundled({ scenarios: played }, "v1.2-kpi")).mutations.find(({ id }) => id === "tampering/ledger-malformed")).toMatchObject({ digest: null, error: "no scenario has a ledger" })
  })

  it("leaves the files alone", () => {
    const before = [...files].map(([path, content]) => [path, Buffer.from(content).toString("base64")])
    selfTest(files, evidenceMutants.slice(-8))
    expect([...files].map(([path, content]) => [path, Buffer.from(content).toString("base64")])).toEqual(before)
  })
})
