/** Probes: what is done about a dangerous step whose outcome nobody stored. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { type Probe, Task } from "#opsgate"
import { changing, type Code, fileFor, gate, never, unknownOf, untilTask } from "./Opened.ts"

const dangerous = { effect: "dangerous", timeout: "10 seconds", atMostOnce: true } as const
const text = { payload: Schema.String }

describe("a dangerous step whose outcome was lost", () => {
  const found = { happened: true, result: "found" } as const
  it.each<readonly [string, () => Promise<Probe<string>>, string, number]>([
    ["is asked about, and it happened", async () => found, `SUCCEEDED "found"`, 1],
    ["is asked about, did not happen, and is run again", async () => ({ happened: false }), `SUCCEEDED "charged"`, 2],
    ["is unknown when its probe cannot tell", async () => ({ happened: "unknown" }), "RUNNING its probe cannot tell either", 1],
    ["is unknown when its probe fails", () => Promise.reject(new Error("no route")), "RUNNING its probe failed: no route", 1]
  ])("%s", async (_, probe, wanted, charges) => {
    const closing: Array<() => Promise<void>> = []
    const { breaks, open } = fileFor((act) => void closing.push(act))
    const begun = gate()
    let count = 0
    const code = (body: () => Promise<string>): Code => (ctx) => ctx.step("charge", { effect: "dangerous", timeout: "10 seconds", probe }, body)
    const { become, task } = changing(code(() => {
      count += 1
      begun.open()
      return never
    }))
    const ops = await open([task])
    const { task: id } = await ops.submit(task, "")
    await begun.pass()
    await ops.close()
    become(code(async () => {
      count += 1
      return "charged"
    }))
    const later = await open([task])
    const { failure, result, state } = await untilTask(later, id, "an end, or an unknown outcome", (one) => one.state === "SUCCEEDED" || one.unknown !== null)
    const broken = breaks()
    await Promise.all(closing.map((act) => act()))
    assert.include(`${state} ${result ?? failure?.error}`, wanted.split(" ")[0] ?? "")
    assert.include(`${result ?? failure?.error}`, wanted.slice(wanted.indexOf(" ") + 1))
    assert.deepStrictEqual([count, broken], [charges, []])
  })

  it("is unknown when the code lost its probe in the meantime", async ({ onTestFinished }) => {
    const { open } = fileFor(onTestFinished)
    const begun = gate()
    const { become, task } = changing((ctx) => ctx.step("charge", { effect: "dangerous", timeout: "10 seconds", probe: async () => found }, () => {
      begun.open()
      return never
    }))
    const ops = await open([task])
    const { task: id } = await ops.submit(task, "")
    await begun.pass()
    await ops.close()
    let again = false
    become((ctx) => ctx.step("charge", dangerous, () => (again = true)))
    const later = await open([task])
    assert.deepInclude((await unknownOf(later, id)).unknown, { step: 1, code: "outcome_unknown" })
    assert.isFalse(again)
  })

  it("is asked about at once when it took too long", async ({ onTestFinished }) => {
    const { open } = fileFor(onTestFinished)
    const asked: Array<string> = []
    const task = Task.define("one", text, (ctx) =>
      ctx.step("charge", { effect: "dangerous", timeout: "20 millis", probe: ({ dispatchKey }) => Effect.sync(() => {
        asked.push(dispatchKey)
        return { happened: true, result: "late, and done" } as const
      }) }, () => Effect.as(Effect.never, "never")))
    const ops = await open([task])
    const { task: id } = await ops.submit(task, "")
    assert.strictEqual(await ops.result(task, id), "late, and done")
    assert.deepStrictEqual(asked, [`${id}:1`])
  })
})
