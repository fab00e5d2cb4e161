import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { canonical, sha256 } from "../../../gate/evidence/Canonical.ts"
import { clip, plain } from "../../../gate/evidence/Plain.ts"

const refusal = (value: unknown) => Either.match(canonical(value), { onLeft: ({ message }) => message, onRight: (text) => `(accepted: ${text})` })

describe("canonical JSON", () => {
  let deep: unknown = 0
  for (let depth = 0; depth < 300; depth++) deep = [deep]

  it.each([
    ["NaN", { a: [1, Number.NaN] }, "$.a[1] has no canonical JSON: a number that is not finite"],
    ["infinity", -Infinity, "$ has no canonical JSON: a number that is not finite"],
    ["a lone surrogate", { a: "x\ud800" }, "$.a has no canonical JSON: a lone surrogate"],
    ["a lone surrogate in a name", { "\udc00": 1 }, "$.\udc00 has no canonical JSON: a lone surrogate"],
    ["undefined in an object", { a: undefined }, "$.a has no canonical JSON: not a JSON value"],
    ["undefined in an array", [undefined], "$[0] has no canonical JSON: not a JSON value"],
    ["a hole in an array", Array(1), "$[0] has no canonical JSON: not a JSON value"],
    ["a bigint", 1n, "$ has no canonical JSON: not a JSON value"],
    ["a function", () => 1, "$ has no canonical JSON: not a JSON value"],
    ["a date", new Date(0), "$ has no canonical JSON: not a JSON value"],
    ["a map", new Map([[1, 2]]), "$ has no canonical JSON: not a JSON value"]
  ])("refuses %s", (_, value, message) => {
    expect(refusal(value)).toBe(message)
  })

  it("refuses what is nested too deep to walk", () => {
    expect(refusal(deep)).toMatch(/nested too deep$/)
  })

  it("spells the example of RFC 8785, section 3.2.3", () => {
    const value = { "\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One", "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control", "\u00f6": "Latin Small Letter O With Diaeresis" }
    expect(canonical(value)).toEqual(Either.right(
      '{"\\r":"Carriage Return","1":"One","\u0080":"Control","ö":"Latin Small Letter O With Diaeresis","€":"Euro Sign","😀":"Emoji: Grinning Face","\ufb33":"Hebrew Letter Dalet With Dagesh"}'
    ))
  })

  it("spells numbers, literals and strings as section 3.2.2 does", () => {
    const value = { numbers: [Number("333333333.33333329"), 1e30, 4.5, 2e-3, 0.000000000000000000000000001, -0], string: "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"/", literals: [null, true, false] }
    expect(canonical(value)).toEqual(Either.right(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27,0],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    ))
  })

  it("keeps a member named __proto__, so that a digest covers it", () => {
    expect(canonical(JSON.parse('{"__proto__":1}'))).toEqual(Either.right('{"__proto__":1}'))
  })

  it("is digested as UTF-8", () => {
    expect(sha256("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    expect(sha256("ö")).toBe(sha256(Buffer.from([0xc3, 0xb6])))
  })
})

describe("plain text", () => {
  it.each([
    ["an escape sequence", "\u001b[2J", "⟨U+001B⟩[2J"],
    ["a line break", "a\r\nb\tc", "a b c"],
    ["a direction override", "\u202eexe", "⟨U+202E⟩exe"],
    ["a zero-width space", "a\u200bb", "a⟨U+200B⟩b"],
    ["a C1 control", "\u009b1m", "⟨U+009B⟩1m"],
    ["a lone surrogate", "\ud800", "⟨U+D800⟩"],
    ["a null", "\0", "⟨U+0000⟩"]
  ])("shows %s instead of obeying it", (_, given, shown) => {
    expect(plain(given)).toBe(shown)
  })

  it("leaves ordinary text of any language alone, and its blanks", () => {
    expect(plain("żółw  🐢 שלום")).toBe("żółw  🐢 שלום")
  })

  it("is cut by characters, never through one", () => {
    expect(clip("🐢🐢🐢", 2)).toBe("🐢…")
    expect(clip("🐢🐢", 2)).toBe("🐢🐢")
  })
})
