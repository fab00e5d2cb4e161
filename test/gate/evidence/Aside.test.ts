import { mkdtempSync, readFileSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Ajv2020 } from "ajv/dist/2020.js"
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import controlSchema from "../../../evidence/schema/control.schema.json" with { type: "json" }
import selfTestSchema from "../../../evidence/schema/selftest.schema.json" with { type: "json" }
import seedsSchema from "../../../evidence/schema/seeds.schema.json" with { type: "json" }
import { writeBundle } from "../../../gate/evidence/Bundle.ts"
import { readFiles } from "../../../gate/evidence/Files.ts"
import { type Aside, readBundle } from "../../../gate/evidence/Reader.ts"
import type { SelfTest } from "../../../gate/History.ts"
import { verify } from "../../../gate/evidence/Verifier.ts"
import { inputOf, key, pin } from "./SyntheticRun.ts"

const control = { v: 1 as const, declared: [{ file: "test/a.test.ts", name: "a > b" }], results: [{ file: "test/a.test.ts", name: "a > b", status: "passed" as const }] }
const simulation = {
  v: 1 as const,
  declared: { seeds: 1, twice: 1, fault_classes: ["sigkill"], measures: ["chainIntact"] },
  seeds: [{ seed: 7, digest: "a".repeat(64), events: 300, virtual_ms: 60_000, failed: [], hits: { sigkill: 2 }, seen: { succeeded: 4 }, twice: true }]
}

const selfTest: SelfTest = {
  v: 1,
  baselines: { evidence: { digest: "b".repeat(64), verdicts: { chain: "PASS" } } },
  mutations: [
    { id: "tampering/x", family: "tampering", what: "X.", baseline: "evidence", must_flip: ["chain"], may_flip: { "*": "why" }, digest: "c".repeat(64), after: { chain: "FAIL" }, error: null },
    { id: "tampering/y", family: "tampering", what: "Y.", baseline: "evidence", must_flip: ["chain"], may_flip: {}, digest: null, after: {}, error: "it changed no byte" }
  ]
}

const written = (aside: Aside): string => {
  const dir = join(mkdtempSync(join(tmpdir(), "aside-")), "bundle")
  Either.getOrThrow(writeBundle({ ...inputOf(dir), aside, controlJunit: "<testsuites/>\n" }))
  return dir
}
const at = (dir: string, path: string) => join(dir, path)

describe("what a run keeps beside its scenarios", () => {
  const dir = written({ control, simulation, selfTest })

  it("is read again as it was written, and follows its published schema", () => {
    const { history, problems } = readBundle(readFiles(dir).files)
    expect([problems, history.control, history.simulation, history.selfTest]).toEqual([[], control, simulation, selfTest])
    const ajv = new Ajv2020({ strict: true, allowUnionTypes: true })
    const parsed = (path: string): unknown => JSON.parse(readFileSync(at(dir, path), "utf8"))
    expect(ajv.compile(controlSchema)(parsed("tests/control.json"))).toBe(true)
    expect(ajv.compile(seedsSchema)(parsed("simulation/seeds.json"))).toBe(true)
    expect(ajv.compile(selfTestSchema)(parsed("selftest/mutations.json"))).toBe(true)
    expect(ajv.compile(selfTestSchema)({ ...selfTest, mutations: [{ ...selfTest.mutations[0], family: "other" }] })).toBe(false)
    expect(ajv.compile(seedsSchema)({ ...simulation, seeds: [{ ...simulation.seeds[0], hits: { sigkill: -1 } }] })).toBe(false)
  })

  it("is covered by digests and signature, with a role of its own", () => {
    expect(verify(dir, { pinned: [pin(key)] })._tag).toBe("Verified")
    const manifest: { readonly files: ReadonlyArray<{ readonly path: string; readonly role: string }> } = JSON.parse(readFileSync(at(dir, "manifest.json"), "utf8"))
    expect(manifest.files.filter(({ role }) => role === "tests" || role === "simulation" || role === "selftest").map(({ path }) => path)).toEqual(["selftest/mutations.json", "simulation/seeds.json", "tests/control.json", "tests/control.junit.xml"])
    const changed = written({ control, simulation })
    writeFileSync(at(changed, "tests/control.json"), readFileSync(at(changed, "tests/control.json"), "utf8").replace("passed", "failed"))
    expect(verify(changed, { pinned: [pin(key)] })._tag).toBe("Refuted")
  })

  it("is not there when it was not run, and malformed rather than empty when it does not decode", () => {
    expect(readBundle(readFiles(written({})).files).history).toMatchObject({ control: null, simulation: null, selfTest: null })
    writeFileSync(at(dir, "tests/control.json"), JSON.stringify({ ...control, results: [{ status: "passed" }] }))
    const { history, problems } = readBundle(readFiles(dir).files)
    expect(history.control).toBe(null)
    expect(problems[0]).toContain("tests/control.json is malformed")
  })
})
