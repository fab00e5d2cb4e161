import { describe, expect, it } from "vitest"
import { decide, exitCode, verdicts } from "../../gate/Verdict.ts"

describe("decide", () => {
  it("is NO-GO whenever something failed, whatever else there is", () => {
    for (const other of verdicts) expect(decide([other, "FAIL", other])).toBe("NO-GO")
  })

  it("is INSUFFICIENT when evidence is missing or too little, or nothing was checked", () => {
    expect([decide(["PASS", "INSUFFICIENT"]), decide(["ERROR", "PASS"]), decide([])]).toEqual(["INSUFFICIENT", "INSUFFICIENT", "INSUFFICIENT"])
  })

  it("is GO when every check passed", () => {
    expect(decide(["PASS", "PASS"])).toBe("GO")
  })
})

describe("exitCode", () => {
  it("is 0 for GO alone", () => {
    expect(exitCode).toEqual({ "GO": 0, "NO-GO": 1, "INSUFFICIENT": 2 })
  })
})
