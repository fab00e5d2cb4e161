/**
 * Waivers: a check that does not pass decides nothing while somebody answers for it. Its verdict, its counts and its place in the score
 * stay what they are; only the decision goes without it, and says so. A key check has none: the scorecard would be refused.
 */
import type { RunHistory } from "../History.ts"
import type { Line, Result, Waiver, WaiverState } from "./Scorecard.ts"

/** When the last scenario ended that was not simulated: a simulated clock says nothing about a day in the calendar. Null: nobody knows. */
export const endOf = ({ scenarios }: RunHistory): number | null =>
  scenarios.reduce<number | null>((latest, { journal }) => (journal === null || journal.world === "simulation" ? latest : Math.max(latest ?? journal.ended_at, journal.ended_at)), null)

const dayMs = 86_400_000

/** The first instant at which it counts no more; NaN for what is no day. */
export const expiryOf = ({ expires }: Waiver): number => Date.parse(`${expires}T00:00:00.000Z`) + dayMs

/** Takes the waived lines out of the decision. Without an instant no waiver counts. */
export const waive = (lines: ReadonlyArray<Line>, waivers: ReadonlyArray<Waiver>, at: number | null): Pick<Result, "lines" | "waivers"> => {
  const states = waivers.map((waiver) => ({ ...waiver, state: stateOf(waiver, lines, at) }))
  const waiverOf = (id: string, state: WaiverState): Waiver | null => {
    const found = states.findIndex((waiver) => waiver.check === id && waiver.state === state)
    return waivers[found] ?? null
  }
  return {
    lines: lines.map((line) => {
      const [waived, expired] = [waiverOf(line.id, "applied"), waiverOf(line.id, "expired")]
      return expired === null || line.verdict === "PASS" ? { ...line, waived } : { ...line, reason: `${line.reason} The waiver of ${expired.owner} ended on ${expired.expires}.` }
    }),
    waivers: states
  }
}

const stateOf = (waiver: Waiver, lines: ReadonlyArray<Line>, at: number | null): WaiverState => {
  if (at === null || !(at < expiryOf(waiver))) return "expired"
  const line = lines.find(({ id }) => id === waiver.check)
  return line === undefined || line.key || line.verdict === "PASS" ? "unused" : "applied"
}
