/** What a scorecard fixes for a measure, taken out of its parameters. What it does not say makes the measure missing evidence. */
import type { Parameters } from "../Verdict.ts"
import type { Units } from "./Units.ts"

/** A whole number from 1 on; null, and missing, when the scorecard does not give it. */
export const limitIn = (parameters: Parameters, name: string, units: Units): number | null => {
  const value = parameters[name]
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 1) return value
  units.missing(`the scorecard gives no ${name}`)
  return null
}

/** Words divided by blanks; none when the scorecard does not give them. */
export const wordsIn = (parameters: Parameters, name: string): ReadonlySet<string> => new Set(String(parameters[name] ?? "").split(" ").filter((word) => word !== ""))
