/** What is done to schedules in a sequence: a few of them, whose ticks come as fast as the clocks of a sequence pass. */
import { Effect, Either } from "effect"
import fc from "fast-check"
import type { Kind } from "../../../src/domain/Kind.ts"
import { catchUps, overlaps, type ScheduleSpec, specOf } from "../../../src/domain/Schedule.ts"
import type { ScheduleAsk } from "../../../src/domain/ScheduleAsk.ts"
import { declare, scheduleCommand } from "../../../src/domain/Scheduling.ts"
import { fire } from "../../../src/domain/Ticking.ts"
import { granted } from "../../../src/domain/Decision.ts"
import type { Change, FoundSchedule } from "../../../src/engine/Engine.ts"
import { kindsOf, scheduleNames } from "./Declared.ts"
import { commandOf } from "../tasks.ts"
import type { World } from "./World.ts"

type Name = (typeof scheduleNames)[number]

export const declaration = fc.record({
  name: fc.constantFrom(...scheduleNames),
  kind: fc.constantFrom("report", "deploy", "own"),
  catchUp: fc.constantFrom(...catchUps),
  overlap: fc.constantFrom(...overlaps),
  jitterMs: fc.constantFrom(0, 0, 700),
  gone: fc.nat(5).map((one) => one === 5)
})
type Declaration = typeof declaration extends fc.Arbitrary<infer T> ? T : never

const specFor = ({ gone, name, ...rest }: Declaration): ScheduleSpec | undefined => {
  const timing = name === "pulse" ? { everyMs: 2000 } : { cron: "*/5 * * * * *", zone: "Europe/Berlin", onGap: "skip", onRepeat: "twice" } as const
  return gone ? undefined : Either.getOrThrow(specOf({ name, ...timing, ...rest, catchUpMax: 3, queueMax: 2, catchUpWindowMs: 20_000 }))
}

const around = ({ open, schedule, ticks }: FoundSchedule, kinds: ReadonlyMap<string, Kind>) => ({ open, ticks, kind: kinds.get(schedule?.spec.kind ?? "") })
const nobody: FoundSchedule = { schedule: undefined, open: [], ticks: [] }

export const declaring = (world: World, drawn: Declaration): Change<unknown> => {
  const kinds = kindsOf(world.version)
  return { tasks: [], key: null, schedule: { name: drawn.name }, rule: ({ schedule = nobody }, now) => declare(schedule.schedule, specFor(drawn), around(schedule, kinds), now) }
}

export const firing = (world: World): ReadonlyArray<Change<unknown>> => {
  const { due, waiting } = Effect.runSync(world.model.engine.schedulesDue(world.clocks.wallMs, 10))
  const kinds = kindsOf(world.version)
  return [...new Set([...due, ...waiting])].map((name) => ({
    tasks: [],
    key: null,
    schedule: { name },
    rule: ({ schedule = nobody }, now) => (schedule.schedule === undefined ? granted(null, {}) : fire(schedule.schedule, around(schedule, kinds), now))
  }))
}

export const wish = fc.record({
  name: fc.constantFrom<Name | "nobody">(...scheduleNames, ...scheduleNames, "nobody"),
  op: fc.constantFrom<ScheduleAsk["op"]>("schedule-pause", "schedule-resume", "schedule-run", "schedule-backfill"),
  backMs: fc.constantFrom(0, 3000, 30_000, 10 ** 9)
})

export const wishing = (world: World, { backMs, name, op }: typeof wish extends fc.Arbitrary<infer T> ? T : never): Change<unknown> => {
  const { wallMs } = world.clocks
  const range = { from: Math.max(0, wallMs - backMs), to: wallMs }
  const ask: ScheduleAsk = op === "schedule-backfill" ? { op, schedule: name, reason: "because", ...range } : { op, schedule: name, reason: "because" }
  const kinds = kindsOf(world.version)
  const command = commandOf(ask, { trace: world.seed.toString(16).padStart(32, "0") })
  const wanted = op === "schedule-backfill" ? { name, range: { fromMs: range.from, toMs: range.to } } : { name }
  return { tasks: [], key: null, schedule: wanted, rule: ({ schedule = nobody }, now) => scheduleCommand(schedule.schedule, command, around(schedule, kinds), now) }
}
