/** What changed between two texts, line by line. */

export interface DiffLine {
  readonly sign: " " | "-" | "+"
  readonly text: string
}

/** Cells of the table of a comparison: what is larger is told as gone and new as a whole. */
const cellsMax = 1_000_000

/**
 * The lines that went, came and stayed, from the longest common subsequence of what lies between the first and the last difference
 * (Wagner and Fischer 1974, "The String-to-String Correction Problem"). Costs the product of the two lengths of that part.
 */
export const diffLines = (before: ReadonlyArray<string>, after: ReadonlyArray<string>): ReadonlyArray<DiffLine> => {
  let head = 0
  while (head < before.length && head < after.length && before[head] === after[head]) head++
  let tail = 0
  while (tail < before.length - head && tail < after.length - head && before[before.length - 1 - tail] === after[after.length - 1 - tail]) tail++
  const same = (text: string): DiffLine => ({ sign: " ", text })
  return [
    ...before.slice(0, head).map(same),
    ...middle(before.slice(head, before.length - tail), after.slice(head, after.length - tail)),
    ...after.slice(after.length - tail).map(same)
  ]
}

const gone = (text: string): DiffLine => ({ sign: "-", text })
const came = (text: string): DiffLine => ({ sign: "+", text })

const middle = (before: ReadonlyArray<string>, after: ReadonlyArray<string>): ReadonlyArray<DiffLine> => {
  const width = after.length + 1
  if (before.length * after.length > cellsMax) return [...before.map(gone), ...after.map(came)]
  // Longest common subsequence of what begins at each pair of lines.
  const longest = new Uint32Array((before.length + 1) * width)
  const at = (row: number, column: number): number => longest[row * width + column] ?? 0
  for (let row = before.length - 1; row >= 0; row--) {
    for (let column = after.length - 1; column >= 0; column--) {
      longest[row * width + column] = before[row] === after[column] ? at(row + 1, column + 1) + 1 : Math.max(at(row + 1, column), at(row, column + 1))
    }
  }
  const lines: Array<DiffLine> = []
  let row = 0
  let column = 0
  while (row < before.length || column < after.length) {
    const old = before[row]
    const young = after[column]
    if (old !== undefined && old === young) {
      lines.push({ sign: " ", text: old })
      row += 1
      column += 1
    } else if (old !== undefined && (young === undefined || at(row + 1, column) >= at(row, column + 1))) {
      lines.push(gone(old))
      row += 1
    } else if (young !== undefined) {
      lines.push(came(young))
      column += 1
    }
  }
  return lines
}

/** Only what changed, with so many lines around it; null stands for lines that are left out. */
export const onlyChanges = (lines: ReadonlyArray<DiffLine>, around: number): ReadonlyArray<DiffLine | null> => {
  const kept = new Set<number>()
  lines.forEach(({ sign }, index) => {
    if (sign !== " ") for (let near = index - around; near <= index + around; near++) kept.add(near)
  })
  return lines.flatMap((line, index) => (kept.has(index) ? [line] : kept.has(index - 1) ? [null] : []))
}
