/** The figures behind an audit report (`docs/audits/metrics/`): every check of the newest run with its counts, and its counts and verdict in each of the last runs. */
import type { Line, Result } from "../../scorecard/Scorecard.ts"
import { codeSpan, escapeText } from "../Markdown.ts"
import { bound, measured, needs, verdictText } from "../Wording.ts"
import { type AuditInput, generated } from "./Audit.ts"
import { gateLines, targetLines } from "./Lines.ts"
import type { AuditRun } from "./Runs.ts"
import { counts, instant, lineIn, table } from "./Table.ts"

/** The text; `report` is the report that it belongs to, as it is linked from it. */
export const renderMetrics = ({ production, profile, runs }: AuditInput, report: string): string => {
  const [newest] = runs
  const chronological = runs.toReversed()
  return [
    "# Metrics",
    `<!-- ${generated} -->`,
    `Of run ${codeSpan(newest.run)}, profile ${codeSpan(profile)}, window ${instant(newest.window.start_ms)} to ${instant(newest.window.end_ms)}; [the report](${report}). Counts are of units, good of all; what a unit is, says [gate.md](../../gate.md).`,
    "## The last runs",
    lines(table(["", "run", "commit", "decision", "evidence"], chronological.map(({ commit, digest, result, run }, index) => [String(index + 1), codeSpan(run), codeSpan(commit.slice(0, 12)), result.decision, codeSpan(digest)]))),
    "## The v1.2 gate in these runs",
    lines(trend(gateLines.flatMap(({ checks }) => checks), chronological, ({ result }) => result)),
    "## KPI targets in these runs, previews all",
    lines(trend(targetLines.flatMap(({ checks }) => checks), chronological, ({ board }) => board)),
    ...(production === null ? [] : ["## KPI targets on production", `Run ${codeSpan(production.run)}, window ${instant(production.window.start_ms)} to ${instant(production.window.end_ms)}, evidence ${codeSpan(production.digest)}.`, lines(figures(production.result))]),
    "## Every check of the newest run",
    lines(figures(newest.result)),
    "## Every other check in these runs",
    lines(trend(newest.result.lines.map(({ id }) => id).filter((id) => !gateLines.some(({ checks }) => checks.includes(id))), chronological, ({ result }) => result))
  ].join("\n\n") + "\n"
}

const lines = (all: ReadonlyArray<string>): string => all.join("\n")

const trend = (ids: ReadonlyArray<string>, runs: ReadonlyArray<AuditRun>, of: (run: AuditRun) => Result): ReadonlyArray<string> =>
  table(["check", ...runs.map((_, index) => String(index + 1))], ids.map((id) => [codeSpan(id), ...runs.map((run) => counts(lineIn(of(run), id)))]))

const figures = ({ lines: all }: Result): ReadonlyArray<string> =>
  table(["check", "verdict", "measured", "needs", "bound (95 %)", "left out", "figures"], all.map((line) => [codeSpan(line.id), verdictText(line), measured(line), escapeText(needs(line)), escapeText(bound(line)), leftOut(line), beside(line)]))

const leftOut = ({ censored, excluded }: Line): string =>
  escapeText([...Object.entries(excluded), ...(censored === 0 ? [] : [["not seen to its end", censored] as const])].map(([reason, units]) => `${units} ${reason}`).join("; "))

const beside = ({ figures = {} }: Line): string => escapeText(Object.entries(figures).map(([what, figure]) => `${what} ${figure}`).join("; "))
