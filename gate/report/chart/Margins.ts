/**
 * How much room each check leaves: the share of bad units that was measured, what the sample cannot rule out, and what is allowed. Only
 * checks that conclude from a sample to other units are drawn; one that looked at every unit leaves no room to draw.
 */
import type { Line } from "../../scorecard/Scorecard.ts"
import { percent } from "../Wording.ts"
import { at, axis, type Drawn, label, logScale } from "./Svg.ts"

const million = 1_000_000
const [left, right, top, row] = [250, 590, 30, 22] as const
/** One in ten thousand and less is drawn at the left edge, as is none. */
const scale = logScale(100, million, left, right)
const ticks = [[100, "≤ 0.01 %"], [1000, "0.1 %"], [10_000, "1 %"], [100_000, "10 %"], [million, "100 %"]] as const

interface Margin {
  readonly line: Line
  /** Of a million units: bad ones that were found, that the bound still allows, that the scorecard allows; null where only the size of the sample is asked. */
  readonly found: number
  readonly upTo: number
  readonly allowed: number | null
}

const marginOf = (line: Line): ReadonlyArray<Margin> => {
  const { bound_ppm, good, rule, threshold_ppm, total } = line
  if (bound_ppm === null || total === 0) return []
  const found = Math.round(((total - good) * million) / total)
  const isGood = rule === "rate_at_least"
  return [{ line, found, upTo: isGood ? million - bound_ppm : bound_ppm, allowed: threshold_ppm === null ? null : isGood ? million - threshold_ppm : threshold_ppm }]
}

/** Null when no check of the result concludes from a sample. */
export const drawMargins = (lines: ReadonlyArray<Line>): Drawn | null => {
  const margins = lines.flatMap(marginOf)
  if (margins.length === 0) return null
  const bottom = top + margins.length * row
  return {
    title: "What was measured, and what was needed",
    desc: `Share of bad units for each check that concludes from a sample. ${margins.map(wordsOf).join("; ")}.`,
    height: bottom + 44,
    body: [
      label(0, 16, "share of bad units (logarithmic): dot measured, line up to what the sample cannot rule out (95 %), bar the most allowed", { dim: true, max: 130 }),
      ...axis(ticks.map(([ppm, word]) => [scale(ppm), word]), top, bottom),
      ...margins.flatMap(drawn)
    ]
  }
}

const wordsOf = ({ allowed, found, line: { id }, upTo }: Margin): string => `${id} ${percent(found)}, at most ${percent(upTo)}, ${allowed === null ? "none allowed" : `allowed ${percent(allowed)}`}`

const drawn = ({ allowed, found, line: { good, id, total, verdict }, upTo }: Margin, index: number): ReadonlyArray<string> => {
  const y = top + index * row + row / 2
  return [
    label(0, y + 4, id, { max: 36 }),
    `<path class="mark" d="M${at(scale(found))} ${at(y)}H${at(scale(upTo))}m0 -4v8"/><circle class="mark" cx="${at(scale(found))}" cy="${at(y)}" r="4"/>`,
    ...(allowed === null ? [] : [`<path class="need" d="M${at(scale(allowed))} ${at(y - 8)}v16"/>`]),
    label(604, y + 4, `${good}/${total} ${verdict}`, { max: 24 })
  ]
}
