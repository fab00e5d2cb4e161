import { describe, expect, it } from "vitest"
import type { BundleInput } from "../../../gate/evidence/Bundle.ts"
import { environmentFile, environmentSchema } from "../../../gate/evidence/Environment.ts"
import { objectionsIn } from "../../../gate/evidence/Released.ts"
import { restrained } from "../../../gate/scorecard/Diff.ts"
import { verify } from "../../../gate/evidence/Verifier.ts"
import { pinned, problemsOf } from "./Forgery.ts"
import { run, scorecard, text, written } from "./SyntheticRun.ts"

// What was released asked for one more event than the scorecard of the synthetic run does.
const stricter = `${JSON.stringify({ ...scorecard, checks: scorecard.checks.map((check) => ({ ...check, n_min: check.n_min + 1 })) })}\n`
const adr16 = "# 16\n\nchain, complete, faults, conserved and ends need one less.\n"
const withAdr = `${JSON.stringify({ ...scorecard, adr: 16 }, null, 2)}\n`

const pinnedTo = (dir: string) => verify(dir, { pinned })

const held = (scorecardText: string, adrText: string | null) => (input: BundleInput): BundleInput => {
  const released = { text: stricter, adrText }
  return { ...input, scorecardText, released, result: restrained(input.result, objectionsIn(scorecardText, released)) }
}

describe("a bundle whose scorecard asks for less than the released one", () => {
  it("verifies as INSUFFICIENT, although every check passed", () => {
    const dir = written(held(run.scorecardText, null))
    expect(pinnedTo(dir)).toMatchObject({ _tag: "Verified", decision: "INSUFFICIENT", result: { objections: [expect.stringContaining("names no ADR")] } })
    expect(text(dir, "policy/released.json")).toBe(stricter)
  })

  it("does not verify as GO", () => {
    expect(problemsOf(written((input) => ({ ...held(run.scorecardText, null)(input), result: input.result })))).toContain("the signed statement says GO, but the raw files judged anew say INSUFFICIENT")
  })

  it("verifies as GO with an ADR that names every check, and not without its text", () => {
    const go = held(withAdr, adr16)
    expect(pinnedTo(written(go))).toMatchObject({ _tag: "Verified", decision: "GO" })
    expect(problemsOf(written((input) => ({ ...go(input), released: { text: stricter, adrText: null } })))).toContain("the signed statement says GO, but the raw files judged anew say INSUFFICIENT")
  })
})

describe("what was released", () => {
  it.each(["{", "[]", "{\"checks\":1}"])("is not taken for the same when it reads %s", (released) => {
    expect(objectionsIn(run.scorecardText, { text: released, adrText: null })).toEqual([expect.stringContaining("cannot be read")])
  })

  it("is nothing for a scorecard of a new name", () => {
    expect(objectionsIn(run.scorecardText, null)).toEqual([])
  })
})

describe("environment.json", () => {
  const environment = { schema: environmentSchema, version: "0.1.0", node: "v20", platform: "linux x64", cores: 2, partial: false, stages: [{ stage: "scenarios", ms: 4711 }], peak_rss_bytes: 1024 } as const

  it("is in the bundle as a file of its own, and changes no digest of what must repeat", () => {
    const dir = written((input) => ({ ...input, environment }))
    expect(JSON.parse(text(dir, environmentFile))).toEqual(environment)
    const digests = (from: string) => JSON.parse(text(from, "manifest.json")).files.filter(({ path }: { path: string }) => path !== environmentFile)
    expect(digests(dir)).toEqual(digests(written()))
    expect(pinnedTo(dir)._tag).toBe("Verified")
  })
})
