/** Gathers what a card shows of a task: its steps, and who ended it. */
import { Effect } from "effect"
import { Redacting } from "../../control/Redacting.ts"
import type { Json } from "../../domain/Canonical.ts"
import type { Task } from "../../domain/Task.ts"
import type { TracedEvent } from "../../domain/Traced.ts"
import { EngineReader, type EngineUnavailable } from "../../engine/Engine.ts"
import type { Look } from "./Look.ts"
import { cardLook, type Decided, type Ways } from "./TaskCard.ts"

const factsOf = (payload: string | null): ReadonlyMap<string, unknown> => {
  const json: Json = payload === null ? null : JSON.parse(payload)
  return new Map(typeof json === "object" && json !== null ? Object.entries(json) : [])
}

const decidedBy = ({ actor, at, payload }: TracedEvent): Decided => {
  const facts = factsOf(payload)
  const reason = facts.get("reason")
  return { what: facts.get("by") === "reject" ? "rejected" : "canceled", actor, atMs: at, reason: typeof reason === "string" ? reason : null }
}

// The task itself does not say who ended it. The log is read around the instant at which it ended.
const whoCanceled = (task: Task): Effect.Effect<Decided | null, EngineUnavailable, EngineReader> =>
  Effect.gen(function*() {
    if (task.state !== "CANCELED") return null
    const reader = yield* EngineReader
    const { events } = yield* reader.traced({ tasks: [task.id], trace: task.trace, fromMs: task.updatedAtMs, throughMs: task.updatedAtMs })
    const said = events.filter(({ actor, task: about, type }) => about === task.id && (type === "task.canceled" || type === "task.cancel_requested") && !actor.startsWith("system:")).at(-1)
    return said === undefined ? null : decidedBy(said)
  })

/** The card of a task as it stands. `decided`: what is known of who decided last. */
export const lookAt = (task: Task, ways: Ways, decided: Decided | null = null): Effect.Effect<Look, EngineUnavailable, EngineReader> =>
  Effect.gen(function*() {
    const reader = yield* EngineReader
    const redactor = yield* Redacting
    const steps = task.steps === 0 ? [] : yield* reader.steps(task.id)
    return cardLook({ task, steps, decided: decided ?? (yield* whoCanceled(task)) }, ways, redactor)
  })
