import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Effect } from "effect"
import { afterAll, describe, expect, it } from "vitest"
import { runtimeMutantsCaught } from "../../../gate/invariant/runtimeMutantsCaught.ts"
import { measureNamed } from "../../../gate/scorecard/Measures.ts"
import { silent } from "../../../gate/Progress.ts"
import { patchedText, type Play, runtimeSelfTest } from "../../../gate/selftest/Runtime.ts"
import { type RuntimeMutant, runtimeMutants } from "../../../gate/selftest/RuntimeMutants.ts"
import setting from "../../../scenarios/simulated/seeds.json" with { type: "json" }

const dir = mkdtempSync(join(tmpdir(), "opsgate-runtime-mutants-"))
afterAll(() => rmSync(dir, { recursive: true, force: true }))
const image = join(dir, "image.js")
writeFileSync(image, "const guard = true\nconst other = 1\n")

const mutant = (over: Partial<RuntimeMutant> = {}): RuntimeMutant => ({ id: "runtime/x", what: "X.", must_flip: ["one"], patches: [{ find: "guard = true", replace: "guard = false" }], ...over })
const seeds = [1, 2, 3, 4].map((seed) => ({ seed, failed: [] as ReadonlyArray<string>, seen: seed === 3 ? { "write.fenced": 1 } : {}, hits: seed >= 3 ? { sigkill: 2 } : {} }))
/** What each seed fails with any mutant, one after the other, however often it is told to stop. */
const failing = (...found: ReadonlyArray<ReadonlyArray<string>>): Play => async (_, wanted, told) => wanted.forEach((_seed, index) => told(found[index] ?? []))
const test = (play: Play, mutants: ReadonlyArray<RuntimeMutant> = [mutant()], over: Partial<Parameters<typeof runtimeSelfTest>[0]> = {}) =>
  Effect.runPromise(runtimeSelfTest({ image, play, seeds, measures: ["one", "two"], atOnce: 2, stage: silent.stage("", null), ...over }, mutants))
const measured = async (play: Play, mutants?: ReadonlyArray<RuntimeMutant>, over?: Parameters<typeof test>[2]) =>
  runtimeMutantsCaught({ scenarios: [], selfTest: { v: 1, ...await test(play, mutants, over) } })

describe("the self-test of the product", () => {
  it("catches a mutant whose seeds fail the measures that it must fail, and nothing else", async () => {
    expect(await measured(failing([], ["one"]))).toMatchObject({ _tag: "Counted", good: 1, total: 1 })
  })

  it("stops at the seed that caught it, so that the record does not depend on what was under way", async () => {
    const { mutations } = await test(failing([], ["one"], ["two"]))
    expect(mutations).toMatchObject([{ what: "X. (2 seeds.)", after: { one: "FAIL", two: "PASS" } }])
  })

  it("plays those seeds first in which the unbroken product went through what is broken", async () => {
    const order: Array<ReadonlyArray<number>> = []
    const play: Play = async (_, wanted) => void order.push(wanted)
    await test(play, [mutant({ where: ["write.fenced"] }), mutant({ where: ["sigkill"] }), mutant({ where: ["write.fenced", "sigkill"] }), mutant({ where: ["unheard of"] })], { atOnce: 1 })
    expect(order).toEqual([[3, 1, 2, 4], [3, 4, 1, 2], [3, 1, 2, 4], [1, 2, 3, 4]])
  })

  it("tells the player when it is enough", async () => {
    const heard: Array<boolean> = []
    await test(async (_, wanted, told, signal) => wanted.forEach((seed) => {
      told(seed === 2 ? ["one"] : [])
      heard.push(signal.aborted)
    }))
    expect(heard).toEqual([false, true, true, true])
  })

  it.each<[string, Play, string]>([
    ["that nothing notices", failing(), "runtime/x: one stayed PASS"],
    ["that something else notices first, and did not declare it", failing(["two"], ["one"]), "runtime/x: two changed to FAIL as well, and nothing said that it would"]
  ])("has a mutant %s as a bad unit", async (_, play, why) => {
    expect(await measured(play)).toMatchObject({ good: 0, total: 1, offenders: [why] })
  })

  it("lets a mutant fail what it declares", async () => {
    expect(await measured(failing(["two"], ["one"]), [mutant({ may_flip: { two: "why" } })])).toMatchObject({ good: 1, total: 1 })
  })

  it.each<[string, Partial<RuntimeMutant>, Parameters<typeof test>[2], string]>([
    ["a patch that fits nowhere", { patches: [{ find: "gone", replace: "" }] }, {}, "its patch fits 0 times in the built product: gone"],
    ["a patch that fits twice", { patches: [{ find: "const", replace: "let" }] }, {}, "its patch fits 2 times in the built product: const"],
    ["a patch that changes nothing", { patches: [{ find: "guard", replace: "guard" }] }, {}, "it changed no byte"],
    ["a measure by which no seed is judged", { must_flip: ["three"] }, {}, "no seed is judged by three"],
    ["no seed", {}, { seeds: [] }, "no seed was played"],
    ["a seed that fails without any mutant", {}, { seeds: [{ seed: 1, failed: ["two"], seen: {}, hits: {} }] }, "two is FAIL without any mutant"]
  ])("is missing evidence with %s", async (_, over, options, why) => {
    expect(await measured(failing(["one"]), [mutant(over)], options)).toEqual({ _tag: "Missing", why: `runtime/x: ${why}` })
  })

  it("is missing evidence when the player breaks", async () => {
    expect(await measured(() => Promise.reject(new Error("no thread")))).toEqual({ _tag: "Missing", why: "runtime/x: no thread" })
  })
})

describe("the mutants of the product", () => {
  const built = fileURLToPath(new URL("../../../dist/image.js", import.meta.url))

  it("are twenty at least, each with an id and a change of its own", () => {
    expect(runtimeMutants.length).toBeGreaterThanOrEqual(20)
    expect(new Set(runtimeMutants.map(({ id }) => id)).size).toBe(runtimeMutants.length)
    expect(new Set(runtimeMutants.map(({ patches }) => JSON.stringify(patches))).size).toBe(runtimeMutants.length)
  })

  it("name measures by which seeds are judged", () => {
    const named = runtimeMutants.flatMap(({ may_flip = {}, must_flip }) => [...must_flip, ...Object.keys(may_flip)])
    expect(named.filter((name) => measureNamed(name) === undefined || !setting.measures.includes(name))).toEqual([])
  })

  it.runIf(existsSync(built)).each(runtimeMutants.map(({ id, patches }) => [id, patches] as const))("%s fits the built product exactly once", (_, patches) => {
    expect(patchedText(readFileSync(built, "utf8"), patches)._tag).toBe("Right")
  })
})
