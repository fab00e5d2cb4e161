/** What a person reads on the terminal. Nothing from outside is printed raw; JSON goes to stdout alone, everything else is words. */
import { DateTime } from "effect"
import { oneLine } from "../../domain/Redaction.ts"
import { isTerminal, shortId } from "../../domain/TaskState.ts"
import { governanceLines } from "../../control/Card.ts"
import type { QueueRow } from "../../control/QueueViews.ts"
import type { Detail, Row, StepRow } from "../../control/Views.ts"

export const pad = (text: string, width: number): string => (text.length >= width ? text : text + " ".repeat(width - text.length))

export const when = (atMs: number | null): string => (atMs === null ? "-" : DateTime.formatIso(DateTime.unsafeMake(atMs)))

export const listText = (rows: ReadonlyArray<Row>): string =>
  rows.length === 0
    ? "no tasks"
    : ["ID      STATE      CLASS  ATTEMPT  KIND", ...rows.map(lineOf)].join("\n")

const lineOf = (row: Row): string => {
  const marks = [row.outcome_unknown ? "outcome unknown" : "", row.holds.length > 0 && !isTerminal[row.state] ? `waits for ${row.holds.join(", ")}` : "", row.cancel_requested ? "cancel requested" : ""].filter((mark) => mark !== "")
  return `${pad(row.short, 7)} ${pad(row.state, 10)} ${pad(row.class, 6)} ${pad(String(row.attempt), 8)} ${oneLine(row.kind)}${marks.length > 0 ? `  (${marks.join("; ")})` : ""}`
}

const stepHead = ["STEP", "NAME", "SORT", "EFFECT", "STATE", "ATTEMPT", "STARTED", "ENDED", "ERROR"]

const cellsOf = (step: StepRow): ReadonlyArray<string> => [
  String(step.number),
  oneLine(step.name),
  step.sort,
  step.effect,
  step.copied_from === null ? step.state : `${step.state}, copied`,
  String(step.attempt),
  when(step.started_at),
  when(step.ended_at),
  // In one line: what else an error says is in the JSON.
  step.code === null && step.error === null ? "" : oneLine([step.code, step.error?.split("\n")[0]].filter((word) => typeof word === "string" && word !== "").join(": "))
]

/** The table of steps. */
export const stepsText = (steps: ReadonlyArray<StepRow>): string => {
  if (steps.length === 0) return "no steps"
  const rows = [stepHead, ...steps.map(cellsOf)]
  const widths = stepHead.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) => row.map((cell, column) => pad(cell, widths[column] ?? 0)).join("  ").trimEnd()).join("\n")
}

const age = (sinceMs: number | null, nowMs: number): string => (sinceMs === null ? "-" : `${Math.max(0, Math.floor((nowMs - sinceMs) / 1000))} s`)

const limitsText = ({ limits }: QueueRow): string =>
  limits === null ? "" : [
    limits.concurrency === null ? "" : `${limits.concurrency} at once`,
    limits.per_key === 1 ? "" : `${limits.per_key} per key`,
    limits.rate === null ? "" : `${limits.rate.count} in ${limits.rate.per_ms} ms`
  ].filter((text) => text !== "").join(", ")

const pausedText = ({ paused, paused_by, paused_since, reason }: QueueRow): string =>
  paused ? `paused ${paused_since === null ? "by the configuration" : `since ${when(paused_since)} by ${oneLine(paused_by ?? "")}: ${oneLine(reason ?? "")}`}` : ""

const queueHead = ["QUEUE", "QUEUED", "DUE", "OLDEST DUE", "RUNNING", "LIMITS", ""]

/** The table of queues. */
export const queuesText = (rows: ReadonlyArray<QueueRow>, nowMs: number): string => {
  if (rows.length === 0) return "no queues"
  const cells = [queueHead, ...rows.map((row) => [row.queue, String(row.depth), String(row.due), age(row.oldest_due_at, nowMs), String(row.running), limitsText(row), pausedText(row)])]
  const widths = queueHead.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)))
  return cells.map((row) => row.map((cell, column) => pad(cell, widths[column] ?? 0)).join("  ").trimEnd()).join("\n")
}

// `signal:go`, `child:01…`: the words of the row.
const waitName = (wait: string): string => (wait.startsWith("child:") ? `task ${shortId(wait)}` : oneLine(wait.replace(":", " ")))

