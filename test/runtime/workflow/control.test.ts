/** Control: cancel, kill, compensation, fork, and an orderly stop. */
import Database from "better-sqlite3"
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { Task } from "#opsgate"
import { changing, type Client, type Code, endedBadly, fileFor, gate, never, parkedFor, signal, stepsOf, taskOf, unknownOf, until } from "./Opened.ts"

const read = { effect: "read" } as const
const dangerous = { effect: "dangerous", timeout: "10 seconds", atMostOnce: true } as const
const text = { payload: Schema.String }
const cancel = (ops: Client, task: string, compensate = false) => ops.command({ op: "cancel", task, reason: "not needed", compensate })

describe("a cancel", () => {
  it("waits for the end of the step that runs, keeps it, and lets no other begin", async ({ onTestFinished }) => {
    const { events, open } = fileFor(onTestFinished)
    const [begun, goOn] = [gate(), gate()]
    let second = false
    const task = taskOf(async (ctx) => {
      await ctx.step("first", read, async ({ signal: aborted }) => {
        begun.open()
        await goOn.pass()
        return aborted.aborted
      })
      await ctx.step("second", read, () => (second = true))
    })
    const ops = await open([task])
    const { task: id } = await ops.submit(task, "")
    await begun.pass()
    assert.deepInclude(await cancel(ops, id), { state: "RUNNING", moved: true })
    goOn.open()
    assert.strictEqual((await endedBadly(ops, id)).state, "CANCELED")
    assert.deepStrictEqual(await stepsOf(ops, id), ["1 first succeeded false"])
    assert.isFalse(second)
    assert.deepInclude(events("task.canceled")[0]?.payload, { reason: "not needed", compensated: false })
  })

  it("ends a step that is declared interruptible in its middle, and aborts its signal", async ({ onTestFinished }) => {
    const { open } = fileFor(onTestFinished)
    const begun = gate()
    let aborted = false
    const task = taskOf((ctx) =>
      ctx.step("long", { effect: "idempotent", interruptible: true }, ({ signal: aborting }) => {
        aborting.addEventListener("abort", () => void (aborted = true))
        begun.open()
        return never
      }))
    const ops = await open([task])
    const { task: id } = await ops.submit(task, "")
    await begun.pass()
    await cancel(ops, id)
    assert.strictEqual((await endedBadly(ops, id)).state, "CANCELED")
    assert.isTrue(aborted)
  })

  it("ends a parked run at once, and the waits with it", async ({ onTestFinished }) => {
    const { open } = fileFor(onTestFinished)
    const task = taskOf((ctx) => ctx.waitFor("go"))
    const ops = await open([task])
    const { task: id } = await ops.submit(task, "")
    await parkedFor(ops, id, "signal:go")
    assert.deepInclude(await cancel(ops, id), { state: "CANCELED" })
    assert.deepStrictEqual((await ops.get(id)).waits, [])
    assert.match(String(await signal(ops, id, "go").catch((error: unknown) => error)), /a task that is CANCELED cannot be asked to signal/)
  })
})

