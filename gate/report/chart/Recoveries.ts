/** How long it took until what a fault broke was well again: one row for each class of faults, a column for as many as took as long. */
import type { Incident } from "../../kpi/Incidents.ts"
import { rank } from "../../kpi/Window.ts"
import { at, axis, type Drawn, label, logScale } from "./Svg.ts"

const [left, right, top, row, columns] = [130, 600, 30, 44, 94] as const
/** The shortest that the axis tells apart, milliseconds. */
const shortestMs = 10
const longestMs = 3_600_000
const scale = logScale(shortestMs, longestMs, left, right)
const ticks = [[shortestMs, "≤ 10 ms"], [100, "0.1 s"], [1000, "1 s"], [10_000, "10 s"], [60_000, "1 min"], [600_000, "10 min"], [longestMs, "≥ 1 h"]] as const

/** `limitMs`: how long it may take. Null when nothing was struck. */
export const drawRecoveries = (incidents: ReadonlyArray<Incident>, limitMs: number | null): Drawn | null => {
  const sorts = [...new Set(incidents.map(({ sort }) => sort))].sort()
  if (sorts.length === 0) return null
  const rows = sorts.map((sort) => ({ sort, own: incidents.filter((incident) => incident.sort === sort) }))
  const bottom = top + rows.length * row
  return {
    title: "How long until it was well again, by class of faults",
    desc: `${rows.map(wordsOf).join("; ")}.${limitMs === null ? "" : ` ${spoken(limitMs)} is allowed.`}`,
    height: bottom + 44,
    body: [
      label(0, 16, "from the fault to all well again (logarithmic); dot the median, bar the longest that is allowed", { dim: true, max: 120 }),
      ...axis(ticks.map(([ms, word]) => [scale(ms), word]), top, bottom),
      ...rows.flatMap(drawn),
      ...(limitMs === null ? [] : [`<path class="need" d="M${at(scale(limitMs))} ${top}V${bottom}"/>`])
    ]
  }
}

interface Row {
  readonly sort: string
  readonly own: ReadonlyArray<Incident>
}

const spoken = (ms: number): string => (ms < 1000 ? `${ms} ms` : `${Math.round(ms / 100) / 10} s`)

const wordsOf = ({ own, sort }: Row): string => {
  const lasted = own.map(({ lastedMs }) => lastedMs)
  const open = own.filter((incident) => incident.open !== null).length
  return `${sort}: ${own.length} incidents, median ${spoken(rank(50, lasted))}, longest ${spoken(rank(100, lasted))}${open === 0 ? "" : `, ${open} not over`}`
}

const drawn = ({ own, sort }: Row, index: number): ReadonlyArray<string> => {
  const base = top + index * row + row - 6
  const step = (right - left) / columns
  const counts = new Map<number, number>()
  for (const { lastedMs } of own) {
    const column = Math.min(columns - 1, Math.floor((scale(lastedMs) - left) / step))
    counts.set(column, (counts.get(column) ?? 0) + 1)
  }
  const most = Math.max(...counts.values())
  const bars = [...counts].sort(([one], [other]) => one - other).map(([column, count]) => `M${at(left + column * step)} ${base}h${at(step - 0.5)}v-${at(Math.max(2, ((row - 14) * count) / most))}h-${at(step - 0.5)}z`)
  const lasted = own.map(({ lastedMs }) => lastedMs)
  return [
    label(0, base - 8, sort, { max: 18 }),
    `<path class="bars" d="${bars.join("")}"/><circle class="mark" cx="${at(scale(rank(50, lasted)))}" cy="${base}" r="4"/>`,
    label(612, base - 16, `n ${own.length}, median ${spoken(rank(50, lasted))}`, { max: 26 }),
    label(612, base - 1, `longest ${spoken(rank(100, lasted))}`, { dim: true, max: 26 })
  ]
}
