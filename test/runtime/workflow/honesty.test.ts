/** What a stranger found: bodies that are still at work, functions that interrupt themselves, undoing that never ends, words that do not fit. */
import { symlinkSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { Opsgate, Task } from "#opsgate"
import { endedBadly, fileFor, gate, unknownOf, until, untilTask } from "./Opened.ts"

const payload = Schema.String

describe("a probe that says that nothing happened", () => {
  it("is not believed while the body may still be at work after its time was up", async ({ onTestFinished }) => {
    const { pass, open: letGo } = gate()
    let paid = 0
    const pay = Task.defineAsync("pay", { payload }, (ctx) =>
      ctx.step("pay", { effect: "dangerous", timeout: "50 millis", probe: async () => (paid > 0 ? { happened: true, result: paid } : { happened: false }) }, async () => {
        await pass()
        return ++paid
      }))
    const ops = await fileFor(onTestFinished).open([pay])
    const { task } = await ops.submit(pay, "")
    const { failure } = await unknownOf(ops, task)
    assert.match(failure?.error ?? "", /its body may still be at work/)
    letGo()
    await until("the payment", () => paid === 1)
    await ops.command({ op: "reconcile", task, outcome: "succeeded", reason: "the bank says so", result: 1 })
    assert.strictEqual(await ops.result(pay, task), 1)
    assert.strictEqual(paid, 1)
  })

  it("is not believed while the body of a run that lost its lease is at work in this process", async ({ onTestFinished }) => {
    const { pass, open: letGo } = gate()
    let begun = 0
    let told = false
    const pay = Task.defineAsync("pay", { payload }, (ctx) =>
      ctx.step("pay", { effect: "dangerous", timeout: "1 minute", probe: async () => ({ happened: false }) }, async ({ signal }) => {
        begun += 1
        await pass()
        told = signal.aborted
        return begun
      }))
    const ops = await fileFor(onTestFinished).open([pay], { lease: "1 second" })
    const { task } = await ops.submit(pay, "")
    await until("the body", () => begun === 1)
    // The process stands still for longer than its lease: no heartbeat, no timer.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1300)
    await unknownOf(ops, task)
    letGo()
    await until("the word that the lease is over", () => told)
    assert.strictEqual(begun, 1)
    assert.deepInclude(await ops.get(task), { state: "RUNNING" })
  })
})

describe("a function", () => {
  it("that interrupts itself is a failed attempt", async ({ onTestFinished }) => {
    const task = Task.define("quits", { payload, retry: { attempts: 1 } }, () => Effect.interrupt)
    const ops = await fileFor(onTestFinished).open([task])
    assert.deepInclude(await endedBadly(ops, (await ops.submit(task, "")).task), { state: "FAILED", code: "interrupted" })
  })
})

describe("undoing that never ends", () => {
  it("is ended by a kill, as a failure that says so", async ({ onTestFinished }) => {
    let undoing = false
    const task = Task.defineAsync("stuck", { payload }, async (ctx) => {
      await ctx.step("book", {
        effect: "idempotent",
        compensate: () => {
          undoing = true
          return new Promise(() => undefined)
        }
      }, () => 1)
      await ctx.waitFor("never")
    })
    const ops = await fileFor(onTestFinished).open([task])
    const { task: id } = await ops.submit(task, "")
    await untilTask(ops, id, "a parked run", ({ waits }) => waits.length > 0)
    await ops.command({ op: "cancel", task: id, reason: "no", compensate: true })
    await until("the undoing", () => undoing)
    await ops.command({ op: "kill", task: id, reason: "enough" })
    assert.deepInclude(await endedBadly(ops, id), { state: "FAILED", code: "undo_failed" })
  })
})

describe("a command", () => {
  it.each<readonly [string, object, RegExp]>([
    ["without an effect class", { argv: ["true"], timeout: "1 second", cwd: "/" }, /its effect is none of/],
    ["with one that is misspelt", { argv: ["true"], timeout: "1 second", cwd: "/", effect: "Dangerous" }, /its effect is none of/],
    ["without a timeout", { argv: ["true"], effect: "read", cwd: "/" }, /it has no timeout/],
    ["without a program", { argv: [], effect: "read", cwd: "/", timeout: "1 second" }, /argv is a list of texts/],
    ["in a folder that is not absolute", { argv: ["true"], effect: "read", cwd: ".", timeout: "1 second" }, /cwd is an absolute path/]
  ])("%s is not started", async (_, options, words) => {
    const ends: Array<() => Promise<void>> = []
    const task = Task.defineAsync("runs", { payload }, async (ctx) => {
      // As a module without a type checker has it.
      await Reflect.apply(ctx.exec, ctx, ["it", options])
    })
    const ops = await fileFor((end) => void ends.push(end)).open([task])
    const { code, error } = await endedBadly(ops, (await ops.submit(task, "")).task)
    for (const end of ends) await end()
    assert.strictEqual(code, "step_unfit")
    assert.match(error, words)
  })
})

describe("a file", () => {
  it("that is open is not opened by another name", async ({ onTestFinished }) => {
    const task = Task.defineAsync("one", { payload }, async () => 1)
    const { dir, file, open } = fileFor(onTestFinished)
    await open([task])
    symlinkSync(file, join(dir, "link.db"))
    const second = await Opsgate.open({ file: join(dir, "link.db"), tasks: [task] }).catch((error: unknown) => error)
    assert.strictEqual(typeof second === "object" && second !== null && "_tag" in second ? second._tag : second, "InstanceLocked")
  })

  it("that is closed tells who waits for the end of a task", async ({ onTestFinished }) => {
    const task = Task.defineAsync("waits", { payload }, (ctx) => ctx.waitFor("never"))
    const ops = await fileFor(onTestFinished).open([task])
    const { task: id } = await ops.submit(task, "")
    const told = ops.result(task, id).catch((error: unknown) => error)
    await sleep(20)
    await ops.close()
    const error = await told
    assert.strictEqual(typeof error === "object" && error !== null && "_tag" in error ? error._tag : error, "EngineUnavailable")
  })
})

describe("options that cannot work", () => {
  it.each<readonly [string, object, RegExp]>([
    ["no file", { tasks: [] }, /file is the path/],
    ["no tasks", { file: "/nowhere/ops.db" }, /tasks is a list/],
    ["workers below zero", { file: "/nowhere/ops.db", tasks: [], workers: -1 }, /workers counts from 0/],
    ["no lease at all", { file: "/nowhere/ops.db", tasks: [], lease: 0 }, /lease is at least/]
  ])("%s is refused in a sentence", async (_, options, words) => {
    const error: unknown = await Reflect.apply(Opsgate.open, undefined, [options]).catch((thrown: unknown) => thrown)
    assert.match(error instanceof Error ? error.message : "", words)
  })
})
