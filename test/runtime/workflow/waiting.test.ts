/** Waiting: time, signals, children and branches. A run that waits is a row and nothing else. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { type AsyncContext, StepFailed, Task, TaskFailed } from "#opsgate"
import { type Client, type Code, endedBadly, fileFor, gate, never, parkedFor, signal, stepsOf, taskOf, unknownOf, until, untilTask } from "./Opened.ts"

const read = { effect: "read" } as const
const dangerous = { effect: "dangerous", timeout: "10 seconds", atMostOnce: true } as const
/** No test waits for the end of its time. */
const slow = { ...dangerous, timeout: "1 hour" } as const
const text = { payload: Schema.String }

/** What the code is told when a step fails. */
const told = (promise: Promise<unknown>): Promise<unknown> => promise.catch((error: unknown) => (error instanceof StepFailed ? [error.name, error.code, error.reason] : String(error)))

const submitted = async (ops: Client, task: ReturnType<typeof taskOf>, payload = ""): Promise<string> => (await ops.submit(task, payload)).task

describe("a parked run", () => {
  it("holds no lease, no slot and no fiber, and spends no attempt", async ({ onTestFinished }) => {
    const { breaks, open } = fileFor(onTestFinished)
    let alive = 0
    const waits = Task.define("waits", text, (ctx) =>
      Effect.gen(function*() {
        alive += 1
        yield* ctx.step("look", read, () => Effect.succeed(1))
        return yield* ctx.waitFor("go")
      }).pipe(Effect.ensuring(Effect.sync(() => (alive -= 1)))))
    const quick = taskOf(async () => "done", {}, "quick")
    const ops = await open([waits, quick], { workers: 1 })
    const ids = await Promise.all(Array.from({ length: 30 }, async () => (await ops.submit(waits, "")).task))
    for (const id of ids) {
      const { attempt, budget, intents, lease, state } = await parkedFor(ops, id, "signal:go")
      assert.deepStrictEqual([state, attempt, budget, lease, intents], ["QUEUED", 0, 3, null, []])
    }
    // One slot, thirty that wait: it is free.
    assert.strictEqual(await ops.result(quick, await submitted(ops, quick)), "done")
    assert.strictEqual(alive, 0)
    for (const id of ids) await signal(ops, id, "go", id)
    for (const id of ids) assert.strictEqual(await ops.result(waits, id), id)
    assert.deepStrictEqual(breaks(), [])
  })

  it("wakes in time, over a restart, however often it sleeps, with its one attempt", async ({ onTestFinished }) => {
    const { events, open } = fileFor(onTestFinished)
    const { task, times } = { times: 5, task: taskOf(async (ctx) => {
      for (let nap = 0; nap < 5; nap++) await ctx.sleep(`nap ${nap}`, "20 millis")
      return ctx.attempt
    }) }
    const ops = await open([task])
    const id = await submitted(ops, task)
    await until("a parked run", () => events("task.queued").some(({ payload }) => payload?.["by"] === "suspend"))
    await ops.close()
    const later = await open([task])
    assert.deepInclude(await endedBadly(later, id), { state: "SUCCEEDED" })
    const steps = await later.steps(id)
    assert.strictEqual(steps.length, times)
    for (const { endedAtMs, wakeAtMs } of steps) assert.isAtLeast(endedAtMs ?? 0, wakeAtMs ?? Infinity)
    assert.deepStrictEqual(await later.attempts(id), [])
  })

  it("does not use up the time of its attempt", async ({ onTestFinished }) => {
    const { open } = fileFor(onTestFinished)
    const task = taskOf((ctx) => ctx.sleep("nap", "400 millis"), { timeouts: { startToClose: "200 millis" } })
    const ops = await open([task])
    assert.deepInclude(await endedBadly(ops, await submitted(ops, task)), { state: "SUCCEEDED" })
  })
})

