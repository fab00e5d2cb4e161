/** Steps: what is kept of them, how they fail, and what wrong use is told. */
import { setTimeout as sleep } from "node:timers/promises"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Schema } from "effect"
import { StepFailed, Task, TaskFailed } from "#opsgate"
import { type Code, endedBadly, fileFor, never, stepsOf, taskOf, unknownOf } from "./Opened.ts"

const read = { effect: "read" } as const
const dangerous = { effect: "dangerous", timeout: "10 seconds", atMostOnce: true } as const
const text = { payload: Schema.String }

/** How one piece of code ends. */
const endOf = async (atTheEnd: (act: () => Promise<void>) => void, code: Code, options: Parameters<typeof taskOf>[1] = {}) => {
  const { breaks, events, open } = fileFor(atTheEnd)
  const task = taskOf(code, options)
  const ops = await open([task])
  const { task: id } = await ops.submit(task, "ada")
  return { ops, id, events, breaks, ended: await endedBadly(ops, id) }
}

describe("a task in code", () => {
  it("is given its payload, and its result and those of its steps are kept", async ({ onTestFinished }) => {
    const { breaks, open } = fileFor(onTestFinished)
    const hello = Task.defineAsync("hello", text, async (ctx) => {
      const length = await ctx.step("measure", read, () => ctx.payload.length)
      return { length, twice: await ctx.step("twice", { effect: "idempotent" }, async () => length * 2) }
    })
    const ops = await open([hello])
    const { task } = await ops.submit(hello, "ada")
    assert.deepStrictEqual(await ops.result(hello, task), { length: 3, twice: 6 })
    assert.deepStrictEqual(await stepsOf(ops, task), ["1 measure succeeded 3", "2 twice succeeded 6"])
    assert.deepStrictEqual(breaks(), [])
  })

  it("is the same for Effect", async ({ onTestFinished }) => {
    const { open } = fileFor(onTestFinished)
    const hello = Task.define("hello", text, (ctx) =>
      Effect.gen(function*() {
        const length = yield* ctx.step("measure", read, () => Effect.succeed(ctx.payload.length))
        const failed = yield* Effect.flip(ctx.step("refuse", dangerous, () => Effect.fail(new Error("no"))))
        return { length, code: failed.code, reason: failed.reason }
      }))
    const ops = await open([hello])
    const { task } = await ops.submit(hello, "ada")
    // An Effect says in its type how it fails: nothing happened, even where it is dangerous.
    assert.deepStrictEqual(await ops.result(hello, task), { length: 3, code: "step_failed", reason: "no" })
    assert.deepStrictEqual(await stepsOf(ops, task), ["1 measure succeeded 3", "2 refuse failed step_failed"])
  })

  it("hands every try of a step one key, and names itself", async ({ onTestFinished }) => {
    const seen: Array<object> = []
    const { ended, id } = await endOf(onTestFinished, (ctx) =>
      ctx.step("try", { effect: "idempotent", retry: { attempts: 3, base: "1 millis" } }, ({ attempt, dispatchKey, generation, signal, step }) => {
        seen.push({ attempt, dispatchKey, generation, step, aborted: signal.aborted })
        if (seen.length < 3) throw new Error("not yet")
        return ctx.task
      }))
    assert.strictEqual(ended.state, "SUCCEEDED")
    const one = { attempt: 1, dispatchKey: `${id}:1`, generation: 1, step: 1, aborted: false }
    assert.deepStrictEqual(seen, [one, one, one])
  })

  it("fails with its step when no try is left, and is tried again from its checkpoints", async ({ onTestFinished }) => {
    let done = 0
    let tried = 0
    const { ended, events, id, ops } = await endOf(onTestFinished, async (ctx) => {
      await ctx.step("once", read, () => ++done)
      await ctx.step("bad", { ...read, retry: { attempts: 2, base: "1 millis" } }, () => {
        tried += 1
        throw new TypeError(`no ${tried}`)
      })
    }, { retry: { attempts: 2, base: "1 millis" } })
    assert.deepInclude(ended, { state: "FAILED", code: "step_failed" })
    assert.match(ended.error, /step 2 "bad" failed: TypeError: no 4/)
    assert.deepStrictEqual([done, tried, (await ops.attempts(id)).length], [1, 4, 2])
    assert.strictEqual(events("step.failed").length, 4)
  })

  it("is not tried again when it says that it makes no sense", async ({ onTestFinished }) => {
    const { ended, id, ops } = await endOf(onTestFinished, async () => {
      throw new TaskFailed({ reason: "the order is gone" })
    }, { retry: { attempts: 5, base: "1 millis" } })
    assert.deepInclude(ended, { state: "FAILED", code: "TaskFailed" })
    assert.strictEqual((await ops.attempts(id)).length, 1)
  })

  it.each([
    ["a text", "boom", /it threw the text "boom"/],
    ["undefined", undefined, /it threw undefined, which is not an Error/],
    ["null", null, /it threw null, which is not an Error/],
    ["an object", { status: 500 }, /it threw \{"status":500\}, which is not an Error/],
    ["a symbol", Symbol("x"), /it threw symbol.*, which is not an Error/i],
    ["an object that holds itself", (() => { const one: { self?: unknown } = {}; one.self = one; return one })(), /a value that cannot be written/],
    ["an error without words", new Error(""), /Error/]
  ])("says what was thrown, in a step and beside one: %s", async (_, thrown, words) => {
    const closing: Array<() => Promise<void>> = []
    const boom = () => {
      throw thrown
    }
    const inside = await endOf((act) => void closing.push(act), (ctx) => ctx.step("boom", read, boom))
    const beside = await endOf((act) => void closing.push(act), async () => boom())
    await Promise.all(closing.map((act) => act()))
    assert.deepInclude(inside.ended, { state: "FAILED", code: "step_failed" })
    assert.match(inside.ended.error, words)
    assert.deepInclude(beside.ended, { state: "FAILED", code: "task_failed" })
    assert.match(beside.ended.error, words)
  })

  it("leaves the outcome of a dangerous step unknown when its promise rejects, unless it says for sure that it failed", async ({ onTestFinished }) => {
    const { open } = fileFor(onTestFinished)
    const lost = taskOf((ctx) => ctx.step("charge", dangerous, () => Promise.reject(new Error("socket hang up"))), {}, "lost")
    const sure = taskOf(async (ctx) => {
      try {
        return await ctx.step("charge", dangerous, () => Promise.reject(new StepFailed({ code: "declined", reason: "no money" })))
      } catch (error) {
        return error instanceof StepFailed ? [error.step, error.name, error.code, error.reason] : error
      }
    }, {}, "sure")
    const ops = await open([lost, sure])
    const one = await ops.submit(lost, "")
    const two = await ops.submit(sure, "")
    const { failure, lease, state, unknown } = await unknownOf(ops, one.task)
    assert.deepStrictEqual([state, lease, unknown?.step, unknown?.code, failure?.error], ["RUNNING", null, 1, "step_failed", `step 1 "charge": socket hang up`])
    assert.deepStrictEqual(await ops.result(sure, two.task), [1, "charge", "declined", "no money"])
  })
})

