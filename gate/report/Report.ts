/**
 * REPORT.md: the decision for people, on one screen, and behind it everything it rests on. It words a result
 * and decides nothing.
 */
import { DateTime, Option } from "effect"
import Handlebars from "handlebars"
import type { Journal } from "../History.ts"
import type { Line, Result } from "../scorecard/Scorecard.ts"
import { codeSpan, escapeText } from "./Markdown.ts"
import { template } from "./Template.ts"
import { bound, measured, needs, next, verdictText, why, worstFirst } from "./Wording.ts"

export interface ReportInput {
  readonly run: string
  readonly commit: string
  readonly profile: string
  readonly window: { readonly start_ms: number; readonly end_ms: number }
  readonly scenarios: ReadonlyArray<{ readonly id: string; readonly journal: Journal }>
  readonly result: Result
  readonly boardResult: Result
  /** The command that runs one scenario again with one seed. */
  readonly repeat: (scenario: string, seed: number) => string
}

const limits = [
  "Every bound assumes that units fail independently of each other; a burst in one scenario counts as many.",
  "Faults were injected on one machine with one disk; power cuts, full disks and broken hardware were not.",
  "A count of zero failures does not mean that none can happen; the bound says how many the sample cannot rule out.",
  "The signature shows that nothing changed since signing; it does not show who ran the gate, nor when."
] as const

// An instance of its own: helpers registered on the shared one could be replaced by anyone who imports it.
const engine = Handlebars.create()
engine.registerHelper("md", (value: unknown) => escapeText(text(value)))
engine.registerHelper("code", (value: unknown) => codeSpan(text(value)))
const render = engine.compile(template, { strict: true, noEscape: true, knownHelpersOnly: true, knownHelpers: { md: true, code: true } })

/** The text of REPORT.md. The same input gives the same text. */
export const renderReport = (input: ReportInput): string =>
  render({
    decision: input.result.decision,
    why: why(input.result),
    next: next(input.result).join(" "),
    run: input.run,
    commit: input.commit,
    profile: input.profile,
    scorecard: input.result.scorecard,
    window: `${instant(input.window.start_ms)} to ${instant(input.window.end_ms)}`,
    checks: worstFirst(input.result.lines).map(checkOf),
    findings: worstFirst(input.result.lines).filter(({ verdict }) => verdict !== "PASS").map(findingOf),
    scenarios: input.scenarios.map(({ id, journal }) => scenarioOf(id, journal, input.repeat)),
    exclusions: input.result.lines.flatMap(({ excluded, id }) =>
      Object.entries(excluded).map(([reason, units]) => ({ id, reason, units }))
    ),
    board: { decision: input.boardResult.decision, checks: worstFirst(input.boardResult.lines).map(checkOf) },
    limits
  }).replace(/\n{3,}/g, "\n\n")

const checkOf = (line: Line) => ({
  id: line.id,
  title: line.title,
  verdict: verdictText(line),
  measured: measured(line),
  needs: needs(line),
  bound: bound(line)
})

const findingOf = (line: Line) => ({
  verdict: verdictText(line),
  title: line.title,
  reason: line.reason,
  remedy: line.remedy,
  offenders: line.offenders
})

const scenarioOf = (id: string, journal: Journal, repeat: ReportInput["repeat"]) => ({
  id,
  hypothesis: journal.scenario.hypothesis,
  seed: journal.seed,
  injected: journal.faults.length,
  hit: journal.faults.filter(({ hit, witness }) => hit.length > 0 && witness !== null).length,
  ended: journal.note === null ? journal.status : `${journal.status}: ${journal.note}`,
  repeat: repeat(id, journal.seed)
})

const instant = (ms: number): string => Option.match(DateTime.make(ms), { onNone: () => String(ms), onSome: DateTime.formatIso })

const text = (value: unknown): string => {
  if (typeof value === "string") return value
  if (typeof value === "number") return String(value)
  // A value of another kind is a mistake in the template, and an empty cell would hide it.
  throw new TypeError(`the report template shows a value that is ${typeof value}`)
}
