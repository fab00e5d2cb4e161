/**
 * The audit report of the newest whole run of a profile (`docs/audits/`): its decision, the v1.2 gate and the KPI targets with their trend,
 * every finding, and which bundles it was made from. It says nothing that a verified bundle does not prove, and names nothing of the machine.
 */
import { repeatOf, replayOf } from "../../Simulated.ts"
import type { Line } from "../../scorecard/Scorecard.ts"
import { named, sinceWhen } from "../Changes.ts"
import { byHowMuch, howSure } from "../Findings.ts"
import { codeSpan, escapeText } from "../Markdown.ts"
import { repeatsOf } from "../Report.ts"
import { bound, headline, measured, needs, next, verdictText, why, worstFirst } from "../Wording.ts"
import { ownerOf, severities, severityOf } from "./Findings.ts"
import { type BoardLine, gateLines, targetLines } from "./Lines.ts"
import type { AuditRun, Detail } from "./Runs.ts"
import { counts, dayOf, instant, lineIn, marksMean, table, trendOf } from "./Table.ts"

export interface AuditInput {
  readonly profile: string
  /** Newest first, at least one. */
  readonly runs: readonly [AuditRun, ...ReadonlyArray<AuditRun>]
  /** Of the newest. */
  readonly detail: Detail
  readonly unused: ReadonlyArray<{ readonly name: string; readonly why: string }>
  /** The newest verified window of production; null where none was judged on this machine. */
  readonly production: AuditRun | null
}

export const generated = "Generated from verified evidence; do not edit."
const offendersShown = 5

/** The text of a report; `metrics` is the file with all figures, as it is linked from it. */
export const renderAudit = (input: AuditInput, metrics: string): string => {
  const { profile, runs: [newest, ...earlier], unused } = input
  const { result } = newest
  return [
    `# Audit report: ${escapeText(headline(result))}`,
    `<!-- ${generated} -->`,
    escapeText(why(result)),
    `**Next:** ${escapeText(next(result).join(" "))}`,
    lines(table(["", ""], [
      ["run", `${codeSpan(newest.run)}, profile ${codeSpan(profile)}, ${instant(newest.window.start_ms)} to ${instant(newest.window.end_ms)}`],
      ["judged", `version ${codeSpan(newest.version ?? "unknown")}, commit ${codeSpan(newest.commit)}`],
      ["by", `scorecard ${codeSpan(result.scorecard)}, sha256 ${codeSpan(newest.scorecardSha256)}`],
      ["evidence", `${codeSpan(`evidence/runs/${newest.name}`)}; its SHA256SUMS has the sha256 ${codeSpan(newest.digest)}`],
      ["signed by", codeSpan(newest.fingerprint)],
      ["check it", codeSpan(`opsgate verify evidence/runs/${newest.name}`)]
    ])),
    "Every figure here was counted anew, when this was written, from bundles that verified: signature, digests, hash chains and verdicts.",
    "## The v1.2 gate (all must pass)",
    lines(table(["line", "check", "verdict", "measured", "needs", "bound (95 %)", `last ${earlier.length + 1}`], gateLines.flatMap((line) => gateRows(line, input)))),
    `${marksMean}.`,
    "## KPI targets",
    targetsLine(input),
    lines(table(["target", "preview in this run", "on production", "needs", `previews of the last ${earlier.length + 1}`], targetLines.flatMap((line) => targetRows(line, input)))),
    "## Findings",
    ...findingsOf(input),
    "## Waivers",
    result.waivers.length === 0 ? "Nobody waived anything." : lines(table(["check", "owner", "reason", "expires", "in this run"], result.waivers.map(({ check, expires, owner, reason, state }) => [codeSpan(check), escapeText(owner), escapeText(reason), expires, state]))),
    "## The runs behind this",
    lines(runsTable(input.runs)),
    `[Every check of these runs, with its counts](${metrics}).`,
    ...(unused.length === 0 ? [] : ["Bundles that do not verify, and are not used:", lines(unused.map((one) => `- ${codeSpan(one.name)}: ${escapeText(one.why)}`))])
  ].join("\n\n") + "\n"
}

