/** The lines of the v1.2 board (seed S1) as people know them, and the checks that judge each. A test holds that the scorecards have every one. */

export interface BoardLine {
  /** As the board has it. */
  readonly line: string
  /** Ids of checks. */
  readonly checks: ReadonlyArray<string>
}

/** "v1.2 Gate (must all pass)": checks of `scorecards/v1.2.json`. */
export const gateLines: ReadonlyArray<BoardLine> = [
  { line: "Command handling success rate >= 99% on soak window", checks: ["command-success"] },
  { line: "Duplicate heavy executions = 0", checks: ["duplicate-heavy"] },
  { line: "Control invariants hold in automated tests", checks: ["control-invariants"] },
  { line: "Poll timeout recovery >= 95% on induced fault tests", checks: ["poll-timeout-recovery"] },
  { line: "MTTR <= 10 minutes for common incidents", checks: ["mttr", "mttr-mean"] },
  { line: "End-to-end traceability exists for every sampled task", checks: ["traceability"] }
]

/** "KPI Targets": checks of `scorecards/v1.2-kpi.json`. */
export const targetLines: ReadonlyArray<BoardLine> = [
  { line: "Heavy task success rate >= 96%", checks: ["heavy-success"] },
  { line: "Human intervention ratio <= 15%", checks: ["human-intervention"] },
  { line: "Approve-to-resume latency p95 < 90s", checks: ["approve-to-resume"] },
  { line: "Outcome consistency (5 reruns) >= 90%", checks: ["outcome-consistency"] },
  { line: "System uptime >= 99.7%", checks: ["uptime"] },
  { line: "Operator active time < 60 min/day", checks: ["operator-time"] },
  { line: "Audit score >= 95", checks: ["audit-score"] }
]
