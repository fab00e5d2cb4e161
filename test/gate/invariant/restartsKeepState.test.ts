import { describe, expect, it } from "vitest"
import { restartsKeepState } from "../../../gate/invariant/restartsKeepState.ts"
import type { Row } from "../../../gate/History.ts"
import { history, offenders, score } from "./Story.ts"

const waiting: Row = { id: "t1", state: "QUEUED", attempt: 0, generation: 0, updated_at: 1 }
const busy: Row = { id: "t2", state: "RUNNING", attempt: 1, generation: 1, epoch: 1, lease: { worker: "w" }, updated_at: 1 }
const around = (before: ReadonlyArray<Row>, after: ReadonlyArray<Row>) => restartsKeepState(history({ journal: { restarts: [{ before, after }] } }))

describe("restartsKeepState", () => {
  it("finds a task that is gone, new, or there twice", () => {
    expect([around([waiting, busy], [busy]), around([busy], [waiting, busy]), around([waiting, busy], [waiting, busy, busy])].map(score)).toEqual(["1/2", "1/2", "1/2"])
  })

  it("finds a state that changed", () => {
    expect(offenders(around([busy], [{ ...busy, state: "QUEUED" }]))).toEqual(['one, restart 1, task t2: state was "RUNNING" and is "QUEUED"'])
  })

  it("finds any column that changed in a row that was not RUNNING, and a column that came or went", () => {
    expect(score(around([waiting], [{ ...waiting, failure: "x" }]))).toBe("0/1")
    expect(score(around([waiting], [{ ...waiting, generation: 1 }]))).toBe("0/1")
    expect(score(around([waiting], [{ id: "t1", state: "QUEUED", generation: 0, updated_at: 1 }]))).toBe("0/1")
  })

  it("finds a column of a RUNNING row that has nothing to do with its lease", () => {
    expect(score(around([busy], [{ ...busy, attempt: 2 }]))).toBe("0/1")
  })

  it("counts nothing without a restart", () => {
    expect(score(restartsKeepState(history({})))).toBe("0/0")
  })

  it("lets a lease change", () => {
    expect(score(around([waiting, busy], [{ ...busy, generation: 2, epoch: 2, lease: null, updated_at: 9 }, waiting]))).toBe("2/2")
  })
})
