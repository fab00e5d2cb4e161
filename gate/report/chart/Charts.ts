/** The charts of a report: which there are for a run, and where they lie in its bundle. They draw what was counted, and decide nothing. */
import type { RunHistory } from "../../History.ts"
import { overScenarios } from "../../invariant/Units.ts"
import { type Incident, incidentsOf } from "../../kpi/Incidents.ts"
import type { Result, Scorecard } from "../../scorecard/Scorecard.ts"
import type { Earlier } from "../Earlier.ts"
import { drawMargins } from "./Margins.ts"
import { drawRecoveries } from "./Recoveries.ts"
import { type Drawn, svg } from "./Svg.ts"
import { drawTrend } from "./Trend.ts"

export const chartNames = ["checks", "recovery", "trend"] as const
export type ChartName = (typeof chartNames)[number]

export interface Chart {
  readonly name: ChartName
  /** In the bundle. */
  readonly path: string
  readonly title: string
  readonly text: string
}

export interface ChartInput {
  readonly run: string
  readonly result: Result
  readonly history: RunHistory
  readonly scorecard: Scorecard
  /** Whole runs of the profile, newest first; null for a run that is compared with none. */
  readonly earlier: ReadonlyArray<Earlier> | null
}

/** A chart that would show nothing is not made. */
export const chartsOf = ({ earlier, history, result, run, scorecard }: ChartInput): ReadonlyArray<Chart> => {
  const { lines } = result
  const now = { run, decision: result.decision, verdicts: new Map(lines.map(({ id, verdict }) => [id, verdict])) }
  const { incidents, limitMs } = incidentsIn(history, scorecard)
  return [
    ...chart("checks", drawMargins(lines)),
    ...chart("recovery", drawRecoveries(incidents, limitMs)),
    ...chart("trend", earlier === null ? null : drawTrend(lines.map(({ id }) => id), [...earlier.toReversed(), now]))
  ]
}

const chart = (name: ChartName, drawn: Drawn | null): ReadonlyArray<Chart> =>
  drawn === null ? [] : [{ name, path: `report/${name}.svg`, title: drawn.title, text: svg(drawn) }]

/** As the check of the scorecard that limits them counts them; none when it has no such check. */
const incidentsIn = (history: RunHistory, { checks }: Scorecard): { readonly incidents: ReadonlyArray<Incident>; readonly limitMs: number | null } => {
  const { probes, restored_within_ms: limitMs } = checks.find(({ measure }) => measure === "mttr")?.parameters ?? {}
  const incidents: Array<Incident> = []
  if (typeof probes !== "number" || typeof limitMs !== "number") return { incidents, limitMs: null }
  overScenarios(history, (whole, units) => void incidents.push(...incidentsOf(whole, probes, units)))
  return { incidents, limitMs }
}
