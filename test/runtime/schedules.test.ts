/** Schedules with real runs, and sleepers and ticks under a wall clock that is set. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Logger, Schema } from "effect"
import { Opsgate, Task } from "#opsgate"
import { type Client, fileFor, gate, until } from "./workflow/Opened.ts"

const pulse = { name: "pulse", kind: "beat", every: "1 second" } as const
const outcomes = async (ops: Client) => [...await ops.ticks("pulse", 100)].reverse().map(({ outcome, reason }) => (reason === null ? outcome : `${outcome} ${reason}`))

/** A task that ends when the test lets it, or when it is asked to. */
const held = () => {
  const doors: Array<ReturnType<typeof gate>> = []
  const task = Task.defineAsync("beat", { payload: Schema.Struct({}), retry: { attempts: 1 } }, async (ctx) => {
    const door = gate()
    doors.push(door)
    await ctx.step("hold", { effect: "read" }, () => door.pass())
    return ctx.step("after", { effect: "read" }, async () => "done")
  })
  return { task, doors, openAll: () => doors.forEach(({ open }) => open()) }
}

describe.concurrent("a tick while a run has not ended", () => {
  it("is skipped, and the next runs when it has ended", async ({ onTestFinished }) => {
    const { openAll, task } = held()
    const { open } = fileFor(onTestFinished)
    const ops = await open([task], { schedules: [pulse] })
    await until("a skipped tick", async () => (await outcomes(ops)).length >= 2)
    assert.deepStrictEqual((await outcomes(ops)).slice(0, 2), ["started", "skipped overlap"])
    openAll()
    await until("the next run", async () => (await outcomes(ops)).filter((outcome) => outcome === "started").length >= 2)
    openAll()
  })

  it("waits for it, and starts with its end, not with the next tick", async ({ onTestFinished }) => {
    const { doors, openAll, task } = held()
    const { open } = fileFor(onTestFinished)
    const ops = await open([task], { schedules: [{ ...pulse, every: "2 seconds", overlap: "queue" }] })
    await until("a tick that waits", async () => (await outcomes(ops)).includes("waiting"))
    openAll()
    await until("its run", () => doors.length === 2)
    const [waited] = await ops.ticks("pulse", 1)
    assert.deepInclude(waited, { outcome: "started", reason: null })
    assert.isBelow(waited?.lateMs ?? Infinity, 2000)
    openAll()
  })

  it("asks it to end, and starts when it has", async ({ onTestFinished }) => {
    const { doors, openAll, task } = held()
    const { events, open } = fileFor(onTestFinished)
    const ops = await open([task], { schedules: [{ ...pulse, overlap: "cancel-running" }] })
    await until("a tick that waits", async () => (await outcomes(ops)).includes("waiting"))
    openAll()
    await until("a second run", () => doors.length >= 2)
    openAll()
    await until("the end of the first", () => events("task.canceled").length >= 1)
    const [asked] = events("task.cancel_requested")
    assert.deepStrictEqual([asked?.actor, asked?.payload?.["kill"]], ["system:schedule", false])
  })

  it("runs beside it", async ({ onTestFinished }) => {
    const { doors, openAll, task } = held()
    const { open } = fileFor(onTestFinished)
    const ops = await open([task], { schedules: [{ ...pulse, overlap: "allow" }] })
    await until("two runs", () => doors.length === 2)
    openAll()
    assert.isTrue((await outcomes(ops)).every((outcome) => outcome === "started"))
  })
})

describe("a schedule in code", () => {
  it("is refused with a sentence when it makes no sense", () => {
    const { task } = held()
    assert.throws(() => Opsgate.layer({ file: "x", tasks: [task], schedules: [{ ...pulse, every: "1 millis" }] }), "Opsgate cannot be opened: the schedule pulse: every is a whole number from 1000")
    assert.throws(() => Opsgate.layer({ file: "x", tasks: [task], schedules: [pulse, pulse] }), "Opsgate cannot be opened: the schedule pulse is declared twice")
    assert.throws(() => Opsgate.layer({ file: "x", tasks: [task], schedules: [{ ...pulse, kind: "nope" }] }), "Opsgate cannot be opened: the schedule pulse: there is no task kind \"nope\"")
  })

  it("that another program declares does not fire here", async ({ onTestFinished }) => {
    const { openAll, task } = held()
    const { events, open } = fileFor(onTestFinished)
    const first = await open([task], { schedules: [{ ...pulse, overlap: "allow" }] })
    await until("a tick", async () => (await outcomes(first)).length > 0)
    openAll()
    await first.close()
    const second = await open([task])
    await until("its end", () => events("schedule.gone").length === 1)
    assert.deepInclude((await second.schedules())[0], { gone: true, dueMs: null })
    await second.close()
    const third = await open([task], { schedules: [{ ...pulse, overlap: "allow" }] })
    await until("its return", () => events("schedule.declared").length === 2)
    assert.deepInclude((await third.schedules())[0], { gone: false, version: 2 })
  })
})

