import { describe, expect, it } from "vitest"
import type { Mutation, SelfTest } from "../../../gate/History.ts"
import { checksCanFail } from "../../../gate/invariant/checksCanFail.ts"
import { tallyOf } from "../../../gate/invariant/Mutations.ts"
import { mutantsCaught } from "../../../gate/invariant/mutantsCaught.ts"
import { runtimeMutantsCaught } from "../../../gate/invariant/runtimeMutantsCaught.ts"

const before = { one: "PASS", two: "PASS", three: "PASS" }
const mutation = (over: Partial<Mutation> = {}): Mutation => {
  const { id = "tampering/a" } = over
  return { id, family: "tampering", what: "A.", baseline: "evidence", must_flip: ["one"], may_flip: {}, digest: `digest of ${id}`, after: { ...before, one: "FAIL" }, error: null, ...over }
}
const whole = [
  mutation(),
  mutation({ id: "absence/b", family: "absence", must_flip: ["two"], after: { ...before, two: "ERROR" } }),
  mutation({ id: "ancestor/c", family: "ancestor", must_flip: ["three"], after: { ...before, three: "INSUFFICIENT" } })
]
const tested = (mutations: ReadonlyArray<Mutation>, baselines: SelfTest["baselines"] = { evidence: { digest: "d", verdicts: before } }) => ({ scenarios: [], selfTest: { v: 1, baselines, mutations } as const })
const measured = (...more: ReadonlyArray<Mutation>) => mutantsCaught(tested([...whole, ...more]))
const missing = (why: string) => ({ _tag: "Missing", why })

describe("mutantsCaught", () => {
  it("counts what turned red exactly what it had to", () => {
    expect(measured()).toMatchObject({ _tag: "Counted", good: 3, total: 3, offenders: [] })
  })

  it.each<[string, Partial<Mutation>, string]>([
    ["that nothing noticed", { after: before }, "one stayed PASS"],
    ["that turned only half of it red", { must_flip: ["one", "two"] }, "two stayed PASS"],
    ["that turned more red than was declared", { after: { one: "FAIL", two: "FAIL", three: "PASS" } }, "two changed to FAIL as well, and nothing said that it would"],
    ["after which a check says nothing", { after: { one: "FAIL", two: "PASS" } }, "three changed to unsaid as well, and nothing said that it would"],
    ["that was to turn nothing red", { must_flip: [], after: before }, "nothing was to turn red by it"],
    ["that was to turn red what no baseline has", { must_flip: ["four"], after: { ...before, four: "FAIL" } }, "four stayed FAIL"]
  ])("has a mutant %s as a bad unit", (_, over, why) => {
    expect(measured(mutation({ id: "tampering/x", ...over }))).toMatchObject({ good: 3, total: 4, offenders: [`tampering/x: ${why}`] })
  })

  it("lets a mutant flip what it declares, one by one or all", () => {
    const after = { one: "FAIL", two: "FAIL", three: "PASS" }
    expect(measured(mutation({ id: "tampering/x", after, may_flip: { two: "why" } }), mutation({ id: "tampering/y", after, may_flip: { "*": "why" } }))).toMatchObject({ good: 5, total: 5 })
  })

  it("does not count one change under two names", () => {
    expect(measured(mutation({ id: "tampering/x", digest: "digest of tampering/a" }))).toMatchObject({ good: 3, total: 3, excluded: { "the same change under another name": 1 } })
  })

  it("leaves out, and shows, what the scorecard has no check for", () => {
    expect(measured(mutation({ id: "tampering/x", digest: null, must_flip: [], after: {} }))).toMatchObject({ good: 3, total: 3, excluded: { "the scorecard asks nothing that it breaks": 1 } })
  })

  it("does not credit a mutant of the product", () => {
    expect(measured(mutation({ id: "runtime/x", family: "runtime", after: before }))).toMatchObject({ good: 3, total: 3 })
    expect(runtimeMutantsCaught(tested([mutation({ id: "runtime/x", family: "runtime" })]))).toMatchObject({ good: 1, total: 1 })
  })

  it.each([
    ["there was no self-test", { scenarios: [] }, "there was no self-test"],
    ["no mutant was executed", tested([]), "no mutant of the family tampering was executed"],
    ["a family is not there", tested(whole.slice(0, 2)), "no mutant of the family ancestor was executed"],
    ["a family has only what was not executed", tested([...whole.slice(0, 2), mutation({ id: "ancestor/c", family: "ancestor", digest: null })]), "no mutant of the family ancestor was executed"],
    ["a mutant could not be made", tested([...whole, mutation({ id: "tampering/x", digest: null, error: "it changed no byte" })]), "tampering/x: it changed no byte"],
    ["a baseline is not on record", tested([...whole, mutation({ id: "tampering/x", baseline: "other" })]), "tampering/x: its baseline other is not on record"],
    ["a baseline says nothing", tested(whole, { evidence: { digest: "d", verdicts: {} } }), "tampering/a: its baseline evidence says nothing"],
    ["a baseline is not green", tested(whole, { evidence: { digest: "d", verdicts: { ...before, two: "FAIL" } } }), "tampering/a: two is FAIL without any mutant"]
  ])("is missing evidence when %s", (_, history, why) => {
    expect(mutantsCaught(history)).toEqual(missing(why))
  })
})

describe("checksCanFail", () => {
  it("counts every name of the baseline that a caught mutant turned red", () => {
    expect(checksCanFail(tested(whole))).toMatchObject({ _tag: "Counted", good: 3, total: 3 })
  })

  it.each([
    ["that no mutant was aimed at", whole.slice(0, 2), "no mutant turned three red"],
    ["that only a mutant that escaped was aimed at", [...whole.slice(0, 2), mutation({ id: "ancestor/c", must_flip: ["three"], after: before })], "no mutant turned three red"],
    ["that turned red only beside what a mutant was aimed at", [...whole.slice(0, 1), whole[1] ?? mutation(), mutation({ id: "x", after: { ...before, one: "FAIL", three: "FAIL" }, may_flip: { three: "why" } })], "no mutant turned three red"]
  ])("is missing evidence for a check %s", (_, mutations, why) => {
    expect(checksCanFail(tested(mutations))).toEqual(missing(why))
  })

  it("is missing evidence without a self-test, or without its baseline", () => {
    expect(checksCanFail({ scenarios: [] })).toEqual(missing("there was no self-test"))
    expect(checksCanFail(tested(whole, {}))).toEqual(missing("there was no self-test"))
  })
})

describe("tallyOf", () => {
  it("counts what was executed and caught, and names the rest", () => {
    const { selfTest } = tested([...whole, mutation({ id: "tampering/x", after: before }), mutation({ id: "tampering/y", digest: null, error: "no" }), mutation({ id: "tampering/z", digest: null })])
    expect(tallyOf(selfTest)).toEqual({ executed: 5, caught: 3, escaped: ["tampering/x", "tampering/y"] })
  })
})
