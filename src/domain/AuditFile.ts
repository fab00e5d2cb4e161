/**
 * The exported log: JSON lines, the first of which names stream, range, count and head, and each other is an event as `toLine` writes it.
 * Whoever has the file checks it with nothing else: no server, no configuration, no database.
 *
 * Every line is written in one way only, so a file that differs in one byte is refused. What this does not show: who wrote the file.
 * Whoever owns it can write all of it anew, unless a hash of it is known from elsewhere.
 */
import { Either, Schema } from "effect"
import { canonical, Json, sha256 } from "./Canonical.ts"
import { escapedJson } from "./Redaction.ts"
import { chainStart, eventVersion, hashOf, type TaskEvent, toLine } from "./TaskEvent.ts"

export const auditFormat = "opsgate.audit"

export interface AuditRange {
  readonly stream: string
  readonly fromSeq: number
  readonly toSeq: number
  readonly count: number
  /** Of the event before the first one; 64 zeros for the whole log. */
  readonly prev: string
  /** Of the last one. */
  readonly head: string
}

/** The first line. */
export const rangeLine = ({ count, fromSeq, head, prev, stream, toSeq }: AuditRange): string =>
  JSON.stringify({ v: 1, format: auditFormat, stream, from_seq: fromSeq, to_seq: toSeq, count, prev, head })

const Digest = Schema.String.pipe(Schema.pattern(/^[0-9a-f]{64}$/))
const Seq = Schema.Int.pipe(Schema.nonNegative())
const Range = Schema.Struct({ v: Schema.Literal(1), format: Schema.Literal(auditFormat), stream: Schema.String, from_seq: Seq, to_seq: Seq, count: Seq, prev: Digest, head: Digest })
const Line = Schema.Struct({
  v: Schema.Literal(eventVersion),
  stream: Schema.String,
  seq: Seq,
  at: Schema.Int,
  type: Schema.String,
  task: Schema.NullOr(Schema.String),
  trace: Schema.NullOr(Schema.String),
  actor: Schema.String,
  payload: Json,
  payload_sha256: Digest,
  prev: Digest,
  hash: Digest
})
const readRange = Schema.decodeUnknownEither(Schema.parseJson(Range), { onExcessProperty: "error" })
const readLine = Schema.decodeUnknownEither(Schema.parseJson(Line), { onExcessProperty: "error" })

const isWritten = (text: string, line: string): boolean => text === line || text === escapedJson(line)

const eventOf = ({ payload, payload_sha256: payloadSha256, ...rest }: typeof Line.Type): TaskEvent =>
  ({ ...rest, payload: payload === null ? null : canonical(payload), payloadSha256 })

export interface AuditReport extends AuditRange {
  readonly ok: true
  /** Events whose payload was pruned: their digests are in the chain. */
  readonly pruned: number
  /** The event whose hash was known from elsewhere. It may be the one before the first. Null: none was given. */
  readonly pinnedSeq: number | null
}

export interface AuditVerifier {
  /** Takes the next line, without its end. Answers what is wrong with the file, or null. */
  readonly line: (text: string) => string | null
  /** Behind the last line; `isWhole`: it had its end. */
  readonly end: (isWhole: boolean) => Either.Either<AuditReport, string>
}

// What is wrong with the place of an event, or with the event.
const issueOf = (event: TaskEvent, where: string, { head, range, seq }: { readonly range: AuditRange; readonly seq: number; readonly head: string }): string | null => {
  if (event.stream !== range.stream) return `${where} belongs to another log, ${JSON.stringify(event.stream)}`
  if (event.seq <= seq) return `${where} holds event ${event.seq}, which stands before it already`
  if (event.seq > seq + 1) return `before ${where} ${event.seq === seq + 2 ? `event ${seq + 1} is` : `events ${seq + 1} to ${event.seq - 1} are`} missing`
  if (event.prev !== head) return `${where} does not follow the event before it: its prev is another hash`
  if (event.payload !== null && sha256(event.payload) !== event.payloadSha256) return `${where} has another payload than was recorded`
  return hashOf(event) === event.hash ? null : `${where} is not what was recorded: its hash does not fit`
}

const endIssue = (isWhole: boolean, range: AuditRange, read: { readonly seq: number; readonly count: number; readonly head: string }): string | null => {
  if (!isWhole) return "the last line has no end: the file was cut"
  if (read.seq < range.toSeq) return `the file was cut: events ${read.seq + 1} to ${range.toSeq} are missing`
  if (read.count !== range.count) return `the first line speaks of ${range.count} events, and there are ${read.count}`
  return read.head === range.head ? null : "the head in the first line is not the hash of the last event"
}

/** Checks a file line by line. `pinned` is a hash that is known from elsewhere: it has to be that of one of the events. */
export const auditVerifier = (pinned: string | null): AuditVerifier => {
  let range: AuditRange | null = null
  let read = { seq: 0, count: 0, head: chainStart, pruned: 0 }
  let pinnedSeq: number | null = null
  let number = 0

  const first = (text: string): string | null => {
    const decoded = readRange(text)
    if (Either.isLeft(decoded)) return "the first line is not that of an exported log"
    const { from_seq: fromSeq, to_seq: toSeq, ...rest } = decoded.right
    range = { ...rest, fromSeq, toSeq }
    if (!isWritten(text, rangeLine(range))) return "the first line is not as an export writes it"
    if (fromSeq < 1 || toSeq !== fromSeq - 1 + range.count) return "the first line contradicts itself: its range has another number of events"
    if ((fromSeq === 1) !== (range.prev === chainStart)) return "the first line contradicts itself: only the first event of a log has nothing before it"
    read = { ...read, seq: fromSeq - 1, head: range.prev }
    if (pinned === range.prev && fromSeq > 1) pinnedSeq = fromSeq - 1
    return null
  }

  const next = (text: string, known: AuditRange): string | null => {
    const where = `line ${number}`
    const decoded = readLine(text)
    if (Either.isLeft(decoded)) return `${where} is not an event`
    const event = eventOf(decoded.right)
    const issue = issueOf(event, where, { range: known, ...read }) ?? (isWritten(text, toLine(event)) ? null : `${where} is not as an export writes it`)
    if (issue !== null) return issue
    if (event.seq > known.toSeq) return `${where} holds event ${event.seq}, and the first line ends at ${known.toSeq}`
    read = { seq: event.seq, count: read.count + 1, head: event.hash, pruned: read.pruned + (event.payload === null ? 1 : 0) }
    if (pinned === event.hash) pinnedSeq = event.seq
    return null
  }

  return {
    line: (text) => {
      number += 1
      return range === null ? first(text) : next(text, range)
    },
    end: (isWhole) => {
      if (range === null) return Either.left("the file is empty")
      const issue = endIssue(isWhole, range, read)
      if (issue !== null) return Either.left(issue)
      if (pinned !== null && pinnedSeq === null) return Either.left("the hash that was given is that of no event in the file: this is another log, or it was written anew")
      return Either.right({ ...range, ok: true, pruned: read.pruned, pinnedSeq })
    }
  }
}
