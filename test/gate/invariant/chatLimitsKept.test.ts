import { describe, expect, it } from "vitest"
import type { ChatCall, Fault } from "../../../gate/History.ts"
import { chatLimitsKept } from "../../../gate/invariant/chatLimitsKept.ts"
import { call, chatting, fault, history, offenders, polled, score } from "./Story.ts"

const calls = [call(1), call(2, { method: "editMessageText" }), call(3, { status: 500 }), polled(4)]
const violation = { at: 5, scope: "chat 101", method: "sendMessage", early: false }

describe("chatLimitsKept", () => {
  it("finds each call beyond the limits, or too early", () => {
    const found = chatLimitsKept(history({ journal: { chat: chatting({ calls, violations: [violation, { ...violation, early: true }] }) } }))
    expect(score(found)).toBe("2/4")
    expect(offenders(found)).toEqual(["one, sendMessage at 5: beyond the limit of chat 101", "one, sendMessage at 5: before the pause was over that was asked for of chat 101"])
  })

  it("leaves out what was early because the process was killed as it was told to wait, and nothing that came of an older kill", () => {
    const early = (killedAt: number, method = "sendMessage") =>
      score(chatLimitsKept(history({ journal: { faults: [fault("one/1", [], { at: killedAt })], chat: chatting({ calls: [call(1, { at: 1000, status: 429 })], violations: [{ ...violation, at: 2000, method, early: true }] }) } })))
    expect(early(1100)).toBe("0/0")
    expect(early(1501)).toBe("0/1")
    expect(early(999)).toBe("0/1")
    expect(early(1100, "editMessageText")).toBe("0/1")
  })

  describe("leaves out what was early because nobody could know", () => {
    const early = (calls: ReadonlyArray<ChatCall>, at: number, faults: ReadonlyArray<Fault> = []) =>
      score(chatLimitsKept(history({ journal: { faults, chat: chatting({ calls, violations: [{ ...violation, at, early: true }] }) } })))
    const pausing = (over: Partial<ChatCall> = {}) => call(1, { at: 1000, status: 429, ...over })

    it("as it crossed the word that asked for it, in the same chat", () => {
      expect(early([pausing()], 1250)).toBe("0/0")
      expect(early([pausing()], 1251)).toBe("0/1")
      expect(early([pausing({ chat: 102 })], 1250)).toBe("0/1")
    })

    it("and not as it crossed the answer to another that was too early", () => {
      const again = call(2, { at: 1200, status: 429 })
      const found = chatLimitsKept(history({ journal: { chat: chatting({ calls: [pausing(), again], violations: [{ ...violation, at: 1200, early: true }, { ...violation, at: 1400, early: true }] }) } }))
      expect(score(found)).toBe("0/1")
    })

    it("as the word was lost", () => {
      expect(early([pausing({ answered: false })], 9000)).toBe("0/0")
    })

    it("as the clock was set before the next process read until when", () => {
      const began = call(2, { method: "getMe", chat: null, text: null, at: 5000 })
      const set = (at: number) => [fault("one/1", [], { class: "clock", at: 99_000_000, service_at: at })]
      expect(early([pausing(), began], 9000, set(3000))).toBe("0/0")
      expect(early([pausing()], 9000, set(3000))).toBe("0/1")
      expect(early([pausing(), began], 9000, set(900))).toBe("0/1")
      expect(early([pausing(), began], 9000, set(6000))).toBe("0/1")
      expect(early([pausing(), began], 9000)).toBe("0/1")
    })

    it("by the clock of the service, where that of the machine was set", () => {
      expect(early([pausing()], 2000, [fault("one/1", [], { at: 99_000_000, service_at: 1100 })])).toBe("0/0")
      expect(early([pausing()], 2000, [fault("one/1", [], { at: 1100, service_at: 99_000_000 })])).toBe("0/1")
    })
  })

  it("counts what was sent, and nothing without chats", () => {
    expect(score(chatLimitsKept(history({ journal: { chat: chatting({ calls }) } })))).toBe("2/2")
    expect(score(chatLimitsKept(history({})))).toBe("0/0")
  })
})
