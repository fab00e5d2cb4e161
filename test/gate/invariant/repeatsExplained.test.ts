import { describe, expect, it } from "vitest"
import type { ChatCall, Fault } from "../../../gate/History.ts"
import { repeatsExplained } from "../../../gate/invariant/repeatsExplained.ts"
import { call, chatting, fault, history, score } from "./Story.ts"

const said = (seq: number, over: Partial<ChatCall> = {}) => call(seq, { text: "words\n\n· 0123abcd", ...over })
const judged = (calls: ReadonlyArray<ChatCall>, faults: ReadonlyArray<Fault> = []) => score(repeatsExplained(history({ journal: { faults, chat: chatting({ calls }) } })))

describe("repeatsExplained", () => {
  it("finds a message that is said again although its answer arrived", () => {
    expect(judged([said(1), said(2)])).toBe("1/2")
    expect(judged([said(2), said(1)])).toBe("1/2")
  })

  it("knows a message by its chat, its reference and its part", () => {
    expect(judged([said(1), said(2, { chat: 102 }), said(3, { text: "words\n\n· 0123abce" }), said(4, { text: "words\n\n· 0123abcd 1/2" }), said(5, { text: "words\n\n· 0123abcd 2/2" })])).toBe("5/5")
  })

  it("counts neither what was not carried out nor what has no reference", () => {
    expect(judged([said(1, { status: 429 }), said(2), call(3), call(4)])).toBe("1/1")
  })

  it.each([{ answered: false }, { faults: ["truncated"] }])("takes an answer that was lost for a reason: %j", (over) => {
    expect(judged([said(1, over), said(2)])).toBe("2/2")
  })

  it("takes a kill or a stop between the two for a reason, and none before or behind", () => {
    const at = (at: number, kind: "sigkill" | "sigstop" | "replay" = "sigkill") => [fault("one/1", ["t1"], { at, class: kind })]
    expect(judged([said(1), said(3)], at(1_002_000))).toBe("2/2")
    expect(judged([said(1), said(3)], at(1_002_000, "sigstop"))).toBe("2/2")
    expect(judged([said(1), said(3)], at(1_002_000, "replay"))).toBe("1/2")
    expect(judged([said(1), said(3)], at(1_000_500))).toBe("1/2")
    expect(judged([said(1), said(3)], at(1_003_500))).toBe("1/2")
  })

  it("reads the clock of the service, where that of the machine was set", () => {
    const stopped = (over: Partial<Fault>) => [fault("one/1", ["t1"], { class: "sigstop", ...over })]
    expect(judged([said(1), said(3)], stopped({ at: 99_000_000, until: 99_002_000, service_at: 1_000_500, service_until: 1_002_000 }))).toBe("2/2")
    expect(judged([said(1), said(3)], stopped({ at: 1_000_500, until: 1_002_000, service_at: 99_000_000, service_until: 99_002_000 }))).toBe("1/2")
  })

  it("takes a process that began between the two for the kill of the one before, whatever the clocks say, where one was killed", () => {
    const faults = [fault("one/1", ["t1"], { at: 99_000_000 })]
    const began = call(2, { method: "getMe", chat: null, text: null })
    expect(judged([said(1), began, said(3)], faults)).toBe("2/2")
    expect(judged([said(1), began, said(3)])).toBe("1/2")
    expect(judged([began, said(3), said(4)], faults)).toBe("1/2")
  })
})