const lines = (all: ReadonlyArray<string>): string => all.join("\n")

const gateRows = ({ checks, line }: BoardLine, { runs }: AuditInput): ReadonlyArray<ReadonlyArray<string>> =>
  checks.map((id) => {
    const found = lineIn(runs[0].result, id)
    return found === undefined
      ? [escapeText(line), codeSpan(id), "not asked by this scorecard", "", "", "", trendOf(id, runs)]
      : [escapeText(line), codeSpan(id), verdictText(found), measured(found), escapeText(needs(found)), escapeText(bound(found)), trendOf(id, runs)]
  })

const targetsLine = ({ production }: AuditInput): string =>
  escapeText(`A preview is counted on operators that a program plays and never passes; a target is met on a window of production alone. ${production === null ? "No window of production is on record on this machine (opsgate gate with the option window)." : `The newest window ends ${instant(production.window.end_ms)}: evidence/runs/${production.name}, sha256 of its SHA256SUMS ${production.digest}.`}`)

const targetRows = ({ checks, line }: BoardLine, { production, runs }: AuditInput): ReadonlyArray<ReadonlyArray<string>> =>
  checks.map((id) => {
    const preview = lineIn(runs[0].board, id)
    return [escapeText(line), counts(preview), production === null ? "–" : counts(lineIn(production.result, id)), preview === undefined ? "" : escapeText(needs(preview)), trendOf(id, runs, ({ board }) => board)]
  })

const findingsOf = (input: AuditInput): ReadonlyArray<string> => {
  const open = worstFirst(input.runs[0].result.lines).filter(({ verdict }) => verdict !== "PASS")
  if (open.length === 0) return ["None: every check of the scorecard passed."]
  const sorted = severities.flatMap((severity) => open.filter((line) => severityOf(line) === severity))
  const objections = (input.runs[0].result.objections ?? []).map((objection) => `- ${escapeText(objection)}`)
  return [...(objections.length === 0 ? [] : [lines(objections)]), ...sorted.flatMap((line) => findingOf(line, input))]
}

const findingOf = (line: Line, { detail: { history, scorecard }, profile, runs: [, ...earlier] }: AuditInput): ReadonlyArray<string> => {
  const known = earlier.map(({ commit, result, run, version }) => ({ commit, run, version, verdicts: new Map(result.lines.map(({ id, verdict }) => [id, verdict])) }))
  const scenarios = history.scenarios.flatMap(({ id, journal }) => (journal === null ? [] : [{ id, journal }]))
  const repeats = repeatsOf(line, {
    scenarios, scorecard, simulation: history.simulation ?? null, repeatSeed: (seed) => replayOf(seed), repeatAll: `npm run gate -- --profile ${profile}`,
    repeat: (scenario, seed) => repeatOf(profile, scenario, seed)
  })
  return [
    `### ${severityOf(line)}: ${escapeText(line.title)} (${codeSpan(line.id)})`,
    `${verdictText(line)}. ${escapeText(line.reason)}`,
    lines([
      `- Owner: ${escapeText(ownerOf(line, scorecard))}`,
      `- By how much: ${escapeText(byHowMuch(line))}.`,
      `- How sure: ${escapeText(howSure(line))}.`,
      `- Since: ${escapeText(sinceWhen(line.id, line.verdict, known))}.`,
      ...repeats.map((command) => `- See it again: ${codeSpan(command)}`),
      `- To do: ${escapeText(line.remedy)}`,
      ...line.offenders.slice(0, offendersShown).map((offender) => `- Seen: ${escapeText(offender)}`)
    ])
  ]
}

const runsTable = (runs: ReadonlyArray<AuditRun>): ReadonlyArray<string> =>
  table(["day", "decision", "checks passed", "run", "scorecard", "sha256 of its SHA256SUMS"], runs.map((run) => [
    dayOf(run),
    run.result.decision,
    `${run.result.lines.filter(({ verdict }) => verdict === "PASS").length}/${run.result.lines.length}`,
    escapeText(named(run)),
    codeSpan(run.scorecardSha256.slice(0, 12)),
    codeSpan(run.digest)
  ]))
