import { describe, expect, it } from "vitest"
import { chatCommandsOnce } from "../../../gate/invariant/chatCommandsOnce.ts"
import type { ChatCommand } from "../../../gate/History.ts"
import { because, by, chatting, commanded, type Draft, event, history, keyOf, offenders, requested, score } from "./Story.ts"

const measured = (commands: ReadonlyArray<ChatCommand>, ...events: ReadonlyArray<Draft>) => chatCommandsOnce(history({ events, journal: { chat: chatting({ commands }) } }))
const after = (commands: ReadonlyArray<ChatCommand>, ...events: ReadonlyArray<Draft>) => score(measured(commands, ...events))

const made = (task: string, update: number) => because(update, requested(task, { key: keyOf(update) }))
const yes = (task: string, update: number, actor = "bob") => ({ ...because(update, event("approval.given", task), "approve"), actor })
const approves = (update: number, over: Partial<ChatCommand> = {}) => commanded(update, { person: "bob", chat: 102, op: "approve", task: "t1", ...over })

describe("chatCommandsOnce", () => {
  it("finds a command that was lost", () => {
    const found = measured([commanded(1), commanded(2)], made("t1", 1))
    expect([score(found), offenders(found)]).toEqual(["1/2", [`one, submit of ada, key ${keyOf(2)}: it had no effect`]])
  })

  it("finds a command that made two tasks, by its key, whether or not both name it as their cause", () => {
    expect(after([commanded(1)], made("t1", 1), made("t2", 1))).toBe("0/1")
    expect(after([commanded(1)], made("t1", 1), by("ada", requested("t2", { key: keyOf(1) })))).toBe("0/1")
  })

  it("finds one that came before an earlier one of its chat, and lets chats go beside each other", () => {
    const found = measured([commanded(1), commanded(2)], made("t2", 2), made("t1", 1))
    expect([score(found), offenders(found)]).toEqual(["1/2", [`one, submit of ada, key ${keyOf(2)}: its effect came before that of an earlier command of its chat`]])
    expect(after([commanded(1), commanded(2, { chat: 102 })], made("t2", 2), made("t1", 1))).toBe("2/2")
  })

  it("finds an approval that counted twice, is somebody else's, or is about something else", () => {
    expect(after([approves(3)], made("t1", 1), yes("t1", 3))).toBe("1/1")
    expect(after([approves(3)], made("t1", 1), yes("t1", 3), by("bob", event("approval.given", "t1")))).toBe("0/1")
    expect(after([approves(3)], made("t1", 1), yes("t1", 3, "cyd"))).toBe("0/1")
    expect(after([approves(3)], made("t1", 1), yes("t2", 3))).toBe("0/1")
    expect(after([approves(3)], made("t1", 1), { ...yes("t1", 3), type: "task.canceled" })).toBe("0/1")
  })

  it("finds what had to come to nothing and did not; a refusal is nothing", () => {
    expect(after([approves(3, { expect: "nothing" })], yes("t1", 3))).toBe("0/1")
    expect(after([commanded(1, { expect: "nothing" })], by("ada", requested("t1", { key: keyOf(1) })))).toBe("0/1")
    expect(after([approves(3, { expect: "nothing" })], { ...yes("t1", 3), type: "command.refused" })).toBe("1/1")
    expect(after([approves(3, { expect: "nothing" })])).toBe("1/1")
  })

  it("counts a refusal of what had to be done as no effect, and a stored answer that was given again as none of its own", () => {
    expect(after([approves(3)], { ...yes("t1", 3), type: "command.refused" })).toBe("0/1")
    expect(after([commanded(1)], made("t1", 1), because(1, event("idempotency.replayed", "t1")))).toBe("1/1")
  })

  it("counts nothing where nobody said anything in a chat", () => {
    expect(score(chatCommandsOnce(history({ events: [requested("t1")] })))).toBe("0/0")
  })
})
