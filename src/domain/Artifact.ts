/**
 * The audit of commands, read from the log: every command that was accepted, refused or denied is one event, and this says of that event
 * who asked for what, by which way, why, about which task, and what came of it (seed S2, "Operator Intent Audit").
 */
import type { Json } from "./Canonical.ts"
import type { TaskEvent } from "./TaskEvent.ts"

export const commandResults = ["accepted", "refused", "denied", "replayed", "timed_out"] as const
/** `accepted` includes commands that found their work done; `replayed`: the stored answer of an earlier one was given again. */
export type CommandResult = (typeof commandResults)[number]

/** The payload of an artifact. Members that do not apply are left out, but for the first seven. */
export interface CommandArtifact {
  readonly op: string
  readonly actor: string
  readonly reason: string | null
  /** The task that the command was about; of a submit the one that it made. */
  readonly targetWorkflowID: string | null
  /** Unix time in milliseconds. */
  readonly at: number
  readonly channel: string | null
  readonly result: CommandResult
  /** The task that a fork made. */
  readonly forkedWorkflowID?: string
  /** Why it was refused, or what the replayed answer was refused for. */
  readonly code?: string
  /** What else than a task that was found it was about: `queue:<name>`, `schedule:<name>`, `bulk:<id>`, `task:<what was named>`. */
  readonly target?: string
  /** Its idempotency key. */
  readonly key?: string
  /** The bulk command that it is an item of. */
  readonly bulk?: string
}

/** One row of the view `artifacts`, as it is listed. */
export interface CommandRecord extends CommandArtifact {
  /** Of its event. */
  readonly seq: number
}

export interface CommandFilter {
  readonly task?: string
  readonly actor?: string
  readonly op?: string
  readonly sinceMs?: number
  /** Only those before this event: the next page. */
  readonly beforeSeq?: number
  readonly limit: number
}

const results: Readonly<Record<string, CommandResult>> = {
  "command.refused": "refused",
  "command.denied": "denied",
  "command.timed_out": "timed_out",
  "idempotency.replayed": "replayed",
  "idempotency.conflict": "refused",
  "idempotency.in_progress": "refused"
}

type Facts = { readonly [key: string]: Json }

const factsIn = (value: Json | undefined): Facts => (typeof value === "object" && value !== null && !isList(value) ? value : {})
const isList = (value: Json): value is ReadonlyArray<Json> => Array.isArray(value)
const word = (facts: Facts, name: string): string | null => {
  const value = facts[name]
  return typeof value === "string" ? value : null
}

const codeOf = (type: string, facts: Facts): string | null => {
  if (type === "command.refused" || type === "command.denied") return word(factsIn(facts["refusal"]), "_tag")
  if (type === "idempotency.replayed") return word(facts, "refused")
  return type === "idempotency.conflict" || type === "idempotency.in_progress" ? word(facts, "code") : null
}

const prefixed = (prefix: string, text: string | null): string | null => (text === null ? null : `${prefix}:${text}`)

const targetOf = (op: string, task: string | null, facts: Facts): string | null => {
  if (op.startsWith("schedule-")) return prefixed("schedule", word(facts, "schedule"))
  if (task !== null) return null
  if (op.startsWith("bulk")) return prefixed("bulk", word(facts, "bulk") ?? word(facts, "named"))
  return prefixed("queue", word(facts, "queue")) ?? prefixed("task", word(facts, "named"))
}

/** What an event says of the command that caused it; null when none did, or its payload is gone. */
export const recordOf = ({ actor, at, payload, seq, task, type }: TaskEvent): CommandRecord | null => {
  const json: Json = payload === null ? null : JSON.parse(payload)
  const facts = factsIn(json)
  const command = factsIn(facts["command"])
  const op = word(command, "op")
  if (op === null) return null
  const source = op === "fork" ? word(facts, "forked_from") : null
  const forked = source === null ? null : task
  const optional = { code: codeOf(type, facts), target: targetOf(op, task, facts), key: word(command, "key"), bulk: word(command, "bulk") }
  return {
    seq,
    op,
    actor,
    reason: word(command, "reason"),
    targetWorkflowID: source ?? task,
    at,
    channel: word(command, "channel"),
    result: results[type] ?? "accepted",
    ...(forked === null ? {} : { forkedWorkflowID: forked }),
    ...(optional.code === null ? {} : { code: optional.code }),
    ...(optional.target === null ? {} : { target: optional.target }),
    ...(optional.key === null ? {} : { key: optional.key }),
    ...(optional.bulk === null ? {} : { bulk: optional.bulk })
  }
}

/** Whether a filter wants it. */
export const isWanted = (record: CommandRecord, { actor, beforeSeq, op, sinceMs, task }: Omit<CommandFilter, "limit">): boolean =>
  (task === undefined || record.targetWorkflowID === task || record.forkedWorkflowID === task) &&
  (actor === undefined || record.actor === actor) &&
  (op === undefined || record.op === op) &&
  (sinceMs === undefined || record.at >= sinceMs) &&
  (beforeSeq === undefined || record.seq < beforeSeq)
