/** Rows of text in columns, for a terminal. */
import { clip } from "../evidence/Plain.ts"

/** One line for each row, indented; a cell is cut at `cellMax` characters, the last of a row is not padded. */
export const table = (rows: ReadonlyArray<ReadonlyArray<string>>, cellMax = 72): ReadonlyArray<string> => {
  const cells = rows.map((row) => row.map((cell) => [...clip(cell, cellMax)]))
  const widths = cells.reduce<ReadonlyArray<number>>((widest, row) => row.map((cell, column) => Math.max(cell.length, widest[column] ?? 0)), [])
  return cells.map((row) => `  ${row.map((cell, column) => cell.join("") + " ".repeat(Math.max(0, (widths[column] ?? 0) - cell.length))).join("  ")}`.trimEnd())
}
