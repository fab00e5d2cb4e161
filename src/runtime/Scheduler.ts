/**
 * Wakes schedules when a tick is due. It sleeps until the next instant that the store knows of, and looks earlier only when a schedule
 * was changed or a run has ended that a tick waits for. A nap has a bound, because the wall clock may be set meanwhile: a clock that was
 * set is noticed by the end of the nap, and the rules decide what becomes of the ticks in between.
 */
import { Cause, Context, Duration, Effect, Exit, Queue, Ref } from "effect"
import { type Decision, granted } from "../domain/Decision.ts"
import type { Kind } from "../domain/Kind.ts"
import { matrix } from "../domain/Matrix.ts"
import type { Now } from "../domain/Now.ts"
import type { ScheduleSpec } from "../domain/Schedule.ts"
import { declare } from "../domain/Scheduling.ts"
import type { Task } from "../domain/Task.ts"
import { isTerminal } from "../domain/TaskState.ts"
import { type Around, fire } from "../domain/Ticking.ts"
import { type Change, Engine, EngineReader, type FoundSchedule, Instants } from "../engine/Engine.ts"
import { pause } from "../engine/Patience.ts"
import { patience } from "./Patience.ts"
import { Runs } from "./Runs.ts"

/** What this program declares. Schedules in the store that are not among them do not fire. */
export class Schedules extends Context.Reference<Schedules>()("opsgate/runtime/Schedules", {
  defaultValue: (): { readonly declared: ReadonlyArray<ScheduleSpec>; readonly kindOf: (name: string) => Kind | undefined } => ({ declared: [], kindOf: () => undefined })
}) {}

/** The longest nap: how late a clock that was set forward is noticed. */
const napMax = Duration.minutes(1)
/** Schedules that are decided in one go. */
const batch = 256
/** A difference between the two clocks that is a step of the wall clock, and no drift. */
const stepMs = 1000

const nobody: FoundSchedule = { schedule: undefined, open: [], ticks: [] }

const changeOf = (name: string, rule: (found: FoundSchedule, now: Now) => Decision<null>): Change<null> => ({
  tasks: [],
  key: null,
  schedule: { name },
  rule: ({ schedule = nobody }, now) => rule(schedule, now)
})

const aroundOf = ({ open, ticks }: FoundSchedule, kind: Kind | undefined): Around => ({ open, ticks, kind })

/** Brings the store to what is declared. */
export const declaring = Effect.gen(function*() {
  const engine = yield* Engine
  const reader = yield* EngineReader
  const { declared, kindOf } = yield* Schedules
  const specs = new Map(declared.map((spec) => [spec.name, spec]))
  const stored = yield* Effect.retry(reader.schedules, { schedule: patience })
  const names = new Set([...specs.keys(), ...stored.map(({ name }) => name)])
  const changes = [...names].map((name) =>
    changeOf(name, (found, now) => {
      // What is caught up for the declaration before runs the kind that it named.
      const kind = kindOf(found.schedule?.spec.kind ?? specs.get(name)?.kind ?? "")
      return declare(found.schedule, specs.get(name), aroundOf(found, kind), now)
    }))
  const answers = yield* engine.commitAll(changes)
  yield* Effect.forEach(answers, (answer) => answer, { discard: true })
}).pipe(Effect.retry({ schedule: patience, while: (error) => error._tag === "EngineUnavailable" }), Effect.orDie)

/** Notices that the wall clock was set, and wakes those who sleep until an instant of it. */
const clockWatch = (engine: Engine["Type"], instants: Instants["Type"], runs: Runs["Type"]) => {
  const difference = () => instants.wallMs() - instants.monoMs()
  const known = Ref.unsafeMake(difference())
  return Effect.gen(function*() {
    const by = difference() - (yield* Ref.getAndSet(known, difference()))
    if (Math.abs(by) < stepMs) return
    yield* engine.commit({
      tasks: [],
      key: null,
      rule: (_found, now) => granted(null, { events: [{ type: "clock.stepped", task: null, trace: null, actor: "system:runtime", payload: { by_ms: by, mono_ms: now.monoMs } }] })
    })
    runs.wake.ring()
    yield* Effect.logWarning("the wall clock was set", { byMs: by })
  }).pipe(Effect.catchAll((error) => Effect.logError("a step of the clock could not be recorded", { reason: error.message })))
}

const endedRun = (tasks: ReadonlyArray<Task>): boolean => tasks.some(({ schedule, state }) => schedule !== null && isTerminal[state])

/** Decides the named schedules, each for itself: one whose rule breaks does not stop the others. Answers which were decided. */
export const deciding = Effect.gen(function*() {
  const engine = yield* Engine
  const { kindOf } = yield* Schedules
  return (names: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<boolean>> =>
    Effect.forEach(names, (name) =>
      Effect.exit(engine.commit(changeOf(name, (found, now) =>
        found.schedule === undefined ? granted(null, {}) : fire(found.schedule, aroundOf(found, kindOf(found.schedule.spec.kind)), now)))).pipe(
          Effect.tap((exit) => (Exit.isFailure(exit) ? Effect.logError("a schedule could not be decided", { schedule: name, cause: Cause.pretty(exit.cause) }) : Effect.void)),
          Effect.map(Exit.isSuccess)
        ), { concurrency: "unbounded" })
})

/** Declares, then decides ticks until it is interrupted. */
export const loop = Effect.gen(function*() {
  const engine = yield* Engine
  const instants = yield* Instants
  const decideAll = yield* deciding
  const changed = yield* engine.watchSchedules
  const watchClock = clockWatch(engine, instants, yield* Runs)
  yield* declaring

  const round = Effect.gen(function*() {
    yield* watchClock
    const look = yield* engine.schedulesDue(instants.wallMs(), batch)
    // Listened to before the look at the runs, so that none ends unseen in between.
    const ends = look.waiting.length > 0 ? yield* engine.watch : null
    const decided = yield* decideAll([...new Set([...look.due, ...look.waiting])])
    yield* Queue.takeAll(changed)
    const { due, nextMs, waiting } = yield* engine.schedulesDue(instants.wallMs(), 1)
    const failed = decided.includes(false)
    if (!failed && (due.length > 0 || (waiting.length > 0 && ends === null))) return
    const untilMs = Math.max(matrix.schedule_tick.roundMs, (nextMs ?? Infinity) - instants.wallMs())
    // A schedule that cannot be decided is not tried in a tight loop.
    const nap = failed ? pause(matrix.schedule_tick.retry) : Effect.sleep(Duration.min(napMax, Duration.millis(untilMs)))
    const ended = ends === null ? Effect.never : Queue.take(ends).pipe(Effect.repeat({ until: endedRun }))
    yield* Effect.raceAll([nap, Queue.take(changed), ended])
  }).pipe(Effect.scoped, Effect.retry({ schedule: patience }))

  return yield* Effect.forever(round)
}).pipe(Effect.scoped)
