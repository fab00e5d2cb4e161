import { describe, expect, it } from "vitest"
import { commandsDeduplicated } from "../../../gate/invariant/commandsDeduplicated.ts"
import { history, lived, offenders, requested, score } from "./Story.ts"

const replay = { key: "key-t1", op: "submit", same_payload: true, exit: 0, task: "t1", first_task: "t1" }
const after = (over: Partial<typeof replay> | { readonly task: null } | { readonly task: null; readonly first_task: null }) =>
  score(commandsDeduplicated(history({ events: lived("t1"), journal: { replays: [{ ...replay, ...over }] } })))

describe("commandsDeduplicated", () => {
  it("finds a repeat that answers another task, or none", () => {
    expect([after({ task: "t2" }), after({ task: null }), after({ task: null, first_task: null })]).toEqual(["0/1", "0/1", "0/1"])
  })

  it("finds a repeat that fails", () => {
    expect(after({ exit: 5 })).toBe("0/1")
  })

  it("finds another payload that is not a conflict", () => {
    expect(after({ same_payload: false })).toBe("0/1")
    expect(after({ same_payload: false, exit: 1 })).toBe("0/1")
  })

  it("finds a key under which two tasks were requested", () => {
    const found = commandsDeduplicated(history({ events: [requested("t1"), requested("t2", { key: "key-t1" })], journal: { replays: [replay] } }))
    expect(score(found)).toBe("1/2")
    expect(offenders(found)).toEqual(["one, key key-t1: the log requested t1, t2"])
  })

  it("lets two people use the same key, each for a task", () => {
    const found = commandsDeduplicated(history({ events: [requested("t1"), { ...requested("t2", { key: "key-t1" }), actor: "cli:bob" }], journal: { replays: [replay] } }))
    expect(score(found)).toBe("1/1")
  })

  it("counts nothing where nothing was sent again", () => {
    expect(score(commandsDeduplicated(history({ events: lived("t1") })))).toBe("0/0")
  })

  it("counts repeats and conflicts", () => {
    expect([after({}), after({ same_payload: false, exit: 5 })]).toEqual(["1/1", "1/1"])
  })
})
