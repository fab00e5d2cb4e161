/**
 * What `restore` and `accept-loss` do alike: a part of the log is gone, and what it said of schedules and bulk commands nobody knows.
 * Nothing that could do harm twice goes on by itself.
 */
import { Effect } from "effect"
import type { Config } from "./Config.ts"
import { bulkAfterLostPart } from "./domain/BulkRules.ts"
import { granted } from "./domain/Decision.ts"
import type { LostReason } from "./domain/Schedule.ts"
import { afterLostPart } from "./domain/Scheduling.ts"
import { type Change, Engine, EngineReader } from "./engine/Engine.ts"

// Code may do anything; so may a kind that is not declared.
const isHarmless = (config: Config | null, kind: string): boolean => {
  const declared = config?.kinds.get(kind)
  return declared?._tag === "Command" && declared.kind.effect !== "dangerous"
}

/** Schedules that are decided in one go, and bulk commands that are looked at. */
const page = 100

/** What became of schedules and bulk commands. */
export interface Passed {
  /** Schedules whose ticks up to now are given up. */
  readonly schedules: number
  readonly bulks: number
}

const passSchedules = (config: Config | null, reason: LostReason) =>
  Effect.gen(function*() {
    const engine = yield* Engine
    const reader = yield* EngineReader
    const suspect = (yield* reader.schedules).filter(({ gone, spec }) => !gone && !isHarmless(config, spec.kind))
    const changes = suspect.map(({ name }): Change<null> => ({
      tasks: [],
      key: null,
      schedule: { name },
      rule: ({ schedule: found }, now) =>
        found?.schedule === undefined ? granted(null, {}) : afterLostPart(found.schedule, reason, { open: found.open, ticks: found.ticks, kind: undefined }, now)
    }))
    for (let from = 0; from < changes.length; from += page) {
      yield* Effect.forEach(yield* engine.commitAll(changes.slice(from, from + page)), (answer) => answer, { discard: true })
    }
    return suspect.length
  })

const stopBulks = (reason: LostReason, actor: string) =>
  Effect.gen(function*() {
    const engine = yield* Engine
    const reader = yield* EngineReader
    let stopped = 0
    for (let running = yield* reader.bulks({ running: true, limit: page }); running.length > 0; running = yield* reader.bulks({ running: true, limit: page })) {
      for (const { id } of running) yield* engine.commit({ tasks: [], key: null, bulk: { id }, rule: ({ bulk: found }, now) => bulkAfterLostPart(found, reason, actor, now) })
      stopped += running.length
    }
    return stopped
  })

/** Decides what a lost part of the log means for the schedules and bulk commands of the open file. */
export const passLostPart = (config: Config | null, reason: LostReason, actor: string) =>
  Effect.all({ schedules: passSchedules(config, reason), bulks: stopBulks(reason, actor) })
