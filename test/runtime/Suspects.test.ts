/** One poison task among innocents: the rules of a loss and the order of claims, without a store. */
import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { claim } from "../../src/domain/Dispatch.ts"
import { lossesMax, reclaim, settle } from "../../src/domain/Execution.ts"
import type { Now } from "../../src/domain/Now.ts"
import type { Task } from "../../src/domain/Task.ts"
import { Suspects } from "../../src/runtime/Suspects.ts"
import { held, later, queued, running, taskAfter } from "../domain/runs.ts"
import { kindOf, succeeded } from "../engine/tasks.ts"

const poison = "poison"
const innocents = ["a", "b", "c"]

/** What a program does from its start until it is killed, or has done what is due: one round of claims. */
const round = (tasks: Map<string, Task>, suspects: Suspects, now: Now, chances: () => number): void => {
  const { limit, mayRun } = suspects.round(now.epoch, 4)
  const due = [...tasks].filter(([, task]) => task.state === "QUEUED" && task.availableAtMs <= now.wallMs)
    .sort(([, a], [, b]) => a.availableAtMs - b.availableAtMs).slice(0, limit)
  const claimed = due.filter(([, task]) => mayRun(task)).map(([name, task]) => [name, taskAfter(claim(task, "w", undefined, now))] as const)
  const isKilled = claimed.some(([name]) => name === poison)
  for (const [name, task] of claimed) {
    tasks.set(name, isKilled
      ? taskAfter(reclaim(task, { _tag: "NotBegun" }, "w", { ...now, epoch: now.epoch + 1 }, chances()))
      : taskAfter(settle(task, held(task), succeeded, now, 0)))
  }
}

describe("a task that kills its server", () => {
  it("reaches the dead letter alone, whatever chance says", () => {
    fc.assert(fc.property(fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true })), fc.shuffledSubarray([poison, ...innocents], { minLength: 4 }), (stream, order) => {
      const tasks = new Map<string, Task>(order.map((name) => [name, queued(kindOf())]))
      const chances = (): number => stream.next().value ?? 0
      for (let epoch = 1; epoch < 60; epoch++) {
        const wallMs = Math.max(later(0).wallMs, Math.min(...[...tasks.values()].filter(({ state }) => state === "QUEUED").map(({ availableAtMs }) => availableAtMs)))
        if (!Number.isFinite(wallMs)) break
        round(tasks, new Suspects(() => 0), { ...later(0), wallMs, epoch }, chances)
      }
      assert.deepInclude(tasks.get(poison), { state: "FAILED", losses: lossesMax })
      assert.deepEqual(innocents.map((name) => tasks.get(name)?.state), ["SUCCEEDED", "SUCCEEDED", "SUCCEEDED"])
    }))
  })

  it("keeps other suspects waiting, and nobody else", () => {
    const suspects = new Suspects(() => 0)
    const suspect = (): Task => ({ ...queued(kindOf()), losses: 2 })
    const [first, second, fresh] = [suspect(), suspect(), queued(kindOf())]
    const { mayRun } = suspects.round(1, 4)
    assert.deepEqual([first, second, fresh, first].map(mayRun), [true, false, true, true])
    const task = { ...running(kindOf()), losses: 2 }
    suspects.enter({ task, held: held(task) })
    // It looks behind those who wait, and claims no more than there is room for.
    const next = suspects.round(1, 1)
    assert.strictEqual(next.limit, 5)
    assert.deepEqual([second, fresh, queued(kindOf())].map(next.mayRun), [false, true, false])
    assert.isTrue(suspects.round(2, 1).mayRun(second))
    suspects.leave({ task, held: held(task) })
    assert.isTrue(suspects.round(1, 1).mayRun(second))
  })

  it("waits for a command under a supervisor for a minute only", () => {
    let nowMs = 0
    const suspects = new Suspects(() => nowMs)
    const task = { ...running(kindOf()), losses: 2 }
    suspects.enter({ task, held: held(task) })
    nowMs = 100_000
    assert.isTrue(suspects.isBusy(1))
    suspects.begun({ task, held: held(task) })
    assert.isTrue(suspects.isBusy(1))
    nowMs += 60_000
    assert.isFalse(suspects.isBusy(1))
  })
})
