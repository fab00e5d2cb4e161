/**
 * Slices of the span in which a server was there from beginning to end.
 *
 * An epoch reaches from its start to its end, or to its last heartbeat: the next epoch says until when that one held, and of the last
 * epoch a summary that was read beside the log. No data is downtime. Between two epochs, and before the end of the span, so many heartbeats
 * may be missing as `beats_missed_max` says; whatever is longer makes every slice bad that it touches. Outages shorter than that are not seen.
 * Left out are slices of maintenance that was announced before the span; nothing else is.
 */
import type { LogEvent } from "../History.ts"
import type { Measure } from "../Verdict.ts"
import { instantOf, memberOf, overSpans, personsOp, type Span, type Tally, wholeIn } from "./Window.ts"

export const uptime: Measure = (history, parameters = {}) => {
  let [answered, late, longestMs] = [0, 0, 0]
  const count = (span: Span, { beats_missed_max, slice_ms }: Limits, tally: Tally) => {
    const gaps = gapsIn(span, beats_missed_max)
    const planned = maintenanceIn(span)
    for (const event of span.events) {
      if (event.at < span.fromMs) continue
      if (event.type === "command.timed_out") late += 1
      else if (personsOp(event, span.rules) !== null) answered += 1
    }
    for (const gap of gaps) longestMs = Math.max(longestMs, gap.toMs - gap.fromMs)
    const down = new Map<Stretch, number>()
    for (let at = span.fromMs; at + slice_ms <= span.toMs; at += slice_ms) {
      const slice = { fromMs: at, toMs: at + slice_ms }
      const gap = gaps.find((one) => overlap(one, slice))
      if (planned.some((one) => overlap(one, slice))) tally.excluded("announced maintenance")
      else if (gap === undefined) tally.good()
      else down.set(gap, (down.get(gap) ?? 0) + 1)
    }
    for (const [{ fromMs, toMs }, slices] of down) tally.bad(`${span.id}: no server was there for ${toMs - fromMs} ms from ${fromMs} (Unix ms)`, slices)
  }
  const figures = () => ({ "commands answered": answered, "commands timed out": late, "longest outage, ms": longestMs })
  return overSpans(history, parameters, { needs: ["slice_ms", "beats_missed_max"], count, figures })
}

interface Limits {
  readonly slice_ms: number
  readonly beats_missed_max: number
}

/** Whole milliseconds, the end not in it. */
interface Stretch {
  readonly fromMs: number
  readonly toMs: number
}

const overlap = (one: Stretch, other: Stretch): boolean => one.fromMs < other.toMs && other.fromMs < one.toMs

/** An epoch, as far as it is known that its server was there, and how long may pass without a sign of it. */
interface Served extends Stretch {
  readonly silentMaxMs: number
}

const gapsIn = (span: Span, beatsMissedMax: number): ReadonlyArray<Stretch> => {
  const gaps: Array<Stretch> = []
  const gap = (fromMs: number, toMs: number, silentMaxMs: number): void => {
    if (toMs - fromMs > silentMaxMs && toMs > span.fromMs) gaps.push({ fromMs: Math.max(fromMs, span.fromMs), toMs: Math.min(toMs, span.toMs) })
  }
  let [until, silentMaxMs] = [-Infinity, 0]
  for (const served of servedIn(span, beatsMissedMax)) {
    gap(until, served.fromMs, silentMaxMs)
    if (served.toMs > until) [until, silentMaxMs] = [served.toMs, served.silentMaxMs]
  }
  gap(until, span.toMs, silentMaxMs)
  return gaps
}

const servedIn = (span: Span, beatsMissedMax: number): ReadonlyArray<Served> => {
  const starts = span.events.filter(({ type }) => type === "epoch.started")
  const ends = new Map(span.events.filter(({ type }) => type === "epoch.ended").map(({ at, payload }) => [wholeIn(payload, "epoch"), at]))
  return starts.map((event, index) => {
    const [epoch, leaseMs, beatMs] = [wholeIn(event.payload, "epoch"), wholeIn(event.payload, "lease_ms"), wholeIn(event.payload, "beat_ms")]
    const ended = epoch === null ? undefined : ends.get(epoch)
    const heldUntil = epoch === null ? null : heldUntilMs(span, epoch, starts[index + 1])
    const lastBeat = heldUntil === null || leaseMs === null ? event.at : Math.max(event.at, heldUntil - leaseMs)
    return { fromMs: event.at, toMs: ended ?? lastBeat, silentMaxMs: (beatMs ?? 0) * beatsMissedMax }
  })
}

/** Until when the last heartbeat held the epoch, as the event of the next one says, or a summary. */
const heldUntilMs = ({ journal }: Span, epoch: number, next: LogEvent | undefined): number | null => {
  const said = next === undefined ? journal.summaries.map(({ summary }) => memberOf(summary, "epoch")) : [next.payload?.["last"]]
  const held = said.filter((one) => wholeIn(one, "epoch") === epoch).flatMap((one) => wholeIn(one, "lease_until_ms") ?? [])
  return held.length === 0 ? null : Math.max(...held)
}

const maintenanceIn = ({ fromMs, rules }: Span): ReadonlyArray<Stretch> =>
  rules.maintenance.filter(({ announced }) => instantOf(announced) <= fromMs).map(({ from, to }) => ({ fromMs: instantOf(from), toMs: instantOf(to) }))
