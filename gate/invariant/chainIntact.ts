/**
 * The log of each scenario is one unbroken chain: version 1, one stream, seq 1, 2, 3 …, every digest recomputed. A pruned
 * payload keeps its digest, so only that digest is not recomputed. Whether the end was cut off is for the
 * bundle's head and length to say; a shorter chain is a valid one.
 *
 * Unit: an event.
 */
import type { LogEvent } from "../History.ts"
import type { Measure } from "../Verdict.ts"
import { canonical, sha256 } from "./Canonical.ts"
import { overScenarios } from "./Units.ts"

const start = "0".repeat(64)

export const chainIntact: Measure = (history) => {
  const streams = new Set<string>()
  return overScenarios(history, ({ events, id }, units) => {
    const stream = events[0]?.stream ?? ""
    const breaks = breaksIn(events)
    for (const [index, event] of events.entries()) {
      const copied = index === 0 && streams.has(stream)
      const problem = copied ? `the stream ${stream} is that of another scenario` : breaks[index] ?? null
      if (problem === null) units.good()
      else units.bad(`${id}, seq ${event.seq}: ${problem}`)
    }
    streams.add(stream)
  })
}

const known = new WeakMap<ReadonlyArray<LogEvent>, ReadonlyArray<string | null>>()

/** What breaks the chain at each event of a log, told once. */
const breaksIn = (events: ReadonlyArray<LogEvent>): ReadonlyArray<string | null> => {
  const stream = events[0]?.stream ?? ""
  const breaks = known.get(events) ?? events.map((event, index) => breakAt(event, events[index - 1] ?? null, stream))
  known.set(events, breaks)
  return breaks
}

const breakAt = (event: LogEvent, before: LogEvent | null, stream: string): string | null => {
  const seq = (before?.seq ?? 0) + 1
  if (event.v !== 1) return `version ${event.v} is not 1`
  if (event.stream !== stream) return `the stream is ${event.stream}, not ${stream}`
  if (event.seq !== seq) return `${seq} was due here`
  if (event.prev !== (before?.hash ?? start)) return "prev is not the hash of the event before"
  if (event.payload !== null && sha256(canonical(event.payload)) !== event.payload_sha256) return "the payload does not have its digest"
  return hashOf(event) === event.hash ? null : "the event does not have its hash"
}

/** SHA-256 of prev, header and payload digest, on three lines. The members of the header are written in their order, which makes it canonical. */
export const hashOf = ({ actor, at, payload_sha256, prev, seq, stream, task, trace, type, v }: Omit<LogEvent, "hash" | "payload">): string =>
  sha256(`${prev}\n${JSON.stringify({ actor, at, seq, stream, task, trace, type, v })}\n${payload_sha256}`)