describe("a kill", () => {
  it.each(["read", "idempotent"] as const)("ends a run in the middle of a step at once: %s", async (effect) => {
    const closing: Array<() => Promise<void>> = []
    const { open } = fileFor((act) => void closing.push(act))
    const begun = gate()
    let aborted = false
    const task = taskOf((ctx) =>
      ctx.step("long", { effect }, ({ signal: aborting }) => {
        aborting.addEventListener("abort", () => void (aborted = true))
        begun.open()
        return never
      }))
    const ops = await open([task])
    const { task: id } = await ops.submit(task, "")
    await begun.pass()
    await ops.command({ op: "kill", task: id, reason: "now" })
    const { state } = await endedBadly(ops, id)
    await Promise.all(closing.map((act) => act()))
    assert.deepStrictEqual([state, aborted], ["CANCELED", true])
  })

  it.each<readonly [string, "succeeded" | "failed" | "retry", string]>([
    ["that it succeeded: the run ends at its next boundary", "succeeded", "CANCELED"],
    ["that it failed", "failed", "FAILED"],
    ["that it did not happen", "retry", "CANCELED"]
  ])("in the middle of a dangerous step is an unknown outcome, until somebody says %s", async (_, outcome, wanted) => {
    const closing: Array<() => Promise<void>> = []
    const { breaks, open } = fileFor((act) => void closing.push(act))
    const begun = gate()
    let charges = 0
    const task = taskOf(async (ctx) => {
      await ctx.step("charge", dangerous, () => {
        charges += 1
        begun.open()
        return never
      })
      await ctx.step("ship", read, () => 1)
    })
    const ops = await open([task])
    const { task: id } = await ops.submit(task, "")
    await begun.pass()
    await ops.command({ op: "kill", task: id, reason: "now" })
    const { failure, lease, state, unknown } = await unknownOf(ops, id)
    const refused: unknown = await ops.command({ op: "recover", task: id, reason: "again" }).catch((error: unknown) => error)
    await ops.command({ op: "reconcile", task: id, outcome, reason: "the books", evidence: "https://bank.example/7" })
    const ended = await endedBadly(ops, id)
    const broken = breaks()
    const steps = await stepsOf(ops, id)
    await Promise.all(closing.map((act) => act()))
    assert.deepStrictEqual([state, lease, unknown?.step, unknown?.code], ["RUNNING", null, 1, "killed"])
    assert.match(failure?.error ?? "", /step 1 "charge"/)
    assert.match(String(refused), /cannot be asked to recover/)
    assert.strictEqual(ended.state, wanted)
    assert.notInclude(steps.join(), "ship")
    assert.deepStrictEqual([charges, broken], [1, []])
  })
})

describe("compensation", () => {
  const undone: Array<string> = []
  const doing = (name: string) => ({
    effect: "idempotent",
    compensate: async (result: string) => void undone.push(`${name} ${result}`)
  } as const)
  const order: Code = async (ctx) => {
    await ctx.step("reserve", doing("reserve"), () => "R1")
    await ctx.step("look", read, () => 1)
    await ctx.step("charge", { ...doing("charge"), ...dangerous }, () => "C1")
    await ctx.waitFor("go")
  }

  it("undoes what was done, the last first, with what it had answered", async ({ onTestFinished }) => {
    const { breaks, events, open } = fileFor(onTestFinished)
    undone.length = 0
    const task = taskOf(order)
    const ops = await open([task])
    const { task: id } = await ops.submit(task, "")
    await parkedFor(ops, id, "signal:go")
    await cancel(ops, id, true)
    assert.deepStrictEqual(await endedBadly(ops, id), { state: "CANCELED", code: "compensated", error: "not needed" })
    assert.deepStrictEqual(undone, ["charge C1", "reserve R1"])
    assert.deepInclude(events("task.canceled")[0]?.payload, { compensated: true })
    // What is undone is nothing to go on with.
    assert.match(String(await ops.command({ op: "recover", task: id, reason: "again" }).catch((error: unknown) => error)), /cannot be asked to recover/)
    assert.deepStrictEqual(breaks(), [])
  })

  it("goes on after a loss of its worker with what is left, under the same key", async ({ onTestFinished }) => {
    const { open } = fileFor(onTestFinished)
    const keys: Array<string> = []
    const stuck = gate()
    let isStuck = true
    const task = taskOf(async (ctx) => {
      for (const name of ["a", "b", "c"]) {
        await ctx.step(name, { effect: "idempotent", compensate: async (_, { dispatchKey }) => {
          keys.push(`${name} ${dispatchKey}`)
          if (name !== "b" || !isStuck) return
          stuck.open()
          await never
        } }, () => name)
      }
      await ctx.waitFor("go")
    })
    const ops = await open([task])
    const { task: id } = await ops.submit(task, "")
    await parkedFor(ops, id, "signal:go")
    await cancel(ops, id, true)
    await stuck.pass()
    await ops.close()
    isStuck = false
    const later = await open([task])
    assert.deepEqual(await endedBadly(later, id), { state: "CANCELED", code: "compensated", error: "not needed" })
    assert.deepStrictEqual(keys.map((line) => line[0]), ["c", "b", "b", "a"])
    assert.strictEqual(keys[1], keys[2])
    assert.strictEqual(new Set(keys).size, 3)
  })

  it("that cannot be done fails the task, and a recovery goes on with it and with nothing else", async ({ onTestFinished }) => {
    const { open } = fileFor(onTestFinished)
    const done: Array<string> = []
    let broken = true
    const task = taskOf(async (ctx) => {
      await ctx.step("a", { effect: "idempotent", compensate: async () => {
        if (broken) throw new Error("the bank is closed")
        done.push("undo a")
      } }, () => done.push("a"))
      await ctx.step("b", { effect: "idempotent", compensate: async () => void done.push("undo b") }, () => done.push("b"))
      await ctx.waitFor("go")
    })
    const ops = await open([task])
    const { task: id } = await ops.submit(task, "")
    await parkedFor(ops, id, "signal:go")
    await cancel(ops, id, true)
    const failed = await endedBadly(ops, id)
    assert.strictEqual(failed.state, "FAILED")
    assert.match(failed.error, /"undo a" failed: the bank is closed/)
    broken = false
    await ops.command({ op: "recover", task: id, reason: "it is open" })
    assert.deepEqual(await endedBadly(ops, id), { state: "CANCELED", code: "compensated", error: "not needed" })
    assert.deepStrictEqual(done, ["a", "b", "undo b", "undo a"])
  })
})

