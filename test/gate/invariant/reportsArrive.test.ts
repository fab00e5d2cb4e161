import { describe, expect, it } from "vitest"
import { reportsArrive } from "../../../gate/invariant/reportsArrive.ts"
import type { ChatCall } from "../../../gate/History.ts"
import { asked, because, call, chatting, commanded, fault, history, keyOf, lived, offenders, requested, running, score } from "./Story.ts"

const task = "T-ABC123"
const born = because(1, requested(task, { key: keyOf(1) }))
const events = [born, ...lived(task).slice(1)]
const faults = [fault("one/1", [task], { class: "send_fault", must_hit: "report" })]
const told = (calls: ReadonlyArray<ChatCall>, over = events) => reportsArrive(history({ events: over, journal: { faults, chat: chatting({ commands: [commanded(1)], calls }) } }))
const card = (seq: number, line: string, over: Partial<ChatCall> = {}) => call(seq, { text: `abc123  exec\n${line}\n\n· 0123abcd`, ...over })

describe("reportsArrive", () => {
  it("finds an end of which nothing arrived, or not in the chat of whoever asked", () => {
    expect(offenders(told([]))).toEqual([`one, fault one/1, task ${task}: nothing of it arrived in chat 101`])
    expect(score(told([card(1, "done", { chat: 102 })]))).toBe("0/1")
    expect(score(told([card(1, "done", { status: 500, faults: ["error"] })]))).toBe("0/1")
    expect(score(told([card(1, "done", { status: null, answered: false, faults: ["hang"] })]))).toBe("0/1")
  })

  it("finds a last look that is not the end that the log has", () => {
    expect(score(told([card(1, "runs")]))).toBe("0/1")
    expect(score(told([card(1, "failed: exit_1")]))).toBe("0/1")
    expect(score(told([card(1, "done"), card(2, "runs")]))).toBe("0/1")
    expect(offenders(told([card(1, "done")], [born, ...asked(task).slice(1), running(task)]))[0]).toContain("the log has no end of it")
  })

  it("counts a report that arrived late, and twice", () => {
    expect(score(told([card(1, "runs"), card(2, "done", { method: "editMessageText" })]))).toBe("1/1")
    expect(score(told([card(1, "done"), card(2, "done")]))).toBe("1/1")
  })

  it("finds a lost answer without a repeat, and a repeat under another reference", () => {
    const lost = card(1, "done", { answered: false, faults: ["reset_after"] })
    expect(score(told([lost]))).toBe("1/2")
    expect(score(told([lost, card(2, "done", { text: "abc123  exec\ndone\n\n· ffffffff" })]))).toBe("1/2")
    expect(score(told([lost, card(2, "done", { chat: 102 })]))).toBe("1/2")
    expect(offenders(told([card(1, "done", { text: "abc123  exec\ndone", answered: false, faults: ["reset_after"] })]))[0]).toContain("it has no reference")
    expect(score(told([lost, card(2, "done", { status: 500 }), card(3, "done")]))).toBe("2/2")
  })

  it("is missing where sending failed and nobody has what the service saw; nothing where it did not fail", () => {
    expect(score(reportsArrive(history({ events, journal: { faults } })))).toBe("missing: one: what the chat service saw is missing")
    expect(score(reportsArrive(history({ events })))).toBe("0/0")
  })
})
