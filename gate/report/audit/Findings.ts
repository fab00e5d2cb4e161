/** What an audit finds: every check that did not pass, how grave that is, and whose it is. */
import { subjectOf } from "../../scorecard/Measures.ts"
import type { Line, Scorecard } from "../../scorecard/Scorecard.ts"

export const severities = ["critical", "high", "medium"] as const
export type Severity = (typeof severities)[number]

/** A broken promise is graver than one that is not proven, and a key check, which nobody can waive, is graver than another. */
export const severityOf = ({ key, verdict }: Pick<Line, "key" | "verdict">): Severity => (verdict === "FAIL" ? (key ? "critical" : "high") : key ? "high" : "medium")

/** Who has to act, in one sentence. */
export const ownerOf = (line: Line, scorecard: Scorecard): string => {
  const { verdict, waived } = line
  if (waived !== null) return `${waived.owner} answers for it until ${waived.expires}: ${waived.reason.replace(/\.$/, "")}.`
  const subject = subjectOf(scorecard.checks.find(({ id }) => id === line.id)?.measure ?? "")
  if (verdict === "FAIL") return subject === "mutants" ? "Whoever keeps the gate: a check did not notice what it is there for." : "Whoever keeps the product: it broke this promise, and is not released before it keeps it."
  if (verdict === "ERROR") return "Whoever keeps the gate: evidence is missing, so nothing is known of the product."
  return "Whoever runs the gate: too little was measured, so nothing is known either way."
}