describe("a fork", () => {
  it("of a task that needs approval needs it anew, and takes its steps over", async ({ onTestFinished }) => {
    const { open } = fileFor(onTestFinished)
    let charges = 0
    const task = Task.defineAsync("heavy", { ...text, class: "heavy", selfApproval: true }, async (ctx) => {
      await ctx.step("charge", dangerous, () => ++charges)
      await ctx.step("ship", read, () => {
        if (ctx.payload === "Hull") throw new Error("no such place")
      })
      return "shipped"
    })
    const ops = await open([task])
    const approve = async (id: string) => {
      await ops.command({ op: "approve", task: id, reason: null })
      await ops.command({ op: "resume", task: id, reason: null })
    }
    const { holds, state, task: id } = await ops.submit(task, "Hull")
    assert.deepStrictEqual([state, [...holds]], ["REQUESTED", ["approval"]])
    await approve(id)
    assert.strictEqual((await endedBadly(ops, id)).state, "FAILED")
    const forked = await ops.command({ op: "fork", task: id, step: 2, payload: "Halle", reason: "another place" })
    assert.deepStrictEqual([forked.state, [...forked.holds]], ["REQUESTED", ["approval"]])
    await approve(forked.task)
    assert.strictEqual(await ops.result(task, forked.task), "shipped")
    assert.strictEqual(charges, 1)
  })

  it("is refused while the outcome of a step is not known, while the task runs, and beyond its steps", async ({ onTestFinished }) => {
    const { open } = fileFor(onTestFinished)
    const begun = gate()
    const goOn = gate()
    const unknown = taskOf((ctx) => ctx.step("charge", dangerous, () => Promise.reject(new Error("?"))), {}, "unknown")
    const running = taskOf((ctx) => ctx.step("long", read, async () => {
      begun.open()
      await goOn.pass()
    }), {}, "running")
    const ops = await open([unknown, running])
    const [one, two] = [await ops.submit(unknown, ""), await ops.submit(running, "")]
    await unknownOf(ops, one.task)
    await begun.pass()
    const refusal = (id: string, step: number) => ops.command({ op: "fork", task: id, step, reason: "try" }).then(() => "granted", (error: unknown) => String(error))
    assert.match(await refusal(one.task, 1), /step 1 may or may not have happened/)
    assert.match(await refusal(two.task, 1), /the task is running/)
    goOn.open()
    await ops.ended(two.task)
    assert.match(await refusal(two.task, 2), /there is no step 2/)
    assert.strictEqual(await refusal(two.task, 1), "granted")
  })
})

