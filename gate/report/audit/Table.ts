/** What audit reports are made of: tables and short marks, every value of which is escaped. */
import { DateTime, Option } from "effect"
import type { Line, Result } from "../../scorecard/Scorecard.ts"
import type { Verdict } from "../../Verdict.ts"
import { escapeText } from "../Markdown.ts"
import { measured, verdictText } from "../Wording.ts"
import type { AuditRun } from "./Runs.ts"

/** Cells are Markdown already: whoever makes them has escaped them. */
export const table = (heads: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> =>
  [heads, heads.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`)

export const lineIn = ({ lines }: Result, id: string): Line | undefined => lines.find((line) => line.id === id)

/** `PASS 312/312`, or that the scorecard did not ask. */
export const counts = (line: Line | undefined): string => (line === undefined ? "not asked" : escapeText(`${verdictText(line)} ${measured(line)}`))

const marks = { PASS: "✓", FAIL: "✗", INSUFFICIENT: "?", ERROR: "!" } as const satisfies Record<Verdict, string>

/** What the marks of `trendOf` mean. */
export const marksMean = "✓ PASS, ✗ FAIL, ? INSUFFICIENT, ! ERROR, · not asked; the newest run is the last mark"

/** A mark for each run, the newest last. `runs`: newest first. */
export const trendOf = (id: string, runs: ReadonlyArray<AuditRun>, of: (run: AuditRun) => Result = ({ result }) => result): string =>
  runs.map((run) => lineIn(of(run), id)?.verdict).toReversed().map((verdict) => (verdict === undefined ? "·" : marks[verdict])).join(" ")

export const instant = (ms: number): string => Option.match(DateTime.make(ms), { onNone: () => String(ms), onSome: DateTime.formatIso })

/** The day of a run, UTC: `2026-11-21`. */
export const dayOf = ({ window }: Pick<AuditRun, "window">): string => instant(window.end_ms).slice(0, 10)
