/** Replay: the code of a run is run anew after every wait and every crash, and finds what was recorded, in its place. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { Task, TaskId } from "#opsgate"
import { changing, type Code, endedBadly, fileFor, gate, never, parkedFor, signal, stepsOf, taskOf } from "./Opened.ts"

const read = { effect: "read" } as const

describe("a replay", () => {
  it("gets what was drawn and what was kept, and does nothing again", async ({ onTestFinished }) => {
    const { open } = fileFor(onTestFinished)
    const drawn: Array<ReadonlyArray<unknown>> = []
    let bodies = 0
    const { task } = changing(async (ctx) => {
      const before = [await ctx.now(), await ctx.random(), await ctx.uuid(), await ctx.uuid()]
      const kept = await ctx.step("make", read, () => ++bodies)
      const after = [await ctx.random(), await ctx.now()]
      const inside = await ctx.all([0, 1].map((branch) => async (own) => {
        const one = [await own.random(), await own.uuid()]
        await own.step(`branch ${branch}`, read, () => ++bodies)
        // The last in its branch: what follows the branches is built on it.
        return [...one, await own.random()]
      }))
      await ctx.waitFor("go")
      drawn.push([before, kept, after, inside])
      await ctx.waitFor("again")
    })
    const ops = await open([task])
    const { task: id } = await ops.submit(task, "")
    await parkedFor(ops, id, "signal:go")
    await signal(ops, id, "go")
    await parkedFor(ops, id, "signal:again")
    await ops.close()
    const later = await open([task])
    await signal(later, id, "again")
    assert.strictEqual((await endedBadly(later, id)).state, "SUCCEEDED")
    assert.strictEqual(drawn.length, 2)
    assert.deepStrictEqual(drawn[1], drawn[0])
    assert.strictEqual(bodies, 3)
    const uuids = JSON.stringify(drawn[0]).match(/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/g)
    assert.strictEqual(new Set(uuids).size, 4)
  })

  it("does not try again a step that failed, once the code went on from there: before branches, and within them", async ({ onTestFinished }) => {
    const { open } = fileFor(onTestFinished)
    const bodies: Array<string> = []
    const fails = (name: string) => (): never => {
      bodies.push(name)
      throw new Error(`${name} fails`)
    }
    const caught = (error: unknown) => String(error)
    const { task } = changing(async (ctx) => {
      const before = await ctx.step("before", read, fails("before")).catch(caught)
      const [within] = await ctx.all<unknown>([(own) => own.step("within", read, fails("within")).catch(caught), (own) => own.step("beside", read, () => 1)])
      await ctx.waitFor("go")
      // Another attempt, which has to find both failed.
      await ctx.step("later", read, () => {
        if (ctx.attempt === 1) throw new Error("not yet")
      })
      return [before, within]
    }, { retry: { attempts: 2, base: "1 millis" } })
    const other = taskOf(async (ctx) => {
      await ctx.step("first", read, fails("first")).catch(caught)
      return ctx.all([(own) => own.waitFor("go")])
    })
    const ops = await open([task, other])
    for (const one of [task, other]) {
      const { task: id } = await ops.submit(one, "")
      await parkedFor(ops, id, "signal:go")
      await signal(ops, id, "go")
      assert.strictEqual((await endedBadly(ops, id)).state, "SUCCEEDED")
    }
    assert.deepStrictEqual(bodies, ["before", "within", "first"])
  })

  it("gets what was drawn before a step whose worker was lost in its middle", async ({ onTestFinished }) => {
    const { open } = fileFor(onTestFinished)
    const keys: Array<string> = []
    const begun = gate()
    const { become, task } = changing(async (ctx) => {
      keys.push(await ctx.uuid())
      await ctx.step("send", { effect: "idempotent" }, () => {
        begun.open()
        return never
      })
    })
    const ops = await open([task])
    const { task: id } = await ops.submit(task, "")
    await begun.pass()
    await ops.close()
    become(async (ctx) => {
      keys.push(await ctx.uuid())
      return ctx.step("send", { effect: "idempotent" }, ({ attempt, generation }) => ({ attempt, generation }))
    })
    const later = await open([task])
    // A run that was lost spends no attempt, of which there is one.
    assert.deepStrictEqual(await later.result(task, id), { attempt: 2, generation: 2 })
    assert.strictEqual(new Set(keys).size, 1)
    assert.strictEqual(keys.length, 2)
  })
})

const first: Code = async (ctx) => {
  await ctx.step("one", read, () => 1)
  await ctx.step("two", read, () => 2)
  return ctx.waitFor("go")
}

describe("code that was changed", () => {
  it.each<readonly [string, Code, RegExp]>([
    ["renamed", async (ctx) => {
      await ctx.step("one", read, () => 1)
      await ctx.step("zwei", read, () => 2)
      return ctx.waitFor("go")
    }, /step 2 was "two" when this run began; the code now asks there for "zwei", which was never recorded: it was renamed or put in between\. Restore the code and recover the task, or fork it at 2/],
    ["reordered", async (ctx) => {
      await ctx.step("two", read, () => 2)
      await ctx.step("one", read, () => 1)
      return ctx.waitFor("go")
    }, /step 1 was "one" when this run began; the code now asks there for "two", which was recorded as step 2: the order has changed/],
    ["inserted", async (ctx) => {
      await ctx.step("one", read, () => 1)
      await ctx.step("between", read, () => 1.5)
      await ctx.step("two", read, () => 2)
      return ctx.waitFor("go")
    }, /step 2 was "two" when this run began; the code now asks there for "between"/],
    ["another sort", async (ctx) => {
      await ctx.step("one", read, () => 1)
      await ctx.sleep("two", 1)
      return ctx.waitFor("go")
    }, /step 2 "two" was a code step when this run began, and is a sleep step now/],
    ["missing at the end", async (ctx) => ctx.step("one", read, () => 1), /step 2 "two" was recorded when this run began, and the code did not ask for it this time/],
    ["missing in the middle", async (ctx) => {
      await ctx.step("one", read, () => 1)
      return ctx.waitFor("go")
    }, /step 2 was "two" when this run began; the code now asks there for "go", which was recorded as step 3: the order has changed/],
    ["branches for a step", async (ctx) => {
      await ctx.all([])
      return null
    }, /step 1 was "one" when this run began; the code now asks there for "branches"/]
  ])("is named in the failure, and the task goes on with the code restored: %s", async (_, then, words) => {
    const closing: Array<() => Promise<void>> = []
    const { breaks, open } = fileFor((act) => void closing.push(act))
    const { become, task } = changing(first, { retry: { attempts: 3 } })
    const ops = await open([task])
    const { task: id } = await ops.submit(task, "")
    await parkedFor(ops, id, "signal:go")
    become(then)
    await signal(ops, id, "go", "went")
    const failed = await endedBadly(ops, id)
    const attempts = await ops.attempts(id)
    become(first)
    await ops.command({ op: "recover", task: id, reason: "the code is restored" })
    const result = await ops.result(task, id)
    const broken = breaks()
    await Promise.all(closing.map((act) => act()))
    assert.deepInclude(failed, { state: "FAILED", code: "replay_mismatch" })
    assert.match(failed.error, words)
    assert.strictEqual(attempts.length, 1)
    assert.strictEqual(result, "went")
    assert.deepStrictEqual(broken, [])
  })

  it("is named before anything of it runs, where branches stood", async ({ onTestFinished }) => {
    const { open } = fileFor(onTestFinished)
    let ran = false
    const { become, task } = changing((ctx) => ctx.all([(own) => own.step("in a branch", read, () => 1), (own) => own.waitFor("go")]))
    const ops = await open([task])
    const { task: id } = await ops.submit(task, "")
    await parkedFor(ops, id, "signal:go")
    become((ctx) => ctx.step("instead", read, () => (ran = true)))
    await signal(ops, id, "go")
    const failed = await endedBadly(ops, id)
    assert.strictEqual(failed.code, "replay_mismatch")
    assert.match(failed.error, /there were branches when this run began, with step \d "(in a branch|go)" in one of them; the code now asks there for "instead"/)
    assert.isFalse(ran)
  })

  it("may be changed behind what was recorded", async ({ onTestFinished }) => {
    const { open } = fileFor(onTestFinished)
    const { become, task } = changing(first)
    const ops = await open([task])
    const { task: id } = await ops.submit(task, "")
    await parkedFor(ops, id, "signal:go")
    become(async (ctx) => {
      await first(ctx)
      return ctx.step("new", read, () => "new")
    })
    await signal(ops, id, "go")
    assert.strictEqual(await ops.result(task, id), "new")
  })

  it("can be gone on with in a fork, which takes over what stands before the cut", async ({ onTestFinished }) => {
    const { events, open } = fileFor(onTestFinished)
    let charged = 0
    const keys: Array<string> = []
    const charge: Code = (ctx) =>
      ctx.step("charge", { effect: "dangerous", timeout: "1 minute", atMostOnce: true }, ({ dispatchKey }) => {
        keys.push(dispatchKey)
        return ++charged
      })
    const { become, task } = changing(async (ctx) => {
      await charge(ctx)
      await ctx.step("ship", read, () => "old")
      throw new Error("the address is wrong")
    })
    const ops = await open([task])
    const { task: id } = await ops.submit(task, "Hull")
    assert.strictEqual((await endedBadly(ops, id)).state, "FAILED")
    become(async (ctx) => [await charge(ctx), await ctx.step("ship again", read, () => ctx.payload)])
    const forked = await ops.command({ op: "fork", task: id, step: 2, payload: "Halle", reason: "another address" })
    assert.deepStrictEqual(await ops.result(task, forked.task), [1, "Halle"])
    assert.deepStrictEqual(keys, [`${id}:1`])
    const [copied, done] = await ops.steps(forked.task)
    assert.deepInclude(copied, { name: "charge", copiedFrom: TaskId.make(id), dispatchKey: `${forked.task}:1`, state: "succeeded" })
    assert.deepInclude(done, { name: "ship again", copiedFrom: null, dispatchKey: `${forked.task}:2` })
    assert.deepStrictEqual((await ops.get(forked.task)).forkedFrom, { task: TaskId.make(id), step: 2 })
    assert.deepStrictEqual((await ops.list({ forkedFrom: TaskId.make(id), limit: 10 })).map((one) => one.id), [TaskId.make(forked.task)])
    assert.strictEqual(events("task.requested").at(-1)?.payload?.["by"], "fork")
    // The original is as it was.
    assert.strictEqual((await ops.get(id)).state, "FAILED")
    const payloadMisfits = await ops.command({ op: "fork", task: id, step: 2, payload: 7, reason: "no text" }).then((answer) => ops.ended(answer.task), (error: unknown) => error)
    assert.notDeepInclude(payloadMisfits, { state: "SUCCEEDED" })
    for (const [step, why] of [[3, "beyond"], [99, "beyond"]] as const) {
      const refused: unknown = await ops.command({ op: "fork", task: id, step, reason: "too far" }).catch((error: unknown) => error)
      assert.match(String(refused), new RegExp(`there is no step ${step}; the highest that began is 2`), why)
    }
  })

  it("cannot read what was recorded by another schema, and says so", async ({ onTestFinished }) => {
    const { open } = fileFor(onTestFinished)
    const asked = <I>(output: Schema.Schema<string, I> | Schema.Schema<number, I>): Code => async (ctx) => {
      await ctx.step("make", { ...read, output: Schema.Union(output) }, () => Schema.decodeUnknownSync(Schema.Any)("text"))
      await ctx.waitFor("go")
    }
    const { become, task } = changing(asked(Schema.String))
    const ops = await open([task])
    const { task: id } = await ops.submit(task, "")
    await parkedFor(ops, id, "signal:go")
    become(asked(Schema.NumberFromString))
    await signal(ops, id, "go")
    const failed = await endedBadly(ops, id)
    assert.deepInclude(failed, { state: "FAILED", code: "replay_mismatch" })
    assert.match(failed.error, /the recorded result of step 1 "make" does not fit any more/)
    assert.deepStrictEqual(await stepsOf(ops, id), [`1 make succeeded "text"`, "2 go waiting"])
  })
})

describe("a task defined by an Effect", () => {
  it("replays the same", async ({ onTestFinished }) => {
    const { open } = fileFor(onTestFinished)
    const seen: Array<unknown> = []
    const task = Task.define("drawing", { payload: Schema.String }, (ctx) =>
      Effect.gen(function*() {
        const drawn = [yield* ctx.now, yield* ctx.random, yield* ctx.uuid]
        yield* ctx.all([1, 2, 3].map((branch) => (own) => Effect.map(Effect.zip(own.random, own.step(`b${branch}`, read, () => Effect.succeed(branch))), (pair) => drawn.push(...pair))))
        yield* ctx.sleep("nap", "1 millis")
        seen.push(drawn)
      }))
    const ops = await open([task])
    await ops.result(task, (await ops.submit(task, "")).task)
    assert.strictEqual(seen.length, 1)
  })
})
