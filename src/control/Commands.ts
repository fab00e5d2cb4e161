/**
 * The one handler of commands: whatever the channel, an ask becomes one decision in one transaction.
 * Who asks comes from authentication; the ask itself names no actor.
 */
import { Effect, Random, Schema } from "effect"
import { type Ask, type Channel, type Command, needsReason } from "../domain/Command.ts"
import { type Answer, type Decision, refuseCommand, refused } from "../domain/Decision.ts"
import { resume } from "../domain/Dispatch.ts"
import { oncePerKey } from "../domain/Idempotency.ts"
import { taskIdFrom, traceFrom } from "../domain/Ids.ts"
import type { Kind, KindUnknown, PayloadRefused } from "../domain/Kind.ts"
import type { Now } from "../domain/Now.ts"
import { cancel, reconcile, recover } from "../domain/Recovery.ts"
import { ReasonMissing, type Refusal, TaskNotFound } from "../domain/Refusal.ts"
import { approve, reject, submit } from "../domain/Request.ts"
import { type Task, TaskId } from "../domain/Task.ts"
import { Engine, EngineReader, type EngineUnavailable, Instants } from "../engine/Engine.ts"
import { Kinds } from "./Kinds.ts"

/** The text fits several tasks. Nothing was stored. */
export class TaskAmbiguous extends Schema.TaggedError<TaskAmbiguous>()("TaskAmbiguous", {
  text: Schema.String,
  candidates: Schema.Array(Schema.String)
}) {
  override get message() {
    return `${this.text} fits several tasks: ${this.candidates.join(", ")}`
  }
}

export interface Asked {
  readonly ask: Ask
  readonly actor: string
  readonly channel: Channel
  readonly key: string | null
}

export type CommandFailed = Refusal | KindUnknown | PayloadRefused | TaskAmbiguous | EngineUnavailable

const chance = Random.next

const drawTrace = Effect.map(Effect.all([chance, chance, chance, chance]), traceFrom)

/** Decides and stores one command. The answer comes after the commit; a refusal has left its event. */
export const handle = Effect.fn("Commands.handle")(function*({ actor, ask, channel, key }: Asked) {
  const command: Command = { ask, actor, channel, key, trace: yield* drawTrace }
  return yield* ask.op === "submit" ? submitNew({ ...command, ask }) : onTask({ ...command, ask })
})

const submitNew = (command: Command<Extract<Ask, { op: "submit" }>>) =>
  Effect.gen(function*() {
    const engine = yield* Engine
    const kinds = yield* Kinds
    const kind = yield* kinds.check(command.ask.kind, command.ask.payload)
    const { wallMs } = yield* Instants
    const id = taskIdFrom(wallMs(), [yield* chance, yield* chance])
    return yield* engine.commit({
      tasks: [],
      key: command.key,
      rule: ({ stored }, now) => oncePerKey(command, stored, () => submit(command, kind, id, now))
    })
  })

type AskOnTask = Exclude<Ask, { op: "submit" }>

const onTask = (asked: Command<AskOnTask>) =>
  Effect.gen(function*() {
    const engine = yield* Engine
    const kinds = yield* Kinds
    const id = yield* resolve(asked.ask.task)
    const command = { ...asked, ask: { ...asked.ask, task: id } }
    return yield* engine.commit({
      tasks: [id],
      key: command.key,
      rule: ({ stored, tasks: [task] }, now) =>
        oncePerKey(command, stored, () =>
          task === undefined ? refused(new TaskNotFound({ task: id }), {}) : decide(command, task, kinds.get(task.kind), now))
    })
  })

const decide = (command: Command<AskOnTask>, task: Task, kind: Kind | undefined, now: Now): Decision<Answer> => {
  const { ask } = command
  if (needsReason[ask.op] && (ask.reason ?? "").trim() === "") return refuseCommand(command, task, new ReasonMissing({ op: ask.op }))
  switch (ask.op) {
    case "approve":
      return approve(task, { ...command, ask }, kind, now)
    case "reject":
      return reject(task, { ...command, ask }, now)
    case "resume":
      return resume(task, { ...command, ask }, kind?.version, now)
    case "cancel":
      return cancel(task, { ...command, ask }, now)
    case "recover":
      return recover(task, { ...command, ask }, kind?.version, now)
    case "reconcile":
      return reconcile(task, { ...command, ask }, now)
  }
}

/** The shortest text that is looked up as the end of an id. */
export const suffixMin = 4

/** The task that a whole id, or the end of one, names. */
export const resolve = (text: string): Effect.Effect<TaskId, TaskNotFound | TaskAmbiguous | EngineUnavailable, EngineReader> =>
  Effect.gen(function*() {
    const upper = text.toUpperCase()
    const isId = Schema.is(TaskId)
    const reader = yield* EngineReader
    if (isId(upper)) return (yield* reader.get(upper))?.id ?? (yield* new TaskNotFound({ task: upper }))
    if (upper.length < suffixMin || !/^[0-9A-HJKMNP-TV-Z]+$/.test(upper)) return yield* new TaskNotFound({ task: JSON.stringify(text.slice(0, 40)) })
    const found = yield* reader.list({ suffix: upper, limit: 5 })
    const [task] = found
    if (task === undefined) return yield* new TaskNotFound({ task: upper })
    return found.length === 1 ? task.id : yield* new TaskAmbiguous({ text: upper, candidates: found.map(({ id }) => id) })
  })
