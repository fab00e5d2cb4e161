/** The verdict of every check in the last runs of a profile: a row for each check, a column for each run, the newest last. Shapes differ, not only colours. */
import { type Decision, type Verdict, verdicts } from "../../Verdict.ts"
import { at, type Drawn, label } from "./Svg.ts"

export interface TrendRun {
  readonly run: string
  readonly decision: Decision
  readonly verdicts: ReadonlyMap<string, Verdict>
}

const [left, top, row, step] = [270, 104, 15, 44] as const
/** The most runs and checks of a chart. */
export const runsMax = 10
const checksMax = 80

/** `runs`: oldest first. `ids`: the checks, in the order of the scorecard. Null when there is no earlier run to compare with. */
export const drawTrend = (ids: ReadonlyArray<string>, runs: ReadonlyArray<TrendRun>): Drawn | null => {
  const shown = runs.slice(-runsMax)
  if (shown.length < 2 || ids.length === 0) return null
  const rows = ids.slice(0, checksMax)
  const hidden = ids.length - rows.length
  const height = top + (rows.length + 1) * row + 24
  const cells = shown.map(({ decision, verdicts: own }) => [asVerdict[decision], ...rows.map((id) => own.get(id))])
  return {
    title: `The last ${shown.length} runs`,
    desc: `${shown.map(({ decision, run, verdicts: own }) => `${run}: ${decision}, ${[...own.values()].filter((verdict) => verdict === "PASS").length} of ${own.size} checks passed`).join("; ")}.`,
    height,
    body: [
      label(0, 16, "dot PASS or GO, cross FAIL, square INSUFFICIENT, triangle ERROR, dash not asked; the newest run is the last column", { dim: true, max: 120 }),
      ...shown.map(({ run }, index) => headOf(run, left + index * step)),
      ...[decisionRow, ...rows].map((id, index) => label(0, top + index * row + 4, id, { max: 38 })),
      ...verdicts.map((verdict) => `<path class="${verdict}" d="${cellsOf(cells, (own) => own === verdict).map(([x, y]) => shapes[verdict](x, y)).join("")}"/>`),
      `<path class="axis" d="${cellsOf(cells, (own) => own === undefined).map(([x, y]) => `M${at(x - 3)} ${at(y)}h6`).join("")}"/>`,
      ...(hidden === 0 ? [] : [label(0, height - 8, `and ${hidden} more checks`, { dim: true })])
    ]
  }
}

const decisionRow = "the decision"
const asVerdict = { "GO": "PASS", "NO-GO": "FAIL", "INSUFFICIENT": "INSUFFICIENT" } as const satisfies Record<Decision, Verdict>

// Day and minute of the run, as it is named: 20261121T234313171Z.
const headOf = (run: string, x: number): string => {
  const [, month = "", day = "", hour = "", minute = ""] = /^\d{4}(\d\d)(\d\d)T(\d\d)(\d\d)/.exec(run) ?? []
  const when = month === "" ? "?" : `${month}-${day} ${hour}:${minute}`
  return `<g transform="translate(${at(x + 4)} ${top - 10}) rotate(-50)">${label(0, 0, when)}</g>`
}

// By column, from the top.
const cellsOf = (columns: ReadonlyArray<ReadonlyArray<Verdict | undefined>>, fits: (verdict: Verdict | undefined) => boolean): ReadonlyArray<readonly [number, number]> =>
  columns.flatMap((column, x) => column.flatMap((verdict, y) => (fits(verdict) ? [[left + x * step, top + y * row] as const] : [])))

const shapes = {
  // A line of no length with round ends is a dot.
  PASS: (x, y) => `M${at(x)} ${at(y)}h0`,
  FAIL: (x, y) => `M${at(x - 4)} ${at(y - 4)}l8 8m0 -8l-8 8`,
  INSUFFICIENT: (x, y) => `M${at(x - 4)} ${at(y - 4)}h8v8h-8z`,
  ERROR: (x, y) => `M${at(x)} ${at(y - 5)}l5 9h-10z`
} as const satisfies Record<Verdict, (x: number, y: number) => string>
