/**
 * A record of the log that is for triage: what happened, at which level, about which task, under which trace. Records are made of
 * stored events and of what a process says of itself. The event log is the record of everything; these are its latest loud words.
 */
import type { Json } from "./Canonical.ts"
import { spanOf } from "./Ids.ts"
import { escapedJson, type Redactor } from "./Redaction.ts"
import type { Task } from "./Task.ts"
import type { EventDraft, EventType } from "./TaskEvent.ts"

export const logVersion = 1

export const logLevels = ["debug", "info", "warn", "error"] as const
export type LogLevel = (typeof logLevels)[number]

export interface LogRecord {
  /** Wall clock, Unix ms. */
  readonly at: number
  readonly level: LogLevel
  readonly message: string
  readonly task: string | null
  readonly trace: string | null
  /** The step that it is about, if it is about one: its span is derived from it. */
  readonly step: number | null
  readonly actor: string | null
  readonly code: string | null
  readonly facts: { readonly [name: string]: Json }
}

/** The longest line of a record, in bytes, and the longest text in it, in UTF-16 units. */
export const lineBytesMax = 4096
const textMax = 600

const cut = (text: string): string => (text.length <= textMax ? text : `${text.slice(0, textMax)}…`)

const shortened = (value: Json): Json => {
  if (typeof value === "string") return cut(value)
  const text = JSON.stringify(value)
  return text.length <= textMax ? value : cut(text)
}

/** The line of a record: JSON without a line feed at its end, redacted, bounded, with nothing in it that a terminal obeys. */
export const lineOf = ({ actor, at, code, facts, level, message, step, task, trace }: LogRecord, redactor: Redactor): string => {
  const head = {
    v: logVersion,
    at,
    level,
    message: cut(redactor.text(message)),
    ...(task === null ? {} : { task }),
    ...(trace === null ? {} : { trace }),
    ...(task === null || step === null ? {} : { span: spanOf(task, step) }),
    ...(actor === null ? {} : { actor: cut(actor) }),
    ...(code === null ? {} : { code: cut(code) })
  }
  const rest = Object.fromEntries(Object.entries(redactor.json(facts) ?? {}).filter(([name]) => !(name in head) && name !== "span").map(([name, value]: readonly [string, Json]) => [name, shortened(value)]))
  const whole = escapedJson(JSON.stringify({ ...head, ...rest }))
  return new TextEncoder().encode(whole).length <= lineBytesMax ? whole : escapedJson(JSON.stringify({ ...head, cut: Object.keys(rest).slice(0, 20) }))
}

type Level = LogLevel | "quiet"

/**
 * At which level events are told. `quiet`: only of work that people watch, heavy or held. What is not listed is told as `info`, so
 * that a new event is not lost.
 */
const levelOf: Partial<Record<EventType, Level>> = {
  "task.requested": "quiet",
  "task.approved": "quiet",
  "task.running": "quiet",
  "task.succeeded": "quiet",
  "task.failed": "error",
  "task.expired": "warn",
  "task.outcome_unknown": "error",
  "effect.intent": "quiet",
  "effect.adopted": "warn",
  "chat.denied": "warn",
  "step.succeeded": "quiet",
  "step.failed": "warn",
  "run.progress": "quiet",
  "write.fenced": "warn",
  "child.ended": "quiet",
  "schedule.skipped": "warn",
  "schedule.missed": "warn",
  "clock.stepped": "warn",
  "command.refused": "warn",
  "idempotency.conflict": "warn",
  "retention.pruned": "quiet",
  "store.restored": "warn",
  "store.released": "warn",
  "loss.accepted": "warn",
  "chat.replayed": "info",
  "chat.undeliverable": "warn"
}

/** A task goes back to the queue for many reasons; most of them are its ordinary way. */
const requeued: Readonly<Record<string, Level>> = { retry: "warn", lease_lost: "warn", hand_back: "info", recover: "info", reconcile: "info" }

const textOf = (value: Json | undefined): string | null => (typeof value === "string" ? value : null)

// What was asked for in one go; members of it are of interest one by one.
const factsOf = ({ command, ...facts }: EventDraft["payload"]): LogRecord["facts"] => ({ ...facts, ...(typeof command === "object" && command !== null ? { command } : {}) })

/** Whether anybody follows the task as it goes: heavy work, and work that needed people. */
const isWatched = (task: Task): boolean => task.class === "heavy" || task.held

/** The record of a stored event, or null for those that are told to nobody. */
export const recordOf = (event: EventDraft, tasks: ReadonlyArray<Task>, at: number): LogRecord | null => {
  const { actor, payload, task, trace, type } = event
  const by = textOf(payload["by"])
  // What a person asked for is told; what the policy does of itself with every task is not.
  const queued = requeued[by ?? ""] ?? (by === "resume" && "command" in payload ? "info" : "quiet")
  const usual = type === "task.queued" ? queued : levelOf[type] ?? "info"
  if (usual === "quiet" && !tasks.some((one) => one.id === task && isWatched(one))) return null
  const level = usual === "quiet" ? "info" : usual
  const step = payload["step"]
  return {
    at,
    level,
    message: by === null ? type : `${type} by ${by}`,
    task,
    trace,
    step: typeof step === "number" ? step : null,
    actor,
    code: textOf(payload["code"]),
    facts: { event: type, ...factsOf(payload) }
  }
}

/** What is wanted of the log. */
export interface LogFilter {
  /** The lowest. */
  readonly level?: LogLevel
  /** The id of a task, or the end of one. */
  readonly task?: string
  readonly trace?: string
}

/** A line that was read. */
export interface LogLine {
  readonly text: string
  readonly at: number
  readonly level: LogLevel
  readonly message: string
  readonly task: string | null
  readonly trace: string | null
  readonly actor: string | null
  readonly code: string | null
}

const isLevel = (value: unknown): value is LogLevel => logLevels.some((level) => level === value)
const textIn = (value: unknown): string | null => (typeof value === "string" ? value : null)

/** Reads a line; null for one that was torn by the end of its process, or is none of ours. */
export const readLine = (text: string): LogLine | null => {
  const json = parsed(text)
  if (typeof json !== "object" || json === null) return null
  const found = new Map<string, unknown>(Object.entries(json))
  const at = found.get("at")
  const level = found.get("level")
  const message = found.get("message")
  if (typeof at !== "number" || !isLevel(level) || typeof message !== "string") return null
  return { text, at, level, message, task: textIn(found.get("task")), trace: textIn(found.get("trace")), actor: textIn(found.get("actor")), code: textIn(found.get("code")) }
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

export const fits = (line: LogLine, { level, task, trace }: LogFilter): boolean =>
  (level === undefined || logLevels.indexOf(line.level) >= logLevels.indexOf(level)) &&
  (task === undefined || (line.task ?? "").endsWith(task.toUpperCase())) &&
  (trace === undefined || line.trace === trace.toLowerCase())
