/**
 * The hash chain of one event log (`docs/event-log.md`): every event is the one that follows the one before.
 * The chain alone does not show that the end is there; its length and head are compared with signed ones.
 */
import { Either } from "effect"
import type { LogEvent } from "../History.ts"
import { canonical, sha256 } from "./Canonical.ts"
import type { LogEnd } from "./Manifest.ts"

/** `prev` of the first event. */
export const genesis = "0".repeat(64)

/** Hash of an event from its header, its payload's digest and `prev`; null if the header has no canonical form. */
export const hashOf = (event: LogEvent): string | null => {
  const { actor, at, seq, stream, task, trace, type, v } = event
  const header = Either.getOrNull(canonical({ actor, at, seq, stream, task, trace, type, v }))
  return header === null ? null : sha256(`${event.prev}\n${header}\n${event.payload_sha256}`)
}

/** Where a log ends, by its own account. */
export const endOf = (events: ReadonlyArray<LogEvent>): LogEnd => ({
  stream: events.at(0)?.stream ?? null,
  events: events.length,
  head: events.at(-1)?.hash ?? genesis
})

const checked = new WeakMap<ReadonlyArray<LogEvent>, ReadonlyArray<string>>()

/** The first event that breaks the chain, as a sentence; what follows a break proves nothing and is not named. Told once per log. */
export const checkChain = (file: string, events: ReadonlyArray<LogEvent>): ReadonlyArray<string> => {
  const known = checked.get(events) ?? followed(file, events)
  checked.set(events, known)
  return known
}

const followed = (file: string, events: ReadonlyArray<LogEvent>): ReadonlyArray<string> => {
  let prev = genesis
  for (const [index, event] of events.entries()) {
    const where = `${file}: stream ${event.stream}, seq ${event.seq}`
    const broken = breakOf(event, index + 1, prev, events[0]?.stream ?? event.stream)
    if (broken !== null) return [`${where}: ${broken}`]
    prev = event.hash
  }
  return []
}

/** How a log with a valid chain differs from where it was said to end; `said` names who said so. */
export const checkEnd = (file: string, found: LogEnd, expected: LogEnd, said: string): ReadonlyArray<string> => {
  const where = `${file}: stream ${found.stream ?? "without events"}`
  if (found.events < expected.events) {
    return [`${where} was truncated: it ends after seq ${found.events}, ${said} has ${expected.events} events`]
  }
  if (found.events > expected.events) {
    return [`${where} was extended: it ends after seq ${found.events}, ${said} has ${expected.events} events`]
  }
  if (found.head !== expected.head) return [`${where}, seq ${found.events}: the last hash is not the one in ${said}`]
  return found.stream === expected.stream ? [] : [`${where}: ${said} names stream ${expected.stream ?? "without events"}`]
}

const breakOf = (event: LogEvent, seq: number, prev: string, stream: string): string | null => {
  if (event.seq !== seq) return `seq ${seq} is missing`
  if (event.stream !== stream) return `the log began with stream ${stream}`
  if (event.prev !== prev) return "prev is not the hash of the event before"
  if (event.payload !== null && payloadDigest(event.payload) !== event.payload_sha256) return "the payload does not fit its digest"
  return hashOf(event) === event.hash ? null : "the hash does not fit the event"
}

const payloadDigest = (payload: unknown): string | null => Either.getOrNull(Either.map(canonical(payload), sha256))
