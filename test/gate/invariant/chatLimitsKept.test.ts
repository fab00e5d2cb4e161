import { describe, expect, it } from "vitest"
import { chatLimitsKept } from "../../../gate/invariant/chatLimitsKept.ts"
import { call, chatting, history, offenders, polled, score } from "./Story.ts"

const calls = [call(1), call(2, { method: "editMessageText" }), call(3, { status: 500 }), polled(4)]
const violation = { at: 5, scope: "chat 101", method: "sendMessage", early: false }

describe("chatLimitsKept", () => {
  it("finds each call beyond the limits, or too early", () => {
    const found = chatLimitsKept(history({ journal: { chat: chatting({ calls, violations: [violation, { ...violation, early: true }] }) } }))
    expect(score(found)).toBe("2/4")
    expect(offenders(found)).toEqual(["one, sendMessage at 5: beyond the limit of chat 101", "one, sendMessage at 5: before the pause was over that was asked for of chat 101"])
  })

  it("counts what was sent, and nothing without chats", () => {
    expect(score(chatLimitsKept(history({ journal: { chat: chatting({ calls }) } })))).toBe("2/2")
    expect(score(chatLimitsKept(history({})))).toBe("0/0")
  })
})
