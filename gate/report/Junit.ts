/**
 * JUnit XML for CI: one test case per check. CI shows skipped as green, so INSUFFICIENT blocks by the exit
 * code of the gate and not by this file.
 */
import type { ControlTests } from "../History.ts"
import type { Line, Result } from "../scorecard/Scorecard.ts"
import type { Verdict } from "../Verdict.ts"
import { measured, needs } from "./Wording.ts"

const element = { PASS: null, FAIL: "failure", ERROR: "error", INSUFFICIENT: "skipped" } as const satisfies Record<Verdict, string | null>

/** The text of gate/junit.xml, checks in the order of the scorecard. */
export const renderJunit = (result: Result): string => {
  const count = (verdict: Verdict) => result.lines.filter((line) => line.verdict === verdict).length
  const counts = `tests="${result.lines.length}" failures="${count("FAIL")}" errors="${count("ERROR")}" skipped="${count("INSUFFICIENT")}"`
  return [
    `<?xml version="1.0" encoding="UTF-8"?>`,
    `<testsuites ${counts}>`,
    `  <testsuite name="${escapeXml(`gate ${result.scorecard}: ${result.decision}`)}" ${counts}>`,
    ...result.lines.flatMap(testCase),
    `  </testsuite>`,
    `</testsuites>`,
    ""
  ].join("\n")
}

const testCase = (line: Line): ReadonlyArray<string> => {
  const open = `    <testcase classname="gate" name="${escapeXml(`${line.id}: ${line.title}`)}"`
  const name = element[line.verdict]
  if (name === null) return [`${open}/>`]
  const detail = [`measured ${measured(line)}, needs ${needs(line)}`, line.remedy, ...line.offenders].map(escapeXml).join("\n")
  return [`${open}>`, `      <${name} message="${escapeXml(line.reason)}">${detail}</${name}>`, "    </testcase>"]
}

const inner = { passed: "", failed: "<failure/>", skipped: "<skipped/>", missing: "<error message=\"it was not run\"/>" } as const

/** The text of tests/control.junit.xml: what became of the tests of the control invariants. A declared test that was not run is an error. */
export const renderControlJunit = ({ declared, results }: ControlTests): string => {
  const cases = declared.map((test) => ({ ...test, status: results.find(({ file, name }) => file === test.file && name === test.name)?.status ?? ("missing" as const) }))
  const count = (status: keyof typeof inner) => cases.filter((one) => one.status === status).length
  const counts = `tests="${cases.length}" failures="${count("failed")}" errors="${count("missing")}" skipped="${count("skipped")}"`
  return [
    `<?xml version="1.0" encoding="UTF-8"?>`,
    `<testsuites ${counts}>`,
    `  <testsuite name="control invariants" ${counts}>`,
    ...cases.map(({ file, name, status }) => `    <testcase classname="${escapeXml(file)}" name="${escapeXml(name)}">${inner[status]}</testcase>`),
    `  </testsuite>`,
    `</testsuites>`,
    ""
  ].join("\n")
}

const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", "\"": "&quot;", "'": "&apos;" }

/**
 * Text for an attribute or an element. XML 1.0 has no spelling at all for most control characters, lone
 * surrogates and U+FFFE/F; they become U+FFFD, because one of them makes the whole file unreadable.
 */
export const escapeXml = (text: string): string =>
  text
    .replace(/[^\t\n\r\u{20}-\u{7e}\u{a0}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu, "\ufffd")
    .replace(/[&<>"']/g, (character) => entities[character] ?? character)
    // A parser turns white space in attributes into blanks unless it is written as a reference.
    .replace(/[\t\n\r]/g, (character) => `&#${character.charCodeAt(0)};`)
