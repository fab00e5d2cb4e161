import { describe, expect, it } from "vitest"
import type { BundleInput } from "../../../gate/evidence/Bundle.ts"
import { sha256 } from "../../../gate/evidence/Canonical.ts"
import type { Statement } from "../../../gate/evidence/Statement.ts"
import { honest, json, problemsOf, relisted, resigned } from "./Forgery.ts"
import { forge, release, written } from "./SyntheticRun.ts"

describe("a dishonest signer with the pinned key", () => {
  const failing = (input: BundleInput): BundleInput => ({
    ...input,
    scenarios: input.scenarios.map((scenario) => (scenario.id === "calm" ? { ...scenario, effectsText: "" } : scenario))
  })

  it("cannot say GO for files that say otherwise", () => {
    const dir = written(failing)
    expect(problemsOf(dir)).toContain("the signed statement says GO, but the raw files judged anew say NO-GO")
    expect(problemsOf(dir)).toContain("check ends: the signed statement says good 6, judged anew it is 4")
    expect(problemsOf(dir)).toContain("metrics.json says GO, but the raw files judged anew say NO-GO")
  })

  it.each([
    ["good", { good: 1 }, "check chain: the signed statement says good 1, judged anew it is 42"],
    ["total", { total: 43 }, "check chain: the signed statement says total 43, judged anew it is 42"],
    ["verdict", { verdict: "ERROR" }, "check chain: the signed statement says verdict ERROR, judged anew it is PASS"],
    ["excluded", { excluded: { slow: 3 } }, "check chain: the signed statement says excluded {\"slow\":3}, judged anew it is {}"],
    ["rule", { rule: "zero" }, "check chain: the signed statement says rule zero, judged anew it is census"],
    ["n_min", { n_min: 1 }, "check chain: the signed statement says n_min 1, judged anew it is 30"],
    ["bound_ppm", { bound_ppm: 5 }, "check chain: the signed statement says bound_ppm 5, judged anew it is null"],
    ["id", { id: "other" }, "the signed statement has check other, which the scorecard does not have"]
  ])("cannot edit %s of a check", (_, change, problem) => {
    const files = resigned(honest(), (statement) => {
      const [first, ...others] = statement.predicate.checks
      return { ...statement, predicate: { ...statement.predicate, checks: [{ ...first, ...change }, ...others] } }
    })
    expect(problemsOf(forge(files))).toContain(problem)
  })

  it.each([
    ["leave out a check", (predicate: Statement["predicate"]) => ({ checks: predicate.checks.slice(1) }), "the signed statement leaves out check chain"],
    ["list a check twice", (predicate: Statement["predicate"]) => ({ checks: [...predicate.checks, ...predicate.checks.slice(0, 1)] }), "the signed statement lists a check twice"],
    ["declare fewer checks", () => ({ declaredChecks: ["chain"] }), "policy/scorecard.json declares other checks than the signed statement"],
    ["call a check evaluated", () => ({ evaluatedChecks: ["chain"] }), "the signed statement lists other evaluated checks than its verdicts say"],
    ["name another scorecard", () => ({ scorecard: { name: "synthetic", digest: { sha256: sha256("") } } }), "policy/scorecard.json is not the scorecard that was signed: its digest differs"],
    ["rename the scorecard", (predicate: Statement["predicate"]) => ({ scorecard: { ...predicate.scorecard, name: "v1" } }), "the signed statement names scorecard v1, judged anew is synthetic"],
    ["claim another profile", () => ({ profile: "quick" }), "manifest.json says profile full, signed was quick"],
    ["claim another start", ({ window }: Statement["predicate"]) => ({ window: { ...window, start_ms: 0 } }), "manifest.json has another window than the signed statement"],
    ["claim another end", ({ window }: Statement["predicate"]) => ({ window: { ...window, end_ms: 0 } }), "manifest.json has another window than the signed statement"],
    ["claim another seed", () => ({ seeds: { calm: 1, "kill-server": 8, "stop-worker": 9 } }), "scenarios/calm.json has seed 7, signed was 1"],
    ["claim another decision", () => ({ decision: "INSUFFICIENT" }), "the signed statement says INSUFFICIENT, but the raw files judged anew say GO"]
  ])("cannot %s", (_, change, problem) => {
    const files = resigned(honest(), (statement) => ({ ...statement, predicate: { ...statement.predicate, ...change(statement.predicate) } }))
    expect(problemsOf(forge(files))).toContain(problem)
  })

  it("cannot name another commit, another file or one file twice", () => {
    const subjects = (change: (subject: Statement["subject"]) => ReadonlyArray<unknown>) =>
      problemsOf(forge(resigned(honest(), (statement) => ({ ...statement, subject: change(statement.subject) }))))
    expect(subjects((all) => all.map((one) => (one.name === "source" ? { name: "source", digest: { gitCommit: "f".repeat(40) } } : one)))).toEqual([
      "manifest.json names a commit that the signed statement does not name"
    ])
    expect(subjects((all) => all.map((one) => (one.name === release.name ? { name: release.name, digest: { sha256: sha256("another") } } : one)))).toEqual([
      "manifest.json names a release artifact that the signed statement does not name"
    ])
    expect(subjects((all) => [...all, { name: "release.tgz", digest: { sha256: sha256("") } }])).toEqual([
      "the signed statement is about release.tgz, which this bundle does not have"
    ])
    expect(subjects((all) => [...all, ...all.slice(0, 1)])).toEqual(["the signed statement names SHA256SUMS twice"])
  })

  it("cannot edit the board in metrics.json", () => {
    const files = honest()
    const metrics = json(files, "metrics.json")
    files.set("metrics.json", JSON.stringify({ ...metrics, board: { ...metrics.board, decision: "GO" } }))
    expect(problemsOf(forge(resigned(relisted(files))))).toEqual(["the board in metrics.json says GO, but the raw files judged anew say INSUFFICIENT"])
  })

  it.each(["policy/scorecard.json", "policy/board.json", "metrics.json"])("cannot leave out %s", (path) => {
    const files = honest()
    files.delete(path)
    expect(problemsOf(forge(resigned(relisted(files))))).toContain(`${path} is missing`)
  })

  it("cannot put a scorecard there that does not decode", () => {
    const files = honest().set("policy/scorecard.json", `{"v":1}`)
    expect(problemsOf(forge(resigned(relisted(files))))[0]).toContain("policy/scorecard.json is no scorecard:")
  })
})
