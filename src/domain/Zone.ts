/**
 * Time zones as rules see them: spans of instants, each with one offset from UTC. The offsets are those of the IANA database that the
 * runtime brings (`Intl`); where the clock changes is found by looking at it, once, and remembered.
 */
import { DateTime } from "effect"

/** Instants in `[fromMs, untilMs)`, all with this offset: local time = instant + offset. Unix time in milliseconds. */
export interface Span {
  readonly fromMs: number
  readonly untilMs: number
  readonly offsetMs: number
}

/** An instant as people and keys name it: ISO 8601 in UTC, with milliseconds. */
export const isoOf = (atMs: number): string => DateTime.formatIso(DateTime.unsafeMake(atMs))

const hourMs = 3_600_000
export const dayMs = 24 * hourMs

/** Spans are found and kept by the chunk. */
const chunkMs = 32 * dayMs
/** Two changes of clock that undo each other within this time would be overlooked; the database has none. */
const sampleMs = 6 * hourMs
/** Chunks that are kept before all are forgotten. */
const chunksMax = 2048

const formats = new Map<string, Intl.DateTimeFormat>()
const chunks = new Map<string, ReadonlyArray<Span>>()

const formatOf = (zone: string): Intl.DateTimeFormat => {
  const known = formats.get(zone)
  if (known !== undefined) return known
  const made = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    calendar: "iso8601",
    numberingSystem: "latn",
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric"
  })
  formats.set(zone, made)
  return made
}

/** Whether the IANA database knows the zone. Bare offsets are refused: they know no changes of clock, and say so by `UTC` or `Etc/…`. */
export const isZone = (zone: string): boolean => {
  if (!/^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/.test(zone)) return false
  try {
    formatOf(zone)
    return true
  } catch {
    return false
  }
}

/** The offset at an instant, straight from `Intl`. Throws `RangeError` for a zone that is not one. */
export const offsetAt = (zone: string, atMs: number): number => {
  const parts = { year: 0, month: 0, day: 0, hour: 0, minute: 0, second: 0 }
  for (const { type, value } of formatOf(zone).formatToParts(atMs)) {
    if (type === "year" || type === "month" || type === "day" || type === "hour" || type === "minute" || type === "second") parts[type] = Number(value)
  }
  const local = Date.UTC(parts.year, parts.month - 1, parts.day, parts.hour, parts.minute, parts.second)
  return local - Math.floor(atMs / 1000) * 1000
}

// The first instant in (low, high] that has not the offset of `low`, to the millisecond.
const changeIn = (zone: string, low: number, high: number, before: number): number => {
  let [same, other] = [low, high]
  while (other - same > 1) {
    const middle = Math.floor((same + other) / 2)
    if (offsetAt(zone, middle) === before) same = middle
    else other = middle
  }
  return other
}

const chunkOf = (zone: string, index: number): ReadonlyArray<Span> => {
  const key = `${index} ${zone}`
  const known = chunks.get(key)
  if (known !== undefined) return known
  const [start, end] = [index * chunkMs, (index + 1) * chunkMs]
  const spans: Array<Span> = []
  let [fromMs, offsetMs] = [start, offsetAt(zone, start)]
  for (let atMs = start; atMs < end;) {
    const nextMs = Math.min(atMs + sampleMs, end)
    // The end itself belongs to the next chunk.
    if (offsetAt(zone, nextMs - 1) === offsetMs) {
      atMs = nextMs
      continue
    }
    // A change may fall on the sample itself, of which nothing is known yet.
    const change = changeIn(zone, atMs - 1, nextMs - 1, offsetMs)
    spans.push({ fromMs, untilMs: change, offsetMs })
    fromMs = change
    offsetMs = offsetAt(zone, change)
    atMs = change
  }
  spans.push({ fromMs, untilMs: end, offsetMs })
  if (chunks.size >= chunksMax) chunks.clear()
  chunks.set(key, spans)
  return spans
}

/** The spans that cover `[fromMs, untilMs)`, in order and without a hole; the first and the last may reach beyond it. */
export const spansIn = (zone: string, fromMs: number, untilMs: number): ReadonlyArray<Span> => {
  const spans: Array<Span> = []
  for (let index = Math.floor(fromMs / chunkMs); index * chunkMs < untilMs; index++) {
    for (const span of chunkOf(zone, index)) {
      const last = spans.at(-1)
      if (last?.offsetMs === span.offsetMs) spans[spans.length - 1] = { ...last, untilMs: span.untilMs }
      else spans.push(span)
    }
  }
  return spans
}
