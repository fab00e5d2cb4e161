import { describe, expect, it } from "vitest"
import { jobsConserved } from "../../../gate/invariant/jobsConserved.ts"
import { asked, event, history, lived, offenders, request, requested, run, scenario, score, succeeded } from "./Story.ts"

describe("jobsConserved", () => {
  it("finds a job that was acknowledged and is not in the log", () => {
    const found = jobsConserved(history({ events: lived("t1"), journal: { requests: [request("t1"), request("t2")] } }))
    expect(score(found)).toBe("1/2")
    expect(offenders(found)).toEqual(["one, task t2, key key-t2: it was acknowledged, and the log does not know it"])
  })

  it("finds a job that nobody asked for", () => {
    expect(score(jobsConserved(history({ events: [...lived("t1"), ...lived("t2")], journal: { requests: [request("t1")] } })))).toBe("1/2")
    expect(score(jobsConserved(history({ events: [...lived("t1"), requested("t2", { key: null })], journal: { requests: [request("t1")] } })))).toBe("1/2")
  })

  it("finds a job that moves and was never requested", () => {
    const found = jobsConserved(history({ events: [...lived("t1"), event("task.canceled", "t2", { from: "QUEUED", by: "cancel" })], journal: { requests: [request("t1")] } }))
    expect(offenders(found)).toEqual(["one, task t2: the log moves it but never had it requested"])
  })

  it("finds a job that is requested twice, or under another key", () => {
    const requests = [request("t1")]
    expect(offenders(jobsConserved(history({ events: [requested("t1"), requested("t1")], journal: { requests } })))[0]).toContain("requested 2 times")
    expect(offenders(jobsConserved(history({ events: [requested("t1", { key: "other" })], journal: { requests } })))[0]).toContain("under the key other")
  })

  it("finds a job that ends twice, or goes on from where it never was", () => {
    const requests = [request("t1")]
    expect(score(jobsConserved(history({ events: [...lived("t1"), succeeded("t1")], journal: { requests } })))).toBe("0/1")
    expect(score(jobsConserved(history({ events: [...asked("t1"), succeeded("t1")], journal: { requests } })))).toBe("0/1")
  })

  it("is missing without a journal", () => {
    expect(score(jobsConserved(run({ ...scenario({ events: lived("t1") }), journal: null })))).toBe("missing: one: the journal is missing")
  })

  it("counts ended jobs and jobs in flight, and finds by its key what was never answered", () => {
    const events = [...lived("t1"), ...asked("t2")]
    expect(score(jobsConserved(history({ events, journal: { requests: [request("t1"), request("t2", { task: null })] } })))).toBe("2/2")
  })

  it("leaves out a request that was neither answered nor stored", () => {
    expect(jobsConserved(history({ journal: { requests: [request("t1", { task: null })] } }))).toMatchObject({ total: 0, excluded: { "not answered and not stored": 1 } })
  })

  it("counts nothing in an empty history", () => {
    expect(score(jobsConserved(history({})))).toBe("0/0")
  })
})
