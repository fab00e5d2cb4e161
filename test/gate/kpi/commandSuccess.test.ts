import { describe, expect, it } from "vitest"
import type { ChatCall, ChatCommand } from "../../../gate/History.ts"
import { commandSuccess } from "../../../gate/kpi/commandSuccess.ts"
import { because, call, chatting, commanded, type Draft, event, history, keyOf, offenders, requested, score } from "../invariant/Story.ts"

const at = 1_000_000
const said = (update: number, over: Partial<ChatCommand> = {}): ChatCommand => commanded(update, { at, message: update, query: null, standing: "valid", ...over })
const taskOf = (update: number) => `TASK-00000${update}`
/** The answer to a command, which names its task, `ms` after it was given. */
const answer = (update: number, ms: number, over: Partial<ChatCall> = {}): ChatCall => call(update, { at: at + ms - 10, took_ms: 10, text: `00000${update}  exec\nruns`, query: null, ...over })
const done = (update: number): Draft => because(update, requested(taskOf(update), { key: keyOf(update) }))
const refused = (update: number, type = "command.refused"): Draft => because(update, event(type, null))

const limits = { wall_ms: 1000, lease_ms: 1000, summaries: 0, command_ms: 2000 }
const of = (commands: ReadonlyArray<ChatCommand>, calls: ReadonlyArray<ChatCall>, events: ReadonlyArray<Draft> = commands.map(({ update }) => done(update))) =>
  commandSuccess(history({ events, scenario: { limits }, journal: { chat: chatting({ commands, calls }) } }))

describe("commandSuccess", () => {
  it("counts a command that was answered in time, by words or by a press", () => {
    expect(score(of([said(1)], [answer(1, 2000)]))).toBe("1/1")
    expect(score(of([said(1, { message: null, query: "q" })], [answer(1, 50, { method: "answerCallbackQuery", chat: null, text: null, query: "q" })]))).toBe("1/1")
    expect(score(of([said(1, { message: 7, task: "TASK-000009" })], [answer(1, 50, { text: "fine", replies: 7 })]))).toBe("1/1")
    expect(score(of([said(1, { op: "approve", task: "TASK-00000A" })], [answer(1, 50, { text: "approved: exec 00000a" })]))).toBe("1/1")
  })

  it("counts an answer that was carried out although the product never learned of it", () => {
    expect(score(of([said(1)], [answer(1, 50, { answered: false, faults: ["reset_after"] })]))).toBe("1/1")
  })

  it.each<[string, ReadonlyArray<ChatCall>, ReadonlyArray<Draft>, string]>([
    ["no answer", [], [done(1)], "it was never answered"],
    ["an answer to something else", [answer(2, 50)], [done(1)], "it was never answered"],
    ["an answer that came before", [answer(1, 5)], [done(1)], "it was never answered"],
    ["an answer in another chat", [answer(1, 50, { chat: 102 })], [done(1)], "it was never answered"],
    ["an answer that was not carried out", [answer(1, 50, { status: 500 })], [done(1)], "it was never answered"],
    ["an answer that came late", [answer(1, 2001)], [done(1)], "it was answered after 2001 ms, and 2000 ms were allowed"],
    ["a refusal", [answer(1, 50)], [refused(1)], "it was refused: seq 1 is command.refused"],
    ["a denial", [answer(1, 50)], [refused(1, "command.denied")], "it was refused: seq 1 is command.denied"],
    ["nothing in the log", [answer(1, 50)], [], "the log does not know it"]
  ])("counts as bad %s", (_, calls, events, why) => {
    expect(offenders(of([said(1)], calls, events))).toEqual([`one, submit of ada, key ${keyOf(1)}: ${why}`])
  })

  it("counts a question, which leaves nothing in the log, by its answer", () => {
    expect(score(of([said(1, { expect: "nothing" })], [answer(1, 50)], []))).toBe("1/1")
    expect(score(of([said(1, { expect: "nothing" })], [], []))).toBe("0/1")
  })

  it("takes the first of several answers, and one key once", () => {
    expect(score(of([said(1), said(1)], [answer(1, 5000), answer(1, 60)]))).toBe("1/1")
  })

  it("leaves out, and shows, what is no command of somebody who may; what it did is bad all the same", () => {
    const outside = [said(1, { standing: "malformed" }), said(2, { standing: "unauthorised" }), said(3, { standing: "over_quota" }), said(4, { standing: "repeat" })]
    expect(of(outside, [answer(1, 50)], [refused(2, "command.denied")])).toMatchObject({
      total: 0,
      excluded: { "it is no command, and was answered so": 1, "whoever gave it may not": 1, "it is beyond the quota of whoever gave it": 1, "it was given before": 1 }
    })
    expect(offenders(of(outside, [answer(1, 50)], [done(2)]))).toEqual([`one, submit of ada, key ${keyOf(2)}: it is unauthorised, and seq 1 is task.requested`])
  })

  it("counts words that are no command when nobody was told so in time", () => {
    expect(offenders(of([said(1, { standing: "malformed" })], [], []))).toEqual([`one, submit of ada, key ${keyOf(1)}: it was never answered`])
    expect(score(of([said(1, { standing: "malformed" })], [answer(1, 2001)], []))).toBe("0/1")
  })

  it("takes a command that must come to nothing for a repeat, when nobody says otherwise", () => {
    const { standing: _, ...unsaid } = said(1, { expect: "nothing" })
    expect(of([unsaid], [], [])).toMatchObject({ total: 0, excluded: { "it was given before": 1 } })
  })

  it("does not judge a command whose answer was not due when the scenario ended", () => {
    const late = { at: 2_000_000 - 2000 }
    expect(of([said(1, late)], [])).toMatchObject({ total: 0, censored: 1 })
    expect(of([said(1, { at: late.at - 1 })], [])).toMatchObject({ total: 1, censored: 0 })
  })

  it("is missing where nobody says how long an answer may take, or when a command was given", () => {
    expect(score(commandSuccess(history({ events: [], journal: { chat: chatting({ commands: [said(1)] }) } })))).toBe("missing: one: the scenario does not say how long the answer to a command may take")
    const { at: _, ...untimed } = said(1)
    expect(score(of([untimed], []))).toBe(`missing: one: nobody knows when the command ${keyOf(1)} was given`)
  })

  it("counts nothing where nobody spoke", () => {
    expect(score(commandSuccess(history({})))).toBe("0/0")
  })
})
