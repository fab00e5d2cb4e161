import { describe, expect, it } from "vitest"
import { createHash } from "node:crypto"
import { canonical } from "../../../gate/invariant/Canonical.ts"
import { chainIntact, hashOf } from "../../../gate/invariant/chainIntact.ts"
import type { LogEvent } from "../../../gate/History.ts"
import { chain, event, history, lived, offenders, run, scenario, score } from "./Story.ts"

const log = chain(lived("t1"))
const last = log.length - 1
const told = (events: ReadonlyArray<LogEvent>) => run({ ...scenario({}), events })
/** The log with one event changed, and its own hash made right again if `rehashed`. */
const changed = (index: number, over: Partial<LogEvent>, rehashed = false) =>
  told(log.map((one, place) => {
    const after = { ...one, ...over }
    return place !== index ? one : rehashed ? { ...after, hash: hashOf(after) } : after
  }))

describe("chainIntact", () => {
  it.each<[string, ReturnType<typeof told>, string]>([
    ["an edited payload", changed(2, { payload: { edited: true } }), "the payload does not have its digest"],
    ["an edited header", changed(2, { actor: "cli:eve" }), "the event does not have its hash"],
    ["an edited digest", changed(2, { payload: null, payload_sha256: "0".repeat(64) }), "the event does not have its hash"],
    ["another version", changed(last, { v: 2 }, true), "version 2 is not 1"],
    ["another stream", changed(last, { stream: "other" }, true), "the stream is other, not store"],
    ["a first event with a past", changed(0, { prev: "1".repeat(64) }, true), "prev is not the hash of the event before"],
    ["an event that is missing", told(log.filter((_, place) => place !== 2)), "3 was due here"],
    ["an event that is there twice", told(log.flatMap((one, place) => (place === 2 ? [one, one] : [one]))), "4 was due here"]
  ])("finds %s", (_, planted, sentence) => {
    const found = chainIntact(planted)
    expect(offenders(found).join("\n")).toContain(sentence)
  })

  it("finds an edited event whose own hash was made again, by the event behind it", () => {
    const found = chainIntact(changed(2, { actor: "cli:eve" }, true))
    expect(offenders(found)).toEqual(["one, seq 4: prev is not the hash of the event before"])
  })

  it("finds the log of one scenario shown again for another", () => {
    const found = chainIntact(run({ ...scenario({}), events: log }, { ...scenario({ id: "two" }), events: log }))
    expect(offenders(found)).toEqual(["two, seq 1: the stream store is that of another scenario"])
  })

  it("is missing without a log", () => {
    expect(score(chainIntact(run({ ...scenario({}), events: null })))).toBe("missing: one: the event log is missing")
  })

  it("accepts a payload that was pruned and kept its digest", () => {
    expect(score(chainIntact(changed(2, { payload: null })))).toBe("6/6")
  })

  it("accepts what was written by the recipe of docs/event-log.md", () => {
    const sha = (text: string) => createHash("sha256").update(text).digest("hex")
    const payload = '{"a":[1,null,"é"],"b":{"$":1e+21,"_":-0.5}}'
    const prev = "0".repeat(64)
    const header = '{"actor":"cli:ann","at":5,"seq":1,"stream":"s","task":null,"trace":null,"type":"epoch.started","v":1}'
    const digest = sha(payload)
    const hash = sha(`${prev}\n${header}\n${digest}`)
    const one: LogEvent = { v: 1, stream: "s", seq: 1, at: 5, type: "epoch.started", task: null, trace: null, actor: "cli:ann", payload: JSON.parse(payload), payload_sha256: digest, prev, hash }
    expect(score(chainIntact(told([one])))).toBe("1/1")
  })

  it("counts nothing in an empty log", () => {
    expect(score(chainIntact(history({})))).toBe("0/0")
    expect(score(chainIntact(history({ events: [event("epoch.started", null)] })))).toBe("1/1")
  })
})

describe("canonical JSON", () => {
  it("sorts members by UTF-16 code units, as RFC 8785 asks", () => {
    const value = { "\u20ac": "Euro", "\r": "CR", "\ufb33": "Dalet", "1": "One", "\ud83d\ude00": "Emoji", "\u0080": "Control", "\u00f6": "O" }
    expect(Object.keys(JSON.parse(canonical(value))).length).toBe(7)
    expect(canonical(value)).toBe('{"\\r":"CR","1":"One","\u0080":"Control","\u00f6":"O","\u20ac":"Euro","\ud83d\ude00":"Emoji","\ufb33":"Dalet"}')
    expect(canonical({ numbers: [333333333.3333333, 1e30, 4.5, 2e-3, 1e-27, -0] })).toBe('{"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27,0]}')
  })
})
