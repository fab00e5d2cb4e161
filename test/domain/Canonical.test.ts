import { FastCheck as fc } from "effect"
import { describe, expect, it } from "vitest"
import * as gate from "../../gate/invariant/Canonical.ts"
import { canonical, type Json, sha256 } from "../../src/domain/Canonical.ts"

const json: fc.Arbitrary<Json> = fc.jsonValue().map((value): Json => JSON.parse(JSON.stringify(value)))

describe("canonical JSON", () => {
  it("sorts members as RFC 8785 does in its example, section 3.2.3", () => {
    const value = { "\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One", "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control", "\u00f6": "Latin Small Letter O With Diaeresis" }
    expect(canonical(value)).toBe(
      '{"\\r":"Carriage Return","1":"One","\u0080":"Control","ö":"Latin Small Letter O With Diaeresis","€":"Euro Sign","😀":"Emoji: Grinning Face","\ufb33":"Hebrew Letter Dalet With Dagesh"}'
    )
  })

  it("spells numbers, literals and strings as RFC 8785 does, section 3.2.2", () => {
    const value = { numbers: [Number("333333333.33333329"), 1e30, 4.5, 2e-3, 0.000000000000000000000000001], string: "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/", literals: [null, true, false] }
    expect(canonical(value)).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
  })

  // RFC 8785, appendix B: the bits of a double, and how it is written.
  const numbers: ReadonlyArray<readonly [string, string]> = [
    ["0000000000000000", "0"], ["8000000000000000", "0"], ["0000000000000001", "5e-324"], ["8000000000000001", "-5e-324"],
    ["7fefffffffffffff", "1.7976931348623157e+308"], ["ffefffffffffffff", "-1.7976931348623157e+308"],
    ["4340000000000000", "9007199254740992"], ["c340000000000000", "-9007199254740992"], ["4430000000000000", "295147905179352830000"],
    ["44b52d02c7e14af5", "9.999999999999997e+22"], ["44b52d02c7e14af6", "1e+23"], ["44b52d02c7e14af7", "1.0000000000000001e+23"],
    ["444b1ae4d6e2ef4e", "999999999999999700000"], ["444b1ae4d6e2ef4f", "999999999999999900000"], ["444b1ae4d6e2ef50", "1e+21"],
    ["3eb0c6f7a0b5ed8c", "9.999999999999997e-7"], ["3eb0c6f7a0b5ed8d", "0.000001"],
    ["41b3de4355555553", "333333333.3333332"], ["41b3de4355555554", "333333333.33333325"], ["41b3de4355555555", "333333333.3333333"],
    ["41b3de4355555556", "333333333.3333334"], ["41b3de4355555557", "333333333.33333343"],
    ["becbf647612f3696", "-0.0000033333333333333333"], ["43143ff3c1cb0959", "1424953923781206.2"]
  ]
  it.each(numbers)("writes the double %s as %s", (bits, text) => {
    expect(canonical(Buffer.from(bits, "hex").readDoubleBE())).toBe(text)
  })

  it("writes every character as JSON does, in names and in values, alone and among others", () => {
    for (let unit = 0; unit <= 0xffff; unit++) {
      const text = `a${String.fromCharCode(unit)}`
      if (canonical({ [text]: text.slice(1) }) !== JSON.stringify({ [text]: text.slice(1) })) expect.fail(`U+${unit.toString(16)}`)
    }
  })

  it("is the same for the same value in any order of members, and parses to that value", () => {
    const reversed = (value: Json): Json =>
      Array.isArray(value)
        ? value.map(reversed)
        : typeof value === "object" && value !== null
        ? Object.fromEntries(Object.entries(value).reverse().map(([name, member]) => [name, reversed(member)]))
        : value
    fc.assert(fc.property(json, (value) => {
      expect(canonical(reversed(value))).toBe(canonical(value))
      expect(JSON.parse(canonical(value))).toEqual(JSON.parse(JSON.stringify(value)))
    }))
  })

  it("is what the gate makes of it, which shares no code with it", () => {
    fc.assert(fc.property(json, (value) => {
      expect(canonical(value)).toBe(gate.canonical(value))
      expect(sha256(canonical(value))).toBe(gate.sha256(gate.canonical(value)))
    }))
  })

  it("keeps a member named __proto__, so that a digest covers it", () => {
    expect(canonical(JSON.parse("{\"__proto__\":1}"))).toBe("{\"__proto__\":1}")
  })
})
