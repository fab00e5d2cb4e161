/** Judged checks written by hand, for tests of what is made from them. */
import type { Line, Result } from "../../../gate/scorecard/Scorecard.ts"
import { decide } from "../../../gate/Verdict.ts"

export const line = (id: string, change: Partial<Line> = {}): Line => ({
  id, title: `About ${id}`, rule: "census", verdict: "PASS", good: 10, total: 10, excluded: {}, censored: 0, strata: {}, n_min: 10,
  population: `All of ${id}.`, traffic: ["fault, machine, 1 scenario"], weight: null, key: false, waived: null, threshold_ppm: null, bound_ppm: null, reason: `All of ${id}.`, remedy: `Look at ${id}.`, offenders: [], ...change
})

export const result = (...lines: ReadonlyArray<Line>): Result => ({ scorecard: "v1", decision: decide(lines.map(({ verdict }) => verdict)), lines, waivers: [] })
