/** A seed that was played, judged by the measures that judge every scenario. */
import type { LogEvent, SeedRun } from "../History.ts"
import { sha256 } from "../evidence/Canonical.ts"
import { readRun } from "../evidence/Reader.ts"
import { occurrencesIn } from "../invariant/everythingOccurs.ts"
import { measureNamed } from "../scorecard/Measures.ts"
import type { Played } from "./Simulate.ts"
import { narrow } from "./Workspace.ts"

export interface Judged {
  /** Without its second run. */
  readonly run: Omit<SeedRun, "twice">
  /** What was found, a sentence each. */
  readonly problems: ReadonlyArray<string>
}

/** What tells two plays of a seed apart: the digest of the log and the ledger that it left. */
export const digestOfTexts = (eventsText: string, effectsText: string): string => sha256(`${eventsText}${effectsText}`)

const seenTypes: ReadonlySet<string> = new Set(["task.succeeded", "task.failed", "task.canceled", "task.expired", "task.outcome_unknown", "write.fenced", "epoch.started", "effect.adopted", "idempotency.replayed", "command.refused", "command.denied", "approval.given"])

/** What only some seeds ask for: its name, where an event is of that. */
const rareIn = ({ payload, type }: LogEvent): string | null => {
  if (type === "child.ended") return "child"
  if (type === "signal.received") return payload?.["wakes"] === true ? "signal" : "signal_early"
  if (type === "task.failed" && payload?.["code"] === "recovery_attempts_exceeded") return "poison"
  if (type !== "task.requested") return null
  return payload?.["by"] === "fork" ? "fork" : payload?.["queue"] === narrow ? "limited" : null
}

/** Judges one seed by the measures of these names; one that nothing has is a problem. */
export const judged = (played: Played, measures: ReadonlyArray<string>): Judged => {
  const { effectsText, eventsText, journal, virtualMs } = played
  const { history, problems } = readRun([{ id: journal.scenario.id, journal, eventsText, effectsText }])
  const events = history.scenarios[0]?.events ?? []
  // Nothing at all meets every measure that wants every one of them to be good.
  const nothing = events.length === 0 ? ["its log is empty"] : journal.requests.length === 0 ? ["nobody asked for anything"] : []
  const found: Array<string> = [...problems, ...(journal.note === null ? [] : [journal.note]), ...nothing]
  const failed: Array<string> = found.length > 0 ? ["scenariosComplete"] : []
  for (const name of measures) {
    const measurement = measureNamed(name)?.(history) ?? { _tag: "Missing", why: `no measure is called ${name}` }
    if (measurement._tag === "Counted" && measurement.good === measurement.total) continue
    if (!failed.includes(name)) failed.push(name)
    found.push(...(measurement._tag === "Missing" ? [`${name}: ${measurement.why}`] : measurement.offenders.map((offender) => `${name}: ${offender}`)))
  }
  return {
    run: {
      seed: journal.seed,
      digest: digestOfTexts(eventsText, effectsText),
      events: events.length,
      virtual_ms: Math.round(virtualMs),
      failed,
      hits: countBy(journal.faults.filter(({ hit }) => hit.length > 0), (fault) => fault.class),
      seen: { ...countBy(events.filter(({ type }) => seenTypes.has(type)), ({ type }) => type), ...countBy(events.flatMap((event) => rareIn(event) ?? []), (name) => name), ...occurrencesIn(events) }
    },
    problems: found
  }
}

const countBy = <A>(all: ReadonlyArray<A>, name: (one: A) => string): Readonly<Record<string, number>> => {
  const counts: Record<string, number> = {}
  for (const one of all) counts[name(one)] = (counts[name(one)] ?? 0) + 1
  return counts
}
