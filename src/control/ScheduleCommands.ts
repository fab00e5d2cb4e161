/** Commands about schedules: one decision in one transaction, as those about tasks are in `Commands.ts`. */
import { Effect } from "effect"
import type { Channel, Command } from "../domain/Command.ts"
import { type Decision, refuseCommand } from "../domain/Decision.ts"
import { scheduleOncePerKey } from "../domain/Idempotency.ts"
import { traceFrom } from "../domain/Ids.ts"
import type { Now } from "../domain/Now.ts"
import { ReasonMissing } from "../domain/Refusal.ts"
import { type ScheduleAnswer, type ScheduleAsk, scheduleNeedsReason } from "../domain/ScheduleAsk.ts"
import { scheduleCommand } from "../domain/Scheduling.ts"
import { Chance, Engine, type Found, type WantedSchedule } from "../engine/Engine.ts"
import { Kinds } from "./Kinds.ts"

export interface ScheduleAsked {
  readonly ask: ScheduleAsk
  readonly actor: string
  readonly channel: Channel
  readonly key: string | null
}

const wantedBy = (ask: ScheduleAsk): WantedSchedule =>
  ask.op === "schedule-backfill" ? { name: ask.schedule, range: { fromMs: ask.from, toMs: ask.to } } : { name: ask.schedule }

/** Decides and stores one command. The answer comes after the commit; a refusal has left its event. */
export const handleSchedule = Effect.fn("ScheduleCommands.handle")(function*({ actor, ask, channel, key }: ScheduleAsked) {
  const engine = yield* Engine
  const kinds = yield* Kinds
  const { next } = yield* Chance
  const command: Command<ScheduleAsk> = { ask, actor, channel, key, trace: traceFrom([next(), next(), next(), next()]) }
  const decide = ({ schedule: found }: Found, now: Now): Decision<ScheduleAnswer> => {
    if (scheduleNeedsReason[ask.op] && (ask.reason ?? "").trim() === "") return refuseCommand(command, null, new ReasonMissing({ op: ask.op }))
    const kind = found?.schedule === undefined ? undefined : kinds.get(found.schedule.spec.kind)
    return scheduleCommand(found?.schedule, command, { open: found?.open ?? [], ticks: found?.ticks ?? [], kind }, now)
  }
  return yield* engine.commit({
    tasks: [],
    key,
    schedule: wantedBy(ask),
    rule: (found, now) => scheduleOncePerKey(command, found.stored, () => decide(found, now))
  })
})
