import { mkdtempSync, readFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { publishStepSummary, stepSummary, stepSummaryBytesMax } from "../../../gate/report/StepSummary.ts"

describe("the summary for a step of CI", () => {
  it("is the report itself when it fits", () => {
    expect(stepSummary("# GO\n")).toBe("# GO\n")
  })

  it("is added to the file that CI names, and where it cannot be, says so and no more", () => {
    const file = join(mkdtempSync(join(tmpdir(), "opsgate-step-")), "summary.md")
    expect([publishStepSummary(file, "# GO\n"), publishStepSummary(file, "# NO-GO\n"), readFileSync(file, "utf8")]).toEqual([null, null, "# GO\n# NO-GO\n"])
    expect(publishStepSummary(join(file, "nowhere"), "# GO\n")).toContain("the step summary was not written: ")
    expect(publishStepSummary(undefined, "# GO\n")).toBeNull()
  })

  it.each([0, 1, 2, 3, 5, 7])("is cut at the end of a line to fewer than 900 kB, and says so, wherever the lines end (%i)", (more) => {
    const cut = stepSummary(`${"x".repeat(more)}${"żółw 🐢\n".repeat(100_000)}`)
    expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(stepSummaryBytesMax)
    expect(Buffer.byteLength(cut)).toBeGreaterThan(stepSummaryBytesMax - 200)
    expect(cut.split("\n").slice(-4)).toEqual(["żółw 🐢", "", "The report is longer than a step summary may be. The whole is REPORT.md in the bundle.", ""])
  })
})

describe("what links into the bundle", () => {
  it("is no link on a page that has no bundle beside it, and what only looks like one stays as it is", () => {
    const text = "# GO\n\n![A chart](report/checks.svg)\n\n| [metrics.json](metrics.json) [events/a.jsonl](events/a.jsonl) | \\[x\\](y) |\n"
    expect(stepSummary(text)).toBe("# GO\n\n| metrics.json events/a.jsonl | \\[x\\](y) |\n")
  })
})
