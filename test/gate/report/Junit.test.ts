import { describe, expect, it } from "vitest"
import { escapeXml, renderJunit } from "../../../gate/report/Junit.ts"
import { line, result } from "./Line.ts"

describe("junit.xml", () => {
  it("cannot be broken by control characters, quotes, markup or lone surrogates", () => {
    const hostile = "\u0000\u001b\ud800\ufffe</failure>\"'&]]>\u0085"
    const xml = renderJunit(result(line("x", { verdict: "FAIL", title: hostile, reason: hostile, remedy: hostile, offenders: [hostile] })))
    expect(xml.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cs}\ufffe]/u)
    expect(xml.match(/<\/failure>/g)).toHaveLength(1)
    expect(escapeXml(hostile)).toBe("����&lt;/failure&gt;&quot;&apos;&amp;]]&gt;�")
  })

  it("keeps line breaks in attributes", () => {
    expect(escapeXml("a\r\nb\tc")).toBe("a&#13;&#10;b&#9;c")
  })

  it.each([
    ["FAIL", "<failure message=\"why\">"],
    ["ERROR", "<error message=\"why\">"],
    ["INSUFFICIENT", "<skipped message=\"why\">"]
  ] as const)("shows %s as %s", (verdict, element) => {
    expect(renderJunit(result(line("x", { verdict, reason: "why" })))).toContain(element)
  })

  it("has one test case per check and counts them", () => {
    const xml = renderJunit(result(line("a"), line("b", { verdict: "FAIL" }), line("c", { verdict: "ERROR" }), line("d", { verdict: "INSUFFICIENT" }), line("e")))
    expect(xml).toContain(`<testsuites tests="5" failures="1" errors="1" skipped="1">`)
    expect(xml.match(/<testcase /g)).toHaveLength(5)
    expect(xml).toContain(`<testcase classname="gate" name="a: About a"/>`)
  })
})
