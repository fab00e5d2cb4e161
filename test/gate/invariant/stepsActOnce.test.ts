import { describe, expect, it } from "vitest"
import type { Act, OwnStep } from "../../../gate/History.ts"
import { kindsJudged } from "../../../gate/invariant/kindsJudged.ts"
import { stepsActOnce } from "../../../gate/invariant/stepsActOnce.ts"
import { asked, chain, history, intent, offenders, running, score } from "./Story.ts"

const step = (effect: string): OwnStep => ({ place: `step "pay"`, effect, timeout: true, probe: false })
const act = (pass: string, over: Partial<Act> = {}): Act => ({ task: "t1", place: `step "pay"`, step: true, pass, n: 0, what: "appends to bank.txt", sort: "append", keyed: false, ...over })
const began = (pass: string): Act => act(pass, { n: -1, what: null, sort: "begins" })
const seen = (steps: ReadonlyArray<OwnStep>, ...acts: ReadonlyArray<Act>) =>
  stepsActOnce(history({ journal: { own: { kind: "sell", kinds: [{ kind: "sell", unjudged: null }], steps, acts } } }))

describe("stepsActOnce", () => {
  it("names a step that is declared idempotent and does it twice without its key", () => {
    const found = seen([step("idempotent")], began("1"), act("1"), began("2"), act("2"))
    expect(score(found)).toBe("0/1")
    expect(offenders(found)).toEqual([`one: step "pay" of sell would run twice: it is declared idempotent, and appends to bank.txt without its dispatch key, 2 times in one task`])
  })

  it.each<[string, Partial<Act>]>([
    ["carries the key", { keyed: true }],
    ["replaces what it wrote", { sort: "replace", what: "writes a.txt" }],
    ["only looks", { sort: "safe", what: "GET http://a" }],
    ["carries a key of its own", { sort: "keyed", what: "POST http://a" }]
  ])("is held by a repeat that %s", (_, over) => {
    expect(score(seen([step("idempotent")], began("1"), act("1", over), began("2"), act("2", over)))).toBe("1/1")
  })

  it("is held by two acts of one pass, and by one in each of two tasks", () => {
    expect(score(seen([step("read")], began("1"), act("1"), act("1", { n: 1 }), act("2", { task: "t2" })))).toBe("1/1")
  })

  it("names a dangerous step that began twice, whatever it did", () => {
    expect(offenders(seen([step("dangerous")], began("1"), began("2")))[0]).toContain("it is dangerous, and began 2 times")
  })

  it("names what is done between steps and again in a replay", () => {
    const between = { place: `behind step "pay"`, step: false }
    expect(offenders(seen([step("read")], began("1"), act("1", between), act("2", between)))[0]).toContain(`the code of sell behind step "pay" is no step, and appends to bank.txt again in every replay`)
  })

  it("is missing when the log has a step whose body nobody saw", () => {
    const log = [...asked("t1"), running("t1"), intent("t1", 1, { step: 1, name: "pay", dispatch_key: "t1:1", pid: null, effect: "read" })]
    const own = { kind: "sell", kinds: [], steps: [], acts: [] }
    expect(score(stepsActOnce(history({ events: chain(log), journal: { own } })))).toContain(`nobody saw the body of step "pay" begin`)
  })

  it("counts nothing where no project was played", () => {
    expect(score(stepsActOnce(history({})))).toBe("0/0")
  })
})

describe("kindsJudged", () => {
  const judged = (...kinds: ReadonlyArray<{ readonly kind: string; readonly unjudged: string | null }>) => score(kindsJudged(history({ journal: { own: { kind: "sell", kinds, steps: [], acts: [] } } })))

  it("is missing for a kind that was not judged, or left nothing", () => {
    expect(judged({ kind: "sell", unjudged: null }, { kind: "refund", unjudged: "no payload" })).toBe("missing: kind refund was not judged: no payload")
    expect(judged({ kind: "sell", unjudged: null }, { kind: "refund", unjudged: null })).toBe("missing: kind refund left no journal")
  })

  it("counts kinds", () => {
    expect(judged({ kind: "sell", unjudged: null })).toBe("1/1")
  })
})