describe("a signal", () => {
  it("is taken whether it comes before or after the wait, the oldest first, each once", async ({ onTestFinished }) => {
    const { open } = fileFor(onTestFinished)
    const begun = gate()
    const goOn = gate()
    const task = taskOf(async (ctx) => {
      await ctx.step("hold", read, async () => {
        begun.open()
        await goOn.pass()
      })
      return [await ctx.waitFor("word", { as: "one" }), await ctx.waitFor("word", { as: "two" }), await ctx.waitFor("word", { as: "three" }), await ctx.waitFor("other")]
    })
    const ops = await open([task])
    const id = await submitted(ops, task)
    await begun.pass()
    await signal(ops, id, "word", "first")
    await signal(ops, id, "other", "aside")
    await signal(ops, id, "word", "second")
    goOn.open()
    await parkedFor(ops, id, "signal:word")
    await signal(ops, id, "word", "third")
    assert.deepStrictEqual(await ops.result(task, id), ["first", "second", "third", "aside"])
    assert.deepStrictEqual((await ops.get(id)).signals, [])
  })

  it("that comes after the claim and before the run is parked is not lost", async ({ onTestFinished }) => {
    const { open } = fileFor(onTestFinished)
    const [begun, goOn] = [gate(), gate()]
    const task = taskOf(async (ctx) => {
      await ctx.step("hold", read, async () => {
        begun.open()
        await goOn.pass()
      })
      return ctx.waitFor("go")
    })
    const ops = await open([task])
    const id = await submitted(ops, task)
    await begun.pass()
    await signal(ops, id, "go", "went")
    goOn.open()
    assert.strictEqual((await endedBadly(ops, id)).state, "SUCCEEDED")
    assert.strictEqual(await ops.result(task, id), "went")
  })

  it("that does not come in time fails the step, and a later one is not mistaken for it", async ({ onTestFinished }) => {
    const { open } = fileFor(onTestFinished)
    const task = taskOf(async (ctx) => {
      const late = await told(ctx.waitFor("go", { timeout: "30 millis", as: "hurried" }))
      return [late, await ctx.waitFor("go")]
    })
    const ops = await open([task])
    const id = await submitted(ops, task)
    await until("the failed wait", async () => (await stepsOf(ops, id)).includes("1 hurried failed signal_timeout"))
    await signal(ops, id, "go", "late")
    assert.deepStrictEqual(await ops.result(task, id), [["hurried", "signal_timeout", "no signal go came in time"], "late"])
  })

  it("is read by its schema", async ({ onTestFinished }) => {
    const { open } = fileFor(onTestFinished)
    const task = taskOf(async (ctx) => (await ctx.waitFor("when", { schema: Schema.Date })).getTime())
    const ops = await open([task])
    const id = await submitted(ops, task)
    await signal(ops, id, "when", "1970-01-01T00:00:01.000Z")
    assert.strictEqual(await ops.result(task, id), 1000)
  })
})

describe("a child", () => {
  const failing = Task.defineAsync("failing", { ...text, retry: { attempts: 1 } }, async () => {
    throw new TaskFailed({ reason: "no luck" })
  })
  const waits = Task.defineAsync("waiting", text, (ctx) => ctx.waitFor("go"))
  const doubling = Task.defineAsync("doubling", { payload: Schema.Struct({ value: Schema.Int }) }, async (ctx) => ctx.payload.value * 2)

  it("is asked for once, hands its result or failure to its parent, and is found from it", async ({ onTestFinished }) => {
    const { breaks, open } = fileFor(onTestFinished)
    const parent = taskOf(async (ctx) => [
      await ctx.child("double", doubling, { value: 21 }),
      await told(ctx.child("fail", failing, "")),
      await told(ctx.child("misfit", doubling, { value: 0.5 })),
      await told(ctx.child("cancel", waits, "")),
      await told(ctx.child("stranger", { ...waits, name: "stranger" }, ""))
    ], {}, "parent")
    const ops = await open([parent, failing, waits, doubling])
    const id = await submitted(ops, parent)
    const parentId = (await ops.get(id)).id
    const child = await until("the child that waits", async () => (await ops.list({ parent: parentId, limit: 10 })).find(({ kind, state }) => kind === "waiting" && state === "QUEUED"))
    await parkedFor(ops, id, `child:${child.id}`)
    await ops.command({ op: "cancel", task: child.id, reason: "not needed" })
    const result: ReadonlyArray<unknown> = await ops.result(parent, id) as ReadonlyArray<unknown>
    const [doubled, failed, misfit, canceled, stranger] = result
    assert.strictEqual(doubled, 42)
    assert.match(String(failed), /^fail,child_failed,failing \w+ ended FAILED: .*no luck$/)
    assert.match(String(misfit), /^misfit,child_refused,.*value/)
    assert.match(String(canceled), /^cancel,child_canceled,waiting \w+ ended CANCELED$/)
    assert.match(String(stranger), /^stranger,child_refused,.*there is no task kind "stranger"/)
    assert.deepStrictEqual((await ops.list({ parent: parentId, limit: 10 })).map((one) => one.parent?.task), [parentId, parentId, parentId])
    assert.deepStrictEqual(breaks(), [])
  })
})