const waitText = ({ for: names, since, steps, until }: NonNullable<Detail["waits"]>): string => {
  const where = steps.map(({ name, number }) => `step ${number} ${JSON.stringify(oneLine(name))}`).join(", ")
  const time = until === null ? "" : `until ${when(until)}`
  const what = names.length === 0 ? time : `for ${names.map(waitName).join(", ")}${until === null ? "" : `, ${time} at the latest`}`
  return `waits ${what}, since ${when(since)} (${where})`
}

// Only what is not as it always is.
const placeText = (task: Detail): ReadonlyArray<string> => {
  const words = [
    task.queue === task.class ? "" : `queue ${oneLine(task.queue)}`,
    task.priority === 0 ? "" : `priority ${task.priority}`,
    task.tenant === "default" ? "" : `tenant ${oneLine(task.tenant)}`,
    task.concurrency_key === null ? "" : `concurrency key ${oneLine(task.concurrency_key)}`,
    task.unique === null ? "" : `unique key ${oneLine(task.unique.key)}`
  ].filter((word) => word !== "")
  return words.length === 0 ? [] : [`stands    ${words.join(", ")}`]
}

const failureText = ({ attempts, failure, state }: Detail): ReadonlyArray<string> =>
  failure === null || state === "SUCCEEDED" || attempts.some(({ code, error }) => code === failure.code && error === failure.error)
    ? []
    : [`failure   ${oneLine(failure.code)}: ${oneLine(failure.error)}`]

const relatives = (label: string, found: Detail["children"]): ReadonlyArray<string> =>
  found.map(({ kind, short, state, step, task }) => `${pad(label, 9)} ${task} (${short}) ${oneLine(kind)} ${state}${step === null ? "" : `, step ${step}`}`)

export const detailText = (task: Detail): string => {
  const lines = [
    `task      ${task.id} (${task.short})`,
    `kind      ${oneLine(task.kind)}  ${task.class}, risk ${oneLine(task.risk)}`,
    ...placeText(task),
    `state     ${task.state}${task.blocked ? ", blocked" : ""}`,
    ...(task.holds.length > 0 && !isTerminal[task.state] ? [`waits for ${task.holds.join(", ")}`] : []),
    ...(task.governance === null ? [] : governanceLines(task.governance)),
    ...(task.waits === null ? [] : [waitText(task.waits)]),
    ...(task.unknown === null ? [] : [`unknown   since ${when(task.unknown.sinceMs)}: step ${task.unknown.step} may or may not have happened (${task.unknown.code})`]),
    ...(task.cancel === null ? [] : [`cancel    requested by ${oneLine(task.cancel.actor)}: ${oneLine(task.cancel.reason)}`]),
    `requested by ${oneLine(task.requester)} at ${when(task.created_at)}`,
    ...(task.parent === null ? [] : [`parent    ${task.parent.task} (${shortId(task.parent.task)}), step ${task.parent.step}`]),
    ...(task.forked_from === null ? [] : [`forked from ${task.forked_from.task} (${shortId(task.forked_from.task)}), at step ${task.forked_from.step}`]),
    ...(task.pruned_at === null
      ? [`payload   ${oneLine(JSON.stringify(task.payload))}`]
      : [`pruned    at ${when(task.pruned_at)}: payload, results and errors are gone; their digests and the record stay`]),
    ...(task.dismissed === null ? [] : [`dismissed by ${oneLine(task.dismissed.actor)} at ${when(task.dismissed.at)}: ${oneLine(task.dismissed.reason)}`]),
    `trace     ${task.trace}`,
    ...(task.result === null ? [] : [`result    ${oneLine(JSON.stringify(task.result))}`]),
    ...failureText(task),
    ...relatives("child", task.children),
    ...relatives("fork", task.forks),
    ...task.signals.map(({ actor, at, name }) => `signal    ${oneLine(name)} by ${oneLine(actor)} at ${when(at)}, not taken yet`),
    ...task.attempts.flatMap((attempt) => [
      `attempt   ${attempt.number} (generation ${attempt.generation}) ${attempt.code} at ${when(attempt.ended_at)}`,
      ...attempt.error.split("\n").filter((line) => line !== "").map((line) => `            ${oneLine(line)}`)
    ]),
    ...(task.next.length === 0 ? [] : [`next      ${task.next.map((verb) => `opsgate task ${verb} ${task.short}`).join(" | ")}`]),
    ...(task.steps.length === 0 ? [] : ["", stepsText(task.steps)])
  ]
  return lines.join("\n")
}
