import { describe, expect, it } from "vitest"
import type { Burst, ChatCall } from "../../../gate/History.ts"
import { pollRecovery } from "../../../gate/kpi/pollRecovery.ts"
import { because, burst, chatting, commanded, fault, history, keyOf, offenders, polled, requested, score, struck } from "../invariant/Story.ts"

const events = [because(1, requested("t1", { key: keyOf(1) }))]
const commands = [commanded(1), commanded(2)]
const measured = (bursts: ReadonlyArray<Burst>, ...calls: ReadonlyArray<ChatCall>) => pollRecovery(history({ events, journal: { chat: chatting({ commands, bursts, calls }) } }))
const one = burst("one/burst-1", [1, 2], { keys: [keyOf(1)] })

describe("pollRecovery", () => {
  it("counts a burst after which no poll was answered whole", () => {
    expect(offenders(measured([one], struck(1), struck(2)))).toEqual(["one, one/burst-1 (500): no poll was answered after it"])
    expect(score(measured([one], struck(1), struck(2), struck(3), polled(4, { answered: false, status: null })))).toBe("0/1")
    expect(score(measured([one], struck(1), polled(2), struck(2)))).toBe("0/1")
  })

  it("counts one that took longer than the longest pause, from the end of the last struck poll on", () => {
    const late = (ms: number) => score(measured([one], struck(1, { at: 0 }), struck(2, { at: 0, took_ms: 500 }), polled(3, { at: ms, took_ms: 10 })))
    expect([late(60_490), late(60_491)]).toEqual(["1/1", "0/1"])
  })

  it("counts one whose commands are not in the log", () => {
    const found = measured([{ ...one, keys: [keyOf(1), keyOf(2)] }], struck(1), struck(2), polled(3))
    expect(offenders(found)).toEqual([`one, one/burst-1 (500): the command ${keyOf(2)}, given meanwhile, has no effect`])
  })

  it("does not wait for the effect of what must have none", () => {
    const nothing = pollRecovery(history({ events, journal: { chat: chatting({ commands: [commanded(2, { expect: "nothing" })], bursts: [{ ...one, keys: [keyOf(2)] }], calls: [struck(1), polled(3)] }) } }))
    expect(score(nothing)).toBe("1/1")
  })

  it("leaves out, and shows, what struck no poll", () => {
    expect(measured([one, burst("one/burst-2", [7])], struck(1), polled(3))).toMatchObject({ good: 1, total: 1, excluded: { "no poll was struck": 1 } })
    expect(measured([burst("one/burst-1", [3])], polled(3), polled(4))).toMatchObject({ total: 0, excluded: { "no poll was struck": 1 } })
  })

  it("takes a connection that was lost in a poll for a struck one", () => {
    expect(score(measured([burst("one/burst-1", [1])], polled(1, { answered: false, status: null }), polled(2)))).toBe("1/1")
  })

  it("is missing where polls were struck and nobody has what the service saw; nothing where none were", () => {
    expect(score(pollRecovery(history({ journal: { faults: [fault("one/1", ["getUpdates 1"], { class: "poll_fault", must_hit: "poll" })] } })))).toBe("missing: one: what the chat service saw is missing")
    expect(score(pollRecovery(history({ events })))).toBe("0/0")
  })
})
