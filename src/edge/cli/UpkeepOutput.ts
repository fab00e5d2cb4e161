/** What a person reads of bulk commands, the dead letter and retention. Nothing from outside is printed raw. */
import type { BulkRow, DeadRow, ItemRow } from "../../control/UpkeepViews.ts"
import type { BulkAnswer } from "../../domain/Bulk.ts"
import { finalStates, type FinalState, type PrunedCounts } from "../../domain/Retention.ts"
import { oneLine } from "../../domain/Redaction.ts"
import { shortId } from "../../domain/TaskState.ts"
import { exitCode } from "./ExitCode.ts"
import { pad, when } from "./Output.ts"

/** One line about a bulk command. */
export const bulkText = ({ bulk, done, matched, pending, refused, skipped, state, verb }: BulkAnswer): string =>
  `${verb} ${state}: matched ${matched}, started ${done}, skipped ${skipped}, refused ${refused}${pending > 0 ? `, ${state === "stopped" ? "left alone" : "waiting"} ${pending}` : ""}  (opsgate bulk show ${shortId(bulk)})`

/** 8 when only a part of it was done. */
export const bulkExit = ({ done, matched, state }: BulkAnswer): number => {
  if (state === "running" || done === matched) return exitCode.ok
  return done > 0 ? exitCode.partial : exitCode.failure
}

export const planText = (matched: number, first: ReadonlyArray<string>): string =>
  [`${matched} tasks fit`, ...first.map((id) => `${id} (${shortId(id)})`), ...(matched > first.length ? ["…"] : [])].join("\n")

export const bulkDetailText = (bulk: BulkRow, items: ReadonlyArray<ItemRow>): string =>
  [
    bulkText(bulk),
    `bulk      ${bulk.bulk} (${bulk.short}), at most ${bulk.rate_per_s}/s`,
    `requested by ${oneLine(bulk.actor)} at ${when(bulk.requested_at)}: ${oneLine(bulk.reason)}`,
    ...(bulk.ended_at === null ? [] : [`ended     at ${when(bulk.ended_at)}`]),
    ...items.map(({ at, code, number, outcome, task }) => `${pad(String(number), 6)} ${task} ${pad(outcome ?? "waiting", 8)} ${when(at)}${code === null ? "" : ` ${oneLine(code)}`}`)
  ].join("\n")

export const bulksText = (rows: ReadonlyArray<BulkRow>): string => (rows.length === 0 ? "no bulk commands" : rows.map((row) => `${when(row.requested_at)} ${bulkText(row)}`).join("\n"))

export const deadText = (rows: ReadonlyArray<DeadRow>): string =>
  rows.length === 0
    ? "the dead letter is empty"
    : rows.flatMap(({ attempt, code, error, kind, next, short, since }) => [
      `${pad(short, 7)} ${when(since)} ${oneLine(kind)}, attempt ${attempt}  ${oneLine(code ?? "")}: ${oneLine((error ?? "").split("\n")[0] ?? "")}`,
      `        next: ${next.join(" | ")}`
    ]).join("\n")

export const prunableText = (counts: Readonly<Record<FinalState, number | null>>): string =>
  finalStates.map((state) => `${pad(state, 10)} ${counts[state] ?? "kept for ever"}`).join("\n")

export const prunedText = ({ attempts, bytes, events, keys, steps, tasks }: PrunedCounts): string =>
  `pruned ${tasks} tasks (${events} event payloads, ${steps} steps, ${attempts} attempts), ${keys} idempotency keys; ${bytes} characters in all`