describe("an orderly stop", () => {
  it("lets a run end that can, and leaves one that cannot to the next start, with nothing done twice", async ({ onTestFinished }) => {
    const { breaks, open } = fileFor(onTestFinished)
    const bodies: Array<string> = []
    const [begun, goOn, stuck] = [gate(), gate(), gate()]
    const quick = taskOf(async (ctx) => {
      await ctx.step("one", read, async () => {
        bodies.push("quick one")
        begun.open()
        await goOn.pass()
      })
      return ctx.step("two", read, () => bodies.push("quick two"))
    }, {}, "quick")
    const { become, task: slow } = changing(async (ctx) => {
      await ctx.step("one", dangerous, () => bodies.push("slow one"))
      await ctx.step("two", { effect: "idempotent" }, () => {
        bodies.push("slow two")
        stuck.open()
        return never
      })
    })
    const ops = await open([quick, slow], { stopGrace: "200 millis" })
    const [one, two] = [await ops.submit(quick, ""), await ops.submit(slow, "")]
    await Promise.all([begun.pass(), stuck.pass()])
    const closed = ops.close()
    goOn.open()
    await closed
    become(async (ctx) => {
      await ctx.step("one", dangerous, () => bodies.push("slow one again"))
      return ctx.step("two", { effect: "idempotent" }, () => bodies.push("slow two again"))
    })
    const later = await open([quick, slow])
    assert.strictEqual((await later.get(one.task)).state, "SUCCEEDED")
    assert.strictEqual((await endedBadly(later, two.task)).state, "SUCCEEDED")
    assert.deepStrictEqual([...bodies].sort(), ["quick one", "quick two", "slow one", "slow two", "slow two again"])
    assert.deepStrictEqual(breaks(), [])
  })
})

describe("a store that is unavailable for a while", () => {
  it("holds a run up and loses nothing of it", async ({ onTestFinished }) => {
    const { breaks, file, open } = fileFor(onTestFinished)
    let bodies = 0
    // The driver says that the disk is full, to whoever begins, so many times.
    let refusals = 0
    const prepare: unknown = Reflect.get(Database.prototype, "prepare")
    if (typeof prepare !== "function") throw new Error("the driver prepares no statements")
    onTestFinished(() => void Reflect.set(Database.prototype, "prepare", prepare))
    Reflect.set(Database.prototype, "prepare", function(this: Database.Database, sql: string) {
      const statement: Database.Statement<[]> = Reflect.apply(prepare, this, [sql])
      if (sql !== "BEGIN IMMEDIATE" || this.name !== file) return statement
      const run = statement.run.bind(statement)
      statement.run = () => {
        if (refusals === 0) return run()
        refusals -= 1
        throw new Database.SqliteError("database or disk is full", "SQLITE_FULL")
      }
      return statement
    })
    const task = taskOf(async (ctx) => {
      await ctx.step("charge", dangerous, () => {
        bodies += 1
        // Two looks at each change: with its neighbours, and alone.
        refusals = 9
        return "charged"
      })
      await ctx.step("ship", read, () => ++bodies)
      await ctx.sleep("nap", "1 millis")
      return bodies
    })
    const ops = await open([task])
    const { task: id } = await ops.submit(task, "")
    assert.strictEqual(await ops.result(task, id), 2)
    assert.strictEqual(refusals, 0)
    assert.deepStrictEqual(await ops.attempts(id), [])
    await until("a whole log", () => breaks().length === 0)
  })
})
