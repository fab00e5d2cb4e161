/** What a person reads on the terminal. Nothing from outside is printed raw; JSON goes to stdout alone, everything else is words. */
import { DateTime } from "effect"
import { printable } from "../../domain/Redaction.ts"
import type { Detail, Row } from "../../control/Views.ts"

const pad = (text: string, width: number): string => (text.length >= width ? text : text + " ".repeat(width - text.length))

const when = (atMs: number | null): string => (atMs === null ? "-" : DateTime.formatIso(DateTime.unsafeMake(atMs)))

export const listText = (rows: ReadonlyArray<Row>): string =>
  rows.length === 0
    ? "no tasks"
    : ["ID      STATE      CLASS  ATTEMPT  KIND", ...rows.map(lineOf)].join("\n")

const lineOf = (row: Row): string => {
  const marks = [row.outcome_unknown ? "outcome unknown" : "", row.holds.length > 0 ? `waits for ${row.holds.join(", ")}` : "", row.cancel_requested ? "cancel requested" : ""].filter((mark) => mark !== "")
  return `${pad(row.short, 7)} ${pad(row.state, 10)} ${pad(row.class, 6)} ${pad(String(row.attempt), 8)} ${printable(row.kind)}${marks.length > 0 ? `  (${marks.join("; ")})` : ""}`
}

export const detailText = (task: Detail): string => {
  const lines = [
    `task      ${task.id} (${task.short})`,
    `kind      ${printable(task.kind)}  ${task.class}, risk ${printable(task.risk)}`,
    `state     ${task.state}${task.blocked ? ", blocked" : ""}`,
    ...(task.holds.length > 0 ? [`waits for ${task.holds.join(", ")}`] : []),
    ...(task.unknown === null ? [] : [`unknown   since ${when(task.unknown.sinceMs)}: its step may or may not have happened (${task.unknown.code})`]),
    ...(task.cancel === null ? [] : [`cancel    requested by ${printable(task.cancel.actor)}: ${printable(task.cancel.reason)}`]),
    `requested by ${printable(task.requester)} at ${when(task.created_at)}`,
    `payload   ${printable(JSON.stringify(task.payload))}`,
    `trace     ${task.trace}`,
    ...(task.result === null ? [] : [`result    ${printable(JSON.stringify(task.result))}`]),
    ...task.attempts.flatMap((attempt) => [
      `attempt   ${attempt.number} (generation ${attempt.generation}) ${attempt.code} at ${when(attempt.ended_at)}`,
      ...printable(attempt.error).split("\n").filter((line) => line !== "").map((line) => `            ${line}`)
    ]),
    ...(task.next.length === 0 ? [] : [`next      ${task.next.map((verb) => `opsgate task ${verb} ${task.short}`).join(" | ")}`])
  ]
  return lines.join("\n")
}