describe("branches", () => {
  it("run side by side up to their bound, and answer in their order", async ({ onTestFinished }) => {
    const { open } = fileFor(onTestFinished)
    let running = 0
    let most = 0
    const three = gate()
    const task = taskOf((ctx) =>
      ctx.all(Array.from({ length: 9 }, (_, index) => (own: AsyncContext<string>) =>
        own.step(`b${index}`, read, async () => {
          most = Math.max(most, ++running)
          if (running === 3) three.open()
          // All three slots are in use before one is free.
          await three.pass()
          running -= 1
          return index
        })), { concurrency: 3 }))
    const ops = await open([task])
    assert.deepStrictEqual(await ops.result(task, await submitted(ops, task)), [0, 1, 2, 3, 4, 5, 6, 7, 8])
    assert.strictEqual(most, 3)
  })

  it("wait each for its own, together in one parked run", async ({ onTestFinished }) => {
    const { open } = fileFor(onTestFinished)
    const bodies: Array<string> = []
    const task = taskOf((ctx) =>
      ctx.all<unknown>([
        async (own) => [await own.waitFor("left"), await own.step("behind left", read, () => bodies.push("left"))],
        async (own) => [await own.waitFor("right"), await own.step("behind right", read, () => bodies.push("right"))],
        (own) => own.all<unknown>([(inner) => inner.sleep("nap", "1 millis").then(() => "napped"), (inner) => inner.waitFor("deep")])
      ]))
    const ops = await open([task])
    const id = await submitted(ops, task)
    await untilTask(ops, id, "a run that waits for all three", ({ state, waits }) => state === "QUEUED" && waits.length === 3)
    await signal(ops, id, "right", "R")
    await until("the right branch", () => bodies.includes("right"))
    await untilTask(ops, id, "a run that waits for the rest", ({ state, waits }) => state === "QUEUED" && waits.join() === "signal:left,signal:deep")
    await signal(ops, id, "deep")
    await signal(ops, id, "left", "L")
    const result = await ops.result(task, id)
    assert.deepStrictEqual(result, [["L", 2], ["R", 1], ["napped", null]])
    assert.deepStrictEqual(bodies, ["right", "left"])
  })

  it("go each to its end, also when another fails or waits, and fail as the first that failed, which is not tried meanwhile", async ({ onTestFinished }) => {
    const { open } = fileFor(onTestFinished)
    const bodies: Array<string> = []
    const task = taskOf((ctx) =>
      ctx.all<unknown>([
        (own) => own.waitFor("go"),
        (own) => own.step("bad", read, () => {
          bodies.push("bad")
          throw new Error("no")
        }),
        async (own) => {
          await own.waitFor("go-on")
          return own.step("behind", read, () => bodies.push("behind"))
        }
      ]))
    const ops = await open([task])
    const id = await submitted(ops, task)
    await untilTask(ops, id, "a run that waits for both", ({ state, waits }) => state === "QUEUED" && waits.length === 2)
    // The highest step that ever began or waited.
    assert.strictEqual((await ops.get(id)).steps, 3)
    await signal(ops, id, "go")
    await untilTask(ops, id, "a run that waits for the rest", ({ state, waits }) => state === "QUEUED" && waits.join() === "signal:go-on")
    await signal(ops, id, "go-on")
    const failed = await endedBadly(ops, id)
    assert.deepInclude(failed, { state: "FAILED", code: "step_failed" })
    assert.match(failed.error, /step \d "bad" failed: no/)
    assert.deepStrictEqual(bodies, ["bad", "behind"])
  })

  const unknownBeside = (charge: () => Promise<unknown>): Code => (ctx) =>
    ctx.all([
      (own) => own.step("charge", dangerous, charge),
      (own) => own.step("beside", read, async () => {
        await Promise.resolve()
        return "fine"
      })
    ])

  it("that end well are kept beside one whose outcome is not known, and not done again", async ({ onTestFinished }) => {
    const { open } = fileFor(onTestFinished)
    const task = taskOf(unknownBeside(() => Promise.reject(new Error("socket hang up"))))
    const ops = await open([task])
    const id = await submitted(ops, task)
    assert.deepInclude((await unknownOf(ops, id)).unknown, { step: 1 })
    assert.include(await stepsOf(ops, id), `2 beside succeeded "fine"`)
    await ops.command({ op: "reconcile", task: id, outcome: "succeeded", reason: "it is in the books", result: "charged" })
    assert.deepStrictEqual(await ops.result(task, id), ["charged", "fine"])
  })

  it("that fail beside a dangerous step let it end, and it is not run again with the next attempt", async ({ onTestFinished }) => {
    const { open } = fileFor(onTestFinished)
    let charges = 0
    let tries = 0
    const charging = gate()
    const failed = gate()
    const task = taskOf((ctx) =>
      ctx.all<unknown>([
        (own) => own.step("charge", dangerous, async () => {
          charges += 1
          charging.open()
          await failed.pass()
          return "charged"
        }),
        (own) => own.step("bad", read, async () => {
          await charging.pass()
          failed.open()
          if (++tries === 1) throw new Error("no")
          return "good"
        })
      ]), { retry: { attempts: 3, base: "1 millis" } })
    const ops = await open([task])
    assert.deepStrictEqual(await ops.result(task, await submitted(ops, task)), ["charged", "good"])
    assert.deepStrictEqual([charges, tries], [1, 2])
  })

  it.each<readonly [string, (charge: () => Promise<never>, bad: () => Promise<never>) => ReturnType<typeof taskOf>]>([
    ["Promise.all", (charge, bad) => taskOf((ctx) => Promise.all([ctx.step("charge", slow, charge), ctx.step("bad", read, bad)]), { retry: { attempts: 3, base: "1 millis" } })],
    ["Promise.race", (charge, bad) => taskOf((ctx) => Promise.race([ctx.step("charge", slow, charge), ctx.step("bad", read, bad).catch(() => "raced")]), { retry: { attempts: 3, base: "1 millis" } })],
    ["Effect.all", (charge, bad) => Task.define("one", { ...text, retry: { attempts: 3, base: "1 millis" } }, (ctx) =>
      Effect.gen(function*() {
        yield* Effect.all([ctx.step("charge", slow, () => Effect.promise(charge)), ctx.step("bad", read, () => Effect.tryPromise(bad))], { concurrency: "unbounded" })
      }))],
    ["Effect.timeout", (charge) => Task.define("one", { ...text, retry: { attempts: 3, base: "1 millis" } }, (ctx) =>
      ctx.step("charge", slow, () => Effect.promise(charge)).pipe(Effect.timeout("20 millis")))]
  ])("of another make, which leave a dangerous step in its middle, leave its outcome unknown, and it is never run again: %s", async (_, make) => {
    const closing: Array<() => Promise<void>> = []
    const { open } = fileFor((act) => void closing.push(act))
    let charges = 0
    const charging = gate()
    const task = make(() => {
      charges += 1
      charging.open()
      return never
    }, async () => {
      await charging.pass()
      throw new Error("no")
    })
    const ops = await open([task])
    const id = await submitted(ops, task)
    const found = await untilTask(ops, id, "the end, or an unknown outcome", ({ state, unknown }) => unknown !== null || state === "FAILED" || state === "SUCCEEDED")
    await Promise.all(closing.map((act) => act()))
    assert.deepInclude(found, { state: "RUNNING" })
    assert.deepInclude(found.unknown, { step: 1, code: "step_not_awaited" })
    assert.strictEqual(charges, 1)
  })
})
