/**
 * What a check about production says of anything else. Virtual operators invent their times: what is counted on them may be read, as a
 * preview, and never passes.
 */
import type { RunHistory } from "../History.ts"
import type { Verdict } from "../Verdict.ts"
import type { Check, Line } from "./Scorecard.ts"

/** Whether a check is judged on what it asks for. `asked` is what it takes of the history; production is all that a check about production takes. */
export const hasProduction = ({ worlds }: Check, asked: RunHistory): boolean =>
  worlds.some((world) => world !== "production") || asked.scenarios.some(({ journal }) => journal !== null)

/** No verdict becomes PASS. */
const atMost = { PASS: "INSUFFICIENT", FAIL: "FAIL", INSUFFICIENT: "INSUFFICIENT", ERROR: "ERROR" } as const satisfies Record<Verdict, Exclude<Verdict, "PASS">>

/** The line of a check about production that was judged on something else. */
export const previewed = (line: Line): Line & { readonly verdict: Exclude<Verdict, "PASS"> } => ({
  ...line,
  preview: true,
  verdict: atMost[line.verdict],
  reason: `Preview: ${line.verdict} on simulated operators, who invent their times; only a window of production can pass. ${line.reason}`
})