describe("time", () => {
  it("ends a step that takes too long, aborts its signal, and does not wait for it", async ({ onTestFinished }) => {
    let reason: unknown = null
    const { ended } = await endOf(onTestFinished, (ctx) =>
      ctx.step("slow", { effect: "idempotent", timeout: "20 millis" }, ({ signal }) => {
        signal.addEventListener("abort", () => void (reason = signal.reason))
        return never
      }))
    assert.deepInclude(ended, { state: "FAILED", code: "step_timeout" })
    assert.match(ended.error, /it did not end within 20 ms/)
    assert.deepInclude(reason, { _tag: "step_timeout", ms: 20 })
  })

  it("leaves the outcome of a dangerous step unknown", async ({ onTestFinished }) => {
    const { open } = fileFor(onTestFinished)
    const one = taskOf((ctx) => ctx.step("slow", { ...dangerous, timeout: "20 millis" }, () => never))
    const two = Task.define("two", text, (ctx) => ctx.step("slow", { ...dangerous, timeout: "20 millis" }, () => Effect.never))
    const ops = await open([one, two])
    for (const task of [one, two]) assert.deepInclude((await unknownOf(ops, (await ops.submit(task, "")).task)).unknown, { step: 1, code: "step_timeout" })
  })

  it("ends a run in which a promise never settles, and says where it was", async ({ onTestFinished }) => {
    const inStep = await endOf(onTestFinished, (ctx) => ctx.step("hang", read, () => never), { timeouts: { startToClose: "30 millis" } })
    assert.deepInclude(inStep.ended, { state: "FAILED", code: "start_to_close_timeout" })
    assert.match(inStep.ended.error, /it was in step 1 "hang"/)
  })

  it("ends a run that awaits something that never settles outside of a step", async ({ onTestFinished }) => {
    const beside = await endOf(onTestFinished, () => never, { timeouts: { startToClose: "30 millis" } })
    assert.deepInclude(beside.ended, { state: "FAILED", code: "start_to_close_timeout" })
    assert.match(beside.ended.error, /it was in no step: does it await something that never ends\?/)
  })

  it("ends a run in the middle of a dangerous step with an unknown outcome", async ({ onTestFinished }) => {
    const { open } = fileFor(onTestFinished)
    const task = taskOf((ctx) => ctx.step("hang", dangerous, () => never), { timeouts: { startToClose: "30 millis" } })
    const ops = await open([task])
    assert.deepInclude((await unknownOf(ops, (await ops.submit(task, "")).task)).unknown, { step: 1, code: "start_to_close_timeout" })
  })
})

