/** Commands about schedules: one decision in one transaction, as those about tasks are in `Commands.ts`. */
import { Effect } from "effect"
import { isBlank } from "../domain/AskLimits.ts"
import { authorized, type Caller } from "../domain/Authorization.ts"
import type { Channel, Command } from "../domain/Command.ts"
import { type Decision, refuseCommand } from "../domain/Decision.ts"
import { ownedKey, scheduleOncePerKey } from "../domain/Idempotency.ts"
import type { Now } from "../domain/Now.ts"
import { ReasonMissing } from "../domain/Refusal.ts"
import { type ScheduleAnswer, type ScheduleAsk, scheduleNeedsReason } from "../domain/ScheduleAsk.ts"
import { scheduleCommand } from "../domain/Scheduling.ts"
import { Engine, type Found, type WantedSchedule } from "../engine/Engine.ts"
import { cleaned } from "../domain/TaskSecrets.ts"
import { newTrace } from "./NewTrace.ts"
import { Kinds } from "./Kinds.ts"

export interface ScheduleAsked extends Caller {
  readonly ask: ScheduleAsk
  readonly channel: Channel
  readonly key: string | null
}

const wantedBy = (ask: ScheduleAsk): WantedSchedule =>
  ask.op === "schedule-backfill" ? { name: ask.schedule, range: { fromMs: ask.from, toMs: ask.to } } : { name: ask.schedule }

/** Decides and stores one command. The answer comes after the commit; a refusal has left its event. */
export const handleSchedule = Effect.fn("ScheduleCommands.handle")(function*({ actor, ask: asked, channel, key, roles }: ScheduleAsked) {
  const ask = cleaned(asked)
  const engine = yield* Engine
  const kinds = yield* Kinds
  const command: Command<ScheduleAsk> = { ask, actor, roles, channel, key, trace: yield* newTrace }
  const decide = ({ schedule: found }: Found, now: Now): Decision<ScheduleAnswer> => {
    if (scheduleNeedsReason[ask.op] && isBlank(ask.reason)) return refuseCommand(command, null, new ReasonMissing({ op: ask.op }))
    const kind = found?.schedule === undefined ? undefined : kinds.get(found.schedule.spec.kind)
    return scheduleCommand(found?.schedule, command, { open: found?.open ?? [], ticks: found?.ticks ?? [], kind }, now)
  }
  return yield* engine.commit({
    tasks: [],
    key: ownedKey(command),
    schedule: wantedBy(ask),
    rule: (found, now) => authorized(command, null, () => scheduleOncePerKey(command, found.stored, () => decide(found, now)))
  })
})
