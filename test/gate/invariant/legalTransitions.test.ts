import { describe, expect, it } from "vitest"
import { legalTransitions } from "../../../gate/invariant/legalTransitions.ts"
import { states } from "../../../gate/invariant/StateMachine.ts"
import { approved, asked, event, history, intent, lived, offenders, queuedAgain, requested, run, running, scenario, score, succeeded, unknownOutcome } from "./Story.ts"

const move = (from: string | null, to: string, by: string, over = {}) => event(`task.${to.toLowerCase()}`, "t1", { from, by, attempt: 1, generation: 1, ...over })

/** How a task gets into each state, by moves that are legal. */
const paths: Readonly<Record<string, ReadonlyArray<ReturnType<typeof event>>>> = {
  "(new)": [],
  REQUESTED: [requested("t1")],
  APPROVED: [requested("t1"), approved("t1")],
  QUEUED: asked("t1"),
  RUNNING: [...asked("t1"), running("t1")],
  SUCCEEDED: lived("t1"),
  FAILED: [...asked("t1"), running("t1"), move("RUNNING", "FAILED", "settle")],
  CANCELED: [requested("t1"), move("REQUESTED", "CANCELED", "reject")],
  EXPIRED: [requested("t1"), move("REQUESTED", "EXPIRED", "expire")]
}

const triggers = ["submit", "fork", "child", "release", "resume", "claim", "settle", "retry", "lease_lost", "hand_back", "suspend", "cancel", "reject", "expire", "recover", "reconcile", "void"]

describe("legalTransitions", () => {
  it("allows exactly the table of product.md, of all states and triggers", () => {
    const legal: Array<string> = []
    for (const [from, path] of Object.entries(paths)) {
      for (const to of states) {
        const by = triggers.filter((trigger) => {
          return offenders(legalTransitions(history({ events: [...path, move(from === "(new)" ? null : from, to, trigger)] }))).length === 0
        })
        if (by.length > 0) legal.push(`${from} > ${to}: ${by.join(" ")}`)
      }
    }
    expect(legal).toEqual([
      "(new) > REQUESTED: submit fork child",
      "REQUESTED > APPROVED: release",
      "REQUESTED > CANCELED: cancel reject",
      "REQUESTED > EXPIRED: expire",
      "APPROVED > REQUESTED: void",
      "APPROVED > QUEUED: resume",
      "APPROVED > CANCELED: cancel reject",
      "APPROVED > EXPIRED: expire",
      "QUEUED > REQUESTED: void",
      "QUEUED > RUNNING: claim",
      "QUEUED > CANCELED: cancel",
      "QUEUED > EXPIRED: expire",
      "RUNNING > QUEUED: retry lease_lost hand_back suspend reconcile",
      "RUNNING > SUCCEEDED: settle",
      "RUNNING > FAILED: settle lease_lost reconcile",
      "RUNNING > CANCELED: cancel",
      "RUNNING > EXPIRED: expire",
      "FAILED > REQUESTED: recover",
      "FAILED > QUEUED: recover",
      "CANCELED > REQUESTED: recover",
      "CANCELED > QUEUED: recover",
      "EXPIRED > REQUESTED: recover"
    ])
  })

  it("finds a move from a state in which the task was not", () => {
    const found = legalTransitions(history({ events: [...asked("t1"), succeeded("t1")] }))
    expect(offenders(found)).toEqual(["one, seq 4, task t1: RUNNING to SUCCEEDED by settle says it came from RUNNING, but the log has the task in QUEUED"])
    expect(score(found)).toBe("3/4")
  })

  it("finds a task that is requested twice", () => {
    expect(score(legalTransitions(history({ events: [requested("t1"), requested("t1")] })))).toBe("1/2")
  })

  it("finds a state that does not exist", () => {
    expect(offenders(legalTransitions(history({ events: [requested("t1"), move("WAITING", "APPROVED", "release")] }))).join()).toContain("names no state it came from")
  })

  it("finds an approval before its holds were released", () => {
    const held = requested("t1", { holds: ["approval", "review"] })
    const release = (hold: string) => event("hold.released", "t1", { hold })
    expect(score(legalTransitions(history({ events: [held, release("approval"), approved("t1")] })))).toBe("1/2")
    expect(score(legalTransitions(history({ events: [held, release("approval"), release("review"), approved("t1")] })))).toBe("2/2")
  })

  it("finds an unknown outcome that is moved by anything but reconcile", () => {
    const unknown = [...asked("t1"), running("t1"), intent("t1"), unknownOutcome("t1")]
    expect(score(legalTransitions(history({ events: [...unknown, queuedAgain("t1", "lease_lost")] })))).toBe("4/5")
    expect(score(legalTransitions(history({ events: [...unknown, queuedAgain("t1", "reconcile")] })))).toBe("5/5")
    expect(score(legalTransitions(history({ events: [...unknown, move("RUNNING", "CANCELED", "cancel")] })))).toBe("4/5")
    expect(score(legalTransitions(history({ events: [...unknown, move("RUNNING", "CANCELED", "cancel", { command: { op: "reconcile" } })] })))).toBe("5/5")
  })

  it("is missing when a payload was pruned", () => {
    const whole = scenario({ events: lived("t1") })
    const events = (whole.events ?? []).map((one) => (one.seq === 3 ? { ...one, payload: null } : one))
    expect(score(legalTransitions(run({ ...whole, events })))).toBe("missing: one: the payload of event 3 was pruned")
  })

  it("counts nothing in an empty log", () => {
    expect(score(legalTransitions(history({})))).toBe("0/0")
  })
})
