/**
 * What the gate prints when it is done: plain aligned text that fits a terminal, decision first, what needs
 * attention next. Nothing from outside can move the cursor or colour the screen.
 */
import { clip, plain } from "../evidence/Plain.ts"
import type { Line, Result } from "../scorecard/Scorecard.ts"
import { colourless, type Paint } from "./Paint.ts"
import { bound, headline, measured, next, verdictText, why, worstFirst } from "./Wording.ts"

export interface SummaryInput {
  readonly run: string
  readonly profile: string
  readonly result: Result
  readonly boardResult: Result
  /** Where the bundle is, or null when none was written. */
  readonly bundle: string | null
  /** What nobody may overlook, one sentence each. */
  readonly red?: ReadonlyArray<string>
  /** What else was done, one line each: simulation, self-test. */
  readonly notes?: ReadonlyArray<string>
  readonly paint?: Paint
}

export const summaryLinesMax = 30
const width = 100
const rowsMax = 10
const redMax = 2
const notesMax = 2
const wrappedMax = 3

/** At most `summaryLinesMax` lines of at most 100 characters (a path is never cut), without a final line feed. */
export const renderSummary = ({ boardResult, bundle, notes = [], paint = colourless, profile, red = [], result, run }: SummaryInput): string => {
  const lines = worstFirst(result.lines)
  const shown = lines.slice(0, rowsMax)
  const hidden = lines.slice(rowsMax)
  return [
    ...wrap(`${headline(result)}  run ${run}, profile ${profile}, scorecard ${result.scorecard}`).map((row, index) => (index === 0 ? row.replace(result.decision, () => paint.decision(result.decision)) : row)),
    ...wrap(why(result)),
    ...next(result).flatMap(wrap),
    ...red.slice(0, redMax).map((sentence) => paint.red(clip(sentence, width))),
    ...(red.length > redMax ? [paint.red(`… and ${red.length - redMax} more of this kind: see the report`)] : []),
    "",
    ...table(shown),
    ...(hidden.length === 0 ? [] : [`… and ${hidden.length} more, the worst of them ${hidden[0]?.verdict ?? ""}`]),
    "",
    ...notes.slice(0, notesMax).map((note) => clip(note, width)),
    `Board, for information: ${boardResult.decision}`,
    ...(bundle === null ? ["No bundle was written."] : [`Bundle: ${plain(bundle)}`, `Check it: opsgate verify ${plain(bundle)}`])
  ].join("\n")
}

const table = (lines: ReadonlyArray<Line>): ReadonlyArray<string> => {
  const rows = lines.map((line) => [clip(line.id, 40), clip(verdictText(line), 32), measured(line), bound(line)])
  const widths = [0, 1, 2, 3].map((column) => Math.max(0, ...rows.map((row) => lengthOf(row[column] ?? ""))))
  return rows.map((row) => `  ${row.map((cell, column) => pad(cell, widths[column] ?? 0)).join("  ").trimEnd()}`)
}

// Breaks at blanks; what does not fit into `wrappedMax` lines is cut.
const wrap = (text: string): ReadonlyArray<string> => {
  const lines = [""]
  for (const word of plain(text).split(" ")) {
    const last = lines.at(-1) ?? ""
    if (last === "") lines[lines.length - 1] = word
    else if (lengthOf(last) + 1 + lengthOf(word) <= width) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  const shown = lines.slice(0, wrappedMax).map((line) => clip(line, width))
  return lines.length > wrappedMax ? [...shown.slice(0, -1), `${clip(shown.at(-1) ?? "", width - 2)} …`] : shown
}

// By code points, not code units; `padEnd` would count an emoji twice.
const lengthOf = (text: string): number => [...text].length
const pad = (text: string, to: number): string => text + " ".repeat(Math.max(0, to - lengthOf(text)))
