/** What a plan says of steps, against what a run then does with them; and plans in a program that embeds Opsgate. */
import { assert, describe, it } from "@effect/vitest"
import { StepFailed } from "#opsgate"
import { type Client, endedBadly, fileFor, taskOf, unknownOf } from "./Opened.ts"

const read = { effect: "read" } as const
const idempotent = { effect: "idempotent" } as const
const dangerous = { effect: "dangerous", timeout: "10 seconds", atMostOnce: true } as const

/** `<step> <fate>` of what is told, in order. */
const fatesIn = ({ steps }: Awaited<ReturnType<Client["plan"]>>): ReadonlyArray<string> => steps.map(({ fate, name }) => `${name} ${fate}`)

describe("a plan of a recovery", () => {
  it("names the steps that are taken over and those that run again, and that is what happens", async ({ onTestFinished }) => {
    const { events, open } = fileFor(onTestFinished)
    const ran: Array<string> = []
    let broken = true
    const runs = (name: string) => () => void ran.push(name)
    const task = taskOf(async (ctx) => {
      await ctx.step("first", idempotent, runs("first"))
      await ctx.step("shaky", read, () => {
        ran.push("shaky")
        throw new Error("no")
      }).catch((cause) => assert.instanceOf(cause, StepFailed))
      await ctx.all([(branch) => branch.step("left", idempotent, runs("left")), (branch) => branch.step("right", idempotent, runs("right"))])
      await ctx.step("last", idempotent, () => {
        ran.push("last")
        if (broken) throw new Error("still broken")
      })
    })
    const ops = await open([task])
    const { task: id } = await ops.submit(task, "ada")
    await endedBadly(ops, id)
    const before = events().length
    const plan = await ops.plan({ op: "recover", task: id })
    // The failure of the second was built on, that of the last ended the run.
    assert.sameMembers([...fatesIn(plan)], ["first reused", "shaky reused", "left reused", "right reused", "last again"])
    assert.deepStrictEqual([plan.steps_total, plan.needs_reason, events().length], [{ reused: 4, again: 1 }, true, before])
    broken = false
    ran.length = 0
    await ops.command({ op: "recover", task: id, reason: "mended" }, { ifPlan: plan.plan })
    await ops.result(task, id)
    assert.deepStrictEqual(ran, ["last"])
    const refused = await ops.command({ op: "fork", task: id, step: 2, reason: "x" }, { ifPlan: plan.plan }).catch((cause: unknown) => cause)
    assert.deepInclude(refused, { _tag: "PlanStale" })
    const fork = await ops.plan({ op: "fork", task: id, step: 2 })
    assert.sameMembers([...fatesIn(fork)], ["first reused", "shaky again", "left again", "right again", "last again"])
    ran.length = 0
    const forked = await ops.command({ op: "fork", task: id, step: 2, reason: "anew" }, { ifPlan: fork.plan })
    await ops.result(task, forked.task)
    assert.sameMembers(ran, ["shaky", "left", "right", "last"])
  })
})

describe("a plan of a settling", () => {
  it.for([["retry", "again"], ["succeeded", "reused"]] as const)("with %s says that the dangerous step is %s, and that is what happens", async ([outcome, fate], { onTestFinished }) => {
    const { open } = fileFor(onTestFinished)
    const ran: Array<string> = []
    let silent = true
    const task = taskOf(async (ctx) => {
      await ctx.step("first", idempotent, () => void ran.push("first"))
      await ctx.step("charge", dangerous, () => {
        ran.push("charge")
        if (silent) throw new Error("the line is dead")
      })
    })
    const ops = await open([task])
    const { task: id } = await ops.submit(task, "ada")
    await unknownOf(ops, id)
    const plan = await ops.plan({ op: "reconcile", task: id, outcome })
    assert.deepStrictEqual(fatesIn(plan), ["first reused", `charge ${fate}`])
    assert.strictEqual(plan.steps[1]?.effect, "dangerous")
    silent = false
    ran.length = 0
    await ops.command({ op: "reconcile", task: id, outcome, reason: "looked" }, { ifPlan: plan.plan })
    await ops.result(task, id)
    assert.deepStrictEqual(ran, fate === "again" ? ["charge"] : [])
  })
})

describe("a program that embeds Opsgate", () => {
  it("plans and ties commands about queues too, and is told what is wrong with a plan", async ({ onTestFinished }) => {
    const { events, open } = fileFor(onTestFinished)
    const task = taskOf(async () => 1)
    const ops = await open([task])
    const plan = await ops.plan({ op: "pause_queue", queue: "light", reason: "x" })
    assert.deepStrictEqual([plan.queue, plan.legal, plan.changes], [{ name: "light", from: null, to: "paused" }, true, true])
    const before = events("queue.paused").length
    const stale = await ops.pauseQueue("heavy", "x", { ifPlan: plan.plan }).catch((cause: unknown) => cause)
    assert.deepInclude(stale, { _tag: "PlanStale" })
    assert.deepInclude(await ops.pauseQueue("light", "x", { ifPlan: "nonsense" }).catch((cause: unknown) => cause), { _tag: "Refused" })
    assert.strictEqual(events("queue.paused").length, before)
    assert.strictEqual((await ops.pauseQueue("light", "y", { ifPlan: plan.plan })).paused, true)
  })
})
