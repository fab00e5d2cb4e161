/** A process that is stopped for longer than its lease and goes on: what it does late is refused and counted, and nothing happens twice. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { breaksOf, bundle, logOf, makeHome, start } from "./Home.ts"
import { linesOf } from "./Ledger.ts"
import { until } from "./Opened.ts"
import type { Orders } from "./sleeper.ts"
import type { Settled } from "./Survivor.ts"

const { folder, home, remove } = makeHome()
let program = ""
beforeAll(async () => {
  program = await bundle(home, "sleeper")
})
afterAll(remove)

interface Told {
  readonly state: string
  readonly result: ReadonlyArray<string>
  readonly settled: ReadonlyArray<Settled>
}

const leaseMs = 1000

/** Stops the process in the middle of its step until its lease has run out; the body ends after the run was taken back. */
const frozen = async (flavour: Orders["flavour"], isBack: (types: ReadonlyArray<string>, starts: number) => boolean) => {
  const dir = folder()
  const orders: Orders = { file: join(dir, "ops.db"), ledger: join(dir, "ledger"), release: join(dir, "release"), flavour }
  const child = start(program, orders)
  try {
    await until("the step", () => linesOf(orders.ledger).length === 1)
    child.signal("SIGSTOP")
    // Counted from a renewal before the stop, so the lease is over by then.
    await sleep(leaseMs + 100)
    child.signal("SIGCONT")
    await until("the run that was taken back", () => isBack(logOf(orders.file).map(({ type }) => type), linesOf(orders.ledger).length))
  } finally {
    child.signal("SIGCONT")
    writeFileSync(orders.release, "")
  }
  const { code, stderr, stdout } = await child.ended
  assert.strictEqual(code, 0, stderr)
  const told: Told = JSON.parse(stdout)
  const log = logOf(orders.file)
  assert.deepStrictEqual(breaksOf(orders.file), [])
  assert.deepStrictEqual(log.filter(({ type }) => type === "epoch.started").map(({ payload }) => payload?.["why"]), ["boot", "lease_expired"])
  const starts = linesOf(orders.ledger).filter(({ at }) => at === "start")
  return {
    told,
    held: starts.filter(({ name }) => name === "held"),
    after: starts.filter(({ name }) => name === "after"),
    fenced: log.filter(({ type }) => type === "write.fenced").map(({ payload }) => payload)
  }
}

describe("a process that was stopped for longer than its lease", () => {
  it("is refused what an idempotent step of it answers late, after another run did it under the same key", async () => {
    const { after, fenced, held, told } = await frozen("idempotent", (_, lines) => lines === 2)
    assert.deepStrictEqual(fenced, [{ write: "checkpoint", generation: 1, current_generation: 2 }])
    assert.deepStrictEqual(held.map(({ generation }) => generation), [1, 2])
    assert.strictEqual(new Set(held.map(({ key }) => key)).size, 1)
    assert.deepStrictEqual(told, { state: "SUCCEEDED", result: [held[1]?.value ?? "", after[0]?.value ?? ""], settled: [] })
    assert.strictEqual(after.length, 1)
  })

  it("is refused what a dangerous step of it answers late, which nobody runs again: a person settles it", async () => {
    const { after, fenced, held, told } = await frozen("atMostOnce", (types) => types.includes("task.outcome_unknown"))
    assert.deepStrictEqual(fenced.map((payload) => payload?.["write"]), ["checkpoint"])
    assert.strictEqual(held.length, 1)
    assert.deepStrictEqual(told, { state: "SUCCEEDED", result: [held[0]?.value ?? "", after[0]?.value ?? ""], settled: [{ step: 1, outcome: "succeeded" }] })
    assert.strictEqual(after.length, 1)
  })

  it("is refused what a dangerous step of it answers late, which its probe has found meanwhile", async () => {
    const { after, fenced, held, told } = await frozen("probe", (types) => types.includes("step.succeeded"))
    assert.deepStrictEqual(fenced.map((payload) => payload?.["write"]), ["checkpoint"])
    assert.strictEqual(held.length, 1)
    assert.deepStrictEqual(told, { state: "SUCCEEDED", result: [held[0]?.value ?? "", after[0]?.value ?? ""], settled: [] })
    assert.strictEqual(after.length, 1)
  })
})
