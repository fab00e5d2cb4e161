/** What becomes of each task when a loss is accepted. */
import { describe, expect, it } from "vitest"
import { afterLoss, type Sort } from "../../src/domain/Loss.ts"
import { begin } from "../../src/domain/Execution.ts"
import { reconcile } from "../../src/domain/Recovery.ts"
import type { Task } from "../../src/domain/Task.ts"
import { commandOf, execDraft, kindOf } from "../engine/tasks.ts"
import { answerOf, approved, begun, held, nextEpoch, now, queued, requested, running, taskAfter, typesOf, unknown } from "./runs.ts"

const light = () => running(kindOf())
const idempotent = (): Task => {
  const task = light()
  return taskAfter(begin(task, held(task), execDraft("idempotent"), now))
}
const asked = (task: Task): Task => ({ ...task, cancel: { actor: "cli:ada", reason: "enough", atMs: now.wallMs, kill: false, compensate: false } })

const all: ReadonlyArray<readonly [string, () => Task, Sort, string, ReadonlyArray<string>]> = [
  ["waits for approval", requested, "command", "left", []],
  ["is approved", approved, "command", "held", ["task.requested"]],
  ["is queued", queued, "command", "held", ["task.requested"]],
  ["is queued, as code", () => queued(kindOf()), "code", "held", ["task.requested"]],
  ["is queued, to be undone", () => asked(queued()), "code", "left", []],
  ["is queued and harmless", () => queued(kindOf()), "harmless", "left", []],
  ["runs, and had not begun", running, "command", "unknown", ["task.outcome_unknown"]],
  ["runs and had begun", begun, "command", "unknown", ["task.outcome_unknown"]],
  ["runs something dangerous in code", begun, "code", "unknown", ["task.outcome_unknown"]],
  ["runs code that had begun nothing dangerous", idempotent, "code", "held", ["task.queued", "task.requested"]],
  ["runs code that was asked to end", () => asked(light()), "code", "left", []],
  ["runs and is harmless", idempotent, "harmless", "left", []],
  ["has an unknown outcome already", unknown, "command", "left", []]
]

describe("a task, when a loss is accepted,", () => {
  it.each(all)("that %s", (_what, task, sort, parked, types) => {
    const decision = afterLoss(task(), sort, nextEpoch())
    expect([answerOf(decision), typesOf(decision)]).toEqual([parked, types])
    if (parked === "held") expect(taskAfter(decision)).toMatchObject({ state: "REQUESTED", holds: ["approval"], lease: null })
    if (parked === "unknown") expect(taskAfter(decision)).toMatchObject({ state: "RUNNING", lease: null, unknown: { code: "loss_accepted", step: 1 } })
  })

  it("is parked once, however often it is tried", () => {
    for (const [, task, sort] of all) {
      const first = afterLoss(task(), sort, nextEpoch())
      const after = first.tasks.at(-1) ?? task()
      expect(typesOf(afterLoss(after, sort, nextEpoch(90_000)))).toEqual([])
    }
  })

  it("that was in a command whose intent may be lost has a step that can be reconciled", () => {
    const decision = afterLoss(running(), "command", nextEpoch())
    expect(decision.steps).toMatchObject([{ _tag: "Put", step: { number: 1, name: "exec", state: "open" } }])
    const settled = reconcile(taskAfter(decision), commandOf({ op: "reconcile", task: "t", reason: "seen", outcome: "succeeded" }), nextEpoch())
    expect(settled.steps).toMatchObject([{ _tag: "End", number: 1, state: "succeeded" }])
  })
})
