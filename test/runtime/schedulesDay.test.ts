/**
 * Days with one-minute schedules in New York, across both changes of clock, on the real engine with a clock of its own: the engine is
 * dropped and opened again at random points, the clock is set forward and back. What is stored is compared with a model that walks through
 * every tick one by one.
 *
 * Another seed: `OPSGATE_DAY_SEED=7 npx vitest run test/runtime/schedulesDay.test.ts`
 */
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Exit, Layer, Scope } from "effect"
import { afterAll, describe, expect, it } from "vitest"
import { gapsIn, ticksIn } from "../../src/domain/Calendar.ts"
import { Either } from "effect"
import { calendarOf, type ScheduleEntry, type ScheduleSpec, specOf } from "../../src/domain/Schedule.ts"
import { Engine, EngineReader } from "../../src/engine/Engine.ts"
import * as Live from "../../src/engine/Live.ts"
import * as SqliteEngine from "../../src/engine/SqliteEngine.ts"
import { declaring, deciding, Schedules } from "../../src/runtime/Scheduler.ts"
import { claimed, epochOpened, kindOf, movable, settled, succeeded } from "../engine/tasks.ts"

const memory = "/dev/shm"
const folder = mkdtempSync(join(existsSync(memory) ? memory : tmpdir(), "opsgate-day-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const random = (seed: number) => {
  let state = seed >>> 0
  // mulberry32
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const spec = (entry: Partial<ScheduleEntry> & { readonly name: string }): ScheduleSpec =>
  Either.getOrThrow(specOf({ kind: "report", cron: "* * * * *", zone: "America/New_York", overlap: "allow", ...entry }))

const minuteMs = 60_000

/** What became of a tick, by its instant. */
interface Expected {
  readonly outcomes: Map<number, string>
  cursorMs: number
  gaps: number
}

// The rules once more, in their plainest form: one tick after the other, no counting.
const modelled = (wanted: ScheduleSpec, expected: Expected, nowMs: number, isBusy: boolean): void => {
  const calendar = calendarOf(wanted, 0)
  const due = [...ticksIn(calendar, expected.cursorMs, nowMs)].map(({ atMs }) => atMs)
  const last = due.at(-1)
  if (last === undefined) return
  expected.gaps += gapsIn(calendar, expected.cursorMs, last).reduce((sum, { count }) => sum + count, 0)
  const isLate = (atMs: number) => nowMs - atMs > wanted.lateAfterMs
  const late = due.filter(isLate)
  const onTime = due.filter((atMs) => !isLate(atMs))
  const inWindow = late.filter((atMs) => nowMs - atMs <= wanted.catchUpWindowMs)
  const kept = wanted.catchUp === "all" ? inWindow.slice(-wanted.catchUpMax) : wanted.catchUp === "latest" && onTime.length === 0 ? inWindow.slice(-1) : []
  let busy = isBusy
  for (const atMs of due) {
    const runs = onTime.includes(atMs) || kept.includes(atMs)
    if (runs) {
      expected.outcomes.set(atMs, busy && wanted.overlap === "skip" ? "skipped overlap" : isLate(atMs) ? "late" : "started")
      busy = true
    } else if (wanted.catchUp === "none") expected.outcomes.set(atMs, "skipped catch_up")
    else if (!inWindow.includes(atMs)) expected.outcomes.set(atMs, "missed window")
    else expected.outcomes.set(atMs, wanted.catchUp === "all" ? "missed cap" : "skipped catch_up")
  }
  expected.cursorMs = last
}

const specs = [
  spec({ name: "all", catchUp: "all", catchUpMax: 1000 }),
  spec({ name: "all-capped", catchUp: "all", catchUpMax: 7, catchUpWindowMs: 20 * minuteMs, onRepeat: "twice" }),
  spec({ name: "latest", catchUp: "latest", onGap: "skip" }),
  spec({ name: "none", catchUp: "none", onGap: "skip", onRepeat: "twice" }),
  spec({ name: "in-turn", catchUp: "all", catchUpMax: 5, overlap: "skip" }),
  spec({ name: "half-hours", cron: "0,30 0-3 * * *", catchUp: "all", onRepeat: "twice" }),
  spec({ name: "nightly", cron: "30 2 * * *" })
]

const play = (file: string, startMs: number, endMs: number, seed: number) =>
  Effect.gen(function*() {
    const next = random(seed)
    const { clocks, layer: instants } = movable(startMs)
    const expected = new Map(specs.map(({ name }) => [name, { outcomes: new Map<number, string>(), cursorMs: startMs, gaps: 0 }]))
    const counts = { lives: 0, forward: 0, back: 0, rounds: 0 }
    const kind = kindOf()
    const declaredHere = Layer.succeed(Schedules, { declared: specs, kindOf: () => kind })
    const storage = SqliteEngine.layer({ file, streamId: "db-day" }).pipe(Layer.provide(Layer.mergeAll(Live.flush, Live.fatal, instants)), Layer.provideMerge(Layer.merge(instants, declaredHere)))

    const round = Effect.gen(function*() {
      counts.rounds += 1
      const engine = yield* Engine
      const reader = yield* EngineReader
      const due = yield* engine.schedulesDue(clocks.wallMs, 100)
      const open = new Set((yield* reader.list({ state: "QUEUED", limit: 100_000 })).map(({ schedule }) => schedule?.name))
      for (const wanted of specs) {
        const model = expected.get(wanted.name)
        if (model !== undefined && due.due.includes(wanted.name)) modelled(wanted, model, clocks.wallMs, open.has(wanted.name))
      }
      expect(yield* (yield* deciding)(due.due)).toEqual(due.due.map(() => true))
      return (yield* engine.schedulesDue(clocks.wallMs, 1)).nextMs
    })

    const runAll = Effect.gen(function*() {
      for (const { held, task } of yield* claimed(1000)) yield* settled(task.id, held, succeeded)
    })

    const life = Effect.gen(function*() {
      counts.lives += 1
      yield* epochOpened(10 ** 9)
      yield* declaring
      let nextMs = yield* round
      while (clocks.wallMs < endMs) {
        const dice = next()
        if (dice < 0.02) return
        if (dice < 0.03) {
          counts.forward += 1
          clocks.wallMs += Math.floor(next() * 50 * minuteMs)
        } else if (dice < 0.04) {
          counts.back += 1
          clocks.wallMs -= Math.floor(next() * 90 * minuteMs)
        } else {
          // To the next tick and a little beyond; now and then too long.
          const naps = Math.max(0, (nextMs ?? clocks.wallMs) - clocks.wallMs) + Math.floor(next() * (next() < 0.05 ? 9000 : 400))
          clocks.wallMs += naps
          clocks.monoMs += naps
        }
        nextMs = yield* round
        if (next() < 0.7) yield* runAll
      }
    })

    while (clocks.wallMs < endMs) {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(storage, scope)
      yield* Effect.provide(life, context)
      yield* Scope.close(scope, Exit.void)
      const down = Math.floor(next() ** 3 * 60 * minuteMs)
      clocks.wallMs += down
      clocks.monoMs += down
    }
    const scope = yield* Scope.make()
    const context = yield* Layer.buildWithScope(storage, scope)
    const found = yield* Effect.gen(function*() {
      const reader = yield* EngineReader
      return {
        schedules: yield* reader.schedules,
        ticks: yield* Effect.forEach(specs, ({ name }) => reader.ticks(name, 100_000)),
        ranges: yield* Effect.forEach(specs, ({ name }) => reader.tickRanges(name, 100_000)),
        tasks: yield* reader.list({ limit: 100_000 }),
        events: yield* reader.events(0, 1_000_000)
      }
    }).pipe(Effect.provide(context))
    yield* Scope.close(scope, Exit.void)
    return { ...found, expected, counts }
  })

const seed = Number(process.env["OPSGATE_DAY_SEED"] ?? 20_261_101)

describe("one-minute schedules in New York", () => {
  it.each([
    ["the clock is set forward", "2026-03-07T17:00:00Z", "2026-03-08T17:00:00Z", seed],
    ["the clock is set back", "2026-10-31T16:00:00Z", "2026-11-01T17:00:00Z", seed + 1]
  ])("on a day when %s have exactly the ticks that the rules promise, each once, or recorded with its reason", async (_, from, to, own) => {
    const { counts, events, expected, ranges, schedules, tasks, ticks } = await Effect.runPromise(play(join(folder, `${own}.db`), Date.parse(from), Date.parse(to), own))
    // A day on which nothing happened finds nothing.
    expect(Math.min(counts.lives - 4, counts.forward - 2, counts.back - 2, counts.rounds - 300)).toBeGreaterThan(0)
    const tasksOf = new Map<string, number>()
    for (const { schedule } of tasks) if (schedule !== null) tasksOf.set(`${schedule.name} ${schedule.atMs}`, (tasksOf.get(`${schedule.name} ${schedule.atMs}`) ?? 0) + 1)
    expect([...tasksOf.values()].filter((count) => count !== 1)).toEqual([])

    for (const [index, wanted] of specs.entries()) {
      const model = expected.get(wanted.name)
      if (model === undefined) throw new Error(wanted.name)
      const stored = new Map<number, string>()
      const put = (atMs: number, outcome: string) => {
        expect(stored.get(atMs), `${wanted.name}: a tick was decided twice`).toBeUndefined()
        stored.set(atMs, outcome)
      }
      for (const { nominalMs, outcome, reason, task } of ticks[index] ?? []) {
        put(nominalMs, reason === null ? outcome : `${outcome} ${reason}`)
        expect(tasksOf.has(`${wanted.name} ${nominalMs}`)).toBe(task !== null)
      }
      let gaps = 0
      for (const { count, fromMs, outcome, reason, toMs } of ranges[index] ?? []) {
        if (reason === "gap") {
          gaps += count
          continue
        }
        const inside = [...ticksIn(calendarOf(wanted, 0), fromMs - 1, toMs)]
        expect(inside.length).toBe(count)
        for (const { atMs } of inside) put(atMs, `${outcome} ${reason}`)
      }
      const sorted = (outcomes: Map<number, string>) => [...outcomes].sort(([a], [b]) => a - b).map(([atMs, outcome]) => `${new Date(atMs).toISOString()} ${outcome}`)
      expect(sorted(stored)).toEqual(sorted(model.outcomes))
      expect(gaps).toBe(model.gaps)
      // Every nominal tick up to the cursor, and none behind it.
      const nominal = [...ticksIn(calendarOf(wanted, 0), Date.parse(from), schedules.find(({ name }) => name === wanted.name)?.cursorMs ?? 0)]
      expect(stored.size).toBe(nominal.length)
      // What is counted is what the log says.
      const of = (type: string) => events.filter((event) => event.type === type).map(({ payload }) => JSON.parse(payload ?? "{}")).filter(({ schedule }) => schedule === wanted.name)
      const total = (type: string) => of(type).reduce((sum: number, { count }) => sum + count, 0)
      const { late, missed, skipped, started } = schedules.find(({ name }) => name === wanted.name)?.counts ?? { late: 0, missed: 0, skipped: 0, started: 0 }
      expect([missed, skipped, started + late]).toEqual([total("schedule.missed"), total("schedule.skipped"), of("task.requested").length])
    }
  }, 180_000)
})