const circle = (() => {
  const one: { self?: unknown } = {}
  one.self = one
  return one
})()

describe("a result", () => {
  it.each<readonly [string, unknown, RegExp]>([
    ["a BigInt", 1n, /it is a bigint; return plain JSON, or give an output schema/],
    ["a BigInt within", { a: [1n] }, /\.a\[0\] is a bigint/],
    ["a circle", circle, /nested too deep, or holds itself/],
    ["a Date", new Date(0), /it is a Date/],
    ["a Map", new Map(), /it is a Map/],
    ["a function", () => 1, /it is a function/],
    ["NaN", Number.NaN, /it is NaN/],
    ["more than a million characters", "x".repeat(1_000_001), /it has 1000003 characters of JSON and 1000000 are kept; store it with ctx.artifact/]
  ])("that cannot be kept fails its step and says why: %s", async (_, result, words) => {
    const closing: Array<() => Promise<void>> = []
    const ofStep = await endOf((act) => void closing.push(act), (ctx) => ctx.step("make", read, () => result))
    const ofTask = await endOf((act) => void closing.push(act), async () => result)
    await Promise.all(closing.map((act) => act()))
    assert.deepInclude(ofStep.ended, { state: "FAILED", code: "result_unfit" })
    assert.match(ofStep.ended.error, words)
    assert.deepInclude(ofTask.ended, { state: "FAILED", code: "Misfit" })
    assert.match(ofTask.ended.error, words)
  })

  it("of a dangerous step that cannot be kept is an unknown outcome: it happened", async ({ onTestFinished }) => {
    const { open } = fileFor(onTestFinished)
    const task = taskOf((ctx) => ctx.step("charge", dangerous, () => 1n))
    const ops = await open([task])
    assert.deepInclude((await unknownOf(ops, (await ops.submit(task, "")).task)).unknown, { step: 1, code: "result_unfit" })
  })

  it("is written and read again by its schema, on the first run too", async ({ onTestFinished }) => {
    const { open } = fileFor(onTestFinished)
    const task = Task.defineAsync("dated", { payload: Schema.Date, result: Schema.Date }, async (ctx) => {
      const day = await ctx.step("day", { ...read, output: Schema.Date }, () => new Date(ctx.payload.getTime() + Duration.toMillis("1 day")))
      return new Date(day.getTime())
    })
    const ops = await open([task])
    const { task: id } = await ops.submit(task, new Date(0))
    assert.deepStrictEqual(await ops.result(task, id), new Date(86_400_000))
    assert.deepStrictEqual(await stepsOf(ops, id), [`1 day succeeded "1970-01-02T00:00:00.000Z"`])
  })

  it("leaves out what is undefined, on the first run as on a replay", async ({ onTestFinished }) => {
    const seen: Array<string> = []
    const { ended } = await endOf(onTestFinished, async (ctx) => {
      const kept: object = await ctx.step("make", read, () => ({ here: 1, gone: undefined }))
      seen.push(Object.keys(kept).join())
      await ctx.sleep("nap", "1 millis")
    })
    assert.strictEqual(ended.state, "SUCCEEDED")
    assert.deepStrictEqual(seen, ["here", "here"])
  })
})

describe("wrong use", () => {
  it.each<readonly [string, Code, string, RegExp]>([
    ["two steps of one name, as in a loop", async (ctx) => {
      for (const item of ["a", "b"]) await ctx.step("send", read, () => item)
    }, "step_name_taken", /two steps of one run are named "send"; in a loop give each a name of its own, for example `send \$\{index\}`/],
    ["a name that does not fit", (ctx) => ctx.step("two\nlines", read, () => 1), "step_name_unfit", /this name does not fit: "two\\nlines"/],
    ["a step that is not awaited", async (ctx) => {
      void ctx.step("floating", read, () => sleep(5000))
      return "done"
    }, "step_not_awaited", /step 1 "floating" .*await every step/]
  ])("is told in words and not tried again: %s", async (_, code, wanted, words) => {
    const closing: Array<() => Promise<void>> = []
    const { ended, id, ops } = await endOf((act) => void closing.push(act), code, { retry: { attempts: 3 } })
    const attempts = await ops.attempts(id)
    await Promise.all(closing.map((act) => act()))
    assert.deepInclude(ended, { state: "FAILED", code: wanted })
    assert.match(ended.error, words)
    assert.strictEqual(attempts.length, 1)
  })

  it("is an unknown outcome where a dangerous step is not awaited", async ({ onTestFinished }) => {
    const { open } = fileFor(onTestFinished)
    const task = taskOf(async (ctx) => void ctx.step("floating", dangerous, () => never))
    const ops = await open([task])
    assert.deepInclude((await unknownOf(ops, (await ops.submit(task, "")).task)).unknown, { step: 1, code: "step_not_awaited" })
  })
})
