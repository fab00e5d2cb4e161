/**
 * What the other measures watch did come about: tasks succeeded, failed for good and were rescued from a lost worker, and late writes
 * were fenced, in the scenarios or in the seeds of the simulation. A run in which nothing of a sort happened shows nothing about it:
 * that is missing evidence, and no failure of the product.
 *
 * Unit: an occurrence.
 */
import type { LogEvent } from "../History.ts"
import type { Measure } from "../Verdict.ts"
import { text } from "./Fold.ts"
import { overScenarios } from "./Units.ts"

const watched = {
  succeeded: ({ type }) => type === "task.succeeded",
  failed: ({ type }) => type === "task.failed",
  rescued: ({ payload, type }) => type === "effect.adopted" || (type === "task.queued" && text(payload, "by") === "lease_lost"),
  fenced: ({ type }) => type === "write.fenced"
} as const satisfies Readonly<Record<string, (event: LogEvent) => boolean>>

/** How often each of what is watched came about in a log: what a seed of the simulation keeps as `seen`. */
export const occurrencesIn = (events: ReadonlyArray<LogEvent>): Readonly<Record<string, number>> =>
  Object.fromEntries(Object.entries(watched).map(([name, matches]) => [name, events.filter((event) => matches(event)).length]))

export const everythingOccurs: Measure = (history) => {
  const totals = new Map<string, number>()
  const add = (seen: Readonly<Record<string, number>>) => Object.keys(watched).forEach((name) => totals.set(name, (totals.get(name) ?? 0) + (seen[name] ?? 0)))
  for (const { seen } of history.simulation?.seeds ?? []) add(seen)
  const measured = overScenarios(history, ({ events }) => add(occurrencesIn(events)))
  if (measured._tag === "Missing") return measured
  const absent = Object.keys(watched).find((name) => (totals.get(name) ?? 0) === 0)
  const total = [...totals.values()].reduce((sum, count) => sum + count, 0)
  if (total > 0 && absent !== undefined) return { _tag: "Missing", why: `in the whole run nothing ${absent === "succeeded" || absent === "failed" ? absent : `was ${absent}`}` }
  return { ...measured, good: total, total }
}
