/**
 * Looking at something sensitive: the wire form of the request, and the rule that puts it on record. What was looked at is not in the
 * record; whoever asks reads it once the record is stored.
 */
import { Schema } from "effect"
import { reasonMax, taskNameMax } from "./AskLimits.ts"
import { type Command, commandFacts } from "./Command.ts"
import { type Decision, granted } from "./Decision.ts"
import type { Task } from "./Task.ts"

/** `payload`: a task as it is stored, with what is redacted otherwise. `audit`: the record of commands, or all of the log. `keys`: idempotency keys. `bundle`: a support bundle. */
export const Sensitive = Schema.Literal("payload", "audit", "keys", "bundle")
export type Sensitive = typeof Sensitive.Type

export const ReadAsk = Schema.Struct({
  op: Schema.Literal("read"),
  what: Sensitive,
  /** The task whose payload is meant, or to which the look is restricted. */
  task: Schema.optionalWith(Schema.NonEmptyString.pipe(Schema.maxLength(taskNameMax)), { exact: true }),
  reason: Schema.NullOr(Schema.String.pipe(Schema.maxLength(reasonMax)))
})
export type ReadAsk = typeof ReadAsk.Type

/** `recorded`: what may be looked at now. `task`: its whole id, where one was named. */
export const ReadAnswer = Schema.Struct({ recorded: Sensitive, task: Schema.NullOr(Schema.String) })
export type ReadAnswer = typeof ReadAnswer.Type

/** Puts a look on record. */
export const recordRead = (command: Command<ReadAsk>, task: Task | null): Decision<ReadAnswer> =>
  granted({ recorded: command.ask.what, task: task?.id ?? null }, {
    events: [{
      type: "audit.read",
      task: task?.id ?? null,
      trace: command.trace,
      actor: command.actor,
      payload: { what: command.ask.what, command: commandFacts(command) }
    }]
  })
