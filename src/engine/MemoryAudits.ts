/** The record of commands and the idempotency keys of the reference engine, from its events. */
import { Effect } from "effect"
import { isWanted, recordOf } from "../domain/Artifact.ts"
import type { StoredAnswer } from "../domain/Decision.ts"
import { ownerOf } from "../domain/Idempotency.ts"
import type { TaskEvent } from "../domain/TaskEvent.ts"
import type { EngineReader, KeyRecord } from "./Engine.ts"

interface Kept {
  readonly events: ReadonlyArray<TaskEvent>
  readonly answers: ReadonlyMap<string, StoredAnswer & { readonly atMs: number }>
}

const keyIn = (payload: string | null): unknown => {
  const json: { readonly key?: unknown } = JSON.parse(payload ?? "{}")
  return json.key
}

export const reading = ({ answers, events }: Kept): Pick<EngineReader["Type"], "commands" | "keys"> => ({
  commands: ({ limit, ...filter }) =>
    Effect.sync(() =>
      [...events].reverse().flatMap((event) => {
        const record = recordOf(event)
        return record !== null && isWanted(record, filter) ? [record] : []
      }).slice(0, limit)
    ),
  keys: ({ actor, key, limit }) =>
    Effect.sync(() => {
      const count = (type: (name: string) => boolean, owner: string, name: string) => events.filter((event) => type(event.type) && event.actor === owner && keyIn(event.payload) === name).length
      return [...answers.values()].map((stored): KeyRecord => {
        const owner = ownerOf(stored.key)
        return {
          ...owner,
          op: stored.op,
          fingerprint: stored.fingerprint,
          channel: stored.channel,
          firstMs: stored.atMs,
          replays: count((type) => type === "idempotency.replayed", owner.actor, owner.key),
          conflicts: count((type) => type === "idempotency.conflict" || type === "idempotency.in_progress", owner.actor, owner.key)
        }
      })
        .filter((one) => (actor === undefined || one.actor === actor) && (key === undefined || one.key === key))
        .sort((a, b) => b.firstMs - a.firstMs || (`${a.actor}\n${a.key}` < `${b.actor}\n${b.key}` ? 1 : -1))
        .slice(0, limit)
    })
})