/** A wall clock that a test sets, and on which naps take a thousandth of their time. The monotonic clock is the machine's. */
const settable = () => {
  const real = Clock.make()
  let offsetMs = 0
  const clock: Clock.Clock = Object.assign(Object.create(real), {
    unsafeCurrentTimeMillis: () => real.unsafeCurrentTimeMillis() + offsetMs,
    currentTimeMillis: Effect.sync(() => real.unsafeCurrentTimeMillis() + offsetMs),
    sleep: (duration: Duration.Duration) => real.sleep(Duration.times(duration, 0.001))
  })
  return { clock, set: (byMs: number) => void (offsetMs += byMs), nowMs: () => real.unsafeCurrentTimeMillis() + offsetMs }
}

const hourMs = 3_600_000

describe("a wall clock that is set", () => {
  const sleeper = Task.defineAsync("sleeper", { payload: Schema.Struct({}) }, async (ctx) => {
    await ctx.sleep("nap", "1 hour")
    return "awake"
  })
  const beat = Task.defineAsync("beat", { payload: Schema.Struct({}) }, async () => "beaten")

  it("wakes a sleeper when it passes its instant, not before, over a restart, and fires no tick twice", async ({ onTestFinished }) => {
    const { breaks, events, file } = fileFor(onTestFinished)
    const { clock, nowMs, set } = settable()
    const layer = () => Opsgate.layer({ file, tasks: [sleeper, beat], lease: "10 minutes", stopGrace: "50 millis", schedules: [{ name: "hourly", kind: "beat", cron: "0 * * * *", overlap: "allow", catchUp: "all" }] })
    const session = <A>(use: (ops: Opsgate.Opsgate["Type"]) => Promise<A>) =>
      Effect.runPromise(Effect.withClock(Effect.provide(Effect.flatMap(Opsgate.Opsgate, (ops) => Effect.promise(() => use(ops))), layer()), clock).pipe(Effect.provide(Logger.remove(Logger.defaultLogger))))
    const isParked = (id: string) => events().some(({ payload, task, type }) => task === id && type === "task.queued" && payload?.["by"] === "suspend")
    const ran = () => events("task.requested").filter(({ payload }) => payload?.["schedule"] === "hourly").map(({ payload }) => payload?.["tick_ms"])

    const id = await session(async (ops) => {
      const { task } = await Effect.runPromise(ops.submit(sleeper, {}))
      await until("a parked run", () => isParked(task))
      set(-2 * hourMs)
      await until("the step back", () => events("clock.stepped").length === 1)
      return task
    })
    const deadline = Number(events("task.queued").find(({ payload, task }) => task === id && payload?.["by"] === "suspend")?.payload?.["available_at_ms"])
    await session(async (ops) => {
      // What the clock says is two hours too early, and so is half an hour later.
      set(2.5 * hourMs)
      await until("the step forward", () => events("clock.stepped").length === 2)
      assert.strictEqual((await Effect.runPromise(ops.get(id))).state, "QUEUED")
      set(deadline - nowMs() + 1)
      await until("the sleeper", async () => (await Effect.runPromise(ops.get(id))).state === "SUCCEEDED")
      // Between the nap and its end there is one whole hour.
      await until("the hour", () => ran().length > 0)
      // Two steps between two looks would be seen as one.
      await until("the step to its end", () => events("clock.stepped").length === 3)
      set(-3 * hourMs)
      await until("the step back", () => events("clock.stepped").length === 4)
      set(3 * hourMs)
      await until("the step forward", () => events("clock.stepped").length === 5)
    })
    const [declared] = events("schedule.declared")
    const hours = Array.from({ length: 4 }, (_, index) => Math.ceil((declared?.at ?? 0) / hourMs + index) * hourMs).filter((hour) => hour <= nowMs())
    assert.deepStrictEqual(ran(), hours)
    const claimed = events("task.running").filter(({ task }) => task === id)
    assert.strictEqual(claimed.length, 2)
    assert.isAtLeast(claimed[1]?.at ?? 0, deadline)
    assert.deepStrictEqual(breaks(), [])
  })
})
